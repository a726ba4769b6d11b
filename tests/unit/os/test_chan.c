/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/chan.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/proc.h"
#include "os/shm.h"
#include "os/thread.h"
#include <sys/socket.h>

static struct loop loop;
static struct chan left;
static struct chan right;
static uint8_t left_queue[16 * 1024];
static uint8_t right_queue[1024];
static uint32_t next_number;
static unsigned closed_count;
static int closed_error;
static int kept_fd = -1;

static void on_message(struct chan *chan, struct chan_msg *msg)
{
    uint32_t number;
    check(msg->len >= sizeof(number));
    memcpy(&number, msg->data, sizeof(number));
    check_int(number, next_number);
    next_number++;
    if (msg->fd_count > 0) {
        kept_fd = msg->fds[0];
        msg->fds[0] = -1;
    }
}

static void on_closed(struct chan *chan, int error)
{
    closed_count++;
    closed_error = error;
}

static void setup(void)
{
    int fds[2];
    check_int(loop_init(&loop, 1), 0);
    check_int(chan_pair(fds), 0);
    left = right = (struct chan){.message = on_message, .closed = on_closed};
    check_int(chan_open(&left, &loop, fds[0], left_queue, sizeof(left_queue)), 0);
    check_int(chan_open(&right, &loop, fds[1], right_queue, sizeof(right_queue)), 0);
}

static void teardown(void)
{
    chan_close(&left);
    chan_close(&right);
    loop_fini(&loop);
}

TEST(a_descriptor_travels_with_its_message)
{
    setup();
    int bell;
    check_int(shm_bell_create(&bell), 0);
    uint32_t number = 0;
    check_int(chan_send(&left, &number, sizeof(number), &bell, 1), 0);
    check_int(loop_turn(&loop, 0), 0);
    check(kept_fd >= 0 && kept_fd != bell);
    shm_bell_ring(bell);
    check_int(shm_bell_clear(kept_fd), 1);
    file_close(&bell);
    file_close(&kept_fd);
    teardown();
}

/* Model: numbers in order, none lost, whatever mix of kernel buffer, queue and refusal. */
TEST(messages_keep_their_order_through_a_full_queue)
{
    setup();
    uint32_t next = 0;
    unsigned refused = 0;
    uint8_t data[CHAN_MSG_MAX] = {0};
    size_t rounds = test_rounds(3000);
    for (size_t i = 0; i < rounds; i++) {
        size_t len = 4 + rng_below(test_rng(), 1500);
        memcpy(data, &next, sizeof(next));
        int bell = -1;
        bool with_fd = rng_chance(test_rng(), 20);
        if (with_fd) {
            check_int(shm_bell_create(&bell), 0);
        }
        int result = chan_send(&left, data, len, &bell, with_fd);
        check(result == 0 || result == -ENOBUFS);
        file_close(&bell);
        next += result == 0;
        refused += result != 0;
        if (rng_chance(test_rng(), 10)) {
            for (int turn = 0; turn < 5; turn++) {
                check_int(loop_turn(&loop, 0), 0);
                file_close(&kept_fd);
            }
        }
    }
    for (int turn = 0; turn < 2000 && next_number < next; turn++) {
        check_int(loop_turn(&loop, 0), 0);
        file_close(&kept_fd);
    }
    check_int(next_number, next);
    check(refused > 0);
    teardown();
}

TEST(what_was_sent_before_the_end_is_read_before_the_end)
{
    setup();
    for (uint32_t i = 0; i < 5; i++) {
        check_int(chan_send(&left, &i, sizeof(i), NULL, 0), 0);
    }
    chan_close(&left);
    check_int(loop_turn(&loop, 0), 0);
    check_int(next_number, 5);
    check_int(closed_count, 1);
    check_int(closed_error, 0);
    check(!chan_is_open(&right));
    uint32_t number = 0;
    check_int(chan_send(&right, &number, sizeof(number), NULL, 0), -EPIPE);
    teardown();
}

TEST(the_peer_is_known_by_its_credentials)
{
    setup();
    struct sock_cred cred;
    check_int(chan_peer(&left, &cred), 0);
    check_int(cred.pid, proc_own_pid());
    teardown();
}

TEST(blocking_receive_gives_up_at_its_deadline)
{
    int fds[2];
    check_int(chan_pair(fds), 0);
    char data[16];
    size_t fd_count = 0;
    check_int(chan_recv_blocking(fds[0], data, sizeof(data), NULL, &fd_count, 5 * NS_PER_MS),
              -ETIMEDOUT);
    check_int(chan_send_blocking(fds[1], "hello", 5, NULL, 0), 0);
    check_int(chan_recv_blocking(fds[0], data, sizeof(data), NULL, &fd_count, -1), 5);
    file_close(&fds[1]);
    check_int(chan_recv_blocking(fds[0], data, sizeof(data), NULL, &fd_count, -1), 0);
    file_close(&fds[0]);
}

/* The same against a reader that takes a few at a time, so that the queue's end meets its
 * beginning. */
TEST(messages_keep_their_order_around_the_end_of_the_queue)
{
    static uint8_t queue[9 * 1024 + 8];
    static uint8_t data[CHAN_MSG_MAX];
    int fds[2];
    uint32_t sent = 0, got = 0;
    struct chan chan = {.message = on_message, .closed = on_closed};
    check_int(loop_init(&loop, 1), 0);
    check_int(chan_pair(fds), 0);
    check_int(chan_open(&chan, &loop, fds[0], queue, sizeof(queue)), 0);
    for (size_t round = 0; round < test_rounds(2000); round++) {
        for (int i = 0; i < 200; i++) {
            memcpy(data, &sent, sizeof(sent));
            if (chan_send(&chan, data, 4 + rng_below(test_rng(), 1500), NULL, 0) < 0) {
                break;
            }
            sent++;
        }
        for (uint64_t n = rng_below(test_rng(), 12); n > 0; n--) {
            size_t none = 0;
            uint32_t number;
            check(chan_recv_blocking(fds[1], data, sizeof(data), NULL, &none, NS_PER_S) >= 4);
            memcpy(&number, data, sizeof(number));
            check_int(number, got);
            got++;
            check_int(loop_turn(&loop, 0), 0);
        }
    }
    chan_close(&chan);
    file_close(&fds[1]);
    loop_fini(&loop);
}

struct chan_reader {
    struct thread thread;
    int fd;
    int want;
    int got;
};

static void read_all(struct thread *thread)
{
    static uint8_t data[CHAN_MSG_MAX];
    struct chan_reader *reader = container_of(thread, struct chan_reader, thread);
    size_t none = 0;
    clock_sleep_ns(20 * NS_PER_MS); /* most likely the sender waits by then */
    while (reader->got < reader->want &&
           chan_recv_blocking(reader->fd, data, sizeof(data), NULL, &none, 20 * NS_PER_S) > 0) {
        reader->got++;
    }
}

TEST(a_send_that_blocks_waits_for_its_reader_and_ends_with_it)
{
    static uint8_t data[1024];
    int fds[2];
    setup();
    check_int(chan_pair(fds), 0);
    int count = 0;
    while (send(fds[0], data, sizeof(data), MSG_DONTWAIT) > 0) {
        count++;
    }
    check(count > 0);
    struct chan_reader reader = {.fd = fds[1], .want = count + 1};
    check_int(thread_start(&reader.thread, "reader", read_all), 0);
    check_int(chan_send_blocking(fds[0], data, sizeof(data), NULL, 0), 0);
    thread_join(&reader.thread);
    check_int(reader.got, count + 1);
    file_close(&fds[1]);
    check_int(chan_send_blocking(fds[0], data, sizeof(data), NULL, 0), -EPIPE);
    file_close(&fds[0]);
    teardown();
}
