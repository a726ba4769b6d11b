/* SPDX-License-Identifier: Apache-2.0
 *
 * What the keeper reads: messages and spawn orders. An order that is understood has its strings
 * inside the bytes, and packs and reads back as the same.
 */
#include "fuzz.h"
#include "link/keeper.h"
#include "link/order.h"
#include "os/file.h"
#include "os/shm.h"

#include <stdlib.h>

static const char *space[ORDER_ARGS_MAX * 2 + 2];
static const char *space_back[ORDER_ARGS_MAX * 2 + 2];

static void check_inside(const char *text, struct str in)
{
    if (text) {
        fuzz_check(text >= in.p && text < in.p + in.len);
        fuzz_check(memchr(text, '\0', (size_t)(in.p + in.len - text)) != NULL);
    }
}

static void check_same(const char *a, const char *b)
{
    fuzz_check(str_eq(str_from(a), str_from(b)));
}

static void check_list(const char **list, const char **back, struct str in)
{
    size_t i = 0;
    for (; list[i]; i++) {
        check_inside(list[i], in);
        check_same(list[i], back[i]);
    }
    fuzz_check(!back[i]);
}

/* As the keeper gets it: a sealed memfd with the packed bytes. */
static void check_sealed(const struct order *order, struct str packed)
{
    static struct order_space received;
    int fd = -1;
    fuzz_check(order_seal(order, &fd) == 0);
    fuzz_check(shm_check(fd, SHM_SEAL_SIZE | SHM_SEAL_WRITE) == 0);
    fuzz_check(order_receive(fd, &received) == 0);
    fuzz_check(str_eq(str_make(received.bytes, packed.len), packed));
    check_same(received.order.id, order->id);
    file_close(&fd);
}

static void check_order(struct str in)
{
    struct order order;
    struct order back;
    if (order_unpack(in, space, &order) < 0) {
        return;
    }
    struct buf out = BUF_INIT(ORDER_SIZE_MAX);
    int result = order_pack(&order, &out);
    if (result == 0) {
        fuzz_check(order_unpack(buf_str(&out), space_back, &back) == 0);
        check_inside(order.id, in);
        check_same(order.id, back.id);
        check_same(order.cwd, back.cwd);
        check_same(order.cgroup, back.cgroup);
        check_same(order.stdin_path, back.stdin_path);
        check_same(order.output[0], back.output[0]);
        check_same(order.output[1], back.output[1]);
        check_list(order.argv, back.argv, in);
        check_list(order.envp, back.envp, in);
        fuzz_check(order.listen_count == back.listen_count);
        fuzz_check(order.group_count == back.group_count);
        fuzz_check(order.rlimit_count == back.rlimit_count);
        fuzz_check(memcmp(order.ports, back.ports, sizeof(order.ports)) == 0);
    }
    if (result == 0) {
        check_sealed(&order, buf_str(&out));
    }
    buf_fini(&out);
}

static void check_message(struct str in)
{
    struct keeper_msg msg;
    memset(&msg, 0, sizeof(msg));
    memcpy(&msg, in.p, MIN(in.len, sizeof(msg)));
    if (keeper_msg_valid(&msg, in.len)) {
        fuzz_check(keeper_msg_name(&msg).len <= KEEPER_NAME_MAX);
        fuzz_check(strlen(msg.text) < sizeof(msg.text));
        struct keeper_msg again;
        keeper_msg_init(&again, msg.type, keeper_msg_name(&msg));
        fuzz_check(keeper_msg_valid(&again, sizeof(again)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    /* A copy of exactly that size, so that a read beside it is seen; aligned as a mapping is. */
    char *copy = malloc(size);
    fuzz_check(copy);
    memcpy(copy, data, size);
    struct str in = str_make(copy, size);
    check_message(in);
    check_order(in);
    free(copy);
    return 0;
}
