/* SPDX-License-Identifier: Apache-2.0
 *
 * The tail as a whole, on a real loop with a real worker: what is announced, read, said and
 * removed, and in which order. The linker puts functions of this file in front of some real ones
 * (meson.build), so that the disk fails, the clock jumps and things happen in the middle of a pass.
 */
#include "harness/test.h"

#include "core/event.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/loop.h"
#include "see/stream.h"
#include "see/tail.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[64], output[128], logs[96], outputs[96];
static struct loop loop;
static struct bus *bus;
static struct core core;
static struct worker_pool pool;
static struct tail tail;
static struct vec catalog;
static int writer = -1;
static size_t committed_calls;

/* --- what stands in front of the real ones --- */

static atomic_int append_error;
static atomic_llong clock_jump, wall_jump, frozen_at;
static atomic_int unlinking; /* 1: the next unlink waits for 3; 2: it waits */
static char kinds[512];      /* of the events, each with a blank behind */
static char message[512];    /* of the last event */

void __wrap_event_emit(struct core *c, const struct event *draft);
void __wrap_event_emit(struct core *c, const struct event *draft)
{
    size_t len = strlen(kinds);
    snprintf(kinds + len, sizeof(kinds) - len, "%s ", draft->kind);
    snprintf(message, sizeof(message), "%s", draft->message);
}

int __wrap_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count);
int __real_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count);
int __wrap_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count)
{
    return append_error ? append_error : __real_segment_append(stream, records, count);
}

int64_t __wrap_clock_mono_ns(void);
int64_t __real_clock_mono_ns(void);
int64_t __wrap_clock_mono_ns(void)
{
    return (frozen_at ? frozen_at : __real_clock_mono_ns()) + clock_jump;
}

int64_t __wrap_clock_wall_ns(void);
int64_t __real_clock_wall_ns(void);
int64_t __wrap_clock_wall_ns(void)
{
    return __real_clock_wall_ns() + wall_jump;
}

int __wrap_file_unlink(const char *path);
int __real_file_unlink(const char *path);
int __wrap_file_unlink(const char *path)
{
    int r = __real_file_unlink(path);
    if (unlinking == 1) {
        unlinking = 2;
        while (unlinking == 2) {
            usleep(1000);
        }
    }
    return r;
}

static int submit_error;

int __wrap_worker_submit(struct worker_pool *p, struct work *work);
int __real_worker_submit(struct worker_pool *p, struct work *work);
int __wrap_worker_submit(struct worker_pool *p, struct work *work)
{
    return submit_error ? submit_error : __real_worker_submit(p, work);
}

static atomic_size_t allocations, refused_at; /* the one that is refused; 0 = none */
static atomic_bool was_refused;

static bool refuse(void)
{
    bool now = ++allocations == refused_at;
    was_refused = was_refused || now;
    return now;
}

#define IN_FRONT(name, parameters, arguments)                                                      \
    void *__wrap_##name parameters;                                                                \
    void *__real_##name parameters;                                                                \
    void *__wrap_##name parameters                                                                 \
    {                                                                                              \
        return refuse() ? NULL : __real_##name arguments;                                          \
    }

IN_FRONT(malloc, (size_t size), (size))
IN_FRONT(calloc, (size_t count, size_t size), (count, size))
IN_FRONT(realloc, (void *p, size_t size), (p, size))
IN_FRONT(reallocarray, (void *p, size_t count, size_t size), (p, count, size))

/* --- helpers --- */

static void committed(void *arg, const struct stream_id *ids, size_t count)
{
    committed_calls++;
}

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    snprintf(logs, sizeof(logs), "%s/logs", folder);
    snprintf(outputs, sizeof(outputs), "%s/output", folder);
    snprintf(output, sizeof(output), "%s/output/shop/web-1.out", folder);
    check_int(loop_init(&loop, 1), 0);
    check_int(bus_new(&loop, &bus), 0);
    check_int(worker_pool_init(&pool, &loop, 2, 4), 0);
    core = (struct core){.loop = &loop, .bus = bus};
    catalog = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    tail = (struct tail){.catalog = &catalog, .logs = logs, .output = outputs};
    tail.ops.committed = committed;
    check_int(tail_init(&tail, &core, &pool), 0);
}

static void tear_down(void)
{
    tail_stop(&tail);
    worker_pool_fini(&pool);
    tail_fini(&tail);
    vec_fini(&catalog);
    bus_free(bus);
    loop_fini(&loop);
    file_close(&writer);
    check_int(file_remove_tree(folder), 0);
}

static void open_writer(void)
{
    check_int(file_mkdir_p(outputs, 0755), 0);
    char project[128];
    snprintf(project, sizeof(project), "%s/shop", outputs);
    check_int(file_mkdir_p(project, 0755), 0);
    check_int(file_open(output, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &writer), 0);
}

static void say(const char *text)
{
    check_int(file_write(writer, text, strlen(text)), 0);
}

static struct bus_message news(enum bus_topic topic)
{
    struct bus_message told = {.topic = topic};
    told.id = bus_id_make(STR("default"), STR("shop"), STR("web"), 1);
    if (topic == BUS_OUTPUT_OPENED || topic == BUS_OUTPUT_CLOSED) {
        snprintf(told.output.path, sizeof(told.output.path), "output/shop/web-1.out");
    }
    return told;
}

static void tell(enum bus_topic topic)
{
    struct bus_message told = news(topic);
    tail_message(&tail, &told);
}

/* Turns the loop until `done`, at most some seconds. */
#define turn_until(done)                                                                           \
    do {                                                                                           \
        for (int turn = 0; turn < 3000 && !(done); turn++) {                                       \
            check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);                                        \
        }                                                                                          \
        check(done);                                                                               \
    } while (0)

static void turn_for(int64_t ns)
{
    int64_t end = __real_clock_mono_ns() + ns;
    while (__real_clock_mono_ns() < end) {
        check_int(loop_turn(&loop, 5 * NS_PER_MS), 0);
    }
}

/* The texts of all stored lines, each with "|" behind; notices as "!". */
static const char *stored(void)
{
    static char out[4096];
    const struct stream_id id = {"default", "shop", "web", 1, LOGS_STDOUT};
    char path[STREAM_PATH_MAX];
    struct segment_reader *reader = NULL;
    struct segment_record record;
    size_t len = 0;
    out[0] = '\0';
    check_int(stream_folder(&id, logs, path), 0);
    check_int(segment_reader_new(path, &(struct segment_query){.to = INT64_MAX}, &reader), 0);
    while (segment_reader_next(reader, &record) == 0) {
        struct str text = record.flags & LOGS_NOTICE ? STR("!") : record.bytes;
        len += (size_t)snprintf(out + len, sizeof(out) - len, STR_FMT "|", STR_ARG(text));
    }
    segment_reader_free(reader);
    return out;
}

/* --- tests --- */

TEST(an_announced_output_is_read_and_followers_are_told)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    say("one\n");
    turn_until(tail.stats.lines == 1);
    say("two\n"); /* only the kernel tells of it */
    turn_until(tail.stats.lines == 2);
    check_cstr(stored(), "one|two|");
    check(committed_calls >= 2);
    check_int(catalog.len, 1);
    tear_down();
}

TEST(what_was_in_the_folder_before_is_read)
{
    set_up();
    open_writer();
    say("before\n");
    check_int(tail_start(&tail), 0);
    turn_until(tail.stats.lines == 1);
    check_cstr(stored(), "before|");
    tear_down();
}

/* Between the end and the pass that reads it, the replica is started again and is about to say
 * something. */
TEST(a_line_begun_after_the_end_is_not_cut)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    say("one\ntwo");
    turn_until(tail.stats.lines == 1);
    tell(BUS_OUTPUT_CLOSED);
    say("\nthree ");
    turn_until(tail.stats.lines == 2);
    turn_for(50 * NS_PER_MS);
    tell(BUS_OUTPUT_OPENED);
    say("words\n");
    turn_until(tail.stats.lines == 3);
    check_cstr(stored(), "one|two|three words|");
    tell(BUS_OUTPUT_CLOSED);
    say("four");
    turn_for(50 * NS_PER_MS);
    tell(BUS_OUTPUT_CLOSED);
    turn_until(tail.stats.lines == 4);
    check_cstr(stored(), "one|two|three words|four|");
    tear_down();
}

/* A new project's folder and a message that came late: the kernel tells of the folder. */
TEST(a_project_that_nobody_announced_is_found)
{
    set_up();
    check_int(tail_start(&tail), 0);
    turn_for(20 * NS_PER_MS);
    open_writer();
    say("here\n");
    turn_until(tail.stats.lines == 1);
    tear_down();
}

TEST(the_output_of_a_removed_replica_is_read_to_its_end_and_removed)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    say("no end");
    turn_for(50 * NS_PER_MS);
    tell(BUS_REPLICA_REMOVED);
    clock_jump += TAIL_REMOVE_NS;
    turn_for(100 * NS_PER_MS);
    check(file_exists(output)); /* the service has it open */
    file_close(&writer);
    clock_jump += TAIL_ORPHAN_NS;
    turn_until(!file_exists(output));
    turn_until(tail.entries.len == 0);
    check_cstr(stored(), "no end|");
    tear_down();
}

/* The pass has unlinked the output, and its replica is started again before the loop hears of it:
 * the new file, and the bounds that were announced with it, count. */
TEST(an_output_announced_again_while_it_is_removed_is_read_from_its_new_file)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    say("old\n");
    turn_until(tail.stats.lines == 1);
    file_close(&writer);
    tell(BUS_REPLICA_REMOVED);
    unlinking = 1;
    clock_jump += TAIL_REMOVE_NS;
    turn_until(unlinking == 2);
    usleep(10000); /* two files made in one tick of the kernel's clock may look the same */
    open_writer();
    struct bus_message told = news(BUS_OUTPUT_OPENED);
    told.output.burst_bytes = 64 * 1024;
    tail_message(&tail, &told);
    for (int i = 0; i < 400; i++) { /* ten times of what may wait */
        char line[KIB];
        memset(line, 'x', sizeof(line));
        line[sizeof(line) - 1] = '\n';
        check_int(file_write(writer, line, sizeof(line)), 0);
    }
    unlinking = 3;
    turn_until(tail.stats.lines > 1);
    check_int(tail.entries.len, 1);
    if (tail.stats.dropped_bytes == 0 && file_punch_hole(writer, 0, 4096) == -EOPNOTSUPP) {
        test_skip("this file system has no holes");
    }
    check(tail.stats.dropped_bytes > 300 * KIB);
    check_cstr(kinds, "output.dropped ");
    tear_down();
}

TEST(what_nobody_announced_after_a_start_is_read_and_removed)
{
    set_up();
    open_writer();
    say("orphan\n");
    file_close(&writer);
    check_int(tail_start(&tail), 0);
    turn_until(tail.stats.lines == 1);
    check(file_exists(output));
    clock_jump += TAIL_ORPHAN_NS;
    turn_until(!file_exists(output));
    check_cstr(stored(), "orphan|");
    tear_down();
}

TEST(a_full_disk_is_said_once_and_everything_is_stored_later)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    append_error = -ENOSPC;
    say("one\n");
    turn_until(tail.stats.full);
    clock_jump += TAIL_RETRY_NS;
    uint64_t passes = tail.stats.passes;
    say("two\n");
    turn_until(tail.stats.passes > passes);
    check_cstr(kinds, "logs.full ");
    append_error = 0;
    clock_jump += TAIL_RETRY_NS;
    turn_until(tail.stats.lines == 2);
    check_cstr(stored(), "one|two|");
    check_cstr(kinds, "logs.full logs.resumed ");
    check(strstr(message, "no output was lost"));
    check(!tail.stats.full);
    tear_down();
}

TEST(what_did_not_find_room_on_a_full_disk_is_counted_when_there_is_room_again)
{
    set_up();
    open_writer();
    if (file_punch_hole(writer, 0, 4096) == -EOPNOTSUPP) {
        test_skip("this file system has no holes");
    }
    check_int(tail_start(&tail), 0);
    struct bus_message opened = news(BUS_OUTPUT_OPENED);
    opened.output.burst_bytes = 64 * KIB;
    tail_message(&tail, &opened);
    append_error = -ENOSPC;
    say("one\n");
    turn_until(tail.stats.full);
    for (int i = 0; i < 400; i++) {
        char line[KIB];
        memset(line, 'x', sizeof(line));
        line[sizeof(line) - 1] = '\n';
        check_int(file_write(writer, line, sizeof(line)), 0);
    }
    uint64_t passes = tail.stats.passes;
    clock_jump += TAIL_RETRY_NS;
    turn_until(tail.stats.passes > passes);
    append_error = 0;
    clock_jump += TAIL_RETRY_NS;
    turn_until(!tail.stats.full && tail.stats.dropped_bytes > 300 * KIB);
    check_cstr(kinds, "logs.full output.dropped logs.resumed ");
    char want[64];
    snprintf(want, sizeof(want), "%llu bytes of output did not find room",
             (unsigned long long)tail.stats.dropped_bytes);
    check(strstr(message, want));
    tear_down();
}

TEST(without_a_thread_lines_wait)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    submit_error = -EAGAIN;
    say("one\n");
    turn_until(tail.failed);
    submit_error = 0;
    clock_jump += TAIL_RETRY_NS;
    turn_until(tail.stats.lines == 1);
    check_cstr(stored(), "one|");
    tear_down();
}

static void turn_until_lines(uint64_t count)
{
    for (int turn = 0; turn < 3000 && tail.stats.lines < count; turn++) {
        check_int(loop_turn(&loop, 2 * NS_PER_MS), 0);
        clock_jump += turn % 10 == 9 ? TAIL_RETRY_NS : 0;
    }
    check_int(tail.stats.lines, count);
}

/* Whichever allocation is refused: the line is stored, at once or a second later, although nobody
 * tells of it again; and so is what comes next. */
TEST(when_memory_runs_out_no_line_is_lost)
{
    size_t nth = 0;
    do {
        set_up();
        open_writer();
        say("one\n");
        was_refused = false;
        allocations = 0;
        refused_at = ++nth;
        check_int(tail_start(&tail), 0);
        turn_until_lines(1);
        say("two\n");
        turn_until_lines(2);
        refused_at = 0;
        check_cstr(stored(), "one|two|");
        tear_down();
    } while (was_refused);
    check(nth > 5);
}

static bool source_wants;
static int source_error;

static bool source_take(struct tail_source *source)
{
    return source_wants;
}

static void source_run(struct tail_source *source, struct tail_clock *clock)
{
    source->error = source_error;
}

static void source_done(struct tail_source *source, int64_t from_ns, int64_t to_ns)
{
    source_wants = source->error < 0;
    tail.kicked = source_wants;
}

/* Traffic with quiet services: nothing but access records finds the disk full. */
TEST(a_disk_that_is_full_for_access_records_alone_is_said_too)
{
    struct tail_source source = {.take = source_take, .run = source_run, .done = source_done};
    set_up();
    tail_add_source(&tail, &source);
    source_wants = true;
    source_error = -ENOSPC;
    tail_kick(&tail);
    turn_until(tail.stats.full);
    check_cstr(kinds, "logs.full ");
    source_error = 0;
    clock_jump += TAIL_RETRY_NS;
    turn_until(!tail.stats.full);
    check_cstr(kinds, "logs.full logs.resumed ");
    tear_down();
}

TEST(a_disk_that_fails_is_tried_again_each_second)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    frozen_at = __real_clock_mono_ns();
    append_error = -EIO;
    say("one\n");
    clock_jump += TAIL_PAUSE_NS;
    turn_until(tail.failed);
    uint64_t passes = tail.stats.passes;
    turn_for(100 * NS_PER_MS);
    check_int(tail.stats.passes, passes); /* not over and over */
    append_error = 0;
    frozen_at = 0;
    clock_jump += TAIL_RETRY_NS;
    turn_until(tail.stats.lines == 1);
    check_cstr(kinds, ""); /* a line of muelle's own log, no event */
    tear_down();
}

TEST(a_service_that_truncates_its_output_all_the_time_is_said_once_a_minute)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    for (uint64_t i = 1; i <= 3; i++) {
        say("a longer line\n");
        turn_until(tail.stats.lines == i);
        check_int(file_truncate(writer, 0), 0);
        turn_until(tail.stats.truncations == i);
    }
    check_cstr(kinds, "output.truncated ");
    clock_jump += TAIL_SAY_NS; /* nothing more happens, and the rest is said */
    turn_until(strlen(kinds) > strlen("output.truncated "));
    check_cstr(kinds, "output.truncated output.truncated ");
    clock_jump += TAIL_SAY_NS;
    turn_for(50 * NS_PER_MS);
    check_cstr(kinds, "output.truncated output.truncated ");
    tear_down();
}

/* 400 KiB at once, where 64 may wait. */
static void lose_some(void)
{
    uint64_t before = tail.stats.dropped_bytes;
    for (int i = 0; i < 400; i++) {
        char line[KIB];
        memset(line, 'x', sizeof(line));
        line[sizeof(line) - 1] = '\n';
        check_int(file_write(writer, line, sizeof(line)), 0);
    }
    turn_until(tail.stats.dropped_bytes > before && !tail.running);
}

TEST(what_is_lost_within_a_minute_is_said_as_one_sum)
{
    char want[64];
    set_up();
    open_writer();
    if (file_punch_hole(writer, 0, 4096) == -EOPNOTSUPP) {
        test_skip("this file system has no holes");
    }
    check_int(tail_start(&tail), 0);
    struct bus_message opened = news(BUS_OUTPUT_OPENED);
    opened.output.burst_bytes = 64 * KIB;
    tail_message(&tail, &opened);
    lose_some();
    uint64_t said = tail.stats.dropped_bytes;
    lose_some();
    lose_some();
    check_cstr(kinds, "output.dropped ");
    clock_jump += TAIL_SAY_NS;
    turn_until(strlen(kinds) > strlen("output.dropped "));
    snprintf(want, sizeof(want), ": %llu bytes of its stdout",
             (unsigned long long)(tail.stats.dropped_bytes - said));
    check(strstr(message, want));
    tear_down();
}

/* Lines of random letters: they stay as large when they are packed. */
static void say_much(size_t bytes)
{
    static char line[4096];
    for (size_t done = 0; done < bytes; done += sizeof(line)) {
        for (size_t i = 0; i < sizeof(line) - 1; i++) {
            line[i] = (char)('0' + rng_below(test_rng(), 64));
        }
        line[sizeof(line) - 1] = '\n';
        check_int(file_write(writer, line, sizeof(line)), 0);
    }
}

static uint64_t sealed_after_trim(void)
{
    uint64_t passes = tail.stats.passes;
    tell(BUS_LOGGING_CHANGED);
    turn_until(tail.stats.passes > passes);
    return tail.stats.stored_bytes;
}

TEST(nothing_is_removed_before_the_budget_is_known_and_the_oldest_when_it_is)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    say_much(18 * MIB);
    turn_until(tail.stats.lines == 18 * MIB / 4096);
    uint64_t all = sealed_after_trim();
    check(all > 8 * MIB);
    core.logging = (struct core_logging){8 * MIB, 3600 * NS_PER_S};
    uint64_t kept = sealed_after_trim();
    check(kept <= 8 * MIB && kept > 0);
    core.logging.max_bytes = 100 * MIB;
    check_int(sealed_after_trim(), kept);
    tear_down();
}

TEST(what_is_too_old_goes_even_when_it_was_not_sealed_yet)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    say("old\n");
    turn_until(tail.stats.lines == 1);
    core.logging = (struct core_logging){MIB, 3600 * NS_PER_S};
    wall_jump += 2 * 3600 * NS_PER_S;
    sealed_after_trim(); /* seals it */
    say("new\n");
    turn_until(tail.stats.lines == 2);
    sealed_after_trim(); /* removes it */
    check_cstr(stored(), "new|");
    tear_down();
}

TEST(a_stream_that_was_removed_is_not_listed_any_more)
{
    struct stream_id id = {"default", "old", "web", 1, LOGS_STDOUT};
    struct segment_stream segment;
    char path[STREAM_PATH_MAX];
    set_up();
    check_int(stream_folder(&id, logs, path), 0);
    check_int(segment_open(&segment, path), 0);
    segment_close(&segment);
    check_int(stream_catalog_scan(&catalog, logs), 0);
    check_int(catalog.len, 1);
    core.logging = (struct core_logging){MIB, 3600 * NS_PER_S};
    wall_jump += 2 * 3600 * NS_PER_S;
    check_int(tail_start(&tail), 0);
    sealed_after_trim();
    check(!file_exists(path));
    check_int(catalog.len, 0);
    tear_down();
}

TEST(a_stop_begins_no_pass_any_more)
{
    set_up();
    open_writer();
    check_int(tail_start(&tail), 0);
    tell(BUS_OUTPUT_OPENED);
    turn_until(tail.stats.passes > 0 && !tail.running);
    tail_stop(&tail);
    uint64_t passes = tail.stats.passes;
    say("unread\n");
    tail_kick(&tail);
    tell(BUS_RESYNC);
    turn_for(50 * NS_PER_MS);
    check_int(tail.stats.passes, passes);
    tear_down();
}
