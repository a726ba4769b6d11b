/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/rng.h"
#include "harness/test.h"
#include "proto/websocket.h"
#include "proto/websocket_bounds.h"

/* A frame at random; its head is written by the same hand that the gateway's are. */
static void add_frame(struct buf *out, struct rng *rng, unsigned opcode, size_t len, bool masked)
{
    char head[WEBSOCKET_HEAD_MAX], byte;
    uint8_t key[4];
    for (size_t i = 0; i < 4; i++) {
        key[i] = (uint8_t)rng_u64(rng);
    }
    size_t n = websocket_head(head, opcode | WEBSOCKET_FIN, len, masked ? key : NULL);
    buf_add_mem(out, head, n);
    for (size_t i = 0; i < len; i++) {
        byte = (char)rng_u64(rng);
        buf_add_mem(out, &byte, 1);
    }
}

TEST(frames_end_where_they_were_written_however_they_are_cut)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(300); round++) {
        struct buf all = BUF_INIT(1 << 20);
        size_t ends[8];
        bool masked = rng_chance(rng, 500);
        for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
            size_t len = rng_chance(rng, 100) ? 65536 + rng_below(rng, 9) : rng_below(rng, 300);
            unsigned opcode = (unsigned)rng_below(rng, 3);
            add_frame(&all, rng, opcode, rng_chance(rng, 200) ? 0 : len, masked);
            ends[i] = all.len;
        }
        struct websocket_bounds bounds = {0};
        for (size_t at = 0, next = 0; at < all.len;) {
            size_t step = 1 + rng_below(rng, rng_chance(rng, 500) ? 3 : 90000);
            size_t n = MIN(step, all.len - at);
            websocket_bounds_pass(&bounds, str_make(all.p + at, n));
            at += n;
            while (next < ARRAY_LEN(ends) && ends[next] < at) {
                next++;
            }
            check_int(websocket_bounds_between(&bounds),
                      next < ARRAY_LEN(ends) && ends[next] == at);
        }
        check_int(bounds.close_code, 0);
        buf_fini(&all);
    }
}

TEST(the_code_of_a_close_is_known_masked_or_not)
{
    static const uint8_t key[4] = {0x37, 0xfa, 0x21, 0x3d};
    for (unsigned code = 1000; code < 1016; code++) {
        for (unsigned masked = 0; masked < 2; masked++) {
            char frame[WEBSOCKET_CLOSE_MAX];
            size_t len = websocket_close(frame, code, STR("bye"), masked ? key : NULL);
            for (size_t cut = 0; cut <= len; cut++) {
                struct websocket_bounds bounds = {0};
                websocket_bounds_pass(&bounds, str_make(frame, cut));
                check(cut == 0 || cut == len || !websocket_bounds_between(&bounds));
                websocket_bounds_pass(&bounds, str_make(frame + cut, len - cut));
                check(websocket_bounds_between(&bounds));
                check_int(bounds.close_code, code);
            }
        }
    }
    struct websocket_bounds bounds = {0};
    websocket_bounds_pass(&bounds, str_make("\x88\0", 2));
    check_int(bounds.close_code, WEBSOCKET_NO_CODE);
    check(websocket_bounds_between(&bounds));
    websocket_bounds_pass(&bounds, str_make("\x88\2\3\xe9", 4)); /* the first one counts */
    check_int(bounds.close_code, WEBSOCKET_NO_CODE);
}

TEST(what_is_no_frame_is_never_between_two)
{
    struct websocket_bounds bounds = {0};
    websocket_bounds_pass(&bounds, str_make("\x82\x7f\x80\0\0\0\0\0\0\0", 10));
    for (size_t i = 0; i < 100; i++) {
        websocket_bounds_pass(&bounds, STR("\0"));
        check(!websocket_bounds_between(&bounds));
    }
}
