/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables: rows come back as they were written, every statement is served by an index, and a
 * database that is not ours to use is refused with a reason and left as it was.
 */
#include "harness/test.h"

#include "fixture.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64];
static char path[96];
static struct store_stepper stepper;
static struct problem problem;

static void make_folder(void)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/muelle-test-XXXXXX");
    check(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/work.db", folder);
}

static void remove_folder(void)
{
    static const char *const names[] = {"work.db", "work.db-wal", "work.db-shm"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        char name[96];
        (void)snprintf(name, sizeof(name), "%s/%s", folder, names[i]);
        (void)unlink(name);
    }
    check_int(rmdir(folder), 0);
}

static struct store *try_open(void)
{
    struct store *store = NULL;
    store_stepper_init(&stepper);
    const struct store_options options = {
        .path = path, .wall_ns = 77, .executor = &stepper.executor};
    return store_open(&options, &store, &problem) == 0 ? store : NULL;
}

static struct store *fresh_store(void)
{
    make_folder();
    struct store *store = try_open();
    check(store);
    return store;
}

static void finish(struct store *store)
{
    store_close(store);
    remove_folder();
}

static int commit(struct store *store, struct txn *txn)
{
    struct answer answer = {0};
    check_int(store_commit(store, txn, take_answer, &answer), 0);
    store_stepper_run(&stepper);
    check_int(answer.calls, 1);
    return answer.status;
}

/* Runs a query and hands its rows to `look`. */
struct look {
    void (*look)(struct txn_rows rows);
    int calls;
};

static void take_rows(void *arg, int status, const struct txn *txn)
{
    struct look *look = arg;
    check_int(status, 0);
    look->calls++;
    look->look(txn_rows(txn, 0));
}

static void query(struct store *store, struct txn *txn, void (*look)(struct txn_rows rows))
{
    struct look state = {look, 0};
    check_int(store_query(store, txn, take_rows, &state), 0);
    store_stepper_run(&stepper);
    check_int(state.calls, 1);
}

static void sql(const char *text)
{
    sqlite3 *db = NULL;
    check_int(sqlite3_open(path, &db), SQLITE_OK);
    check_int(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
    check_int(sqlite3_close(db), SQLITE_OK);
}

/* A plan may search by an index or a key, walk one in its order to a limit, or read a whole table
 * only where everything is asked for. */
static bool plan_is_fine(const char *statement, const char *detail)
{
    if (strncmp(detail, "SCAN", 4) != 0) {
        return strstr(detail, "TEMP B-TREE") == NULL;
    }
    bool everything = strstr(statement, "WHERE") == NULL;
    return everything;
}

TEST(every_statement_is_served_by_an_index)
{
    store_close(fresh_store());
    sqlite3 *db = NULL;
    check_int(sqlite3_open(path, &db), SQLITE_OK);
    size_t count = 0;
    for (; table_statements[count]; count++) {
        char text[2048];
        sqlite3_stmt *stmt = NULL;
        (void)snprintf(text, sizeof(text), "EXPLAIN QUERY PLAN %s", table_statements[count]);
        if (sqlite3_prepare_v2(db, text, -1, &stmt, NULL) != SQLITE_OK) {
            printf("# %s: %s\n", table_statements[count], sqlite3_errmsg(db));
            check(!"prepares");
        }
        while (sqlite3_step(stmt) == SQLITE_ROW) {
            const char *detail = (const char *)sqlite3_column_text(stmt, 3);
            if (!plan_is_fine(table_statements[count], detail)) {
                printf("# %s: %s\n", table_statements[count], detail);
                check(!"served by an index");
            }
        }
        check_int(sqlite3_finalize(stmt), SQLITE_OK);
    }
    check(count > 30);
    check_int(sqlite3_close(db), SQLITE_OK);
    remove_folder();
}

static void look_project(struct txn_rows rows)
{
    struct project_row row;
    check_int(rows.count, 1);
    project_read(rows, 0, &row);
    check_str(row.tenant, STR("default"));
    check_str(row.project, STR("shop"));
    check_str(row.origin, STR("file"));
    check_str(row.state, STR("active"));
    check_str(row.spec, STR("{\"files\":[\"/a b\"]}"));
    check_str(row.actor, STR("uid:1000"));
    check_int(row.generation, 2);
    check_int(row.applied_at, 12);
}

static struct txn *put_project(int64_t generation)
{
    struct txn *txn = txn_new();
    project_put(txn, &(struct project_row){.tenant = STR("default"),
                                           .project = STR("shop"),
                                           .origin = STR("file"),
                                           .state = STR("active"),
                                           .spec = STR("{\"files\":[\"/a b\"]}"),
                                           .actor = STR("uid:1000"),
                                           .generation = generation,
                                           .applied_at = 10 + generation});
    return txn;
}

TEST(a_project_moves_on_by_one_generation_only)
{
    struct store *store = fresh_store();
    check_int(commit(store, put_project(1)), 0);
    check_int(commit(store, put_project(2)), 0);
    check_int(commit(store, put_project(2)), TXN_E_GUARD);
    check_int(commit(store, put_project(9)), TXN_E_GUARD);
    struct txn *one = txn_new(), *tenant = txn_new(), *all = txn_new();
    (void)project_select(one, STR("default"), STR("shop"));
    (void)project_select(tenant, STR("default"), STR_NONE);
    (void)project_select(all, STR_NONE, STR_NONE);
    query(store, one, look_project);
    query(store, tenant, look_project);
    query(store, all, look_project);
    finish(store);
}

static void look_none(struct txn_rows rows)
{
    check_int(rows.count, 0);
}

static void look_overrides(struct txn_rows rows)
{
    struct override_row row;
    check_int(rows.count, 2);
    override_read(rows, 1, &row);
    check_str(row.service, STR("web"));
    check_str(row.field, STR("replicas"));
    check_str(row.value, STR("5"));
    check_str(row.actor, STR("token"));
    check_str(row.origin, STR("api"));
    check_int(row.replica, 0);
    check_int(row.time, 3);
}

static void look_one_override(struct txn_rows rows)
{
    check_int(rows.count, 1);
}

static void put_override(struct txn *txn, struct str field, struct str value, int64_t time)
{
    override_put(txn, &(struct override_row){.tenant = STR("default"),
                                             .project = STR("shop"),
                                             .service = STR("web"),
                                             .field = field,
                                             .value = value,
                                             .origin = STR("api"),
                                             .actor = STR("token"),
                                             .generation = 1,
                                             .time = time});
}

static struct txn *select_overrides(void)
{
    struct txn *txn = txn_new();
    (void)override_select(txn, STR("default"), STR("shop"));
    return txn;
}

TEST(overrides_are_replaced_dropped_and_go_with_their_project)
{
    struct store *store = fresh_store();
    struct txn *txn = txn_new();
    put_override(txn, STR("replicas"), STR("4"), 1);
    put_override(txn, STR("paused"), STR("true"), 2);
    put_override(txn, STR("replicas"), STR("5"), 3);
    check_int(commit(store, txn), 0);
    query(store, select_overrides(), look_overrides);
    txn = txn_new();
    override_delete(txn, STR("default"), STR("shop"), STR("web"), STR("paused"));
    check_int(commit(store, txn), 0);
    query(store, select_overrides(), look_one_override);
    txn = txn_new();
    project_delete(txn, STR("default"), STR("shop"));
    check_int(commit(store, txn), 0);
    query(store, select_overrides(), look_none);
    finish(store);
}

static void look_replica(struct txn_rows rows)
{
    struct replica_row row;
    check_int(rows.count, 1);
    replica_read(rows, 0, &row);
    check_str(row.state, STR("crashed"));
    check_str(row.reason, STR("exited 1"));
    check_str(row.exit, STR("{\"code\":1}"));
    check_str(row.ports, STR("[20001]"));
    check_str(row.spec_hash, STR("abc"));
    check_int(row.replica, 2);
    check_int(row.restarts, 7);
    check_int(row.started_at, 5);
    check_int(row.updated_at, 6);
}

TEST(a_replica_keeps_its_last_known_state)
{
    struct store *store = fresh_store();
    struct replica_row row = {.tenant = STR("default"),
                              .project = STR("shop"),
                              .service = STR("web"),
                              .origin = STR("file"),
                              .state = STR("running"),
                              .replica = 2,
                              .restarts = 6,
                              .started_at = 5};
    struct txn *txn = txn_new();
    replica_put(txn, &row);
    row.state = STR("crashed"), row.reason = STR("exited 1"), row.exit = STR("{\"code\":1}");
    row.ports = STR("[20001]"), row.spec_hash = STR("abc"), row.restarts = 7, row.updated_at = 6;
    replica_put(txn, &row);
    check_int(commit(store, txn), 0);
    txn = txn_new();
    (void)replica_select(txn, STR("default"), STR("shop"));
    query(store, txn, look_replica);
    txn = txn_new();
    replica_delete(txn, STR("default"), STR("shop"), STR("web"), 2);
    check_int(commit(store, txn), 0);
    txn = txn_new();
    (void)replica_select(txn, STR("default"), STR("shop"));
    query(store, txn, look_none);
    finish(store);
}

static char seen_events[256];

static void look_events(struct txn_rows rows)
{
    size_t len = 0;
    seen_events[0] = 0;
    for (uint32_t i = 0; i < rows.count; i++) {
        struct event_row row;
        event_read(rows, i, &row);
        check_int(row.time, row.seq * 10);
        int n = snprintf(seen_events + len, sizeof(seen_events) - len, "%lld ", (long long)row.seq);
        len += (size_t)n;
    }
}

static void check_events(struct store *store, struct event_filter filter, const char *want)
{
    struct txn *txn = txn_new();
    (void)event_select(txn, &filter);
    query(store, txn, look_events);
    check_cstr(seen_events, want);
}

TEST(events_are_listed_by_any_filter_in_both_directions)
{
    struct store *store = fresh_store();
    struct txn *txn = txn_new();
    for (int64_t i = 1; i <= 8; i++) {
        (void)event_add(txn, &(struct event_row){.time = i * 10,
                                                 .kind = i % 2 ? STR("odd") : STR("even"),
                                                 .severity = STR("info"),
                                                 .tenant = STR("default"),
                                                 .project = i <= 6   ? STR("shop")
                                                            : i == 7 ? STR("")
                                                                     : STR("other"),
                                                 .service = i <= 4 ? STR("web") : STR("db"),
                                                 .actor = STR("muelle"),
                                                 .message = STR("m")});
    }
    check_int(commit(store, txn), 0);
    struct str t = STR("default"), p = STR("shop");
    check_events(store, (struct event_filter){0}, "1 2 3 4 5 6 7 8 ");
    check_events(store, (struct event_filter){.after_seq = 6}, "7 8 ");
    check_events(store, (struct event_filter){.limit = 3}, "1 2 3 ");
    check_events(store, (struct event_filter){.limit = 3, .newest = true}, "8 7 6 ");
    check_events(store, (struct event_filter){.before_seq = 6, .limit = 2, .newest = true}, "5 4 ");
    check_events(store, (struct event_filter){.kind = STR("odd")}, "1 3 5 7 ");
    check_events(store, (struct event_filter){.tenant = t, .project = p}, "1 2 3 4 5 6 7 ");
    check_events(store,
                 (struct event_filter){.tenant = t, .project = p, .limit = 2, .newest = true},
                 "7 6 ");
    check_events(store, (struct event_filter){.tenant = t, .project = p, .service = STR("web")},
                 "1 2 3 4 ");
    check_events(
        store,
        (struct event_filter){.tenant = t, .project = p, .kind = STR("even"), .newest = true},
        "6 4 2 ");
    check_events(store, (struct event_filter){.service = STR("db"), .kind = STR("even")}, "6 8 ");
    txn = txn_new();
    event_trim(txn, 3);
    check_int(commit(store, txn), 0);
    check_events(store, (struct event_filter){0}, "6 7 8 ");
    finish(store);
}

TEST(sequence_numbers_are_never_given_twice)
{
    struct store *store = fresh_store();
    struct event_row row = {.kind = STR("k"), .severity = STR("info"), .time = 10};
    struct txn *txn = txn_new();
    (void)event_add(txn, &row);
    event_trim(txn, 0);
    check_int(commit(store, txn), 0);
    txn = txn_new();
    row.time = 20;
    (void)event_add(txn, &row);
    check_int(commit(store, txn), 0);
    check_events(store, (struct event_filter){0}, "2 ");
    finish(store);
}

static void look_idempotency(struct txn_rows rows)
{
    struct idempotency_row row;
    check(idempotency_read(rows, &row));
    check_str(row.request_hash, STR("h"));
    check_str(row.response, str_make("\0x", 2));
    check_int(row.status, 201);
}

TEST(an_idempotency_key_is_taken_once_per_actor)
{
    struct store *store = fresh_store();
    struct idempotency_row row = {.actor = STR("token"),
                                  .key = STR("k1"),
                                  .tenant = STR("default"),
                                  .request_hash = STR("h"),
                                  .response = str_make("\0x", 2),
                                  .status = 201,
                                  .time = 5};
    struct txn *txn = txn_new();
    idempotency_add(txn, &row);
    check_int(commit(store, txn), 0);
    txn = txn_new();
    idempotency_add(txn, &row);
    check_int(commit(store, txn), TXN_E_GUARD);
    row.actor = STR("uid:1");
    txn = txn_new();
    idempotency_add(txn, &row);
    check_int(commit(store, txn), 0);
    txn = txn_new();
    (void)idempotency_select(txn, STR("token"), STR("k1"));
    query(store, txn, look_idempotency);
    txn = txn_new();
    idempotency_trim(txn, 6);
    check_int(commit(store, txn), 0);
    txn = txn_new();
    (void)idempotency_select(txn, STR("token"), STR("k1"));
    query(store, txn, look_none);
    finish(store);
}

static void look_setting(struct txn_rows rows)
{
    struct setting_row row;
    check_int(rows.count, 1);
    setting_read(rows, 0, &row);
    check_str(row.name, STR("theme"));
    check_str(row.value, STR("dark"));
}

static void look_instance(struct txn_rows rows)
{
    struct instance_row row;
    check(instance_read(rows, &row));
    check_str(row.id, STR("id-1"));
    check_str(row.version, STR("0.2"));
    check_int(row.created_at, 1);
}

TEST(settings_and_the_instance_are_replaced)
{
    struct store *store = fresh_store();
    struct setting_row setting = {.tenant = STR("default"),
                                  .name = STR("theme"),
                                  .value = STR("light"),
                                  .origin = STR("api"),
                                  .actor = STR("token")};
    struct instance_row instance = {STR("id-1"), STR("0.1"), 1};
    struct txn *txn = txn_new();
    tenant_put(txn, STR("default"), 1);
    tenant_put(txn, STR("default"), 2);
    setting_put(txn, &setting);
    setting.value = STR("dark");
    setting_put(txn, &setting);
    instance_put(txn, &instance);
    instance = (struct instance_row){STR("id-2"), STR("0.2"), 2};
    instance_put(txn, &instance);
    check_int(commit(store, txn), 0);
    txn = txn_new();
    (void)setting_select(txn, STR("default"), STR(""), STR("theme"));
    query(store, txn, look_setting);
    txn = txn_new();
    (void)setting_select(txn, STR("default"), STR(""), STR_NONE);
    query(store, txn, look_setting);
    txn = txn_new();
    (void)instance_select(txn);
    query(store, txn, look_instance);
    finish(store);
}

TEST(a_database_of_a_newer_version_is_refused_untouched)
{
    store_close(fresh_store());
    sql("PRAGMA user_version = 99");
    check(!try_open());
    check_cstr(problem.code, "state.newer");
    check(strstr(problem.where, "work.db"));
    check(strstr(problem.expected, "it has 99"));
    sql("PRAGMA user_version = 1");
    finish(try_open());
}

TEST(a_frozen_migration_that_was_edited_is_refused)
{
    store_close(fresh_store());
    sql("UPDATE migration SET checksum = checksum + 1");
    check(!try_open());
    check_cstr(problem.code, "state.migration-changed");
    remove_folder();
}

TEST(the_database_of_another_program_is_refused_untouched)
{
    make_folder();
    sql("CREATE TABLE theirs (a)");
    check(!try_open());
    check_cstr(problem.code, "state.foreign");
    sql("SELECT a FROM theirs");
    remove_folder();
}

TEST(a_file_that_is_no_database_is_refused)
{
    make_folder();
    FILE *file = fopen(path, "w");
    check(file);
    for (int i = 0; i < 1000; i++) {
        check(fputs("this is not a database. ", file) >= 0);
    }
    check_int(fclose(file), 0);
    check(!try_open());
    check_cstr(problem.code, "state.damaged");
    remove_folder();
}

TEST(a_folder_that_is_not_there_is_a_problem)
{
    make_folder();
    check_int(rmdir(folder), 0);
    check(!try_open());
    check_cstr(problem.code, "state.unusable");
}

TEST(migrations_remember_number_name_and_time)
{
    store_close(fresh_store());
    sqlite3 *db = NULL;
    sqlite3_stmt *stmt = NULL;
    check_int(sqlite3_open(path, &db), SQLITE_OK);
    check_int(sqlite3_prepare_v2(db, "SELECT number, name, applied_at, checksum FROM migration", -1,
                                 &stmt, NULL),
              SQLITE_OK);
    check_int(sqlite3_step(stmt), SQLITE_ROW);
    check_int(sqlite3_column_int(stmt, 0), 1);
    check_cstr((const char *)sqlite3_column_text(stmt, 1), "first");
    check_int(sqlite3_column_int(stmt, 2), 77);
    check(sqlite3_column_int64(stmt, 3) != 0);
    check_int(sqlite3_finalize(stmt), SQLITE_OK);
    check_int(sqlite3_close(db), SQLITE_OK);
    remove_folder();
}
