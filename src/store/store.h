/* SPDX-License-Identifier: Apache-2.0
 *
 * struct store: work.db (SQLite, WAL, synchronous=FULL) behind an asynchronous interface.
 *
 * A transaction is a list of statements and guards (store/txn.h), submitted as a whole and never
 * held over a loop turn. Nothing here calls back from a submit: answers come through the loop.
 *
 *   1. What a callback says is committed (status 0) is on disk: fdatasync came before the callback.
 *   2. Transactions are applied in the order of their submits, each wholly or not at all.
 *   3. Group commit: all that waits while one commit runs goes to disk with the next one, in one
 *      SQLite transaction with a savepoint each; a failed guard undoes its own savepoint only.
 *   4. One connection writes and checkpoints; queries run on a second one and see a consistent
 *      snapshot that holds everything whose callback ran before the query was submitted.
 *
 * Failure modes: a full disk or an I/O error is answered to every transaction of the group
 * (-ENOSPC,
 * -EIO); nothing of them is applied, the store goes on and works again when there is room. A queue
 * that is full refuses the submit (-ENOBUFS). Thread: all functions on the loop's thread.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/problem.h"
#include "store/txn.h"

struct loop;
struct store;
struct store_executor;

enum {
    STORE_QUEUE_MAX = 8192,                   /* transactions that wait */
    STORE_QUEUE_BYTES_MAX = 64 * 1024 * 1024, /* of their values */
    STORE_GROUP_MAX = 512,                    /* transactions in one commit */
};

/* Borrowed during the call, but `loop` and `executor`, which outlive the store. */
struct store_options {
    const char *path;  /* of work.db; its folder exists */
    int64_t wall_ns;   /* now, for the record of migrations */
    struct loop *loop; /* for the usual executor */
    struct store_executor
        *executor;   /* another way to run jobs (store/executor.h); NULL = two threads */
    const char *vfs; /* SQLite's name of another file layer; NULL = the usual */
};

/* Opens or creates the database and brings it to this version's schema; blocks (a few ms), so it is
 * for the start of a role, under its lock. On failure *ret_problem says it to a person: a folder
 * that cannot be written, a database of a newer version ("state.newer"), a damaged file
 * ("state.damaged"), another program's file ("state.foreign"), no room ("state.full"). 0 or
 * -errno. */
must_check int store_open(const struct store_options *options, struct store **ret,
                          struct problem *ret_problem);
/* Commits what was submitted, then closes. Callbacks that have not run are not called any more.
 * Blocks for what is queued (a few fdatasync). Not inside a callback. NULL is fine. */
void store_close(struct store *store);
/* Lets go of it as a SIGKILL would: nothing more is committed, the WAL stays for the next open. For
 * simulators. */
void store_abandon(struct store *store);

/* status: 0 committed (or read); TXN_E_GUARD: a guard did not hold, nothing was changed; -ENOSPC,
 * -EIO,
 * -ENOMEM, -EROFS; -EINVAL for an SQL error or a violated constraint (txn_message says which). */
typedef void store_done_fn(void *arg, int status, const struct txn *txn);

/* Submits a transaction; takes `txn` over, also when it fails. `done` may be NULL. 0; -ENOBUFS when
 * the queue is full; the sticky error of building it: then `done` is not called. */
must_check int store_commit(struct store *store, struct txn *txn, store_done_fn *done, void *arg);
/* The same for statements that only read, all on one snapshot. */
must_check int store_query(struct store *store, struct txn *txn, store_done_fn *done, void *arg);
/* The callbacks of all requests with this `arg` will not be called (its owner goes away). What was
 * submitted is committed nevertheless: an owner that is gone is no reason to forget what it
 * decided. */
void store_cancel(struct store *store, const void *arg);

/* Figures for /metrics; since the start. */
struct store_stats {
    uint64_t commits;      /* SQLite transactions, each one fdatasync */
    uint64_t transactions; /* submitted ones that were answered */
    uint64_t queries;
    uint64_t failed;     /* answered with an error, guards not counted */
    uint64_t guards;     /* answered with TXN_E_GUARD */
    uint64_t refused;    /* by a full queue */
    uint64_t busy_ns;    /* time the writer spent in groups */
    uint64_t slowest_ns; /* one group, since the last call of store_stats, which resets it */
    uint32_t queued;
};
struct store_stats store_stats(struct store *store);

/* The schema's version of this program (the number of its last migration). */
int store_schema_version(void);

#endif
