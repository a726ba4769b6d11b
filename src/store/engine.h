/* SPDX-License-Identifier: Apache-2.0
 *
 * struct engine: one SQLite connection and its cache of prepared statements. Blocks; used by one
 * thread at a time (first the one that opens it, then the lane's worker). Private to store/.
 */
#ifndef STORE_ENGINE_H
#define STORE_ENGINE_H

#include "base/list.h"
#include "base/map.h"
#include "base/problem.h"

struct sqlite3;
struct txn;

struct engine {
    struct sqlite3 *db;
    struct map statements; /* SQL text -> sqlite3_stmt */
    bool read_only;
};

enum { ENGINE_STATEMENTS_MAX = 512 };

/* `vfs` NULL = the usual. 0 or -errno with the problem; then nothing is open. A read-only
 * connection needs the file to be there and never checkpoints: two connections that do can corrupt
 * the WAL of SQLite before 3.51.3. */
must_check int engine_open(struct engine *engine, const char *path, const char *vfs, bool read_only,
                           struct problem *ret_problem);
void engine_close(struct engine *engine);

/* Runs all transactions (struct txn, by node) of `group` and commits them together; sets their
 * status and results. Never fails as a whole: what went wrong is in the statuses. */
void engine_commit_group(struct engine *engine, struct list *group);
/* Runs each txn of `group` on a snapshot of its own. */
void engine_query_group(struct engine *engine, struct list *group);

/* SQLite's result as -errno: -EINVAL is a mistake in the statement or its values, which a
 * repetition does not mend; -ENOSPC, -ENOMEM, -EBUSY may pass; -EROFS and -EIO want a person. */
int engine_errno(int code);
/* For a person: why the database could not be opened or brought up to date. */
void engine_problem(struct engine *engine, int code, const char *path, struct problem *problem);
/* One or more statements without results, for the start. SQLite's result code. */
must_check int engine_exec(struct engine *engine, const char *sql);
/* Undoes an open transaction; nothing when SQLite has undone it already (as after a full disk). */
void engine_roll_back(struct engine *engine);
/* The first column of the first row of a pragma or select, 0 if there is none. */
must_check int engine_i64(struct engine *engine, const char *sql, int64_t *ret);

/* migrate.c: brings an open connection to this program's schema. 0 or -errno with the problem. */
must_check int migrate_run(struct engine *engine, const char *path, int64_t wall_ns,
                           struct problem *ret_problem);

#endif
