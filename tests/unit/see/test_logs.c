/* SPDX-License-Identifier: Apache-2.0
 *
 * Queries and followers when something is in the way: too many, gone owners, a disk that cannot be
 * read, no thread. What they select is in test_logs_select.c. Two functions are put in front of the
 * real ones by the linker (meson.build).
 */
#include "harness/test.h"

#include "base/num.h"
#include "os/file.h"
#include "os/loop.h"
#include "see/logs_select.h"
#include "see/private.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct loop loop;
static struct core core;
static struct see see;
static int submit_error;
static atomic_int select_error;
static atomic_bool hold, held; /* a query that runs waits until it is let go or cancelled */

int __wrap_worker_submit(struct worker_pool *pool, struct work *work);
int __real_worker_submit(struct worker_pool *pool, struct work *work);
int __wrap_worker_submit(struct worker_pool *pool, struct work *work)
{
    return submit_error ? submit_error : __real_worker_submit(pool, work);
}

int __wrap_logs_select_run(const struct logs_select *select, struct logs_selection *ret);
int __real_logs_select_run(const struct logs_select *select, struct logs_selection *ret);
int __wrap_logs_select_run(const struct logs_select *select, struct logs_selection *ret)
{
    while (hold && !__atomic_load_n(select->cancelled, __ATOMIC_RELAXED)) {
        held = true;
        usleep(1000);
    }
    return select_error ? select_error : __real_logs_select_run(select, ret);
}

static void set_up(void)
{
    check_int(loop_init(&loop, 1), 0);
    core = (struct core){.loop = &loop};
    see = (struct see){.core = &core};
    see.catalog = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    check_int(worker_pool_init(&see.pool, &loop, 2, 4), 0);
    logs_init(&see.logs);
}

static void tear_down(void)
{
    logs_stop(&see.logs);
    worker_pool_fini(&see.pool);
    logs_fini(&see.logs);
    vec_fini(&see.catalog);
    loop_fini(&loop);
}

struct asker {
    size_t calls;
    int error;
};

static void take_page(void *arg, int error, const struct logs_page *page)
{
    struct asker *asker = arg;
    asker->calls++;
    asker->error = error;
}

static const struct logs_query all = {.stream = LOGS_ALL_STREAMS};

static int ask(struct asker *asker)
{
    return logs_read(&see, &all, take_page, asker);
}

#define turn_until(done)                                                                           \
    do {                                                                                           \
        for (int turn = 0; turn < 3000 && !(done); turn++) {                                       \
            check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);                                        \
        }                                                                                          \
        check(done);                                                                               \
    } while (0)

TEST(a_full_queue_refuses_and_answers_what_it_has)
{
    struct asker asker = {0};
    size_t taken = 0;
    set_up();
    while (ask(&asker) == 0) {
        taken++;
    }
    check_int(taken, 1024);
    check_int(ask(&asker), -ENOBUFS);
    check_int(asker.calls, 0); /* not from within the call */
    turn_until(asker.calls == taken);
    check_int(asker.error, 0);
    check_int(see.logs.stats.queries, taken);
    check_int(ask(&asker), 0);
    turn_until(asker.calls == taken + 1);
    tear_down();
}

TEST(a_query_that_is_too_large_is_refused)
{
    static char text[5000];
    struct str services[LOGS_SERVICES_MAX + 1] = {STR_INIT("a")};
    struct asker asker = {0};
    struct logs_query query = all;
    set_up();
    memset(text, 'x', sizeof(text));
    query.text = str_make(text, sizeof(text));
    check_int(logs_read(&see, &query, take_page, &asker), -EMSGSIZE);
    query = all;
    query.services = services;
    query.service_count = ARRAY_LEN(services);
    check_int(logs_read(&see, &query, take_page, &asker), -EMSGSIZE);
    check(!logs_follow(&see, &query, take_page, &asker));
    check_int(see.logs.queued, 0);
    tear_down();
}

TEST(an_owner_that_went_away_is_not_called)
{
    struct asker running = {0}, queued = {0}, other = {0};
    set_up();
    hold = true;
    check_int(ask(&running), 0);
    turn_until(held);
    check_int(ask(&queued), 0);
    check_int(ask(&other), 0);
    logs_cancel(&see, &queued);
    logs_cancel(&see, &running); /* ends it, too */
    turn_until(see.logs.stats.queries == 1);
    hold = false;
    turn_until(other.calls == 1);
    check_int(running.calls + queued.calls, 0);
    held = false;
    tear_down();
}

TEST(the_end_frees_what_runs_and_what_waits)
{
    struct asker running = {0}, queued = {0};
    set_up();
    hold = true;
    check_int(ask(&running), 0);
    turn_until(held);
    check_int(ask(&queued), 0);
    check(logs_follow(&see, &all, take_page, &queued));
    tear_down(); /* cancels what runs: it does not wait for ever */
    hold = held = false;
    check_int(running.calls + queued.calls, 0);
    set_up();
    logs_stop(&see.logs);
    check_int(ask(&queued), -ENOBUFS);
    tear_down();
}

TEST(without_a_thread_the_error_is_the_answer)
{
    struct asker first = {0}, second = {0};
    set_up();
    submit_error = -EAGAIN;
    check_int(ask(&first), 0);
    check_int(ask(&second), 0);
    turn_until(second.calls == 1);
    check_int(first.error, -EAGAIN);
    submit_error = 0;
    check_int(ask(&first), 0);
    turn_until(first.calls == 2);
    check_int(first.error, 0);
    tear_down();
}

TEST(a_disk_that_cannot_be_read_is_said_to_a_follower_which_goes_on_later)
{
    const struct stream_id id = {"default", "shop", "web", 1, LOGS_STDOUT};
    struct asker asker = {0};
    set_up();
    check_int(vec_push(&see.catalog, &id), 0);
    struct logs_query query = all;
    query.limit = 10;
    select_error = -EIO;
    struct logs_follower *follower = logs_follow(&see, &query, take_page, &asker);
    check(follower);
    turn_until(asker.calls == 1);
    check_int(asker.error, -EIO);
    select_error = 0;
    logs_follow_more(follower);
    logs_committed(&see.logs, &id, 1);
    turn_until(asker.calls == 2);
    check_int(asker.error, 0);
    logs_unfollow(follower);
    tear_down();
}

TEST(followers_are_bounded_and_may_leave_while_they_are_answered)
{
    static struct logs_follower *followers[LOGS_FOLLOWERS_MAX];
    struct asker asker = {0};
    struct logs_query query = all;
    query.limit = 10;
    set_up();
    for (size_t i = 0; i < LOGS_FOLLOWERS_MAX; i++) {
        followers[i] = logs_follow(&see, &query, take_page, &asker);
        check(followers[i]);
    }
    check(!logs_follow(&see, &query, take_page, &asker));
    turn_until(see.logs.running);
    for (size_t i = 0; i < LOGS_FOLLOWERS_MAX; i++) {
        logs_unfollow(followers[i]);
    }
    check_int(see.logs.follower_count, 0);
    size_t calls = asker.calls;
    turn_until(!see.logs.running && list_empty(&see.logs.queue));
    check_int(asker.calls, calls);
    tear_down();
}

struct reader {
    struct logs_follower *follower;
    uint64_t next, pages;
    bool busy; /* has a page that it has not worked off */
};

/* Lines are numbers: each once, in order, whatever the pages. */
static void take_lines(void *arg, int error, const struct logs_page *page)
{
    struct reader *reader = arg;
    size_t bytes = 0;
    check_int(error, 0);
    check(!reader->busy);
    for (size_t i = 0; i < page->count; i++) {
        uint64_t number = 0;
        struct str text = page->lines[i].message;
        bytes += text.len;
        check_int(num_parse_u64(str_slice(text, 0, 8), &number), 0);
        check_int(number, reader->next + 10000000);
        reader->next++;
    }
    check(page->count <= LOGS_FOLLOW_LIMIT && bytes <= LOGS_FOLLOW_BYTES + 4 * KIB);
    reader->busy = true;
    reader->pages++;
}

TEST(a_follower_gets_large_pages_in_parts_and_each_line_once)
{
    enum { LINES = 2500 };
    static char texts[LINES][KIB];
    static struct segment_record records[LINES];
    const struct stream_id id = {"default", "shop", "web", 1, LOGS_STDOUT};
    struct segment_stream stream = SEGMENT_STREAM_INIT;
    struct reader reader = {0};
    struct logs_query query = all;
    char folder[STREAM_PATH_MAX];
    set_up();
    snprintf(see.logs_folder, sizeof(see.logs_folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(see.logs_folder));
    for (size_t i = 0; i < LINES; i++) {
        size_t len = i % 3 ? 8 : sizeof(texts[i]) - 1;
        snprintf(texts[i], sizeof(texts[i]), "%zu%0*d", i + 10000000, (int)sizeof(texts[i]) - 9, 0);
        records[i] =
            (struct segment_record){.time = (int64_t)i + 1, .bytes = str_make(texts[i], len)};
    }
    check_int(stream_folder(&id, see.logs_folder, folder), 0);
    check_int(segment_open(&stream, folder), 0);
    check_int(segment_append(&stream, records, LINES), 0);
    check_int(vec_push(&see.catalog, &id), 0);
    see.tail.committed_ns = LINES;
    query.limit = LOGS_LIMIT_MAX;
    reader.follower = logs_follow(&see, &query, take_lines, &reader);
    check(reader.follower);
    while (reader.next < LINES) {
        turn_until(reader.busy);
        reader.busy = false;
        logs_follow_more(reader.follower);
    }
    check(reader.pages >= 3);
    logs_unfollow(reader.follower);
    segment_close(&stream);
    check_int(file_remove_tree(see.logs_folder), 0);
    tear_down();
}
