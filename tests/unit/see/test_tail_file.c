/* SPDX-License-Identifier: Apache-2.0
 *
 * Output files into segments: whatever is written and however the tail is interrupted, each line is
 * there once, in order; and what is lost is said.
 */
#include "harness/test.h"

#include "base/vec.h"
#include "os/file.h"
#include "os/lease.h"
#include "os/thread.h"
#include "see/tail_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

static char folder[64], output[96], logs[96];
static struct tail_clock tail_time;
static struct tail_file file;
static int writer = -1;
static const struct stream_id id = {"default", "shop", "web", 1, LOGS_STDOUT};

static void open_tail(void)
{
    tail_file_init(&file, &id, output);
    check_int(tail_file_open(&file, logs, &tail_time), 0);
}

static void set_up(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    snprintf(output, sizeof(output), "%s/web-1.out", folder);
    snprintf(logs, sizeof(logs), "%s/logs", folder);
    check_int(file_open(output, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &writer), 0);
    open_tail();
}

static void tear_down(void)
{
    tail_file_close(&file);
    file_close(&writer);
    check_int(file_remove_tree(folder), 0);
}

static void say(struct str bytes)
{
    check_int(file_write(writer, bytes.p, bytes.len), 0);
}

static struct tail_result look(bool ended)
{
    struct tail_result result;
    tail_file_read(&file, &tail_time, UINT64_MAX, ended ? UINT64_MAX : 0, &result);
    check_int(result.error, 0);
    return result;
}

/* All records: "flags:text|", notices shortened to "!". */
static struct str stored(void)
{
    static struct buf out = {.max = 256 * MIB};
    char path[STREAM_PATH_MAX];
    struct segment_reader *reader = NULL;
    struct segment_record record;
    int64_t last = 0;
    buf_reset(&out);
    check_int(stream_folder(&id, logs, path), 0);
    check_int(segment_reader_new(path, &(struct segment_query){.to = INT64_MAX}, &reader), 0);
    while (segment_reader_next(reader, &record) == 0) {
        check(record.time > last);
        last = record.time;
        if (record.flags & LOGS_NOTICE) {
            buf_add(&out, STR("!|"));
            continue;
        }
        buf_add(&out, record.bytes);
        buf_add(&out, record.flags & LOGS_PART     ? STR("+")
                      : record.flags & LOGS_NO_EOL ? STR("$|")
                                                   : STR("|"));
    }
    segment_reader_free(reader);
    check_int(buf_error(&out), 0);
    return buf_str(&out);
}

TEST(lines_are_stored_when_they_are_whole)
{
    set_up();
    say(STR("one\ntw"));
    struct tail_result result = look(false);
    check_int(result.lines, 1);
    check_int(result.bytes, 4);
    check_cstr(result.last_line, "one");
    say(STR("o\r\n\nthree"));
    look(false);
    check_str(stored(), STR("one|two||"));
    check_int(look(false).lines, 0);
    look(true);
    check_str(stored(), STR("one|two||three$|"));
    say(STR("four\n"));
    look(false);
    check_str(stored(), STR("one|two||three$|four|"));
    tear_down();
}

/* The end is known with its size: what the next writer has begun meanwhile is not cut. */
TEST(a_rest_behind_the_end_is_not_a_line_yet)
{
    struct tail_result result;
    set_up();
    say(STR("one\ntwo"));
    tail_file_read(&file, &tail_time, UINT64_MAX, 6, &result);
    check_str(stored(), STR("one|"));
    tail_file_read(&file, &tail_time, UINT64_MAX, 7, &result);
    check_str(stored(), STR("one|two$|"));
    tear_down();
}

TEST(a_line_beyond_the_limit_is_stored_in_parts)
{
    static char longer[TAIL_LINE_MAX + 10];
    set_up();
    memset(longer, 'x', sizeof(longer));
    say(str_make(longer, sizeof(longer)));
    say(STR("\nshort\n"));
    look(false);
    struct str all = stored();
    check_int(all.len, TAIL_LINE_MAX + 1 + 10 + 1 + 6);
    check(all.p[TAIL_LINE_MAX] == '+');
    tear_down();
}

TEST(bytes_that_are_no_text_are_kept)
{
    set_up();
    say(str_make("a\0b\n\0\0\n\xff\xfe\n", 10));
    look(false);
    check_str(stored(), str_make("a\0b|\0\0|\xff\xfe|", 10));
    tear_down();
}

TEST(an_output_that_is_not_there_yet_is_waited_for)
{
    set_up();
    tail_file_close(&file);
    file_close(&writer);
    check_int(file_unlink(output), 0);
    open_tail();
    check(look(false).missing);
    check_int(file_open(output, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &writer), 0);
    say(STR("x\n"));
    check_int(tail_file_open(&file, logs, &tail_time), 0);
    check_int(look(false).lines, 1);
    tear_down();
}

TEST(a_service_that_truncates_its_output_is_noticed)
{
    set_up();
    say(STR("before\n"));
    look(false);
    check_int(file_truncate(writer, 0), 0);
    say(STR("new\n"));
    check(look(false).truncated);
    look(false);
    check_str(stored(), STR("before|!|new|"));
    tail_file_close(&file);
    open_tail(); /* the place in the file that began again is known */
    check_int(look(false).lines, 0);
    say(STR("more\n"));
    look(false);
    check_str(stored(), STR("before|!|new|more|"));
    tear_down();
}

TEST(a_new_file_of_the_same_name_is_read_from_its_start)
{
    set_up();
    say(STR("first file\n"));
    look(false);
    tail_file_close(&file);
    file_close(&writer);
    check_int(file_unlink(output), 0);
    check_int(file_open(output, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &writer), 0);
    say(STR("second file\nand more\n"));
    open_tail();
    look(false);
    check_str(stored(), STR("first file|second file|and more|"));
    tear_down();
}

TEST(an_output_that_somebody_moved_away_is_read_to_its_end_before_the_new_one)
{
    char moved[128];
    int other = -1;
    set_up();
    say(STR("first\n"));
    look(false);
    snprintf(moved, sizeof(moved), "%s/moved", folder);
    check_int(file_rename(output, moved), 0);
    say(STR("still written\n"));
    look(false);
    usleep(10000); /* two files made in one tick of the kernel's clock may look the same */
    check_int(file_open(output, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &other), 0);
    check_int(file_write(other, "new\n", 4), 0);
    say(STR("last words"));
    look(false); /* its writer has it open */
    check_str(stored(), STR("first|still written|"));
    file_close(&writer);
    check(look(false).more);
    check_int(tail_file_open(&file, logs, &tail_time), 0);
    check(!look(false).more);
    check_str(stored(), STR("first|still written|last words$|new|"));
    file_close(&other);
    tear_down();
}

static void say_numbers(size_t from, size_t to)
{
    static struct buf out = {.max = 64 * MIB};
    buf_reset(&out);
    for (size_t i = from; i < to; i++) {
        buf_printf(&out, "line %zu of many\n", i);
    }
    say(buf_str(&out));
}

static void check_numbers(size_t to)
{
    static struct buf want = {.max = 64 * MIB};
    buf_reset(&want);
    for (size_t i = 0; i < to; i++) {
        buf_printf(&want, "line %zu of many|", i);
    }
    check_str(stored(), buf_str(&want));
}

TEST(what_is_stored_is_freed_and_the_size_stays)
{
    struct file_stat before, after;
    set_up();
    say_numbers(0, 300000);
    while (look(false).lines) {
    }
    check_int(file_fstat(writer, &before), 0);
    check_int(file.punched, 0); /* not before it is synced */
    check_int(tail_file_sync(&file), 0);
    check_int(file_fstat(writer, &after), 0);
    check_int(after.size, before.size);
    if (after.allocated == before.allocated) {
        test_skip("this file system has no holes");
    }
    check(after.allocated < 2 * TAIL_HOLE_MAX + 2 * TAIL_KEEP);
    say_numbers(300000, 300010);
    check_int(look(false).lines, 10);
    tail_file_close(&file);
    open_tail();
    check_int(look(false).lines, 0);
    check_numbers(300010);
    tear_down();
}

TEST(a_file_that_was_freed_truncated_and_grew_again_is_noticed)
{
    set_up();
    say_numbers(0, 200000);
    look(false);
    check_int(tail_file_sync(&file), 0);
    if (!file.punched) {
        test_skip("this file system has no holes");
    }
    check_int(file_truncate(writer, 0), 0);
    say_numbers(0, 250000);
    check(look(false).truncated);
    tear_down();
}

TEST(beyond_the_burst_the_oldest_goes_and_the_gap_is_said)
{
    set_up();
    say(STR("first\nha"));
    look(false);
    file.burst = 3 * MIB;
    say_numbers(0, 400000); /* about 8 MB */
    struct tail_result result = look(false);
    if (result.dropped == 0) {
        test_skip("this file system has no holes");
    }
    struct str all = stored();
    check(str_starts(all, STR("first|!|line ")));
    check(str_ends(all, STR("line 399999 of many|")));
    /* What was dropped and what is there make all that was written. */
    size_t kept = all.len - strlen("first|!|");
    struct file_stat stat;
    check_int(file_fstat(writer, &stat), 0);
    check_int(strlen("first\n") + result.dropped + kept, stat.size);
    check(kept > 1 * MIB);
    check_int(look(false).lines, 0);
    tear_down();
}

TEST(a_small_burst_keeps_its_newest_lines)
{
    set_up();
    file.burst = 64 * 1024; /* the least that may be configured */
    say_numbers(0, 20000);  /* about 400 KB */
    struct tail_result result = look(false);
    if (result.dropped == 0) {
        test_skip("this file system has no holes");
    }
    struct str all = stored();
    check(str_ends(all, STR("line 19999 of many|")));
    check(all.len > 64 * 1024 / 3 && all.len <= 64 * 1024 + 8192);
    tear_down();
}

TEST(what_the_keeper_trimmed_meanwhile_is_said)
{
    set_up();
    say(STR("seen\n"));
    look(false);
    tail_file_close(&file);
    say_numbers(0, 100000);
    if (file_punch_hole(writer, 0, MIB) < 0) {
        test_skip("this file system has no holes");
    }
    open_tail();
    struct tail_result result = look(false);
    check(result.dropped > MIB - 100 && result.dropped < MIB + 100);
    check(str_starts(stored(), STR("seen|!|line ")));
    tear_down();
}

TEST(a_drained_file_is_removed_unless_somebody_has_it_open)
{
    set_up();
    say(STR("x\n"));
    check(!tail_file_remove(&file)); /* not read yet */
    look(false);
    check(!tail_file_remove(&file)); /* the writer has it open */
    file_close(&writer);
    check(tail_file_remove(&file));
    check(!file_exists(output));
    check_str(stored(), STR("x|"));
    tear_down();
}

/* --- removed and opened at the same time --- */

struct opener {
    struct thread thread;
    atomic_bool done;
};

/* As the keeper opens an output, and the service writes to it. */
static void open_and_say(struct thread *thread)
{
    struct opener *opener = container_of(thread, struct opener, thread);
    int r = lease_open(output, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &writer);
    opener->done = r == 0 && file_write(writer, "late\n", 5) == 0;
}

/* The linker puts this in front of the real one (meson.build): somebody opens the output when it is
 * about to lose its name, and either has it or waits for it then. */
static struct opener *opens_now;
int __wrap_file_unlink(const char *path);
int __real_file_unlink(const char *path);
int __wrap_file_unlink(const char *path)
{
    struct opener *opener = opens_now;
    opens_now = NULL;
    if (opener) {
        check_int(thread_start(&opener->thread, "opener", open_and_say), 0);
        bool held = fcntl(file.fd, F_GETLEASE) == F_WRLCK, waits = false;
        for (int i = 0; i < 5000 && !waits && !opener->done; i++) {
            usleep(1000);
            waits = held && fcntl(file.fd, F_GETLEASE) == F_UNLCK;
        }
    }
    return __real_file_unlink(path);
}

TEST(an_output_that_is_opened_while_it_is_removed_loses_no_line)
{
    struct opener opener = {.done = false};
    set_up();
    say(STR("early\n"));
    file_close(&writer);
    look(false);
    opens_now = &opener;
    check(tail_file_remove(&file));
    thread_join(&opener.thread);
    check(opener.done && file_exists(output));
    usleep(10000); /* two files made in one tick of the kernel's clock may look the same */
    check_int(tail_file_open(&file, logs, &tail_time), 0);
    look(false);
    check_str(stored(), STR("early|late|"));
    tear_down();
}

TEST(an_output_that_was_written_and_closed_since_it_was_read_is_not_removed)
{
    set_up();
    say(STR("x\n"));
    look(false);
    say(STR("y\n"));
    file_close(&writer);
    check(!tail_file_remove(&file));
    look(false);
    check(tail_file_remove(&file));
    check_str(stored(), STR("x|y|"));
    tear_down();
}

/* Who needs room removes the logs of a running instance. */
TEST(segments_that_were_removed_begin_anew)
{
    set_up();
    say(STR("old\n"));
    look(false);
    check_int(tail_file_sync(&file), 0);
    check_int(file_remove_tree(logs), 0);
    say(STR("new\n"));
    look(false);
    check_int(tail_file_sync(&file), 0);
    look(false);
    say(STR("newer\n"));
    look(false);
    check_str(stored(), STR("new|newer|"));
    tear_down();
}

TEST(a_file_that_took_the_name_is_not_removed_in_its_place)
{
    char moved[128];
    set_up();
    say(STR("x\n"));
    look(false);
    file_close(&writer);
    snprintf(moved, sizeof(moved), "%s.old", output);
    check_int(file_rename(output, moved), 0);
    check_int(file_open(output, FILE_WRITE | FILE_CREATE | FILE_APPEND, 0600, &writer), 0);
    say(STR("y\n"));
    check(!tail_file_remove(&file));
    check(file_exists(output));
    look(false); /* the one that was moved away is at its end: the other one is next */
    check_int(tail_file_open(&file, logs, &tail_time), 0);
    look(false);
    check_str(stored(), STR("x|y|"));
    tear_down();
}

/* --- what fails below --- */

static int append_error; /* of the next append, once */
static int read_error;   /* of the next read of the output, once */

int __wrap_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count);
int __real_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count);
int __wrap_segment_append(struct segment_stream *stream, const struct segment_record *records,
                          size_t count)
{
    int error = append_error;
    append_error = 0;
    return error ? error : __real_segment_append(stream, records, count);
}

int64_t __wrap_file_pread(int fd, void *p, size_t len, uint64_t offset);
int64_t __real_file_pread(int fd, void *p, size_t len, uint64_t offset);
int64_t __wrap_file_pread(int fd, void *p, size_t len, uint64_t offset)
{
    int error = fd == file.fd ? read_error : 0;
    read_error = error ? 0 : read_error;
    return error ? error : __real_file_pread(fd, p, len, offset);
}

static int look_failing(void)
{
    struct tail_result result;
    tail_file_read(&file, &tail_time, UINT64_MAX, 0, &result);
    return result.error;
}

TEST(lines_that_cannot_be_stored_are_stored_later)
{
    set_up();
    say_numbers(0, 5000); /* more than one batch */
    append_error = -ENOSPC;
    check_int(look_failing(), -ENOSPC);
    check_int(file.offset, 0);
    look(false);
    check_numbers(5000);
    tear_down();
}

TEST(an_output_that_cannot_be_read_is_read_later)
{
    set_up();
    say(STR("x\n"));
    read_error = -EIO;
    check_int(look_failing(), -EIO);
    look(false);
    check_str(stored(), STR("x|"));
    tear_down();
}

TEST(a_truncation_that_cannot_be_said_is_said_later_and_once)
{
    set_up();
    say(STR("before\n"));
    look(false);
    uint64_t source = file.source;
    check_int(file_truncate(writer, 0), 0);
    append_error = -ENOSPC;
    check_int(look_failing(), -ENOSPC);
    check_int(file.source, source);
    check(look(false).truncated);
    say(STR("after\n"));
    look(false);
    check_str(stored(), STR("before|!|after|"));
    tear_down();
}

TEST(a_gap_that_cannot_be_said_is_said_later_and_counted_once)
{
    set_up();
    say_numbers(0, 100000);
    if (file_punch_hole(writer, 0, MIB) < 0) {
        test_skip("this file system has no holes");
    }
    append_error = -ENOSPC;
    check_int(look_failing(), -ENOSPC);
    struct tail_result result = look(false);
    check(result.dropped > MIB - 100 && result.dropped < MIB + 100);
    check(str_starts(stored(), STR("!|line ")));
    check_int(look(false).dropped, 0);
    tear_down();
}

/* Nothing is read of a name that holds something else, and a stream whose folder cannot be made is
 * an error, not a crash. */
TEST(what_is_no_output_file_is_an_error)
{
    set_up();
    tail_file_close(&file);
    file_close(&writer);
    check_int(file_unlink(output), 0);
    check_int(file_symlink("/etc/passwd", output), 0);
    tail_file_init(&file, &id, output);
    check_int(tail_file_open(&file, logs, &tail_time), -ELOOP);
    check(look(false).missing);
    tail_file_close(&file);
    check_int(file_unlink(output), 0);
    check_int(file_remove_tree(logs), 0);
    check_int(file_open(logs, FILE_WRITE | FILE_CREATE, 0600, &writer), 0);
    tail_file_init(&file, &id, output);
    check_int(tail_file_open(&file, logs, &tail_time), -ENOTDIR);
    tear_down();
}

/* Any pieces of any text, with kills of the tail at any place, come out as the lines that they
 * are. */
TEST(any_writes_and_kills_give_each_line_once)
{
    for (size_t round = test_rounds(10); round > 0; round--) {
        struct rng *rng = test_rng();
        static struct buf want = {.max = 64 * MIB};
        set_up();
        buf_reset(&want);
        size_t number = 0;
        for (int step = 0; step < 200; step++) {
            struct buf text = BUF_INIT(MIB);
            for (uint64_t n = rng_below(rng, 40); n > 0; n--) {
                buf_printf(&text, "%zu %0*d\n", number++, (int)rng_below(rng, 3000), 7);
            }
            for (struct str rest = buf_str(&text); rest.len;) { /* in pieces that end anywhere */
                size_t len = 1 + rng_below(rng, rest.len);
                say(str_slice(rest, 0, len));
                rest = str_skip(rest, len);
                if (rng_chance(rng, 300)) {
                    struct tail_result result;
                    tail_file_read(&file, &tail_time, rng_below(rng, 5000), 0, &result);
                    check_int(result.error, 0);
                }
                if (rng_chance(rng, 50)) {
                    check_int(tail_file_sync(&file), 0);
                }
                if (rng_chance(rng, 50)) { /* a kill: nothing is told to the tail */
                    file_close(&file.fd);
                    segment_close(&file.segment);
                    open_tail();
                }
            }
            buf_add(&want, buf_str(&text));
            buf_fini(&text);
        }
        while (look(false).lines) {
        }
        for (size_t i = 0; i < want.len; i++) {
            want.p[i] = want.p[i] == '\n' ? '|' : want.p[i];
        }
        check(str_eq(stored(), buf_str(&want)));
        tear_down();
    }
}
