/* SPDX-License-Identifier: Apache-2.0
 *
 * What fails below the store: memory, threads, the database's file, and each call to the disk.
 *
 * Log segments on a disk that fails: one life of a stream (appends, syncs, sealing, trimming, a
 * crash, reading), again and again, in each run with another call to the disk or another allocation
 * that fails. Whatever it is: what was acknowledged is there afterwards, once and in order, what
 * was refused is not, and the stream goes on.
 *
 * The linker puts the functions of this file in front of the real ones (meson.build).
 */
#include "harness/test.h"

#include "base/vec.h"
#include "fixture.h"
#include "os/file.h"
#include "os/loop.h"
#include "store/segment_files.h"

#include <errno.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static size_t calls, fail_at; /* 0 = nothing fails */
static int fail_with;
static bool fired;

static bool fails(void)
{
    bool now = ++calls == fail_at;
    fired = fired || now;
    return now;
}

/* --- in front of the real ones --- */

#define IN_FRONT(name, parameters, arguments)                                                      \
    int __wrap_##name parameters;                                                                  \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        return fails() ? fail_with : __real_##name arguments;                                      \
    }

IN_FRONT(file_open, (const char *path, unsigned flags, uint32_t mode, int *ret_fd),
         (path, flags, mode, ret_fd))
IN_FRONT(file_sync, (int fd), (fd))
IN_FRONT(file_sync_dir_of, (const char *path), (path))
IN_FRONT(file_truncate, (int fd, uint64_t size), (fd, size))
IN_FRONT(file_fstat, (int fd, struct file_stat *ret), (fd, ret))
IN_FRONT(file_stat, (const char *path, struct file_stat *ret), (path, ret))
IN_FRONT(file_rename, (const char *from, const char *to), (from, to))
IN_FRONT(file_unlink, (const char *path), (path))
IN_FRONT(file_mkdir_p, (const char *path, uint32_t mode), (path, mode))
IN_FRONT(file_dir_open, (struct file_dir * dir, const char *path), (dir, path))
IN_FRONT(file_read_all, (const char *path, size_t max, struct buf *out), (path, max, out))
IN_FRONT(file_replace, (const char *path, struct str content, uint32_t mode), (path, content, mode))

int64_t __wrap_file_pread(int fd, void *p, size_t len, uint64_t offset);
int64_t __real_file_pread(int fd, void *p, size_t len, uint64_t offset);
int64_t __wrap_file_pread(int fd, void *p, size_t len, uint64_t offset)
{
    return fails() ? fail_with : __real_file_pread(fd, p, len, offset);
}

/* A disk that fills up takes a part. */
int __wrap_file_pwrite(int fd, const void *p, size_t len, uint64_t offset);
int __real_file_pwrite(int fd, const void *p, size_t len, uint64_t offset);
int __wrap_file_pwrite(int fd, const void *p, size_t len, uint64_t offset)
{
    if (fails()) {
        check_int(__real_file_pwrite(fd, p, len / 2, offset), 0);
        return fail_with;
    }
    return __real_file_pwrite(fd, p, len, offset);
}

void *__wrap_malloc(size_t size);
void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

/* --- one life --- */

enum { BATCH = 30, LIFE_MAX = 4000 };

static struct {
    char folder[64];
    struct segment_stream stream;
    int64_t time;                   /* of the newest record that was tried */
    int64_t acknowledged[LIFE_MAX]; /* times, in order */
    size_t count;
    bool trimmed; /* an old part may be gone */
} life;

static struct str text_of(int64_t time)
{
    static char text[2000];
    (void)snprintf(text, sizeof(text), "record %lld %0*d", (long long)time, (int)(time % 1900), 0);
    return str_from(text);
}

static void open_stream(void)
{
    int r = segment_open(&life.stream, life.folder);
    if (r < 0) {
        check(fired);
        check_int(segment_open(&life.stream, life.folder), 0); /* only one call fails */
    }
}

static void append(void)
{
    struct segment_record records[BATCH];
    static char texts[BATCH][2000];
    for (size_t i = 0; i < BATCH; i++) {
        int64_t time = ++life.time;
        struct str text = text_of(time);
        memcpy(texts[i], text.p, text.len);
        records[i] = (struct segment_record){.time = time,
                                             .offset = (uint64_t)time * 10,
                                             .source = 7,
                                             .bytes = {texts[i], text.len}};
    }
    bool before = fired;
    int r = segment_append(&life.stream, records, BATCH);
    check(r == 0 || (fired && !before));
    for (size_t i = 0; i < BATCH && r == 0; i++) {
        life.acknowledged[life.count++] = records[i].time;
    }
}

/* Everything that was acknowledged, newest first or last; without its oldest part when that was
 * trimmed, with gaps only when the reader says that a block is damaged. */
static void check_order(const int64_t *times, size_t count, bool backward, bool damaged)
{
    size_t next = life.count; /* walks from the newest one */
    for (size_t i = 0; i < count; i++) {
        int64_t time = backward ? times[i] : times[count - 1 - i];
        while (damaged && next > 0 && life.acknowledged[next - 1] != time) {
            next--;
        }
        check(next > 0);
        check_int(time, life.acknowledged[--next]);
    }
    check(next == 0 || damaged || life.trimmed);
}

static void read_all(bool backward)
{
    static int64_t times[LIFE_MAX];
    struct segment_reader *reader = NULL;
    struct segment_record record;
    const struct segment_query query = {.to = INT64_MAX, .backward = backward};
    bool before = fired;
    size_t count = 0;
    int r = segment_reader_new(life.folder, &query, &reader);
    while (r == 0 && (r = segment_reader_next(reader, &record)) == 0) {
        check(count < LIFE_MAX);
        check_str(record.bytes, text_of(record.time));
        times[count++] = record.time;
    }
    bool failed = fired && !before;
    check(r == SEGMENT_E_END || failed);
    if (r == SEGMENT_E_END) {
        bool damaged = segment_reader_damaged(reader) > 0;
        check(!damaged || failed);
        check_order(times, count, backward, damaged);
    }
    segment_reader_free(reader);
}

static void live(void)
{
    uint64_t freed = 0;
    open_stream();
    append();
    (void)!segment_sync(&life.stream);
    append();
    (void)!segment_seal(&life.stream);
    append();
    read_all(false);
    segment_close(&life.stream); /* a crash: nothing is said to the disk */
    open_stream();
    append();
    (void)!segment_seal(&life.stream);
    append();
    append();
    read_all(true);
    (void)!segment_seal(&life.stream);
    life.trimmed = true;
    (void)!segment_trim(&life.stream, 100000, 0, &freed);
    append();
    segment_close(&life.stream);
}

/* One life in which the n-th call fails (0 = none). Returns how many calls there were. */
static size_t live_with_failure(size_t n, int error)
{
    memset(&life, 0, sizeof(life));
    (void)snprintf(life.folder, sizeof(life.folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(life.folder));
    calls = 0;
    fired = false;
    fail_with = error;
    fail_at = n;
    live();
    size_t made = calls;
    fail_at = 0;
    open_stream();
    append();
    read_all(true);
    check_int(life.stream.offset, (uint64_t)life.time * 10);
    segment_close(&life.stream);
    check_int(file_remove_tree(life.folder), 0);
    return made;
}

TEST(whatever_call_to_the_disk_fails_nothing_that_was_acknowledged_is_lost)
{
    size_t total = live_with_failure(0, 0);
    check(total > 100);
    for (size_t n = 1; n <= total; n++) {
        (void)live_with_failure(n, n % 2 ? -EIO : -ENOSPC);
        check(fired);
    }
}

/* --- the database --- */

static char folder[64], path[96];
static struct store_stepper stepper;
static struct problem problem;

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/work.db", folder);
}

static int open_with(struct store_executor *executor, struct store **ret)
{
    const struct store_options options = {.path = path, .wall_ns = 1, .executor = executor};
    problem = (struct problem){0};
    return store_open(&options, ret, &problem);
}

static struct store *open_stepped(void)
{
    struct store *store = NULL;
    store_stepper_init(&stepper);
    check_int(open_with(&stepper.executor, &store), 0);
    return store;
}

/* Everything that may be asked of it at once: texts, numbers, rows to be copied. */
static int ask(struct store *store, struct answer *answer)
{
    struct txn *txn = txn_new();
    (void)txn_add(txn, "INSERT INTO tenant (tenant, created_at) VALUES (?, ?)");
    txn_cstr(txn, "t");
    txn_i64(txn, 5);
    (void)txn_add(txn, "SELECT 1.5, NULL, x'00', tenant FROM tenant");
    int r = store_commit(store, txn, take_answer, answer);
    store_stepper_run(&stepper);
    return r;
}

static int64_t count_of(struct store *store)
{
    struct answer answer = {0};
    struct txn *txn = txn_new();
    (void)txn_add(txn, "SELECT count(*) FROM tenant WHERE tenant = 't'");
    check_int(store_query(store, txn, take_answer, &answer), 0);
    store_stepper_run(&stepper);
    check_int(answer.status, 0);
    return answer.number;
}

TEST(without_memory_a_transaction_is_refused_or_undone_and_the_next_one_works)
{
    size_t total = 0;
    for (size_t n = 0; n <= total; n++) { /* first without */
        make_folder();
        struct store *store = open_stepped();
        struct answer answer = {0};
        calls = 0;
        fail_at = n;
        int r = ask(store, &answer);
        fail_at = 0;
        total = MAX(total, calls);
        check(r == 0 || (r == -ENOMEM && answer.calls == 0));
        check(r < 0 || (answer.calls == 1 && (answer.status == 0 || answer.status == -ENOMEM)));
        bool there = r == 0 && answer.status == 0;
        check_int(count_of(store), there);
        if (!there) {
            answer = (struct answer){0};
            check_int(ask(store, &answer), 0);
            check_int(answer.status, 0);
        }
        store_close(store);
        check_int(file_remove_tree(folder), 0);
    }
    check(total > 3);
}

TEST(without_memory_a_store_that_is_opened_says_so_or_works)
{
    size_t total = 0;
    for (size_t n = 0; n <= total; n++) {
        struct store *store = NULL;
        make_folder();
        calls = 0;
        fail_at = n;
        store_stepper_init(&stepper);
        int r = open_with(&stepper.executor, &store);
        fail_at = 0;
        total = MAX(total, calls);
        check(r == 0 || (r < 0 && problem.code[0] && problem.what[0]));
        store_close(r == 0 ? store : NULL);
        check_int(file_remove_tree(folder), 0);
    }
}

static int refuse_job(struct store_executor *executor, enum store_lane lane, struct store_job *job)
{
    return -EAGAIN;
}

static void stop_nothing(struct store_executor *executor)
{
}

TEST(a_store_without_threads_answers_each_transaction_with_the_error)
{
    struct store_executor none = {.submit = refuse_job, .stop = stop_nothing};
    struct store *store = NULL;
    struct answer answers[3] = {0};
    struct loop loop;
    make_folder();
    check_int(loop_init(&loop, 1), 0);
    const struct store_options options = {
        .path = path, .wall_ns = 1, .executor = &none, .loop = &loop};
    check_int(store_open(&options, &store, &problem), 0);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        struct txn *txn = txn_new();
        (void)txn_add(txn, "SELECT 1");
        check_int(store_query(store, txn, take_answer, &answers[i]), 0);
        check_int(answers[i].calls, 0);
    }
    check_int(loop_turn(&loop, 0), 0);
    for (size_t i = 0; i < ARRAY_LEN(answers); i++) {
        check_int(answers[i].calls, 1);
        check_int(answers[i].status, -EAGAIN);
    }
    store_close(store);
    loop_fini(&loop);
    check_int(file_remove_tree(folder), 0);
}

TEST(a_damaged_database_is_refused_with_what_to_do)
{
    static char rubbish[900];
    struct store *store = NULL;
    int fd = -1;
    make_folder();
    store_close(open_stepped());
    memset(rubbish, 0xa5, sizeof(rubbish));
    check_int(file_open(path, FILE_WRITE, 0, &fd), 0);
    check_int(file_pwrite(fd, rubbish, sizeof(rubbish), 100), 0); /* behind the header */
    file_close(&fd);
    check(open_with(&stepper.executor, &store) < 0);
    check_cstr(problem.code, "state.damaged");
    check(str_find(str_from(problem.where), str_from(path)) >= 0 && problem.hint[0]);
    check_int(file_remove_tree(folder), 0);
}

TEST(a_database_that_another_program_holds_is_refused)
{
    struct store *store = NULL;
    sqlite3 *other = NULL;
    make_folder();
    store_close(open_stepped());
    check_int(sqlite3_open(path, &other), SQLITE_OK);
    check_int(
        sqlite3_exec(other, "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE", NULL, NULL, NULL),
        SQLITE_OK);
    check(open_with(&stepper.executor, &store) < 0);
    check_cstr(problem.code, "state.busy");
    check_int(sqlite3_close(other), SQLITE_OK);
    check_int(file_remove_tree(folder), 0);
}
