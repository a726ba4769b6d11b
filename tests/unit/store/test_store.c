/* SPDX-License-Identifier: Apache-2.0
 *
 * The store: groups, guards, order, refusals, full disks, crashes. Most tests step its jobs by hand
 * on a disk in memory, so that they decide what happens between a submit and its answer.
 */
#include "harness/test.h"

#include "crash_vfs.h"
#include "fixture.h"

#define INSERT "INSERT INTO tenant (tenant, created_at) VALUES (?, ?)"
#define SELECT "SELECT created_at FROM tenant WHERE tenant = ?"

static struct store_stepper stepper;
static struct problem problem;

static struct store *try_open(void)
{
    struct store *store = NULL;
    store_stepper_init(&stepper);
    const struct store_options options = {.path = "/state/work.db",
                                          .wall_ns = 1,
                                          .executor = &stepper.executor,
                                          .vfs = CRASH_VFS_NAME};
    int r = store_open(&options, &store, &problem);
    return r == 0 ? store : NULL;
}

static struct store *open_store(void)
{
    struct store *store = try_open();
    check(store);
    return store;
}

static struct store *fresh_store(void)
{
    crash_vfs_init();
    return open_store();
}

static struct txn *insert(const char *name, int64_t value)
{
    struct txn *txn = txn_new();
    (void)txn_add(txn, INSERT);
    txn_cstr(txn, name);
    txn_i64(txn, value);
    return txn;
}

/* The value of `name`, -1 if there is none. */
static int64_t value_of(struct store *store, const char *name)
{
    struct answer answer = {0};
    struct txn *txn = txn_new();
    (void)txn_add(txn, SELECT);
    txn_cstr(txn, name);
    check_int(store_query(store, txn, take_answer, &answer), 0);
    store_stepper_run(&stepper);
    check_int(answer.calls, 1);
    check_int(answer.status, 0);
    return answer.rows ? answer.number : -1;
}

TEST(a_commit_answers_after_its_sync_and_is_read_back)
{
    struct store *store = fresh_store();
    struct answer answer = {0};
    uint64_t syncs = crash_vfs_syncs();
    check_int(store_commit(store, insert("a", 5), take_answer, &answer), 0);
    check_int(answer.calls, 0);
    check(store_stepper_step(&stepper, STORE_LANE_WRITE));
    check(crash_vfs_syncs() > syncs);
    check_int(answer.calls, 0);
    check(store_stepper_step(&stepper, STORE_LANE_WRITE));
    check_int(answer.calls, 1);
    check_int(answer.status, 0);
    check_int(answer.changes, 1);
    check_int(value_of(store, "a"), 5);
    store_close(store);
    crash_vfs_fini();
}

TEST(what_waits_is_committed_by_one_sync_in_order)
{
    struct store *store = fresh_store();
    struct answer answers[50] = {0};
    check_int(store_commit(store, insert("first", 0), NULL, NULL), 0);
    for (int i = 0; i < 50; i++) {
        struct txn *txn = txn_new();
        (void)txn_add(txn, "INSERT INTO event (time, kind, severity, tenant, actor, message)"
                           " VALUES (?, 'k', 'info', 't', 'a', 'm')");
        txn_i64(txn, i);
        check_int(store_commit(store, txn, take_answer, &answers[i]), 0);
    }
    check(store_stepper_step(&stepper, STORE_LANE_WRITE));
    check(store_stepper_step(&stepper, STORE_LANE_WRITE));
    uint64_t syncs = crash_vfs_syncs();
    store_stepper_run(&stepper);
    check_int(crash_vfs_syncs() - syncs, 1);
    for (int i = 0; i < 50; i++) {
        check_int(answers[i].status, 0);
        check_int(answers[i].rowid, i + 1);
    }
    check_int(store_stats(store).commits, 2);
    check_int(store_stats(store).transactions, 51);
    store_close(store);
    crash_vfs_fini();
}

TEST(a_guard_that_fails_undoes_its_own_transaction_only)
{
    struct store *store = fresh_store();
    struct answer before = {0}, guarded = {0}, after = {0};
    check_int(store_commit(store, insert("x", 1), NULL, NULL), 0);
    store_stepper_run(&stepper);
    check_int(store_commit(store, insert("busy", 0), NULL, NULL), 0);
    check_int(store_commit(store, insert("before", 2), take_answer, &before), 0);
    struct txn *txn = insert("undone", 3);
    (void)txn_add(txn, "UPDATE tenant SET created_at = 9 WHERE tenant = 'nobody'");
    txn_expect_changes(txn, 1);
    check_int(store_commit(store, txn, take_answer, &guarded), 0);
    check_int(store_commit(store, insert("after", 4), take_answer, &after), 0);
    store_stepper_run(&stepper);
    check_int(before.status, 0);
    check_int(guarded.status, TXN_E_GUARD);
    check_int(guarded.failed, 1);
    check_int(after.status, 0);
    check_int(value_of(store, "before"), 2);
    check_int(value_of(store, "undone"), -1);
    check_int(value_of(store, "after"), 4);
    check_int(store_stats(store).guards, 1);
    store_close(store);
    crash_vfs_fini();
}

TEST(row_guards_look_at_what_a_select_finds)
{
    struct store *store = fresh_store();
    struct answer none = {0}, some = {0};
    struct txn *txn = txn_new();
    (void)txn_add(txn, "SELECT 1 FROM tenant WHERE tenant = 'a'");
    txn_expect_no_row(txn);
    (void)txn_add(txn, INSERT);
    txn_cstr(txn, "a");
    txn_i64(txn, 1);
    (void)txn_add(txn, "SELECT 1 FROM tenant WHERE tenant = 'a'");
    txn_expect_row(txn);
    check_int(store_commit(store, txn, take_answer, &none), 0);
    store_stepper_run(&stepper);
    check_int(none.status, 0);
    txn = txn_new();
    (void)txn_add(txn, "SELECT 1 FROM tenant WHERE tenant = 'a'");
    txn_expect_no_row(txn);
    check_int(store_commit(store, txn, take_answer, &some), 0);
    store_stepper_run(&stepper);
    check_int(some.status, TXN_E_GUARD);
    store_close(store);
    crash_vfs_fini();
}

TEST(wrong_sql_and_broken_constraints_fail_alone_with_words)
{
    struct store *store = fresh_store();
    struct answer twice = {0}, wrong = {0}, unbound = {0}, fine = {0};
    check_int(store_commit(store, insert("a", 1), NULL, NULL), 0);
    check_int(store_commit(store, insert("a", 2), take_answer, &twice), 0);
    struct txn *txn = txn_new();
    (void)txn_add(txn, "SELEKT");
    check_int(store_commit(store, txn, take_answer, &wrong), 0);
    txn = txn_new();
    (void)txn_add(txn, INSERT);
    check_int(store_commit(store, txn, take_answer, &unbound), 0);
    check_int(store_commit(store, insert("b", 3), take_answer, &fine), 0);
    store_stepper_run(&stepper);
    check_int(twice.status, -EINVAL);
    check(strstr(twice.message, "UNIQUE"));
    check_int(wrong.status, -EINVAL);
    check(strstr(wrong.message, "syntax"));
    check_int(unbound.status, -EINVAL);
    check_int(fine.status, 0);
    check_int(value_of(store, "a"), 1);
    store_close(store);
    crash_vfs_fini();
}

TEST(a_query_cannot_write)
{
    struct store *store = fresh_store();
    struct answer answer = {0};
    check_int(store_query(store, insert("a", 1), take_answer, &answer), 0);
    store_stepper_run(&stepper);
    check_int(answer.status, -EROFS);
    check_int(value_of(store, "a"), -1);
    store_close(store);
    crash_vfs_fini();
}

TEST(values_of_every_type_come_back)
{
    struct store *store = fresh_store();
    struct txn *txn = txn_new();
    struct answer answer = {0};
    (void)txn_add(txn, "SELECT typeof(?1) || typeof(?2) || typeof(?3) || typeof(?4) || typeof(?5)"
                       " || hex(?3) || ?2");
    txn_i64(txn, INT64_MIN);
    txn_double(txn, 1.5);
    txn_blob(txn, str_make("\0\xff", 2));
    txn_null(txn);
    txn_text(txn, STR("t\303\251xt"));
    check_int(store_query(store, txn, take_answer, &answer), 0);
    store_stepper_run(&stepper);
    check_int(answer.status, 0);
    check_cstr(answer.text, "integerrealblobnulltext00FF1.5");
    store_close(store);
    crash_vfs_fini();
}

TEST(a_result_set_is_bounded_and_says_so)
{
    struct store *store = fresh_store();
    struct answer rows = {0}, bytes = {0};
    struct txn *txn = txn_new();
    (void)txn_add(txn, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT ?)"
                       " SELECT i FROM n");
    txn_i64(txn, TXN_ROWS_MAX + 1);
    check_int(store_query(store, txn, take_answer, &rows), 0);
    txn = txn_new();
    (void)txn_add(txn, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 40)"
                       " SELECT zeroblob(1000000) FROM n");
    check_int(store_query(store, txn, take_answer, &bytes), 0);
    store_stepper_run(&stepper);
    check_int(rows.status, 0);
    check_int(rows.rows, TXN_ROWS_MAX);
    check(rows.more);
    check_int(bytes.status, 0);
    check(bytes.rows < 17 && bytes.rows > 10);
    check(bytes.more);
    store_close(store);
    crash_vfs_fini();
}

TEST(errors_of_building_are_answered_by_the_submit)
{
    struct store *store = fresh_store();
    struct answer answer = {0};
    check_int(store_commit(store, NULL, take_answer, &answer), -ENOMEM);
    struct txn *txn = txn_new();
    (void)txn_add(txn, "SELECT ?");
    static char big[TXN_BYTES_MAX];
    txn_text(txn, str_make(big, sizeof(big)));
    check_int(txn_error(txn), -EMSGSIZE);
    check_int(store_commit(store, txn, take_answer, &answer), -EMSGSIZE);
    txn = txn_new();
    for (int i = 0; i <= TXN_STATEMENTS_MAX; i++) {
        (void)txn_add(txn, "SELECT 1");
    }
    check_int(store_commit(store, txn, take_answer, &answer), -E2BIG);
    check_int(answer.calls, 0);
    store_close(store);
    crash_vfs_fini();
}

TEST(a_full_queue_refuses_and_loses_nothing)
{
    struct store *store = fresh_store();
    int accepted = 0;
    char name[32];
    for (int i = 0; i < STORE_QUEUE_MAX + 100; i++) {
        (void)snprintf(name, sizeof(name), "n%d", i);
        accepted += store_commit(store, insert(name, i), NULL, NULL) == 0;
    }
    check_int(accepted, STORE_QUEUE_MAX + 1); /* one went to the worker at once */
    check_int(store_stats(store).refused, 99);
    store_stepper_run(&stepper);
    (void)snprintf(name, sizeof(name), "n%d", accepted - 1);
    check_int(value_of(store, name), accepted - 1);
    store_close(store);
    crash_vfs_fini();
}

TEST(cancelled_callbacks_do_not_come_but_their_work_is_done)
{
    struct store *store = fresh_store();
    struct answer running = {0}, queued = {0}, other = {0};
    check_int(store_commit(store, insert("running", 1), take_answer, &running), 0);
    check_int(store_commit(store, insert("queued", 2), take_answer, &queued), 0);
    check_int(store_commit(store, insert("other", 3), take_answer, &other), 0);
    store_cancel(store, &running);
    store_cancel(store, &queued);
    store_stepper_run(&stepper);
    check_int(running.calls + queued.calls, 0);
    check_int(other.calls, 1);
    check_int(value_of(store, "running"), 1);
    check_int(value_of(store, "queued"), 2);
    store_close(store);
    crash_vfs_fini();
}

static struct store *cancel_store;

static void cancel_other(void *arg, int status, const struct txn *txn)
{
    store_cancel(cancel_store, arg);
}

/* The first callback frees the owner of the second one: both were in one group. */
TEST(a_callback_may_cancel_one_that_was_committed_with_it)
{
    struct answer other = {0}, third = {0};
    cancel_store = fresh_store();
    check_int(store_commit(cancel_store, insert("running", 1), NULL, NULL), 0);
    check_int(store_commit(cancel_store, insert("first", 1), cancel_other, &other), 0);
    check_int(store_commit(cancel_store, insert("other", 2), take_answer, &other), 0);
    check_int(store_commit(cancel_store, insert("third", 3), take_answer, &third), 0);
    store_stepper_run(&stepper);
    check_int(other.calls, 0);
    check_int(third.calls, 1);
    check_int(value_of(cancel_store, "other"), 2);
    store_close(cancel_store);
    crash_vfs_fini();
}

static struct store *chain_store;
static int chain_calls;

static void commit_again(void *arg, int status, const struct txn *txn)
{
    (void)arg, (void)txn;
    check_int(status, 0);
    if (++chain_calls < 5) {
        char name[16];
        (void)snprintf(name, sizeof(name), "c%d", chain_calls);
        check_int(store_commit(chain_store, insert(name, 0), commit_again, NULL), 0);
    }
}

TEST(a_callback_may_submit)
{
    chain_store = fresh_store();
    check_int(store_commit(chain_store, insert("c0", 0), commit_again, NULL), 0);
    store_stepper_run(&stepper);
    check_int(chain_calls, 5);
    store_close(chain_store);
    crash_vfs_fini();
}

TEST(closing_commits_what_was_submitted_without_calling_back)
{
    struct store *store = fresh_store();
    struct answer answers[3] = {0};
    check_int(store_commit(store, insert("a", 1), take_answer, &answers[0]), 0);
    check_int(store_commit(store, insert("b", 2), take_answer, &answers[1]), 0);
    check_int(store_query(store, insert("c", 3), take_answer, &answers[2]), 0);
    store_close(store);
    check_int(answers[0].calls + answers[1].calls + answers[2].calls, 0);
    store = open_store();
    check_int(value_of(store, "a"), 1);
    check_int(value_of(store, "b"), 2);
    store_close(store);
    crash_vfs_fini();
}

TEST(a_full_disk_is_answered_undone_and_gets_over)
{
    struct store *store = fresh_store();
    struct answer answers[3] = {0};
    check_int(store_commit(store, insert("a", 1), NULL, NULL), 0);
    store_stepper_run(&stepper);
    crash_vfs_full(true);
    check_int(store_commit(store, insert("b", 2), take_answer, &answers[0]), 0);
    check_int(store_commit(store, insert("c", 3), take_answer, &answers[1]), 0);
    store_stepper_run(&stepper);
    check_int(answers[0].status, -ENOSPC);
    check_int(answers[1].status, -ENOSPC);
    check_int(value_of(store, "a"), 1);
    check_int(value_of(store, "b"), -1);
    crash_vfs_full(false);
    check_int(store_commit(store, insert("b", 2), take_answer, &answers[2]), 0);
    store_stepper_run(&stepper);
    check_int(answers[2].status, 0);
    check_int(value_of(store, "b"), 2);
    check_int(store_stats(store).failed, 2);
    store_close(store);
    crash_vfs_fini();
}

TEST(no_room_for_a_new_database_is_a_problem_that_says_so)
{
    crash_vfs_init();
    crash_vfs_full(true);
    check(!try_open());
    check_cstr(problem.code, "state.full");
    crash_vfs_full(false);
    store_close(open_store());
    crash_vfs_fini();
}

/* Commits one by one until the planned crash; what was answered must be there, in order and without
 * gaps, and at most what was under way besides. Returns false if it was not (for the planted
 * bug). */
static bool survives_crash(struct rng *rng, bool disk_lies)
{
    crash_vfs_init();
    struct store *store = open_store();
    crash_vfs_lie(disk_lies);
    int64_t answered = 0, submitted = 0;
    crash_vfs_die_after((int64_t)rng_below(rng, 120));
    while (!crash_vfs_is_dead()) {
        struct answer answers[8] = {0};
        size_t group = 1 + rng_below(rng, 8);
        for (size_t i = 0; i < group; i++) {
            struct txn *txn = txn_new();
            event_add(txn, &(struct event_row){.kind = STR("k"), .time = submitted++});
            (void)txn_add(txn, "INSERT INTO setting VALUES ('t','',?,?,'api',1,'a',1)");
            char name[24];
            (void)snprintf(name, sizeof(name), "%lld", (long long)submitted);
            txn_cstr(txn, name);
            txn_text(txn, str_make("................................", rng_below(rng, 32)));
            check_int(store_commit(store, txn, take_answer, &answers[i]), 0);
        }
        store_stepper_run(&stepper);
        for (size_t i = 0; i < group; i++) {
            check_int(answers[i].calls, 1);
            answered += answers[i].status == 0;
        }
    }
    store_abandon(store);
    crash_vfs_restart(rng);
    store = try_open();
    if (!store) {
        return false;
    }
    struct answer events = {0}, settings = {0};
    struct txn *txn = txn_new();
    (void)txn_add(txn, "SELECT count(*) * (count(*) = coalesce(max(seq), 0)) FROM event");
    check_int(store_query(store, txn, take_answer, &events), 0);
    txn = txn_new();
    (void)txn_add(txn, "SELECT count(*) FROM setting");
    check_int(store_query(store, txn, take_answer, &settings), 0);
    store_stepper_run(&stepper);
    bool ok = events.status == 0 && settings.status == 0 && events.number == settings.number &&
              events.number >= answered && events.number <= submitted;
    store_close(store);
    crash_vfs_fini();
    return ok;
}

TEST(what_was_answered_survives_a_crash_at_any_write)
{
    size_t rounds = test_rounds(150);
    for (size_t i = 0; i < rounds; i++) {
        check(survives_crash(test_rng(), false));
    }
}

TEST(the_crash_test_finds_a_disk_that_lies)
{
    bool found = false;
    for (size_t i = 0; i < 100 && !found; i++) {
        found = !survives_crash(test_rng(), true);
    }
    check(found);
}

TEST(a_crash_while_the_database_is_made_leaves_one_that_opens)
{
    for (int64_t operations = 0;; operations++) {
        crash_vfs_init();
        crash_vfs_die_after(operations);
        struct store *store = try_open();
        bool dead = crash_vfs_is_dead();
        if (store) {
            store_abandon(store);
        }
        crash_vfs_restart(test_rng());
        store_close(open_store());
        if (!dead) {
            break;
        }
        check(operations < 1000);
    }
    crash_vfs_fini();
}
