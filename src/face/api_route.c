/* SPDX-License-Identifier: Apache-2.0
 *
 * A walk over the table with each request: some forty rows of at most ten segments are compared
 * faster than a tree would be understood, and the table may be written in the order that people
 * read.
 *
 *   1. The path is split before it is decoded: "%2F" is a letter of a name.
 *   2. A NUL in a segment is refused: names end there for everything below.
 *   3. No normalising of ".." or "//": such a path has no endpoint, which is the answer.
 */
#include "face/api_route.h"
#include "proto/uri.h"

/* A path in its parts, between slashes; "/" has one, empty. */
struct segments {
    struct str items[ROUTE_SEGMENTS_MAX];
    size_t count;
};

/* Splits a path without its leading slash. False: more segments than any endpoint has. "/a/" has an
 * empty last segment, so it is another path than "/a", and no endpoint's. */
static bool split(struct str path, struct segments *ret)
{
    ret->count = 0;
    path = str_skip(path, 1);
    for (;;) {
        struct str head = STR_NONE;
        bool more = str_split(path, '/', &head, &path);
        if (ret->count == ROUTE_SEGMENTS_MAX) {
            return false;
        }
        ret->items[ret->count++] = head;
        if (!more) {
            return true;
        }
    }
}

static int decode(struct segments *segments, struct arena *arena)
{
    for (size_t i = 0; i < segments->count; i++) {
        struct str *item = &segments->items[i];
        cleanup(buf_fini) struct buf text = BUF_INIT(item->len + 1);
        if (str_find_char(*item, '%') < 0) {
            continue;
        }
        int r = uri_decode(&text, *item, false);
        if (r == 0 && str_find_char(buf_str(&text), '\0') >= 0) {
            r = -EINVAL;
        }
        if (r < 0) {
            return r;
        }
        *item = arena_str(arena, buf_str(&text));
        if (!item->p) {
            return -ENOMEM;
        }
    }
    return 0;
}

/* The pattern is split each time: eight segments, cheaper than keeping them. */
static bool match(const struct segments *have, const char *pattern, struct str *params)
{
    struct segments want;
    size_t param = 0;

    if (!split(str_from(pattern), &want) || want.count != have->count) {
        return false;
    }
    for (size_t i = 0; i < want.count; i++) {
        bool is_param = want.items[i].len > 0 && want.items[i].p[0] == '{';
        if (is_param ? have->items[i].len == 0 : !str_eq(want.items[i], have->items[i])) {
            return false;
        }
        if (is_param) {
            ensure(param < API_PARAMS_MAX);
            params[param++] = have->items[i];
        }
    }
    return true;
}

int api_route(enum http_method method, struct str path, struct arena *arena,
              struct route_match *ret)
{
    struct segments segments;
    int r;

    *ret = (struct route_match){0};
    if (path.len == 0 || path.p[0] != '/' || !split(path, &segments)) {
        return 0;
    }
    r = decode(&segments, arena);
    if (r < 0) {
        return r;
    }
    method = method == HTTP_HEAD ? HTTP_GET : method;
    for (size_t i = 0; i < api_endpoint_count; i++) {
        const struct endpoint *endpoint = &api_endpoints[i];
        struct str params[API_PARAMS_MAX] = {0};
        if (!match(&segments, endpoint->path, params)) {
            continue;
        }
        ret->allow |= (uint16_t)(1U << endpoint->method);
        if (endpoint->method == method && !ret->endpoint) {
            ret->endpoint = endpoint;
            memcpy(ret->params, params, sizeof(params));
        }
    }
    return 0;
}

/* RFC 9110 §10.2.1; HEAD goes with GET. */
void api_route_allow(uint16_t allow, struct buf *out)
{
    if (allow & (1U << HTTP_GET)) {
        allow |= 1U << HTTP_HEAD;
    }
    for (unsigned m = 1; m < HTTP_METHOD_COUNT; m++) {
        if (allow & (1U << m)) {
            buf_add_cstr(out, out->len ? ", " : "");
            buf_add(out, http_method_name((enum http_method)m));
        }
    }
}
