/* SPDX-License-Identifier: Apache-2.0
 *
 * URIs: parts are slices of the input; a normal path is stable and has no dot segments; escaping is
 * undone by decoding.
 */
#include "fuzz.h"
#include "proto/uri.h"

#include <stdlib.h>

static bool inside(struct str part, struct str whole)
{
    return part.len == 0 || (part.p >= whole.p && part.p + part.len <= whole.p + whole.len);
}

static void check_parts(struct str in)
{
    struct uri uri;
    struct uri_authority authority;
    if (uri_parse(in, &uri) == 0) {
        fuzz_check(inside(uri.scheme, in) && inside(uri.path, in) && inside(uri.query, in));
        fuzz_check(uri.path.len == 0 || uri.path.p[0] == '/');
        fuzz_check(uri_parse_authority(uri.authority_text, &authority) == 0);
    }
    if (uri_parse_authority(in, &authority) == 0) {
        fuzz_check(authority.host.len > 0 && inside(authority.host, in));
        fuzz_check(str_find_char(in, '@') < 0 && str_find_char(in, '/') < 0);
    }
}

static void check_path(struct str in)
{
    char *memory = malloc(in.len + 1);
    char *more = malloc(in.len + 1);
    struct str once, twice;
    fuzz_check(memory && more);
    if (uri_normalise(in, memory, in.len, &once) == 0) {
        fuzz_check(once.len > 0 && once.len <= in.len && once.p[0] == '/');
        fuzz_check(str_find(once, STR("/./")) < 0 && str_find(once, STR("/../")) < 0);
        fuzz_check(!str_ends(once, STR("/.")) && !str_ends(once, STR("/..")));
        fuzz_check(str_find_char(once, '\\') < 0 && str_find_char(once, '\0') < 0);
        fuzz_check(uri_normalise(once, more, once.len, &twice) == 0 && str_eq(once, twice));
    }
    fuzz_check(uri_normalise(in, memory, MIN(in.len, (size_t)3), &once) <= 0);
    free(memory);
    free(more);
}

static void check_query(struct str in)
{
    struct buf text = BUF_INIT(1 << 20), back = BUF_INIT(1 << 20);
    struct str rest = in, key, value;
    while (uri_query_next(&rest, &key, &value)) {
        fuzz_check(inside(key, in) && inside(value, in));
    }
    fuzz_check(uri_query_get(in, STR("k y"), &text) <= URI_E_NONE);
    buf_reset(&text);
    fuzz_check(uri_decode(&text, in, true) <= 0 && text.len <= in.len);
    buf_reset(&text);
    uri_encode(&text, in, in.len % 2);
    fuzz_check(uri_decode(&back, buf_str(&text), true) == 0);
    fuzz_check(buf_error(&back) || str_eq(buf_str(&back), in));
    buf_fini(&text);
    buf_fini(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    check_parts(in);
    check_path(in);
    check_query(in);
    return 0;
}
