/* SPDX-License-Identifier: Apache-2.0
 *
 * The store as it runs: real threads, a real loop, a real disk.
 */
#include "harness/test.h"

#include "fixture.h"
#include "os/file.h"
#include "os/loop.h"

enum { TRANSACTIONS = 2000 };

static struct loop loop;
static struct store *store;
static char folder[64], path[96];
static int answered, order_errors;
static int64_t last_rowid;

static void open_store(void)
{
    struct problem problem;
    const struct store_options options = {.path = path, .wall_ns = 1, .loop = &loop};
    snprintf(path, sizeof(path), "%s/work.db", folder);
    check_int(store_open(&options, &store, &problem), 0);
}

static void on_answer(void *arg, int status, const struct txn *txn)
{
    check_int(status, 0);
    order_errors += txn_rowid(txn, 0) != last_rowid + 1;
    last_rowid = txn_rowid(txn, 0);
    if (++answered == TRANSACTIONS) {
        loop_stop(&loop);
    }
}

static void on_count(void *arg, int status, const struct txn *txn)
{
    check_int(status, 0);
    *(int64_t *)arg = rows_i64(txn_rows(txn, 0), 0, 0);
    loop_stop(&loop);
}

static struct txn *add_event(void)
{
    struct txn *txn = txn_new();
    (void)event_add(txn, &(struct event_row){.kind = STR("test.event"), .severity = STR("info")});
    return txn;
}

TEST(thousands_of_transactions_come_back_in_order_and_few_syncs)
{
    int64_t count = 0;
    snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    check_int(loop_init(&loop, 1), 0);
    open_store();
    for (int i = 0; i < TRANSACTIONS; i++) {
        check_int(store_commit(store, add_event(), on_answer, NULL), 0);
    }
    check_int(answered, 0);
    check_int(loop_run(&loop), 0);
    check_int(answered, TRANSACTIONS);
    check_int(order_errors, 0);
    check(store_stats(store).commits <= TRANSACTIONS / STORE_GROUP_MAX + 1);
    struct txn *txn = txn_new();
    (void)txn_add(txn, "SELECT count(*) FROM event");
    check_int(store_query(store, txn, on_count, &count), 0);
    check_int(loop_run(&loop), 0);
    check_int(count, TRANSACTIONS);
    /* What was submitted last is committed by the close. */
    for (int i = 0; i < 100; i++) {
        check_int(store_commit(store, add_event(), NULL, NULL), 0);
    }
    store_close(store);
    open_store();
    txn = txn_new();
    (void)txn_add(txn, "SELECT count(*) FROM event");
    check_int(store_query(store, txn, on_count, &count), 0);
    check_int(loop_run(&loop), 0);
    check_int(count, TRANSACTIONS + 100);
    store_close(store);
    loop_fini(&loop);
    check_int(file_remove_tree(folder), 0);
}

TEST(closing_while_the_threads_work_is_safe)
{
    for (int round = 0; round < 20; round++) {
        snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
        check(mkdtemp(folder));
        check_int(loop_init(&loop, 1), 0);
        open_store();
        for (int i = 0; i < 50; i++) {
            check_int(store_commit(store, add_event(), NULL, NULL), 0);
            if (i % 10 == 0) {
                check_int(loop_turn(&loop, 0), 0);
            }
        }
        store_close(store);
        loop_fini(&loop);
        check_int(file_remove_tree(folder), 0);
    }
}
