/* SPDX-License-Identifier: Apache-2.0
 *
 * What run/ shows, at once and from memory: status structs (schema/status.h) whose texts lie in the
 * caller's arena. Comes with run.h.
 */
#ifndef RUN_READS_H
#define RUN_READS_H

#include "base/arena.h"
#include "core/bus.h"

struct buf;
struct certificate_status;
struct project_status;
struct replica_status;
struct route_status;
struct run;
struct service_status;

/* Reads. `ret` gets an array in `arena`. Empty `project` = all of the tenant. 0, -ENOMEM,
 * RUN_E_NONE (no such thing) or RUN_E_DENIED. cpu, memory and pids are see's: it fills them in. */
enum { RUN_E_NONE = 1, RUN_E_DENIED = 2 };
must_check int run_projects(struct run *run, const struct context *ctx, struct arena *arena,
                            struct project_status **ret, size_t *ret_count);
must_check int run_services(struct run *run, const struct context *ctx, struct bus_id filter,
                            struct arena *arena, struct service_status **ret, size_t *ret_count);
must_check int run_replicas(struct run *run, const struct context *ctx, struct bus_id filter,
                            struct arena *arena, struct replica_status **ret, size_t *ret_count);
must_check int run_routes(struct run *run, const struct context *ctx, struct str project,
                          struct arena *arena, struct route_status **ret, size_t *ret_count);
/* The certificates that it serves with, days counted now. */
struct run_certificates {
    struct certificate_status *items;
    size_t count;
};
must_check int run_certificates(struct run *run, const struct context *ctx, struct str project,
                                struct arena *arena, struct run_certificates *ret);
/* The project as understood, as YAML or JSON, with secrets hidden. */
must_check int run_config(struct run *run, const struct context *ctx, struct str project, bool json,
                          struct buf *out);
/* The spec of one service as a JSON object. */
must_check int run_service_spec(struct run *run, const struct context *ctx, struct bus_id id,
                                struct buf *out);
/* Whether some project names that host (lower or upper case, no port) as one of the admin listener.
 * Asked before anybody is known: it tells nothing else. */
bool run_is_admin_name(const struct run *run, struct str host);

#endif
