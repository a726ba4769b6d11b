/* SPDX-License-Identifier: Apache-2.0
 *
 * All SQL of work.db's tables, and the builders that bind it. One array holds every text, so that a
 * test can explain each and show that an index serves it.
 *
 * Texts are constants and values are bound, always: no value is ever pasted into SQL. Columns are
 * listed by macros, in the order in which the readers take them, so a statement and its reader
 * cannot disagree. Optional conditions are "?N IS NULL OR column = ?N" behind the one that the
 * index serves: a handful of texts instead of one for each combination.
 */
#include "store/tables.h"

#include <stdint.h>

#define PROJECT_COLUMNS "tenant, project, origin, state, spec, actor, generation, applied_at"
#define OVERRIDE_COLUMNS                                                                           \
    "tenant, project, service, field, value, origin, actor, replica, generation, time"
#define REPLICA_COLUMNS                                                                            \
    "tenant, project, service, origin, state, reason, exit, ports, spec_hash, replica, "           \
    "generation, restarts, started_at, updated_at"
#define EVENT_COLUMNS                                                                              \
    "seq, time, replica, generation, kind, severity, tenant, project, service, origin, actor, "    \
    "cause, message, data"
#define SETTING_COLUMNS "tenant, project, name, value, origin, actor, generation, time"

/* Parameters of the event lists: 1 after, 2 before, 3 tenant, 4 project, 5 service, 6 kind, 7
 * limit. Those that an index does not serve are tested on the rows that it finds. */
#define EVENT_LIST(where, order)                                                                   \
    "SELECT " EVENT_COLUMNS " FROM event WHERE " where " AND seq > ?1 AND seq < ?2"                \
    " AND (?3 IS NULL OR tenant = ?3) AND (?4 IS NULL OR project = ?4)"                            \
    " AND (?5 IS NULL OR service = ?5) AND (?6 IS NULL OR kind = ?6)"                              \
    " ORDER BY seq " order " LIMIT ?7"

/* What concerns a project: its own events and those of the instance, which have no project. Two
 * walks along one index, merged. */
#define EVENT_LIST_OF(project)                                                                     \
    "SELECT " EVENT_COLUMNS " FROM event WHERE tenant = ?3 AND project = " project                 \
    " AND seq > ?1 AND seq < ?2 AND (?6 IS NULL OR kind = ?6)"
#define EVENT_LIST_BOTH(order)                                                                     \
    EVENT_LIST_OF("?4") " UNION ALL " EVENT_LIST_OF("''") " ORDER BY seq " order " LIMIT ?7"

enum {
    INSTANCE_PUT,
    INSTANCE_SELECT,
    TENANT_PUT,
    PROJECT_PUT,
    PROJECT_SET_STATE,
    PROJECT_DELETE,
    PROJECT_DELETE_OVERRIDES,
    PROJECT_DELETE_REPLICAS,
    PROJECT_DELETE_SETTINGS,
    PROJECT_SELECT_ALL,
    PROJECT_SELECT_TENANT,
    PROJECT_SELECT_ONE,
    OVERRIDE_PUT,
    OVERRIDE_DELETE_ALL,
    OVERRIDE_DELETE_FIELD,
    OVERRIDE_SELECT,
    REPLICA_PUT,
    REPLICA_DELETE_ALL,
    REPLICA_DELETE_ONE,
    REPLICA_SELECT,
    EVENT_ADD,
    EVENT_LIST_ALL,
    EVENT_LIST_KIND,
    EVENT_LIST_PROJECT,
    EVENT_LIST_SERVICE,
    EVENT_NEWEST_ALL,
    EVENT_NEWEST_KIND,
    EVENT_NEWEST_PROJECT,
    EVENT_NEWEST_SERVICE,
    EVENT_SELECT_LAST,
    EVENT_TRIM,
    IDEMPOTENCY_ADD,
    IDEMPOTENCY_SELECT,
    IDEMPOTENCY_TRIM,
    SETTING_PUT,
    SETTING_SELECT_ALL,
    SETTING_SELECT_ONE,
    STATEMENT_COUNT,
};

const char *const table_statements[] = {
    [INSTANCE_PUT] = "INSERT INTO instance (one, id, version, created_at) VALUES (1, ?, ?, ?)"
                     " ON CONFLICT (one) DO UPDATE SET version = excluded.version,"
                     " generation = generation + 1",
    [INSTANCE_SELECT] = "SELECT id, version, created_at FROM instance WHERE one = 1",
    [TENANT_PUT] =
        "INSERT INTO tenant (tenant, created_at) VALUES (?, ?) ON CONFLICT (tenant) DO NOTHING",
    [PROJECT_PUT] = "INSERT INTO project (" PROJECT_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (tenant, project) DO UPDATE SET origin = excluded.origin,"
                    " state = excluded.state, spec = excluded.spec, actor = excluded.actor,"
                    " generation = excluded.generation, applied_at = excluded.applied_at"
                    " WHERE project.generation = excluded.generation - 1",
    [PROJECT_SET_STATE] = "UPDATE project SET state = ? WHERE tenant = ? AND project = ?",
    [PROJECT_DELETE] = "DELETE FROM project WHERE tenant = ? AND project = ?",
    [PROJECT_DELETE_OVERRIDES] = "DELETE FROM override WHERE tenant = ? AND project = ?",
    [PROJECT_DELETE_REPLICAS] = "DELETE FROM replica WHERE tenant = ? AND project = ?",
    [PROJECT_DELETE_SETTINGS] = "DELETE FROM setting WHERE tenant = ? AND project = ?",
    [PROJECT_SELECT_ALL] = "SELECT " PROJECT_COLUMNS " FROM project ORDER BY tenant, project",
    [PROJECT_SELECT_TENANT] =
        "SELECT " PROJECT_COLUMNS " FROM project WHERE tenant = ? ORDER BY project",
    [PROJECT_SELECT_ONE] =
        "SELECT " PROJECT_COLUMNS " FROM project WHERE tenant = ? AND project = ?",
    [OVERRIDE_PUT] = "INSERT INTO override (" OVERRIDE_COLUMNS ")"
                     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                     " ON CONFLICT (tenant, project, service, replica, field) DO UPDATE SET"
                     " value = excluded.value, origin = excluded.origin, actor = excluded.actor,"
                     " generation = excluded.generation, time = excluded.time",
    [OVERRIDE_DELETE_ALL] = "DELETE FROM override WHERE tenant = ? AND project = ? AND service = ?",
    [OVERRIDE_DELETE_FIELD] =
        "DELETE FROM override WHERE tenant = ? AND project = ? AND service = ? AND field = ?",
    [OVERRIDE_SELECT] = "SELECT " OVERRIDE_COLUMNS " FROM override WHERE tenant = ? AND project = ?"
                        " ORDER BY service, replica, field",
    [REPLICA_PUT] = "INSERT INTO replica (" REPLICA_COLUMNS ")"
                    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (tenant, project, service, replica) DO UPDATE SET"
                    " origin = excluded.origin, state = excluded.state, reason = excluded.reason,"
                    " exit = excluded.exit, ports = excluded.ports, spec_hash = excluded.spec_hash,"
                    " generation = excluded.generation, restarts = excluded.restarts,"
                    " started_at = excluded.started_at, updated_at = excluded.updated_at",
    [REPLICA_DELETE_ALL] = "DELETE FROM replica WHERE tenant = ? AND project = ? AND service = ?",
    [REPLICA_DELETE_ONE] =
        "DELETE FROM replica WHERE tenant = ? AND project = ? AND service = ? AND replica = ?",
    [REPLICA_SELECT] = "SELECT " REPLICA_COLUMNS " FROM replica WHERE tenant = ? AND project = ?"
                       " ORDER BY service, replica",
    [EVENT_ADD] = "INSERT INTO event (time, replica, generation, kind, severity, tenant, project,"
                  " service, origin, actor, cause, message, data)"
                  " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [EVENT_LIST_ALL] = EVENT_LIST("1", "ASC"),
    [EVENT_LIST_KIND] = EVENT_LIST("kind = ?6", "ASC"),
    [EVENT_LIST_PROJECT] = EVENT_LIST_BOTH("ASC"),
    [EVENT_LIST_SERVICE] = EVENT_LIST("tenant = ?3 AND project = ?4 AND service = ?5", "ASC"),
    [EVENT_NEWEST_ALL] = EVENT_LIST("1", "DESC"),
    [EVENT_NEWEST_KIND] = EVENT_LIST("kind = ?6", "DESC"),
    [EVENT_NEWEST_PROJECT] = EVENT_LIST_BOTH("DESC"),
    [EVENT_NEWEST_SERVICE] = EVENT_LIST("tenant = ?3 AND project = ?4 AND service = ?5", "DESC"),
    [EVENT_SELECT_LAST] = "SELECT max(seq) FROM event",
    [EVENT_TRIM] = "DELETE FROM event WHERE seq <= (SELECT max(seq) FROM event) - ?",
    [IDEMPOTENCY_ADD] = "INSERT INTO idempotency (actor, key, tenant, project, request_hash,"
                        " response, status, time) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                        " ON CONFLICT (actor, key) DO NOTHING",
    [IDEMPOTENCY_SELECT] = "SELECT actor, key, tenant, project, request_hash, response, status,"
                           " time FROM idempotency WHERE actor = ? AND key = ?",
    [IDEMPOTENCY_TRIM] = "DELETE FROM idempotency WHERE time < ?",
    [SETTING_PUT] = "INSERT INTO setting (" SETTING_COLUMNS ") VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
                    " ON CONFLICT (tenant, project, name) DO UPDATE SET value = excluded.value,"
                    " origin = excluded.origin, actor = excluded.actor,"
                    " generation = excluded.generation, time = excluded.time",
    [SETTING_SELECT_ALL] =
        "SELECT " SETTING_COLUMNS " FROM setting WHERE tenant = ? AND project = ? ORDER BY name",
    [SETTING_SELECT_ONE] =
        "SELECT " SETTING_COLUMNS " FROM setting WHERE tenant = ? AND project = ? AND name = ?",
    [STATEMENT_COUNT] = NULL,
};

static unsigned add(struct txn *txn, unsigned statement)
{
    return txn_add(txn, table_statements[statement]);
}

/* Columns are NOT NULL: an empty slice without memory is "", not NULL. */
static void text(struct txn *txn, struct str s)
{
    txn_text(txn, s.p ? s : STR(""));
}

/* Lists, so that a builder is one line for a row's texts and one for its numbers. */
static void texts(struct txn *txn, const struct str *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        text(txn, list[i]);
    }
}
#define TEXTS(txn, ...)                                                                            \
    texts((txn), (const struct str[]){__VA_ARGS__},                                                \
          sizeof((const struct str[]){__VA_ARGS__}) / sizeof(struct str))

static void numbers(struct txn *txn, const int64_t *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        txn_i64(txn, list[i]);
    }
}
#define NUMBERS(txn, ...)                                                                          \
    numbers((txn), (const int64_t[]){__VA_ARGS__},                                                 \
            sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* Columns of a row, from the first on, into fields. */
static void read_texts(struct txn_rows rows, uint32_t i, uint32_t column, struct str *const *fields,
                       size_t count)
{
    for (size_t n = 0; n < count; n++) {
        *fields[n] = rows_text(rows, i, column + (uint32_t)n);
    }
}
#define READ_TEXTS(rows, i, column, ...)                                                           \
    read_texts((rows), (i), (column), (struct str *const[]){__VA_ARGS__},                          \
               sizeof((struct str *const[]){__VA_ARGS__}) / sizeof(struct str *))

static void read_numbers(struct txn_rows rows, uint32_t i, uint32_t column, int64_t *const *fields,
                         size_t count)
{
    for (size_t n = 0; n < count; n++) {
        *fields[n] = rows_i64(rows, i, column + (uint32_t)n);
    }
}
#define READ_NUMBERS(rows, i, column, ...)                                                         \
    read_numbers((rows), (i), (column), (int64_t *const[]){__VA_ARGS__},                           \
                 sizeof((int64_t *const[]){__VA_ARGS__}) / sizeof(int64_t *))

void instance_put(struct txn *txn, const struct instance_row *row)
{
    (void)add(txn, INSTANCE_PUT);
    TEXTS(txn, row->id, row->version);
    txn_i64(txn, row->created_at);
}

unsigned instance_select(struct txn *txn)
{
    return add(txn, INSTANCE_SELECT);
}

bool instance_read(struct txn_rows rows, struct instance_row *ret)
{
    if (rows.count == 0) {
        return false;
    }
    READ_TEXTS(rows, 0, 0, &ret->id, &ret->version);
    ret->created_at = rows_i64(rows, 0, 2);
    return true;
}

void tenant_put(struct txn *txn, struct str tenant, int64_t created_at)
{
    (void)add(txn, TENANT_PUT);
    text(txn, tenant);
    txn_i64(txn, created_at);
}

void project_put(struct txn *txn, const struct project_row *row)
{
    (void)add(txn, PROJECT_PUT);
    TEXTS(txn, row->tenant, row->project, row->origin, row->state);
    txn_lend(txn, row->spec); /* hundreds of KB where there are thousands of routes */
    TEXTS(txn, row->actor);
    NUMBERS(txn, row->generation, row->applied_at);
    txn_expect_changes(txn, 1);
}

void project_set_state(struct txn *txn, struct str tenant, struct str project, struct str state)
{
    (void)add(txn, PROJECT_SET_STATE);
    TEXTS(txn, state, tenant, project);
    txn_expect_changes(txn, 1);
}

void project_delete(struct txn *txn, struct str tenant, struct str project)
{
    static const unsigned all[] = {PROJECT_DELETE_OVERRIDES, PROJECT_DELETE_REPLICAS,
                                   PROJECT_DELETE_SETTINGS, PROJECT_DELETE};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        (void)add(txn, all[i]);
        TEXTS(txn, tenant, project);
    }
}

unsigned project_select(struct txn *txn, struct str tenant, struct str project)
{
    if (!tenant.p) {
        return add(txn, PROJECT_SELECT_ALL);
    }
    unsigned i = add(txn, project.p ? PROJECT_SELECT_ONE : PROJECT_SELECT_TENANT);
    text(txn, tenant);
    if (project.p) {
        text(txn, project);
    }
    return i;
}

void project_read(struct txn_rows rows, uint32_t i, struct project_row *ret)
{
    READ_TEXTS(rows, i, 0, &ret->tenant, &ret->project, &ret->origin, &ret->state, &ret->spec,
               &ret->actor);
    READ_NUMBERS(rows, i, 6, &ret->generation, &ret->applied_at);
}

void override_put(struct txn *txn, const struct override_row *row)
{
    (void)add(txn, OVERRIDE_PUT);
    TEXTS(txn, row->tenant, row->project, row->service, row->field, row->value, row->origin,
          row->actor);
    NUMBERS(txn, row->replica, row->generation, row->time);
}

void override_delete(struct txn *txn, struct str tenant, struct str project, struct str service,
                     struct str field)
{
    (void)add(txn, field.p ? OVERRIDE_DELETE_FIELD : OVERRIDE_DELETE_ALL);
    TEXTS(txn, tenant, project, service);
    if (field.p) {
        text(txn, field);
    }
}

unsigned override_select(struct txn *txn, struct str tenant, struct str project)
{
    unsigned i = add(txn, OVERRIDE_SELECT);
    TEXTS(txn, tenant, project);
    return i;
}

void override_read(struct txn_rows rows, uint32_t i, struct override_row *ret)
{
    READ_TEXTS(rows, i, 0, &ret->tenant, &ret->project, &ret->service, &ret->field, &ret->value,
               &ret->origin, &ret->actor);
    READ_NUMBERS(rows, i, 7, &ret->replica, &ret->generation, &ret->time);
}

void replica_put(struct txn *txn, const struct replica_row *row)
{
    (void)add(txn, REPLICA_PUT);
    TEXTS(txn, row->tenant, row->project, row->service, row->origin, row->state, row->reason,
          row->exit, row->ports, row->spec_hash);
    NUMBERS(txn, row->replica, row->generation, row->restarts, row->started_at, row->updated_at);
}

void replica_delete(struct txn *txn, struct str tenant, struct str project, struct str service,
                    int64_t replica)
{
    (void)add(txn, replica ? REPLICA_DELETE_ONE : REPLICA_DELETE_ALL);
    TEXTS(txn, tenant, project, service);
    if (replica) {
        txn_i64(txn, replica);
    }
}

unsigned replica_select(struct txn *txn, struct str tenant, struct str project)
{
    unsigned i = add(txn, REPLICA_SELECT);
    TEXTS(txn, tenant, project);
    return i;
}

void replica_read(struct txn_rows rows, uint32_t i, struct replica_row *ret)
{
    READ_TEXTS(rows, i, 0, &ret->tenant, &ret->project, &ret->service, &ret->origin, &ret->state,
               &ret->reason, &ret->exit, &ret->ports, &ret->spec_hash);
    READ_NUMBERS(rows, i, 9, &ret->replica, &ret->generation, &ret->restarts, &ret->started_at,
                 &ret->updated_at);
}

unsigned event_add(struct txn *txn, const struct event_row *row)
{
    unsigned i = add(txn, EVENT_ADD);
    NUMBERS(txn, row->time, row->replica, row->generation);
    TEXTS(txn, row->kind, row->severity, row->tenant, row->project, row->service, row->origin,
          row->actor, row->cause, row->message, row->data);
    return i;
}

/* The list whose index narrows most. The planner cannot choose: with "?5 IS NULL OR …" it knows
 * nothing of the values. */
static unsigned event_list_for(const struct event_filter *filter)
{
    bool project = filter->tenant.len && filter->project.len;
    if (project && filter->service.len) {
        return EVENT_LIST_SERVICE;
    }
    if (project) {
        return EVENT_LIST_PROJECT;
    }
    return filter->kind.len ? EVENT_LIST_KIND : EVENT_LIST_ALL;
}

unsigned event_select(struct txn *txn, const struct event_filter *filter)
{
    const unsigned newest = filter->newest ? EVENT_NEWEST_ALL - EVENT_LIST_ALL : 0;
    unsigned i = add(txn, event_list_for(filter) + newest);
    NUMBERS(txn, filter->after_seq, filter->before_seq ? filter->before_seq : INT64_MAX);
    const struct str conditions[] = {filter->tenant, filter->project, filter->service,
                                     filter->kind};
    for (size_t n = 0; n < ARRAY_LEN(conditions); n++) {
        txn_text(txn, conditions[n].len ? conditions[n] : STR_NONE);
    }
    txn_i64(txn, filter->limit > 0 ? filter->limit : 100);
    return i;
}

void event_read(struct txn_rows rows, uint32_t i, struct event_row *ret)
{
    READ_NUMBERS(rows, i, 0, &ret->seq, &ret->time, &ret->replica, &ret->generation);
    READ_TEXTS(rows, i, 4, &ret->kind, &ret->severity, &ret->tenant, &ret->project, &ret->service,
               &ret->origin, &ret->actor, &ret->cause, &ret->message, &ret->data);
}

unsigned event_select_last(struct txn *txn)
{
    return add(txn, EVENT_SELECT_LAST);
}

void event_trim(struct txn *txn, int64_t keep)
{
    (void)add(txn, EVENT_TRIM);
    txn_i64(txn, keep);
}

void idempotency_add(struct txn *txn, const struct idempotency_row *row)
{
    (void)add(txn, IDEMPOTENCY_ADD);
    TEXTS(txn, row->actor, row->key, row->tenant, row->project, row->request_hash);
    txn_blob(txn, row->response.p ? row->response : STR(""));
    NUMBERS(txn, row->status, row->time);
    txn_expect_changes(txn, 1);
}

unsigned idempotency_select(struct txn *txn, struct str actor, struct str key)
{
    unsigned i = add(txn, IDEMPOTENCY_SELECT);
    TEXTS(txn, actor, key);
    return i;
}

bool idempotency_read(struct txn_rows rows, struct idempotency_row *ret)
{
    if (rows.count == 0) {
        return false;
    }
    READ_TEXTS(rows, 0, 0, &ret->actor, &ret->key, &ret->tenant, &ret->project, &ret->request_hash,
               &ret->response);
    READ_NUMBERS(rows, 0, 6, &ret->status, &ret->time);
    return true;
}

void idempotency_trim(struct txn *txn, int64_t older_than_ns)
{
    (void)add(txn, IDEMPOTENCY_TRIM);
    txn_i64(txn, older_than_ns);
}

void setting_put(struct txn *txn, const struct setting_row *row)
{
    (void)add(txn, SETTING_PUT);
    TEXTS(txn, row->tenant, row->project, row->name, row->value, row->origin, row->actor);
    NUMBERS(txn, row->generation, row->time);
}

unsigned setting_select(struct txn *txn, struct str tenant, struct str project, struct str name)
{
    unsigned i = add(txn, name.p ? SETTING_SELECT_ONE : SETTING_SELECT_ALL);
    TEXTS(txn, tenant, project);
    if (name.p) {
        text(txn, name);
    }
    return i;
}

void setting_read(struct txn_rows rows, uint32_t i, struct setting_row *ret)
{
    READ_TEXTS(rows, i, 0, &ret->tenant, &ret->project, &ret->name, &ret->value, &ret->origin,
               &ret->actor);
    READ_NUMBERS(rows, i, 6, &ret->generation, &ret->time);
}
