/* SPDX-License-Identifier: Apache-2.0
 *
 * The statements of work.db: thin builders that add one statement each to a txn, and readers of its
 * rows. All SQL of the tables lies in tables.c, in one list, so that a test can prove every
 * statement to be served by an index.
 *
 * Texts in the row structs are slices: of the caller when writing (copied by the builder), of the
 * txn when reading (valid until its callback returns). Times are wall-clock nanoseconds. A builder
 * cannot fail: the txn remembers (txn.h). `…_select` returns the statement's index, for txn_rows.
 */
#ifndef STORE_TABLES_H
#define STORE_TABLES_H

#include "store/txn.h"

struct instance_row {
    struct str id, version;
    int64_t created_at;
};
/* Written once; a second time changes only the version. */
void instance_put(struct txn *txn, const struct instance_row *row);
unsigned instance_select(struct txn *txn);
bool instance_read(struct txn_rows rows, struct instance_row *ret);
void tenant_put(struct txn *txn, struct str tenant, int64_t created_at);

struct project_row {
    struct str tenant, project, origin, state, spec, actor; /* state: "active", "removing" … */
    int64_t generation, applied_at;
};
/* Inserts, or replaces the row of generation-1; guard: nobody else changed it in between. The
 * generation is what plans, events and answers speak of, so two changes never share one. The spec
 * is lent (txn_lend). */
void project_put(struct txn *txn, const struct project_row *row);
void project_set_state(struct txn *txn, struct str tenant, struct str project, struct str state);
/* With its overrides, replicas and settings; its events stay: what happened to a project that is
 * gone is asked most of all. */
void project_delete(struct txn *txn, struct str tenant, struct str project);
/* project == STR_NONE: all of the tenant; tenant == STR_NONE: all. */
unsigned project_select(struct txn *txn, struct str tenant, struct str project);
void project_read(struct txn_rows rows, uint32_t i, struct project_row *ret);

struct override_row {
    struct str tenant, project, service, field, value, origin, actor;
    int64_t replica; /* 0 = the whole service */
    int64_t generation, time;
};
void override_put(struct txn *txn, const struct override_row *row);
/* field == STR_NONE: all fields (and replicas) of the service. */
void override_delete(struct txn *txn, struct str tenant, struct str project, struct str service,
                     struct str field);
/* All of a project, by service. */
unsigned override_select(struct txn *txn, struct str tenant, struct str project);
void override_read(struct txn_rows rows, uint32_t i, struct override_row *ret);

/* The last state that was written, for the core that comes after this one: what is true is what the
 * keeper says, this says what was meant (restarts, back-off, reason). */
struct replica_row {
    struct str tenant, project, service, origin, state, reason, exit, ports, spec_hash;
    int64_t replica, generation, restarts, started_at, updated_at;
};
void replica_put(struct txn *txn, const struct replica_row *row);
/* replica == 0: all of the service. */
void replica_delete(struct txn *txn, struct str tenant, struct str project, struct str service,
                    int64_t replica);
unsigned replica_select(struct txn *txn, struct str tenant, struct str project);
void replica_read(struct txn_rows rows, uint32_t i, struct replica_row *ret);

struct event_row {
    int64_t seq; /* given by the store: rowid of the statement, or event_read */
    int64_t time, replica, generation;
    struct str kind, severity, tenant, project, service, origin, actor, cause, message, data;
};
/* Returns the statement's index: txn_rowid of it is the sequence number once it is committed. */
unsigned event_add(struct txn *txn, const struct event_row *row);
/* Which events: empty slices = no condition. */
struct event_filter {
    /* Of a project without a service: also those of the instance, which have no project. */
    struct str tenant, project, service, kind;
    int64_t after_seq;  /* seq > after */
    int64_t before_seq; /* seq < before; 0 = no end */
    int64_t limit;      /* 0 = 100 */
    bool newest;        /* the last `limit` of them, descending; else the first, ascending */
};
unsigned event_select(struct txn *txn, const struct event_filter *filter);
void event_read(struct txn_rows rows, uint32_t i, struct event_row *ret);
/* The newest sequence number, one row. */
unsigned event_select_last(struct txn *txn);
/* Keeps the newest `keep` numbers: by sequence and not by count, so one look at the index does it.
 * Numbers are never given again (AUTOINCREMENT): a client's "after" stays what it was. */
void event_trim(struct txn *txn, int64_t keep);

/* An answer that was given, to be given again. `request_hash` tells a repetition from another
 * request under a key that was used before. */
struct idempotency_row {
    struct str actor, key, tenant, project, request_hash, response;
    int64_t status, time;
};
/* Guard: the key is new for this actor. In one transaction with the effect it stands for: either
 * both are there after a crash, or neither, and the client's repetition does the right thing. */
void idempotency_add(struct txn *txn, const struct idempotency_row *row);
unsigned idempotency_select(struct txn *txn, struct str actor, struct str key);
bool idempotency_read(struct txn_rows rows, struct idempotency_row *ret);
void idempotency_trim(struct txn *txn, int64_t older_than_ns);

struct setting_row {
    struct str tenant, project, name, value, origin, actor;
    int64_t generation, time;
};
void setting_put(struct txn *txn, const struct setting_row *row);
/* name == STR_NONE: all of the project. */
unsigned setting_select(struct txn *txn, struct str tenant, struct str project, struct str name);
void setting_read(struct txn_rows rows, uint32_t i, struct setting_row *ret);

/* Every statement of this file, for the test that explains them. NULL ends. */
extern const char *const table_statements[];

#endif
