/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics pages made of hostile label values, texts and numbers: each line must parse by the
 * grammar of OpenMetrics, in a small reader of its own below.
 */
#include "base/num.h"
#include "base/utf8.h"
#include "fuzz.h"
#include "proto/openmetrics.h"

enum { OUT_MAX = 1 << 18, LABELS_MAX = 3, BOUNDS_MAX = 4 };

/* --- the reader --- */

static bool eat(struct str *s, const char *text)
{
    bool found = str_starts(*s, str_from(text));
    *s = found ? str_skip(*s, strlen(text)) : *s;
    return found;
}

static void eat_name(struct str *s)
{
    size_t n = 0;
    while (n < s->len && (s->p[n] == '_' || (s->p[n] >= 'a' && s->p[n] <= 'z'))) {
        n++;
    }
    fuzz_check(n > 0);
    *s = str_skip(*s, n);
}

static void eat_quoted(struct str *s)
{
    fuzz_check(eat(s, "\""));
    while (!eat(s, "\"")) {
        fuzz_check(s->len > 0 && s->p[0] != '\n');
        if (eat(s, "\\")) {
            fuzz_check(s->len > 0 && strchr("\\\"n", s->p[0]) && s->p[0]);
        }
        *s = str_skip(*s, 1);
    }
}

static void check_number(struct str s)
{
    double d;
    bool special = str_is(s, "NaN") || str_is(s, "+Inf") || str_is(s, "-Inf");
    fuzz_check(special || num_parse_double(s, &d) == 0);
}

static void check_line(struct str line)
{
    if (eat(&line, "# ")) {
        fuzz_check(eat(&line, "TYPE ") || eat(&line, "HELP ") || eat(&line, "UNIT ") ||
                   str_is(line, "EOF"));
        return;
    }
    eat_name(&line);
    if (eat(&line, "{")) {
        do {
            eat_name(&line);
            fuzz_check(eat(&line, "="));
            eat_quoted(&line);
        } while (eat(&line, ","));
        fuzz_check(eat(&line, "}"));
    }
    fuzz_check(eat(&line, " "));
    check_number(line);
}

static void check_page(struct str page, bool prometheus)
{
    struct str line;
    fuzz_check(page.len == 0 || page.p[page.len - 1] == '\n');
    fuzz_check(utf8_valid_prefix(page) == page.len);
    fuzz_check(prometheus || str_ends(page, STR("# EOF\n")));
    while (page.len) {
        (void)str_split(page, '\n', &line, &page);
        check_line(line);
    }
}

/* --- the page --- */

static struct str eat_text(struct str *in)
{
    size_t len = fuzz_byte(in) % 24;
    struct str text = str_slice(*in, 0, len);
    *in = str_skip(*in, len);
    return text;
}

static double eat_double(struct str *in)
{
    uint64_t bits = 0;
    double value;
    for (int i = 0; i < 8; i++) {
        bits = bits << 8 | fuzz_byte(in);
    }
    memcpy(&value, &bits, sizeof(value));
    return value;
}

static void add_histogram(struct openmetrics *om, const struct openmetrics_label *labels,
                          size_t count, struct str *in)
{
    double bounds[BOUNDS_MAX];
    uint64_t buckets[BOUNDS_MAX + 1];
    size_t n = fuzz_byte(in) % (BOUNDS_MAX + 1);
    for (size_t i = 0; i <= n; i++) {
        buckets[i] = fuzz_byte(in);
        if (i < n) {
            bounds[i] = eat_double(in);
        }
    }
    struct openmetrics_histogram histogram = {bounds, buckets, n, eat_double(in)};
    openmetrics_histogram(om, labels, count, &histogram);
}

static void add_family(struct openmetrics *om, struct str *in)
{
    static const char *const names[] = {"a", "b_bytes", "long_name_of_a_metric"};
    static const char *const label_names[LABELS_MAX] = {"x", "y", "service"};
    struct openmetrics_label labels[LABELS_MAX];
    unsigned pick = fuzz_byte(in);
    size_t count = fuzz_byte(in) % (LABELS_MAX + 1);
    enum openmetrics_type type = (enum openmetrics_type)(pick % 5);
    struct buf help = BUF_INIT(64);
    buf_add(&help, eat_text(in));
    for (size_t i = 0; i < count; i++) {
        labels[i] = (struct openmetrics_label){label_names[i], eat_text(in)};
    }
    openmetrics_family(om, type, names[pick / 5 % 3], pick / 5 % 3 == 1 ? "bytes" : NULL,
                       buf_cstr(&help));
    if (type == OPENMETRICS_HISTOGRAM) {
        add_histogram(om, labels, count, in);
    } else if (pick & 128) {
        openmetrics_double(om, labels, count, eat_double(in));
    } else {
        openmetrics_u64(om, labels, count, fuzz_byte(in));
    }
    buf_fini(&help);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    bool prometheus = fuzz_byte(&in) & 1;
    struct buf out = BUF_INIT(OUT_MAX);
    struct openmetrics om = OPENMETRICS(&out, prometheus);
    while (in.len) {
        add_family(&om, &in);
    }
    openmetrics_end(&om);
    if (buf_error(&out) == 0) {
        check_page(buf_str(&out), prometheus);
    }
    buf_fini(&out);
    (void)openmetrics_wants_prometheus(str_make((const char *)data, size));
    (void)openmetrics_content_type(prometheus);
    return 0;
}
