/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "base/json.h"
#include "see/access.h"

/* Is it one valid JSON value? */
static bool is_json(struct str text)
{
    struct json_reader reader = JSON_READER(text);
    enum json_type type;
    while ((type = json_next(&reader)) != JSON_DONE) {
        if (type == JSON_ERROR) {
            return false;
        }
    }
    return true;
}

TEST(a_record_becomes_a_json_object)
{
    struct names names = NAMES_INIT;
    struct buf out = BUF_INIT(4096);
    struct ring_access access = {
        .at_wall_ns = 1500000000,
        .total_us = 1500,
        .status = 200,
        .method = RING_GET,
        .client = {127, 0, 0, 1},
        .bytes_out = 12,
        .client_family = 4,
        .path_len = 4,
        .path = "/a\"b",
        .request_id = "r1",
        .request_id_len = 2,
        .flags = RING_FLAG_HELD,
    };
    access_message(&out, &access, &names);
    check(is_json(buf_str(&out)));
    check(str_find(buf_str(&out), STR("\"path\":\"/a\\\"b\"")) > 0);
    check(str_find(buf_str(&out), STR("\"client\":\"127.0.0.1\"")) > 0);
    check(str_find(buf_str(&out), STR("\"status\":200")) > 0);
    check(str_find(buf_str(&out), STR("\"flags\":[\"held\"]")) > 0);
    buf_fini(&out);
    names_fini(&names);
}

TEST(any_record_the_edge_may_write_becomes_valid_json)
{
    struct names names = NAMES_INIT;
    for (size_t round = test_rounds(3000); round > 0; round--) {
        struct buf out = BUF_INIT(4096);
        struct ring_access access;
        uint8_t *bytes = (uint8_t *)&access;
        for (size_t i = 0; i < sizeof(access); i++) {
            bytes[i] = (uint8_t)rng_u64(test_rng());
        }
        access.at_wall_ns &= INT64_MAX >> 4;
        access.path_len %= RING_PATH_MAX + 1;
        access.request_id_len %= RING_REQUEST_ID_MAX + 1;
        access.method %= RING_METHODS;
        access_message(&out, &access, &names);
        check_int(buf_error(&out), 0);
        check(is_json(buf_str(&out)));
        buf_fini(&out);
    }
    names_fini(&names);
}
