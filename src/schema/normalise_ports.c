/* SPDX-License-Identifier: Apache-2.0
 *
 * The short forms with a grammar of their own: ports and volumes.
 *
 *   [[ip:]published[-end]:]target[-end][/protocol]     docker's -p; an IPv6 address stands in
 *                                                      brackets or before the last two colons
 *   [source:]target[:mode]                             docker's -v; a source that begins with ., /
 *                                                      or ~ is a folder, else a volume's name
 *
 * Ranges of targets become one entry each, as Compose does it; a range of published ports for one
 * target stays a choice of the engine. Both ranges must be equally long. PORT_RANGE_MAX bounds what
 * one line of a file can turn into.
 */
#include "base/num.h"
#include "schema/normalise.h"
#include "schema/pass.h"

enum { PORT_RANGE_MAX = 1000 };

struct range {
    uint64_t first, last;
};

/* "80" is the range from 80 to 80. */
static bool read_range(struct str text, struct range *ret)
{
    struct str first, last;
    bool is_range = str_split(text, '-', &first, &last);
    if (num_parse_u64(first, &ret->first) || num_parse_u64(is_range ? last : first, &ret->last)) {
        return false;
    }
    return ret->first <= ret->last && ret->last <= 65535 && ret->last - ret->first < PORT_RANGE_MAX;
}

struct short_port {
    struct str host_ip, published, target, protocol;
};

/* Cuts the text; an IPv6 address stands in brackets or is what comes before the last two colons. */
static void cut_port(struct str text, struct short_port *p)
{
    *p = (struct short_port){0};
    ptrdiff_t slash = str_rfind_char(text, '/');
    if (slash >= 0) {
        p->protocol = str_skip(text, (size_t)slash + 1);
        text = str_slice(text, 0, (size_t)slash);
    }
    ptrdiff_t colon = str_rfind_char(text, ':');
    p->target = str_skip(text, (size_t)(colon + 1));
    text = str_slice(text, 0, colon > 0 ? (size_t)colon : 0);
    colon = str_rfind_char(text, ':');
    p->published = str_skip(text, (size_t)(colon + 1));
    p->host_ip = str_slice(text, 0, colon > 0 ? (size_t)colon : 0);
    if (str_starts(p->host_ip, STR("[")) && str_ends(p->host_ip, STR("]"))) {
        p->host_ip = str_slice(p->host_ip, 1, p->host_ip.len - 1);
    }
}

static struct value *number(struct schema_pass *pass, uint64_t n, struct value_at at)
{
    struct value *v = pass_scalar(pass, pass_printf(pass, "%llu", (unsigned long long)n), at);
    v->quoted = false;
    return v;
}

/* One long entry; `published` may be a range that stays one. */
static void add_port(struct schema_pass *pass, struct value *list, const struct short_port *p,
                     struct range published, uint64_t target, struct value_at at)
{
    struct value *map = pass_value(pass, VALUE_MAP, at);
    if (p->host_ip.len) {
        pass_put(pass, map, STR("host_ip"), pass_scalar(pass, p->host_ip, at));
    }
    if (p->protocol.len) {
        pass_put(pass, map, STR("protocol"), pass_scalar(pass, p->protocol, at));
    }
    if (p->published.len) {
        bool is_range = published.last > published.first;
        pass_put(pass, map, STR("published"),
                 is_range ? pass_scalar(pass, p->published, at)
                          : number(pass, published.first, at));
    }
    pass_put(pass, map, STR("target"), number(pass, target, at));
    pass_add(pass, list, map);
}

static void expand_port(struct schema_pass *pass, struct value *list, const struct value *item)
{
    struct short_port p;
    struct range target, published = {0, 0};
    cut_port(item->text, &p);
    bool fine =
        read_range(p.target, &target) && (!p.published.len || read_range(p.published, &published));
    uint64_t targets = fine ? target.last - target.first : 0;
    if (!fine || (targets && p.published.len && published.last - published.first != targets)) {
        struct problem *problem =
            pass_problem(pass, item->at, "config.bad-port", "this is no port: '" STR_FMT "'",
                         STR_ARG(item->text));
        problem_expected(problem,
                         "[[ip:]published[-end]:]target[-end][/tcp|udp], ports from 0 to 65535");
        return;
    }
    for (uint64_t i = 0; i <= targets; i++) {
        struct range one = published;
        if (targets) {
            one.first = one.last = published.first + i;
        }
        add_port(pass, list, &p, one, target.first + i, item->at);
    }
}

void normalise_ports(struct schema_pass *pass, struct value *v)
{
    if (v->kind != VALUE_LIST) {
        return;
    }
    struct value list = {.kind = VALUE_LIST, .tag = v->tag, .at = v->at};
    value_each(m, v)
    {
        if (m->value->kind == VALUE_SCALAR) {
            expand_port(pass, &list, m->value);
        } else {
            pass_add(pass, &list, m->value);
        }
    }
    *v = list;
}

static struct str without_end_slash(struct str path)
{
    return path.len > 1 && str_ends(path, STR("/")) ? str_slice(path, 0, path.len - 1) : path;
}

/* The source of a bind: absolute; of a named volume: its name. HOME is the caller's variable: the
 * core may run as somebody else. */
static struct str volume_source(struct schema_pass *pass, struct str source)
{
    const struct spec_pair *home = pass_env(pass, STR("HOME"));
    if (str_starts(source, STR("~")) && home) {
        struct str rest = str_skip(source, 1);
        return pass_path(pass, home->value, str_starts(rest, STR("/")) ? str_skip(rest, 1) : rest);
    }
    if (str_starts(source, STR(".")) || str_starts(source, STR("/")) || !source.len) {
        return pass_path(pass, pass->base_dir, source);
    }
    return source;
}

static void short_volume(struct schema_pass *pass, struct value *item)
{
    struct str source, target, mode;
    if (!str_split(item->text, ':', &source, &target)) {
        item->text = without_end_slash(source);
        return;
    }
    bool has_mode = str_split(target, ':', &target, &mode);
    source = volume_source(pass, source);
    target = without_end_slash(target);
    item->text = pass_printf(pass, STR_FMT ":" STR_FMT ":" STR_FMT, STR_ARG(source),
                             STR_ARG(target), STR_ARG(has_mode ? mode : STR("rw")));
}

/* Short entries stay one text in one form: whole, absolute, with their mode. */
void normalise_volumes(struct schema_pass *pass, struct value *v)
{
    if (v->kind != VALUE_LIST) {
        return;
    }
    value_each(m, v)
    {
        struct value *source = value_get(m->value, "source");
        const struct value *type = value_get(m->value, "type");
        if (m->value->kind == VALUE_SCALAR) {
            short_volume(pass, m->value);
        } else if (source && type && str_is(type->text, "bind")) {
            source->text = volume_source(pass, source->text);
        }
    }
}
