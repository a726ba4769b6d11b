/* SPDX-License-Identifier: Apache-2.0
 *
 * Migrations: numbered SQL files, frozen once released, embedded at build (migrations/embed.py).
 * The database knows which were applied and their checksums, in the table `migration`; user_version
 * is the newest number, application_id says that the file is ours.
 *
 *   1. All that are missing run in one transaction: a database has a whole version or the old one.
 *   2. A database that knows more migrations than this program is refused, untouched.
 *   3. A migration whose text is not the one that was applied is refused: somebody edited a frozen
 *      file.
 *   4. Whose file it is, is found out by reads alone (check_identity) before journal_mode, which
 *      writes: another program's database is left as it was.
 *
 * user_version is set inside the transaction (it is part of the file's header page), so a crash at
 * any moment leaves either version with its number.
 */
#include "base/buf.h"
#include "store/engine.h"
#include "store/migrations.h"
#include "store/store.h"

#include <sqlite3.h>

enum { APPLICATION_ID = 0x6d75656c /* "muel" */, SQL_MAX = 512 };

int store_schema_version(void)
{
    return (int)migration_count;
}

static uint64_t checksum_of(const struct migration *migration)
{
    return map_hash(0, str_from(migration->sql));
}

static int refuse(struct problem *problem, const char *path)
{
    problem_where(problem, "%s", path);
    problem->status = 500;
    return -EPROTO;
}

/* What kind of file is it? Reads only: a file that is not ours is not touched. A fresh file has no
 * tables and is ours to fill, whoever made it. */
static int check_identity(struct engine *engine, const char *path, int64_t *ret_version,
                          struct problem *problem)
{
    int64_t id = 0, tables = 0;
    int code = engine_i64(engine, "PRAGMA application_id", &id);
    if (code == SQLITE_OK) {
        code = engine_i64(engine, "PRAGMA user_version", ret_version);
    }
    if (code == SQLITE_OK) {
        code = engine_i64(engine, "SELECT count(*) FROM sqlite_schema", &tables);
    }
    if (code != SQLITE_OK) {
        engine_problem(engine, code, path, problem);
        return engine_errno(code);
    }
    if (tables > 0 && id != APPLICATION_ID) {
        problem_set(problem, "state.foreign", "this database belongs to another program");
        problem_expected(problem, "a state folder made by muelle, or an empty one");
        return refuse(problem, path);
    }
    if (*ret_version > (int64_t)migration_count) {
        problem_set(problem, "state.newer", "the state folder is from a newer version of muelle");
        problem_expected(problem, "schema %zu or older, it has %lld", migration_count,
                         (long long)*ret_version);
        problem_hint(problem, "install the newer version, or use another --state-dir");
        return refuse(problem, path);
    }
    return 0;
}

/* Is each applied migration the one that this program knows? A schema that differs from the text it
 * is believed to have would fail later, in the middle of some transaction. */
static int check_applied(struct engine *engine, const char *path, int64_t version,
                         struct problem *problem)
{
    for (int64_t i = 0; i < version; i++) {
        char sql[SQL_MAX];
        int64_t sum = 0;
        (void)snprintf(sql, sizeof(sql), "SELECT checksum FROM migration WHERE number = %lld",
                       (long long)i + 1);
        int code = engine_i64(engine, sql, &sum);
        if (code != SQLITE_OK) {
            engine_problem(engine, code, path, problem);
            return engine_errno(code);
        }
        if ((uint64_t)sum != checksum_of(&migrations[i])) {
            problem_set(problem, "state.migration-changed",
                        "migration %lld of the state folder is not the one of this program",
                        (long long)i + 1);
            problem_hint(problem, "use the version of muelle that made the folder");
            return refuse(problem, path);
        }
    }
    return 0;
}

static int apply_one(struct engine *engine, size_t i, int64_t wall_ns)
{
    char sql[SQL_MAX];
    int code = engine_exec(engine, migrations[i].sql);
    if (code == SQLITE_OK) {
        (void)snprintf(sql, sizeof(sql),
                       "INSERT INTO migration VALUES (%zu, '%s', %lld, %lld);"
                       "PRAGMA user_version = %zu",
                       i + 1, migrations[i].name, (long long)checksum_of(&migrations[i]),
                       (long long)wall_ns, i + 1);
        code = engine_exec(engine, sql);
    }
    return code;
}

static int apply_missing(struct engine *engine, int64_t version, int64_t wall_ns)
{
    char sql[SQL_MAX];
    (void)snprintf(
        sql, sizeof(sql),
        "BEGIN EXCLUSIVE; PRAGMA application_id = %d;"
        "CREATE TABLE IF NOT EXISTS migration (number INTEGER NOT NULL PRIMARY KEY,"
        " name TEXT NOT NULL, checksum INTEGER NOT NULL, applied_at INTEGER NOT NULL) STRICT",
        APPLICATION_ID);
    int code = engine_exec(engine, sql);
    for (size_t i = (size_t)version; i < migration_count && code == SQLITE_OK; i++) {
        code = apply_one(engine, i, wall_ns);
    }
    return code == SQLITE_OK ? engine_exec(engine, "COMMIT") : code;
}

int migrate_run(struct engine *engine, const char *path, int64_t wall_ns,
                struct problem *ret_problem)
{
    int64_t version = 0;
    int r = check_identity(engine, path, &version, ret_problem);
    if (r < 0) {
        return r;
    }
    r = check_applied(engine, path, version, ret_problem);
    if (r < 0) {
        return r;
    }
    int code = engine_exec(engine, "PRAGMA journal_mode=WAL");
    if (code == SQLITE_OK && version < (int64_t)migration_count) {
        code = apply_missing(engine, version, wall_ns);
    }
    if (code != SQLITE_OK) {
        engine_problem(engine, code, path, ret_problem);
        engine_roll_back(engine);
    }
    return engine_errno(code);
}
