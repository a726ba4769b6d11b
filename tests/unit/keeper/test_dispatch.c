/* SPDX-License-Identifier: Apache-2.0 */
#include "base/num.h"
#include "harness/test.h"
#include "keeper/private.h"
#include "link/snapshot.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/shm.h"
#include <signal.h>
#include <sys/socket.h>

static struct keeper keeper; /* large */
static int far_end = -1;     /* the peer's side of its channel */

static void setup(enum keeper_role role)
{
    char folder[] = "/tmp/muelle-dispatch-XXXXXX";
    check(mkdtemp(folder) != NULL);
    str_copy(keeper.run_dir, sizeof(keeper.run_dir), str_from(folder));
    str_copy(keeper.id, sizeof(keeper.id), STR("unit"));
    keeper.listen_watch.fd = -1;
    keeper.message = dispatch;
    for (size_t i = 0; i < KEEPER_KEPT_MAX; i++) {
        keeper.kept[i].fd = -1;
    }
    check_int(loop_init(&keeper.loop, 1), 0);
    timer_init(&keeper.trim_timer, child_trim);
    timer_init(&keeper.sweep_timer, child_sweep);
    timer_init(&keeper.await_timer, child_await_over);
    memory_load(&keeper);
    role_init(&keeper, KEEPER_ROLE_CORE);
    role_init(&keeper, KEEPER_ROLE_EDGE);
    (void)journal_rewrite(&keeper.journal);
    int ends[2];
    check_int(chan_pair(ends), 0);
    struct peer *peer = peer_new(&keeper, ends[0], role);
    check(peer != NULL);
    peer->greeted = true;
    far_end = ends[1];
}

static void teardown(void)
{
    for (size_t i = 0; i < keeper.ward_top; i++) {
        if (keeper.wards[i].used && keeper.wards[i].rec.running) {
            child_kill(&keeper, &keeper.wards[i]);
            (void)!child_signal(&keeper, &keeper.wards[i], SIGKILL, false);
        }
    }
    for (int i = 0; i < 2000; i++) {
        bool left = false;
        for (size_t k = 0; k < keeper.ward_top; k++) {
            left |= keeper.wards[k].used && !keeper.wards[k].rec.empty;
        }
        if (!left) {
            break;
        }
        check_int(loop_turn(&keeper.loop, NS_PER_MS), 0);
    }
    file_close(&far_end);
    file_close(&keeper.journal.file.fd);
    check_int(file_remove_tree(keeper.run_dir), 0);
    loop_fini(&keeper.loop);
}

/* Sends, lets the keeper work, and gives the answer with that serial (news on the way are
 * dropped). */
static bool ask(struct keeper_msg *msg, int fd, int *ret_fd)
{
    uint32_t serial = msg->serial;
    *ret_fd = -1;
    check_int(chan_send_blocking(far_end, msg, sizeof(*msg), &fd, fd >= 0), 0);
    for (int i = 0; i < 50; i++) {
        check_int(loop_turn(&keeper.loop, 0), 0);
        int fds[4];
        size_t fd_count = 4;
        int64_t n = chan_recv_blocking(far_end, msg, sizeof(*msg), fds, &fd_count, 0);
        for (size_t k = 0; k < (n > 0 ? fd_count : 0); k++) {
            if (msg->serial == serial && *ret_fd < 0) {
                *ret_fd = fds[k];
            } else {
                file_close(&fds[k]);
            }
        }
        if (n == sizeof(*msg) && msg->serial == serial) {
            return true;
        }
        if (n == 0) {
            return false;
        }
    }
    return false;
}

static int ask_simple(enum keeper_type type, const char *name, uint64_t a)
{
    struct keeper_msg msg;
    keeper_msg_init(&msg, type, str_from(name));
    msg.serial = 7;
    msg.a = a;
    int fd;
    check(ask(&msg, -1, &fd));
    file_close(&fd);
    return msg.error;
}

static int order_fd(const char *id, const char *command)
{
    static const char *env[] = {"PATH=/usr/bin:/bin", NULL};
    const char *argv[] = {"sh", "-c", command, NULL};
    struct order order = ORDER_INIT;
    order.id = id;
    order.argv = argv;
    order.envp = env;
    int fd = -1;
    check_int(order_seal(&order, &fd), 0);
    return fd;
}

static int spawn(const char *id, int fd)
{
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_SPAWN, str_from(id));
    msg.serial = 9;
    int pidfd;
    check(ask(&msg, fd, &pidfd));
    check((msg.error == 0) == (pidfd >= 0));
    file_close(&pidfd);
    file_close(&fd);
    return msg.error;
}

TEST(an_order_must_be_sealed_and_for_that_child)
{
    setup(KEEPER_ROLE_CORE);
    int fd = -1;
    check_int(shm_create("open", 4096, &fd), 0);
    check_int(spawn("x", fd), -EPERM); /* could change while it is read */
    check_int(spawn("x", -1), -EPERM);
    check_int(spawn("other", order_fd("x", "true")), -EBADMSG);
    check_int(spawn("x", order_fd("x", "sleep 60")), 0);
    check_int(spawn("x", order_fd("x", "sleep 60")), -EEXIST);
    check_int(ask_simple(KEEPER_FORGET, "x", 0), -EBUSY);
    check_int(ask_simple(KEEPER_SIGNAL, "x", 99), -EINVAL);
    check_int(ask_simple(KEEPER_SIGNAL, "nobody", SIGTERM), -ENOENT);
    teardown();
}

TEST(who_may_what)
{
    static const struct {
        enum keeper_type type;
        uint8_t allowed; /* bit per role */
    } cases[] = {
        {KEEPER_SPAWN, 1 << KEEPER_ROLE_CORE},
        {KEEPER_SIGNAL, 1 << KEEPER_ROLE_CORE},
        {KEEPER_FORGET, 1 << KEEPER_ROLE_CORE},
        {KEEPER_KEEP, 1 << KEEPER_ROLE_CORE | 1 << KEEPER_ROLE_EDGE},
        {KEEPER_GET, 1 << KEEPER_ROLE_CORE | 1 << KEEPER_ROLE_EDGE},
        {KEEPER_KILL_TREE, 1 << KEEPER_ROLE_CORE | 1 << KEEPER_ROLE_TOOL},
        {KEEPER_CHILDREN, 1 << KEEPER_ROLE_CORE | 1 << KEEPER_ROLE_TOOL},
    };
    for (enum keeper_role role = KEEPER_ROLE_CORE; role < KEEPER_ROLE_COUNT; role++) {
        setup(role);
        for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
            int error = ask_simple(cases[i].type, "thing", 0);
            bool allowed = cases[i].allowed & 1 << role;
            check(allowed == (error != -EPERM) || cases[i].type == KEEPER_SPAWN);
        }
        teardown();
        memset(&keeper, 0, sizeof(keeper));
    }
    setup(KEEPER_ROLE_EDGE);
    check_int(ask_simple(KEEPER_DROP, "snapshot", 0), -EPERM);
    /* It may hand over, not replace. */
    static const uint64_t ways[] = {0, 1};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        struct keeper_msg msg;
        int none = -1;
        int bell = -1;
        check_int(shm_bell_create(&bell), 0);
        keeper_msg_init(&msg, KEEPER_KEEP, STR("cgroups"));
        msg.serial = 8;
        msg.a = ways[i];
        check(ask(&msg, bell, &none));
        check_int(msg.error, ways[i] ? 0 : -EPERM);
        file_close(&bell);
    }
    check_int(ask_simple(KEEPER_DROP, "listen:127.0.0.1:1", 0), -ENOENT);
    teardown();
}

static void keep_snapshot(const char *listener)
{
    struct snapshot_builder builder;
    struct buf blob = BUF_INIT(MIB);
    struct snapshot_service service = {.id = 1, .name = STR("s")};
    struct snapshot_listener named = {
        .id = 1, .kind = SNAPSHOT_HTTP, .address = str_from(listener)};
    int fd = -1;
    snapshot_builder_init(&builder);
    snapshot_builder_service(&builder, &service);
    snapshot_builder_listener(&builder, &named);
    check_int(snapshot_builder_finish(&builder, 1, 0, &blob), 0);
    snapshot_builder_fini(&builder);
    check_int(shm_create_sealed("snapshot", buf_str(&blob), &fd), 0);
    check_int(kept_put(&keeper, STR("snapshot"), fd, NULL), 0);
    buf_fini(&blob);
}

TEST(the_edge_opens_only_what_the_snapshot_names)
{
    char named[64];
    char other[64];
    snprintf(named, sizeof(named), "unix:/tmp/muelle-dispatch-%d-a", proc_own_pid());
    snprintf(other, sizeof(other), "unix:/tmp/muelle-dispatch-%d-b", proc_own_pid());
    setup(KEEPER_ROLE_EDGE);
    check_int(ask_simple(KEEPER_LISTEN, named, 0), -EPERM);
    int fd = -1;
    check_int(shm_create("open", 4096, &fd), 0);
    check_int(kept_put(&keeper, STR("snapshot"), fd, NULL), 0);
    check_int(ask_simple(KEEPER_LISTEN, named, 0), -EPERM); /* what could change is not believed */
    check_int(shm_create_sealed("snapshot", STR("no snapshot"), &fd), 0);
    check_int(kept_put(&keeper, STR("snapshot"), fd, NULL), 0);
    check_int(ask_simple(KEEPER_LISTEN, named, 0), -EPERM);
    keep_snapshot(named);
    check_int(ask_simple(KEEPER_LISTEN, other, 0), -EPERM);
    check_int(ask_simple(KEEPER_LISTEN, "no address", 0), -EINVAL);
    check_int(ask_simple(KEEPER_LISTEN, named, 0), 0);
    check_int(ask_simple(KEEPER_LISTEN, named, 0), 0);
    keeper.peers[0].role = KEEPER_ROLE_CORE;
    check_int(ask_simple(KEEPER_LISTEN, other, 0), 0);
    keeper.peers[0].role = KEEPER_ROLE_EDGE;
    check_int(ask_simple(KEEPER_LISTEN, other, 0), 0); /* it is held: given, not opened */
    kept_unlink(&keeper);
    teardown();
}

TEST(no_role_comes_back_once_the_end_is_ordered)
{
    setup(KEEPER_ROLE_CORE);
    keeper.stopping = KEEPER_STOP_SERVICES;
    struct keeper_msg msg;
    int none;
    keeper_msg_init(&msg, KEEPER_ROLE, STR_NONE);
    msg.serial = 3;
    msg.role = KEEPER_ROLE_EDGE;
    check(ask(&msg, -1, &none));
    check_int(msg.error, -ESHUTDOWN);
    check(!keeper.roles[KEEPER_ROLE_EDGE].wanted && !keeper.roles[KEEPER_ROLE_EDGE].up);
    keeper.stopping = KEEPER_RUNNING;
    teardown();
}

/* Any well-formed message of a role gets one answer or ends its channel; the keeper stays whole. */
TEST(random_messages_are_answered_one_by_one)
{
    static const char *const names[] = {"a", "b", "snapshot", "unix:/x", "127.0.0.1:0", ""};
    setup(KEEPER_ROLE_CORE);
    check_int(spawn("a", order_fd("a", "sleep 60")), 0);
    for (size_t i = 0; i < test_rounds(2000); i++) {
        struct keeper_msg msg;
        enum keeper_type type = 1 + (uint32_t)rng_below(test_rng(), KEEPER_TYPE_COUNT - 1);
        if (type == KEEPER_SHUTDOWN || type == KEEPER_REEXEC || type == KEEPER_ROLE ||
            type == KEEPER_LISTEN) {
            continue; /* they do what they say */
        }
        keeper_msg_init(&msg, type, str_from(names[rng_below(test_rng(), ARRAY_LEN(names))]));
        msg.serial = (uint32_t)(i + 1);
        msg.role = (uint8_t)rng_below(test_rng(), KEEPER_ROLE_COUNT);
        msg.a = rng_chance(test_rng(), 500) ? rng_below(test_rng(), 3) : rng_u64(test_rng());
        msg.b = rng_below(test_rng(), 3);
        if (type == KEEPER_SIGNAL) {
            msg.a = 64 + rng_below(test_rng(), 9); /* nothing that would end it */
        }
        int fd = -1;
        int answer_fd;
        if (rng_chance(test_rng(), 300)) {
            check_int(shm_bell_create(&fd), 0);
        }
        check(ask(&msg, fd, &answer_fd));
        check(msg.error <= 0);
        file_close(&answer_fd);
        file_close(&fd);
    }
    teardown();
}

TEST(a_peer_that_does_not_read_is_dropped_and_others_are_not)
{
    setup(KEEPER_ROLE_CORE);
    int ends[2];
    check_int(chan_pair(ends), 0);
    struct peer *deaf = peer_new(&keeper, ends[0], KEEPER_ROLE_EDGE);
    check(deaf != NULL);
    deaf->greeted = deaf->copies = true;
    for (int i = 0; i < 20000 && deaf->used; i++) {
        struct keeper_msg msg;
        int fd = -1;
        int answer_fd;
        check_int(shm_bell_create(&fd), 0);
        keeper_msg_init(&msg, KEEPER_KEEP, STR("bell"));
        msg.serial = 5;
        check(ask(&msg, fd, &answer_fd));
        check_int(msg.error, 0);
        file_close(&fd);
    }
    check(!deaf->used);
    check_int(ask_simple(KEEPER_GET, "bell", 0), 0);
    file_close(&ends[1]);
    teardown();
}

/* Its answers never fill the queue, so it is not dropped for asking much: it is not listened to
 * until it reads. */
TEST(a_peer_that_asks_without_reading_waits_and_gets_every_answer)
{
    setup(KEEPER_ROLE_CORE);
    const struct peer *peer = &keeper.peers[0];
    struct keeper_msg msg;
    uint32_t sent = 0;
    uint32_t got = 0;
    size_t longest = 0;
    for (int idle = 0; idle < 20;) {
        keeper_msg_init(&msg, KEEPER_GET, STR("nobody"));
        msg.serial = sent + 1;
        bool taken = send(far_end, &msg, sizeof(msg), MSG_DONTWAIT) == sizeof(msg);
        sent += taken;
        idle = taken ? 0 : idle + 1;
        check(sent < 100000);
        check_int(loop_turn(&keeper.loop, 0), 0);
        longest = MAX(longest, peer->chan.queue_len);
    }
    check(peer->used && longest > 0 && longest < sizeof(peer->queue) / 8);
    while (got < sent) {
        size_t fd_count = 0;
        check_int(loop_turn(&keeper.loop, 0), 0);
        int64_t n = chan_recv_blocking(far_end, &msg, sizeof(msg), NULL, &fd_count, 0);
        check(n == sizeof(msg) || n == -ETIMEDOUT);
        if (n == sizeof(msg)) {
            check_int(msg.serial, ++got);
            check_int(msg.error, -ENOENT);
        }
    }
    check_int(ask_simple(KEEPER_GET, "nobody", 0), -ENOENT);
    teardown();
}

/* The end of one that waits for its answers is seen though nothing is read from it. */
TEST(a_paused_peer_that_ends_is_gone)
{
    setup(KEEPER_ROLE_CORE);
    const struct peer *peer = &keeper.peers[0];
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_GET, STR("nobody"));
    for (int idle = 0; idle < 20;) {
        idle = send(far_end, &msg, sizeof(msg), MSG_DONTWAIT) == sizeof(msg) ? 0 : idle + 1;
        check_int(loop_turn(&keeper.loop, 0), 0);
    }
    file_close(&far_end);
    for (int i = 0; i < 2000 && peer->used; i++) {
        check_int(loop_turn(&keeper.loop, 0), 0);
    }
    check(!peer->used);
    teardown();
}

TEST(what_is_full_is_said_and_nothing_breaks)
{
    setup(KEEPER_ROLE_CORE);
    char name[16];
    for (int i = 0; i <= KEEPER_KEPT_MAX; i++) {
        struct keeper_msg msg;
        int none;
        int bell = -1;
        check_int(shm_bell_create(&bell), 0);
        snprintf(name, sizeof(name), "bell:%d", i);
        keeper_msg_init(&msg, KEEPER_KEEP, str_from(name));
        msg.serial = 6;
        check(ask(&msg, bell, &none));
        check_int(msg.error, i < KEEPER_KEPT_MAX ? 0 : -ENOSPC);
        file_close(&bell);
    }
    check_int(ask_simple(KEEPER_GET, "bell:255", 0), 0);
    int far[KEEPER_CLIENTS_MAX];
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) { /* one place is taken already */
        int ends[2];
        check_int(chan_pair(ends), 0);
        far[i] = ends[1];
        check((peer_new(&keeper, ends[0], KEEPER_ROLE_NONE) != NULL) ==
              (i + 1 < KEEPER_CLIENTS_MAX));
    }
    struct keeper_msg msg;
    size_t fd_count = 0; /* who finds no place sees the end of the channel */
    check_int(
        chan_recv_blocking(far[KEEPER_CLIENTS_MAX - 1], &msg, sizeof(msg), NULL, &fd_count, 0), 0);
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++) {
        file_close(&far[i]);
    }
    for (size_t i = 0; i < KEEPER_CHILDREN_MAX; i++) {
        keeper.wards[i].used = true;
    }
    check_int(spawn("one more", order_fd("one more", "true")), -ENOSPC);
    for (size_t i = 0; i < KEEPER_CHILDREN_MAX; i++) {
        keeper.wards[i].used = false;
    }
    check_int(spawn("one more", order_fd("one more", "true")), 0);
    teardown();
}

/* Something in the kernel, on a dead disk: the end comes all the same. */
TEST(the_end_comes_though_a_child_does_not)
{
    setup(KEEPER_ROLE_CORE);
    struct ward *stuck = ward_new(&keeper, STR("stuck"));
    check(stuck != NULL);
    stop_init(&keeper);
    keeper.stopping = KEEPER_STOP_SERVICES;
    keeper_ended(&keeper);
    check_int(loop_turn(&keeper.loop, 0), 0);
    check_int(keeper.stopping, KEEPER_STOP_SERVICES);
    check_int(spawn("x", order_fd("x", "true")), -ESHUTDOWN);
    keeper.stop_timer.fire(&keeper.stop_timer, keeper.loop.now_ns);
    check_int(loop_turn(&keeper.loop, 0), 0);
    check_int(keeper.stopping, KEEPER_STOPPED); /* no role was there */
    keeper.stop_timer.fire(&keeper.stop_timer, keeper.loop.now_ns);
    check(keeper.loop.stopping);
    ward_free(&keeper, stuck);
    keeper.stopping = KEEPER_RUNNING;
    teardown();
}

/* Bytes beyond the budget go while no core reads, and how far is in the journal. */
TEST(outputs_are_trimmed_only_while_no_core_lives)
{
    setup(KEEPER_ROLE_CORE);
    static const char block[65536] = {1};
    struct ward *ward = ward_new(&keeper, STR("chatty"));
    check(ward != NULL);
    snprintf(ward->rec.output[0], ORDER_PATH_MAX, "%s/out", keeper.run_dir);
    snprintf(ward->rec.output[1], ORDER_PATH_MAX, "%s/none", keeper.run_dir);
    ward->rec.output_max = sizeof(block);
    int fd = -1;
    check_int(file_open(ward->rec.output[0], FILE_WRITE | FILE_CREATE, 0600, &fd), 0);
    for (int i = 0; i < 8; i++) {
        check_int(file_write(fd, block, sizeof(block)), 0);
    }
    keeper.roles[KEEPER_ROLE_CORE].up = true;
    file_close(&far_end); /* its channel is away: it comes back, and reads what is there */
    check_int(loop_turn(&keeper.loop, 0), 0);
    keeper.trim_timer.fire(&keeper.trim_timer, keeper.loop.now_ns);
    check_int(ward->rec.trimmed[0], 0);
    check(!timer_armed(&keeper.trim_timer));
    keeper.roles[KEEPER_ROLE_CORE].up = false;
    keeper.trim_timer.fire(&keeper.trim_timer, keeper.loop.now_ns);
    check_int(ward->rec.trimmed[0], 7 * sizeof(block));
    check(timer_armed(&keeper.trim_timer));
    struct file_stat stat;
    check_int(file_fstat(fd, &stat), 0);
    check(stat.size == 8 * sizeof(block) && stat.allocated <= 2 * sizeof(block));
    file_close(&fd);
    ward->rec.empty = true;
    teardown();
}

TEST(a_message_that_is_none_ends_its_channel)
{
    static const size_t sizes[] = {1, KEEPER_MSG_SIZE - 1, KEEPER_MSG_SIZE, KEEPER_MSG_SIZE + 1};
    for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
        setup(KEEPER_ROLE_EDGE);
        char bytes[KEEPER_MSG_SIZE + 1];
        memset(bytes, (int)i, sizeof(bytes));
        check_int(chan_send_blocking(far_end, bytes, sizes[i], NULL, 0), 0);
        check_int(loop_turn(&keeper.loop, 0), 0);
        check(!keeper.peers[0].used);
        teardown();
        memset(&keeper, 0, sizeof(keeper));
    }
    setup(KEEPER_ROLE_EDGE); /* and so does anything in front of HELLO */
    keeper.peers[0].greeted = false;
    struct keeper_msg msg;
    keeper_msg_init(&msg, KEEPER_GET, STR("x"));
    check_int(chan_send_blocking(far_end, &msg, sizeof(msg), NULL, 0), 0);
    check_int(loop_turn(&keeper.loop, 0), 0);
    check(!keeper.peers[0].used);
    teardown();
}
