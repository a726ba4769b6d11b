/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "link/keeper.h"
#include "link/order.h"
#include "os/file.h"
#include "os/shm.h"

static const char *space[ORDER_ARGS_MAX * 2 + 2];
static const char *texts[ORDER_ARGS_MAX + 1];
static const char *envs[ORDER_ARGS_MAX + 1];
static char pool[64][80];

static const char *random_text(size_t i)
{
    size_t len = 1 + rng_below(test_rng(), 70);
    for (size_t k = 0; k < len; k++) {
        pool[i][k] = (char)(1 + rng_below(test_rng(), 255));
    }
    pool[i][len] = '\0';
    return pool[i];
}

static const char *maybe(size_t i)
{
    return rng_chance(test_rng(), 500) ? random_text(i) : NULL;
}

static void random_order(struct order *order)
{
    *order = (struct order)ORDER_INIT;
    size_t at = 0;
    size_t args = 1 + rng_below(test_rng(), 12);
    size_t env_count = rng_below(test_rng(), 12);
    for (size_t i = 0; i < args; i++) {
        texts[i] = random_text(at++);
    }
    texts[args] = NULL;
    for (size_t i = 0; i < env_count; i++) {
        envs[i] = random_text(at++);
    }
    envs[env_count] = NULL;
    order->id = random_text(at++);
    order->argv = texts;
    order->envp = envs;
    order->cwd = maybe(at++);
    order->cgroup = maybe(at++);
    order->output[0] = maybe(at++);
    order->output[1] = maybe(at++);
    order->stdin_path = maybe(at++);
    order->listen_count = (unsigned)rng_below(test_rng(), ORDER_LISTEN_MAX + 1);
    for (unsigned i = 0; i < order->listen_count; i++) {
        order->listen[i] = random_text(at++);
    }
    order->uid = (uint32_t)rng_u64(test_rng());
    order->gid = (uint32_t)rng_u64(test_rng());
    order->group_count = (unsigned)rng_below(test_rng(), ORDER_GROUPS_MAX + 1);
    for (unsigned i = 0; i < order->group_count; i++) {
        order->groups[i] = (uint32_t)rng_u64(test_rng());
    }
    order->rlimit_count = (unsigned)rng_below(test_rng(), ORDER_RLIMITS_MAX + 1);
    for (unsigned i = 0; i < order->rlimit_count; i++) {
        order->rlimits[i] = (struct order_rlimit){(int32_t)i, 0, rng_u64(test_rng()), 7};
    }
    order->limits.memory_bytes = rng_u64(test_rng());
    order->ports[0] = (uint16_t)rng_u64(test_rng());
    order->spec_hash = rng_u64(test_rng());
    order->output_max = rng_u64(test_rng());
    order->umask = (uint32_t)rng_below(test_rng(), 01000);
    order->oom_score_adj = (int32_t)rng_below(test_rng(), 2001) - 1000;
    order->set_user = rng_chance(test_rng(), 500);
    order->set_umask = rng_chance(test_rng(), 500);
    order->nice = (int32_t)rng_below(test_rng(), 40) - 20;
    order->set_oom_score = rng_chance(test_rng(), 500);
    order->listen_env = rng_chance(test_rng(), 500);
    order->listen_blocking = rng_chance(test_rng(), 500);
    order->own_terminal = rng_chance(test_rng(), 500);
}

static void same_text(const char *got, const char *want)
{
    check((got == NULL) == (want == NULL));
    check_str(str_from(got), str_from(want));
}

static void same_list(const char *const *got, const char *const *want)
{
    size_t i = 0;
    for (; want[i]; i++) {
        check(got[i] != NULL);
        same_text(got[i], want[i]);
    }
    check(got[i] == NULL);
}

static void same_order(const struct order *got, const struct order *want)
{
    same_text(got->id, want->id);
    same_list(got->argv, want->argv);
    same_list(got->envp, want->envp);
    same_text(got->cwd, want->cwd);
    same_text(got->cgroup, want->cgroup);
    same_text(got->output[0], want->output[0]);
    same_text(got->output[1], want->output[1]);
    same_text(got->stdin_path, want->stdin_path);
    check_int(got->listen_count, want->listen_count);
    for (unsigned i = 0; i < want->listen_count; i++) {
        same_text(got->listen[i], want->listen[i]);
    }
    check(got->uid == want->uid && got->gid == want->gid && got->umask == want->umask);
    check_int(got->group_count, want->group_count);
    check(memcmp(got->groups, want->groups, want->group_count * sizeof(got->groups[0])) == 0);
    check_int(got->rlimit_count, want->rlimit_count);
    check(memcmp(got->rlimits, want->rlimits, want->rlimit_count * sizeof(got->rlimits[0])) == 0);
    check(memcmp(&got->limits, &want->limits, sizeof(got->limits)) == 0);
    check(memcmp(got->ports, want->ports, sizeof(got->ports)) == 0);
    check(got->spec_hash == want->spec_hash && got->output_max == want->output_max);
    check_int(got->oom_score_adj, want->oom_score_adj);
    check_int(got->nice, want->nice);
    check(got->set_user == want->set_user && got->set_umask == want->set_umask);
    check(got->set_oom_score == want->set_oom_score && got->listen_env == want->listen_env);
    check(got->listen_blocking == want->listen_blocking);
    check(got->own_terminal == want->own_terminal);
}

TEST(an_order_reads_back_as_it_was_packed)
{
    struct buf bytes = BUF_INIT(ORDER_SIZE_MAX);
    for (size_t i = 0; i < test_rounds(300); i++) {
        struct order order;
        struct order back;
        random_order(&order);
        buf_reset(&bytes);
        check_int(order_pack(&order, &bytes), 0);
        check_int(order_unpack(buf_str(&bytes), space, &back), 0);
        same_order(&back, &order);
    }
    buf_fini(&bytes);
}

TEST(every_shorter_order_is_refused)
{
    struct buf bytes = BUF_INIT(ORDER_SIZE_MAX);
    struct order order;
    struct order back;
    random_order(&order);
    check_int(order_pack(&order, &bytes), 0);
    for (size_t len = 0; len < bytes.len; len++) {
        check_int(order_unpack(str_make(bytes.p, len), space, &back), -EBADMSG);
    }
    buf_fini(&bytes);
}

TEST(a_damaged_order_never_leads_outside)
{
    struct buf bytes = BUF_INIT(ORDER_SIZE_MAX);
    for (size_t i = 0; i < test_rounds(3000); i++) {
        struct order order;
        struct order back;
        if (i % 50 == 0) {
            random_order(&order);
            buf_reset(&bytes);
            check_int(order_pack(&order, &bytes), 0);
        }
        size_t at = rng_below(test_rng(), bytes.len);
        char old = bytes.p[at];
        bytes.p[at] = (char)rng_u64(test_rng());
        if (order_unpack(buf_str(&bytes), space, &back) == 0) {
            const char *end = bytes.p + bytes.len;
            check(back.id > bytes.p && back.id + strlen(back.id) < end);
            for (size_t k = 0; back.argv[k]; k++) {
                check(back.argv[k] > bytes.p && back.argv[k] + strlen(back.argv[k]) < end);
            }
            check(back.listen_count <= ORDER_LISTEN_MAX && back.group_count <= ORDER_GROUPS_MAX);
        }
        bytes.p[at] = old;
    }
    buf_fini(&bytes);
}

TEST(what_is_missing_or_too_much_is_refused_before_it_is_sent)
{
    const char *argv[] = {"true", NULL};
    struct buf bytes = BUF_INIT(ORDER_SIZE_MAX);
    struct order order = ORDER_INIT;
    check_int(order_pack(&order, &bytes), -EINVAL);
    order.id = "x";
    check_int(order_pack(&order, &bytes), -EINVAL);
    order.argv = argv;
    check_int(order_pack(&order, &bytes), 0);
    static char path[ORDER_PATH_MAX + 1];
    memset(path, 'p', ORDER_PATH_MAX);
    order.output[0] = path;
    check_int(order_pack(&order, &bytes), -EINVAL);
    order.output[0] = NULL;
    order.listen_count = ORDER_LISTEN_MAX + 1;
    check_int(order_pack(&order, &bytes), -EINVAL);
    order.listen_count = 0;
    struct buf small = BUF_INIT(64);
    check_int(order_pack(&order, &small), -E2BIG);
    buf_fini(&small);
    buf_fini(&bytes);
}

TEST(a_sealed_order_cannot_be_changed)
{
    const char *argv[] = {"true", NULL};
    struct order order = ORDER_INIT;
    order.id = "x";
    order.argv = argv;
    int fd = -1;
    check_int(order_seal(&order, &fd), 0);
    check_int(shm_check(fd, SHM_SEAL_SIZE | SHM_SEAL_WRITE), 0);
    check_int(file_pwrite(fd, "x", 1, 0), -EPERM);
    check_int(file_truncate(fd, 1), -EPERM);
    file_close(&fd);
}

TEST(only_whole_known_messages_are_valid)
{
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_GET, STR("snapshot"));
    check(keeper_msg_valid(&msg, sizeof(msg)));
    check_str(keeper_msg_name(&msg), STR("snapshot"));
    check(!keeper_msg_valid(&msg, sizeof(msg) - 1));
    struct keeper_msg bad = msg;
    bad.version++;
    check(!keeper_msg_valid(&bad, sizeof(bad)));
    bad = msg;
    bad.type = KEEPER_TYPE_COUNT;
    check(!keeper_msg_valid(&bad, sizeof(bad)));
    bad = msg;
    bad.role = KEEPER_ROLE_COUNT;
    check(!keeper_msg_valid(&bad, sizeof(bad)));
    bad = msg;
    bad.name_len = KEEPER_NAME_MAX + 1;
    check(!keeper_msg_valid(&bad, sizeof(bad)));
    bad = msg;
    bad.name[2] = '\0';
    check(!keeper_msg_valid(&bad, sizeof(bad)));
    bad = msg;
    memset(bad.text, 'x', sizeof(bad.text));
    check(keeper_msg_valid(&bad, sizeof(bad)));
    check_int(strlen(bad.text), sizeof(bad.text) - 1);
}
