/* SPDX-License-Identifier: Apache-2.0
 *
 * One SQLite connection: opening it as this project wants it, executing transactions as data.
 *
 * A group of transactions becomes one SQLite transaction with a savepoint for each. Two kinds of
 * failure are told apart: those of one transaction (a guard, a constraint, wrong SQL) undo its
 * savepoint; those of the disk or memory undo the whole group, since what came before it in the
 * group is gone with it.
 *
 * Invariants:
 * 1. No statement is left half stepped: each is reset before the next one, so a COMMIT never waits
 *    for a reader of its own connection.
 * 2. Statements are prepared once and found by their text; the text is static, so its address lives
 *    as long as the map that borrows it.
 * 3. Values are bound without copying (SQLITE_STATIC): the txn outlives the step.
 *
 * Happy path: BEGIN IMMEDIATE → SAVEPOINT, statements, RELEASE for each → COMMIT, which appends to
 * the WAL and syncs it.
 * How it fails: a status per transaction. -EIO of a COMMIT means: not applied as far as this
 * process goes on. If the machine loses power before the next commit overwrites those pages of the
 * WAL, the group may be found applied after all (an error of fdatasync leaves that open on every
 * system).
 */
#include "store/engine.h"

#include "store/txn_private.h"

#include <sqlite3.h>

/* One for each connection; the budget of the whole program is 15 MB. */
static const char pragmas[] =
    "PRAGMA synchronous=FULL;"           /* in WAL mode: fdatasync at each commit */
    "PRAGMA wal_autocheckpoint=1000;"    /* pages, inside a commit: only the writer checkpoints */
    "PRAGMA journal_size_limit=4194304;" /* the WAL shrinks again after a burst */
    "PRAGMA cache_size=-512;"            /* KiB */
    "PRAGMA temp_store=MEMORY;"
    "PRAGMA foreign_keys=ON;"
    "PRAGMA cell_size_check=ON;"
    "PRAGMA trusted_schema=OFF;";

enum { BUSY_TIMEOUT_MS = 5000 };

int engine_errno(int code)
{
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return 0;
    case SQLITE_FULL:
        return -ENOSPC;
    case SQLITE_NOMEM:
        return -ENOMEM;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return -EROFS;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return -EBUSY;
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_RANGE:
    case SQLITE_TOOBIG:
    case SQLITE_SCHEMA:
    case SQLITE_MISUSE:
        return -EINVAL;
    default:
        return -EIO; /* IOERR, CORRUPT, NOTADB, CANTOPEN, PROTOCOL … */
    }
}

int engine_exec(struct engine *engine, const char *sql)
{
    return sqlite3_exec(engine->db, sql, NULL, NULL, NULL);
}

void engine_roll_back(struct engine *engine)
{
    if (engine->db && !sqlite3_get_autocommit(engine->db)) {
        (void)sqlite3_exec(engine->db, "ROLLBACK", NULL, NULL, NULL);
    }
}

int engine_i64(struct engine *engine, const char *sql, int64_t *ret)
{
    sqlite3_stmt *stmt = NULL;
    *ret = 0;
    int code = sqlite3_prepare_v2(engine->db, sql, -1, &stmt, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(stmt);
        if (code == SQLITE_ROW) {
            *ret = sqlite3_column_int64(stmt, 0);
        }
        code = sqlite3_finalize(stmt);
    }
    return code;
}

void engine_problem(struct engine *engine, int code, const char *path, struct problem *problem)
{
    const char *words = engine->db ? sqlite3_errmsg(engine->db) : sqlite3_errstr(code);
    int kind = code & 0xff;
    /* Where it cannot make its shared memory, a full disk is an "I/O error" to SQLite. */
    if (kind == SQLITE_IOERR && engine->db && sqlite3_system_errno(engine->db) == ENOSPC) {
        kind = SQLITE_FULL;
    }
    switch (kind) {
    case SQLITE_FULL:
        problem_set(problem, "state.full", "no room on the disk for the state folder");
        problem_hint(problem, "free some space and start again; nothing was lost");
        break;
    case SQLITE_CORRUPT:
        problem_set(problem, "state.damaged", "the state database is damaged: %s", words);
        problem_hint(problem, "move the file away to start anew, or bring back a copy of it");
        break;
    case SQLITE_NOTADB:
        problem_set(problem, "state.damaged", "the state database is not a database");
        problem_hint(problem, "move the file away to start anew, or bring back a copy of it");
        break;
    case SQLITE_BUSY:
        problem_set(problem, "state.busy", "another program holds the state database");
        problem_hint(problem, "close the program that has it open");
        break;
    default:
        problem_set(problem, "state.unusable", "the state database cannot be opened: %s", words);
        problem_expected(problem, "a folder on a local disk that this user may write");
    }
    problem->status = 500;
    problem_where(problem, "%s", path);
}

/* Once per process, before the first connection: SQLite refuses it later, and silently keeps its
 * locks. */
static void configure_library(void)
{
    static bool done;
    if (!done) {
        done = true;
        /* A connection is never used by two threads at once, so it needs no locks of its own. */
        (void)sqlite3_config(SQLITE_CONFIG_MULTITHREAD);
        (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    }
}

static int set_pragmas(struct engine *engine)
{
    int code = sqlite3_busy_timeout(engine->db, BUSY_TIMEOUT_MS);
    if (code == SQLITE_OK) {
        code = engine_exec(engine, pragmas);
    }
    if (code == SQLITE_OK && engine->read_only) {
        code = engine_exec(engine, "PRAGMA wal_autocheckpoint=0; PRAGMA query_only=ON");
        (void)sqlite3_db_config(engine->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    }
    return code;
}

int engine_open(struct engine *engine, const char *path, const char *vfs, bool read_only,
                struct problem *ret_problem)
{
    configure_library();
    *engine =
        (struct engine){.statements = MAP_INIT(ENGINE_STATEMENTS_MAX), .read_only = read_only};
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
    flags |= read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    int code = sqlite3_open_v2(path, &engine->db, flags, vfs);
    if (code == SQLITE_OK) {
        code = set_pragmas(engine);
    }
    if (code != SQLITE_OK) {
        engine_problem(engine, code, path, ret_problem);
        engine_close(engine);
    }
    return engine_errno(code);
}

/* Prepared statements hold the connection open: sqlite3_close would refuse. */
static void drop_statements(struct engine *engine)
{
    for (size_t i = 0; i < engine->statements.len; i++) {
        (void)sqlite3_finalize(engine->statements.entries[i].value);
    }
    map_fini(&engine->statements);
    engine->statements = MAP_INIT(ENGINE_STATEMENTS_MAX);
}

void engine_close(struct engine *engine)
{
    if (!engine || !engine->db) {
        return;
    }
    drop_statements(engine);
    (void)sqlite3_close(engine->db);
    engine->db = NULL;
}

/* The prepared form of static text. */
static int prepare(struct engine *engine, const char *sql, sqlite3_stmt **ret)
{
    struct str key = str_from(sql);
    *ret = map_get(&engine->statements, key);
    if (*ret) {
        return SQLITE_OK;
    }
    if (engine->statements.len == ENGINE_STATEMENTS_MAX) {
        drop_statements(engine); /* rare: more texts than the program has */
    }
    int code =
        sqlite3_prepare_v3(engine->db, sql, (int)key.len + 1, SQLITE_PREPARE_PERSISTENT, ret, NULL);
    if (code == SQLITE_OK && map_put(&engine->statements, key, *ret) < 0) {
        (void)sqlite3_finalize(*ret);
        code = SQLITE_NOMEM;
    }
    return code;
}

static int bind_cell(sqlite3_stmt *stmt, int at, const struct txn_cell *cell)
{
    switch (cell->type) {
    case TXN_NULL:
        return sqlite3_bind_null(stmt, at);
    case TXN_I64:
        return sqlite3_bind_int64(stmt, at, cell->i64);
    case TXN_DOUBLE:
        return sqlite3_bind_double(stmt, at, cell->f64);
    case TXN_TEXT: /* the txn outlives the step, so nothing is copied */
        return sqlite3_bind_text(stmt, at, cell->bytes.p, (int)cell->bytes.len, SQLITE_STATIC);
    case TXN_BLOB:
        return sqlite3_bind_blob(stmt, at, cell->bytes.p, (int)cell->bytes.len, SQLITE_STATIC);
    }
    return SQLITE_MISMATCH;
}

static int bind_values(sqlite3_stmt *stmt, const struct txn *txn,
                       const struct txn_statement *statement)
{
    if (sqlite3_bind_parameter_count(stmt) != (int)statement->value_count) {
        return SQLITE_RANGE;
    }
    for (uint32_t i = 0; i < statement->value_count; i++) {
        const struct txn_cell *cell =
            vec_at(&txn->values, struct txn_cell, statement->first_value + i);
        int code = bind_cell(stmt, (int)i + 1, cell);
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return SQLITE_OK;
}

/* False: no room for it (then the rows end here, `more`) or no memory (-ENOMEM in *ret_code). */
static bool copy_bytes(struct txn *txn, sqlite3_stmt *stmt, int column, struct txn_cell *cell,
                       int *ret_code)
{
    size_t len = (size_t)sqlite3_column_bytes(stmt, column);
    const void *p = cell->type == TXN_TEXT ? (const void *)sqlite3_column_text(stmt, column)
                                           : sqlite3_column_blob(stmt, column);
    if (!p && len > 0) { /* SQLite needed memory to hand it out: an empty text would be a lie */
        *ret_code = SQLITE_NOMEM;
        return false;
    }
    bool fits = len + 64 < txn->results.max - txn->results.used;
    cell->bytes = fits ? arena_str(&txn->results, str_make(p, p ? len : 0)) : STR_NONE;
    if (fits && !cell->bytes.p) {
        *ret_code = SQLITE_NOMEM;
    }
    return cell->bytes.p;
}

static bool copy_cell(struct txn *txn, sqlite3_stmt *stmt, int column, struct txn_cell *cell,
                      int *ret_code)
{
    switch (sqlite3_column_type(stmt, column)) {
    case SQLITE_INTEGER:
        cell->type = TXN_I64;
        cell->i64 = sqlite3_column_int64(stmt, column);
        return true;
    case SQLITE_FLOAT:
        cell->type = TXN_DOUBLE;
        cell->f64 = sqlite3_column_double(stmt, column);
        return true;
    case SQLITE_TEXT:
        cell->type = TXN_TEXT;
        return copy_bytes(txn, stmt, column, cell, ret_code);
    case SQLITE_BLOB:
        cell->type = TXN_BLOB;
        return copy_bytes(txn, stmt, column, cell, ret_code);
    default:
        cell->type = TXN_NULL;
        return true;
    }
}

/* Appends the row that `stmt` stands on. False: the set is full, or *ret_code says why not. */
static bool copy_row(struct txn *txn, struct txn_statement *statement, sqlite3_stmt *stmt,
                     int *ret_code)
{
    size_t before = statement->cells.len;
    for (uint32_t i = 0; i < statement->columns; i++) {
        bool full = statement->cells.len == statement->cells.max;
        struct txn_cell *cell = vec_add(&statement->cells);
        if (!cell && !full) {
            *ret_code = SQLITE_NOMEM;
        }
        if (!cell || !copy_cell(txn, stmt, (int)i, cell, ret_code)) {
            statement->cells.len = before;
            return false;
        }
    }
    statement->rows++;
    return true;
}

static void reset_results(struct txn_statement *statement)
{
    vec_fini(&statement->cells);
    statement->cells = VEC_INIT(struct txn_cell, TXN_BYTES_MAX / sizeof(struct txn_cell));
    statement->rows = 0;
    statement->columns = 0;
    statement->more = false;
    statement->changes = 0;
}

static bool guard_holds(const struct txn_statement *statement)
{
    switch (statement->guard) {
    case TXN_GUARD_CHANGES:
        return statement->changes == statement->guard_changes;
    case TXN_GUARD_ROW:
        return statement->rows > 0 || statement->more;
    case TXN_GUARD_NO_ROW:
        return statement->rows == 0 && !statement->more;
    case TXN_GUARD_NONE:
        break;
    }
    return true;
}

/* Steps to the end, also when no more rows are kept: RETURNING would otherwise stop changing. A
 * query that has its rows is left at once; run_statement resets it. */
static int step_all(struct txn *txn, struct txn_statement *statement, sqlite3_stmt *stmt)
{
    int code;
    while ((code = sqlite3_step(stmt)) == SQLITE_ROW) {
        int copied = SQLITE_OK;
        if (statement->more || statement->rows == TXN_ROWS_MAX ||
            !copy_row(txn, statement, stmt, &copied)) {
            if (copied != SQLITE_OK) {
                return copied;
            }
            statement->more = true;
            if (sqlite3_stmt_readonly(stmt)) {
                return SQLITE_DONE;
            }
        }
    }
    return code;
}

static int run_statement(struct engine *engine, struct txn *txn, struct txn_statement *statement)
{
    sqlite3_stmt *stmt = NULL;
    int code = prepare(engine, statement->sql, &stmt);
    if (code != SQLITE_OK) {
        return code;
    }
    reset_results(statement);
    statement->columns = (uint32_t)sqlite3_column_count(stmt);
    int64_t before = sqlite3_total_changes64(engine->db);
    code = engine->read_only && !sqlite3_stmt_readonly(stmt) ? SQLITE_READONLY
                                                             : bind_values(stmt, txn, statement);
    if (code == SQLITE_OK) {
        code = step_all(txn, statement, stmt);
    }
    if (code == SQLITE_DONE) {
        code = SQLITE_OK;
        if (!sqlite3_stmt_readonly(stmt)) {
            statement->changes = sqlite3_total_changes64(engine->db) - before;
            statement->rowid = sqlite3_last_insert_rowid(engine->db);
        }
    }
    (void)sqlite3_reset(stmt);
    (void)sqlite3_clear_bindings(stmt);
    return code;
}

/* SQLite's words; those of the connection when they are about this code. */
static void set_message(struct engine *engine, struct txn *txn, int code)
{
    bool about_it = (sqlite3_errcode(engine->db) & 0xff) == (code & 0xff);
    const char *words = about_it ? sqlite3_errmsg(engine->db) : sqlite3_errstr(code);
    (void)str_copy(txn->message, sizeof(txn->message), str_from(words));
}

/* Runs the statements; sets status and `failed`. SQLite's code of what went wrong. */
static int run_statements(struct engine *engine, struct txn *txn)
{
    txn->status = 0;
    arena_reset(&txn->results);
    for (size_t i = 0; i < txn->statements.len; i++) {
        struct txn_statement *statement = vec_at(&txn->statements, struct txn_statement, i);
        int code = run_statement(engine, txn, statement);
        txn->failed = (unsigned)i;
        if (code != SQLITE_OK) {
            txn->status = engine_errno(code);
            set_message(engine, txn, code);
            return code;
        }
        if (!guard_holds(statement)) {
            txn->status = TXN_E_GUARD;
            return SQLITE_OK;
        }
    }
    return SQLITE_OK;
}

/* A group-wide failure: nobody's work is in the database. */
static void fail_group(struct engine *engine, struct list *group, int code)
{
    const char *words = sqlite3_errmsg(engine->db);
    list_for_each (it, group) {
        struct txn *txn = list_entry(it, struct txn, node);
        txn->status = engine_errno(code);
        (void)str_copy(txn->message, sizeof(txn->message), str_from(words));
    }
    engine_roll_back(engine);
}

/* One transaction of a group. SQLITE_OK also when it failed alone. */
static int run_in_savepoint(struct engine *engine, struct txn *txn)
{
    int code = engine_exec(engine, "SAVEPOINT one");
    if (code != SQLITE_OK) {
        return code;
    }
    code = run_statements(engine, txn);
    if (code != SQLITE_OK && (txn->status != -EINVAL || sqlite3_get_autocommit(engine->db))) {
        return code;
    }
    if (txn->status != 0) {
        code = engine_exec(engine, "ROLLBACK TO one");
        if (code != SQLITE_OK) {
            return code;
        }
    }
    return engine_exec(engine, "RELEASE one");
}

void engine_commit_group(struct engine *engine, struct list *group)
{
    int code = engine_exec(engine, "BEGIN IMMEDIATE");
    list_for_each (it, group) {
        if (code == SQLITE_OK) {
            code = run_in_savepoint(engine, list_entry(it, struct txn, node));
        }
    }
    if (code == SQLITE_OK) {
        code = engine_exec(engine, "COMMIT");
    }
    if (code != SQLITE_OK) {
        fail_group(engine, group, code);
    }
}

void engine_query_group(struct engine *engine, struct list *group)
{
    list_for_each (it, group) {
        struct txn *txn = list_entry(it, struct txn, node);
        int code = engine_exec(engine, "BEGIN");
        if (code == SQLITE_OK) {
            (void)run_statements(engine, txn);
            code = engine_exec(engine, "COMMIT");
        }
        if (code != SQLITE_OK && txn->status == 0) {
            txn->status = engine_errno(code);
        }
        engine_roll_back(engine);
    }
}
