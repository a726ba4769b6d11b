/* SPDX-License-Identifier: Apache-2.0
 *
 * OpenMetrics 1.0 §3 (text format). Names are checked here, because a wrong one would break the
 * whole page for its reader; they come from our own tables, so that is a programmer's error.
 */
#include "proto/openmetrics.h"

#include "base/num.h"
#include "base/utf8.h"
#include "proto/accept.h"

#include <math.h>

static bool is_name(const char *name, bool colon)
{
    for (size_t i = 0; name[i]; i++) {
        char c = name[i];
        bool letter = ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || (colon && c == ':');
        if (!letter && (i == 0 || c < '0' || c > '9')) {
            return false;
        }
    }
    return name[0] != '\0';
}

/* \\ and \n, and \" where `quotes` says so; bytes that are no UTF-8 become U+FFFD. */
static void add_escaped(struct buf *out, struct str s, bool quotes)
{
    while (s.len) {
        size_t valid = utf8_valid_prefix(s);
        for (size_t i = 0; i < valid; i++) {
            char c = s.p[i];
            if (c == '\n') {
                buf_add(out, STR("\\n"));
                continue;
            }
            if ((c == '"' && quotes) || c == '\\') {
                buf_add_char(out, '\\');
            }
            buf_add_char(out, c);
        }
        s = str_skip(s, valid);
        if (s.len) {
            buf_add(out, STR("\xef\xbf\xbd"));
            s = str_skip(s, 1);
        }
    }
}

static const char *type_name(const struct openmetrics *om)
{
    switch (om->type) {
    case OPENMETRICS_GAUGE:
        return "gauge";
    case OPENMETRICS_COUNTER:
        return "counter";
    case OPENMETRICS_HISTOGRAM:
        return "histogram";
    case OPENMETRICS_INFO:
        return om->prometheus ? "gauge" : "info";
    default:
        return om->prometheus ? "untyped" : "unknown";
    }
}

/* What the sample's name has behind that of its family. */
static const char *sample_suffix(const struct openmetrics *om)
{
    if (om->type == OPENMETRICS_COUNTER) {
        return "_total";
    }
    return om->type == OPENMETRICS_INFO ? "_info" : "";
}

static void add_meta(struct openmetrics *om, const char *keyword)
{
    buf_add_cstr(om->out, "# ");
    buf_add_cstr(om->out, keyword);
    buf_add_char(om->out, ' ');
    buf_add_cstr(om->out, om->family);
    if (om->prometheus) {
        buf_add_cstr(om->out, sample_suffix(om));
    }
    buf_add_char(om->out, ' ');
}

void openmetrics_family(struct openmetrics *om, enum openmetrics_type type, const char *name,
                        const char *unit, const char *help)
{
    ensure(is_name(name, true) && !str_ends(str_from(name), STR("_total")));
    om->type = type;
    om->family = name;
    add_meta(om, "TYPE");
    buf_add_cstr(om->out, type_name(om));
    buf_add_char(om->out, '\n');
    if (unit && !om->prometheus) {
        ensure(str_ends(str_from(name), str_from(unit)));
        add_meta(om, "UNIT");
        buf_add_cstr(om->out, unit);
        buf_add_char(om->out, '\n');
    }
    add_meta(om, "HELP");
    /* Format 0.0.4 knows no \" there: its parsers refuse the whole page. */
    add_escaped(om->out, str_from(help), !om->prometheus);
    buf_add_char(om->out, '\n');
}

static void add_double(struct buf *out, double value)
{
    if (isnan(value)) {
        buf_add(out, STR("NaN"));
    } else if (isinf(value)) {
        buf_add_cstr(out, value > 0 ? "+Inf" : "-Inf");
    } else {
        num_format_double(out, value);
    }
}

/* OpenMetrics wants a float as bound: "1.0", not "1". */
static void add_bound(struct buf *out, double bound)
{
    size_t start = out->len;
    add_double(out, bound);
    struct str text = str_skip(buf_str(out), start);
    if (isfinite(bound) && str_find_char(text, '.') < 0 && str_find_char(text, 'e') < 0) {
        buf_add(out, STR(".0"));
    }
}

/* "family_suffix{a="b",le="1.0"} ": all of a sample but its value. `bound` is NULL without `le`. */
static void add_series(struct openmetrics *om, const char *suffix,
                       const struct openmetrics_label *labels, size_t count, const double *bound)
{
    struct buf *out = om->out;
    buf_add_cstr(out, om->family);
    buf_add_cstr(out, suffix);
    for (size_t i = 0; i < count; i++) {
        ensure(is_name(labels[i].name, false));
        buf_add_char(out, i ? ',' : '{');
        buf_add_cstr(out, labels[i].name);
        buf_add(out, STR("=\""));
        add_escaped(out, labels[i].value, true);
        buf_add_char(out, '"');
    }
    if (bound) {
        buf_add_cstr(out, count ? ",le=\"" : "{le=\"");
        add_bound(out, *bound);
        buf_add_char(out, '"');
    }
    if (count || bound) {
        buf_add_char(out, '}');
    }
    buf_add_char(out, ' ');
}

void openmetrics_u64(struct openmetrics *om, const struct openmetrics_label *labels, size_t count,
                     uint64_t value)
{
    ensure(om->family && om->type != OPENMETRICS_HISTOGRAM);
    add_series(om, sample_suffix(om), labels, count, NULL);
    buf_add_u64(om->out, value);
    buf_add_char(om->out, '\n');
}

void openmetrics_double(struct openmetrics *om, const struct openmetrics_label *labels,
                        size_t count, double value)
{
    ensure(om->family && om->type != OPENMETRICS_HISTOGRAM);
    add_series(om, sample_suffix(om), labels, count, NULL);
    add_double(om->out, value);
    buf_add_char(om->out, '\n');
}

void openmetrics_histogram(struct openmetrics *om, const struct openmetrics_label *labels,
                           size_t count, const struct openmetrics_histogram *histogram)
{
    ensure(om->family && om->type == OPENMETRICS_HISTOGRAM);
    uint64_t total = 0;
    for (size_t i = 0; i <= histogram->bound_count; i++) {
        double bound = i < histogram->bound_count ? histogram->bounds[i] : (double)INFINITY;
        total += histogram->buckets[i];
        add_series(om, "_bucket", labels, count, &bound);
        buf_add_u64(om->out, total);
        buf_add_char(om->out, '\n');
    }
    add_series(om, "_sum", labels, count, NULL);
    add_double(om->out, histogram->sum);
    buf_add_char(om->out, '\n');
    add_series(om, "_count", labels, count, NULL);
    buf_add_u64(om->out, total);
    buf_add_char(om->out, '\n');
}

void openmetrics_end(struct openmetrics *om)
{
    if (!om->prometheus) {
        buf_add(om->out, STR("# EOF\n"));
    }
}

struct str openmetrics_content_type(bool prometheus)
{
    return prometheus ? STR("text/plain; version=0.0.4; charset=utf-8")
                      : STR("application/openmetrics-text; version=1.0.0; charset=utf-8");
}

bool openmetrics_wants_prometheus(struct str accept)
{
    /* The older one unless the newer is asked for by name, as client libraries do: who pipes the
     * page into a tool that knows only the older (promtool check metrics) sends no preference. */
    static const struct str offers[] = {STR_INIT("text/plain"),
                                        STR_INIT("application/openmetrics-text")};
    return accept_best_type(accept, offers, ARRAY_LEN(offers)) != 1;
}
