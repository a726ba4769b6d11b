/* SPDX-License-Identifier: Apache-2.0
 *
 * What a configuration asks for: struct project_spec and its services, as the other rooms read it.
 *
 * Made by schema_load (load.h), checked: names are unique and usable, references lead somewhere,
 * there is no circle, listeners do not collide. Constant afterwards; counted, since a reload keeps
 * the old one until nothing uses it. Everything that hangs off a project_spec lies in its arena and
 * dies with the last reference. Any thread may read, ref and unref.
 */
#ifndef SCHEMA_SPEC_H
#define SCHEMA_SPEC_H

#include "base/buf.h"
#include "schema/access_spec.h"
#include "schema/spec_gateway.h"
#include "schema/spec_parts.h"
#include "schema/spec_traffic.h"

enum service_kind { SERVICE_PROCESS, SERVICE_CONTAINER };

enum { SPEC_UMASK_INHERIT = -1, SPEC_REPLICAS_MAX = 256 /* of one service */ };

struct value;

struct service_spec {
    struct str name;
    int32_t kind; /* enum service_kind; containers need an engine driver */
    /* What runs: entrypoint then command, split as Compose does. `$PORT`, `${PORT}`, `$HOST` and
     * `$MUELLE_…` in argv, environment values and health commands stand for the replica's own
     * values: give each through spec_expand before use. */
    const struct str *argv;
    size_t argv_count;
    struct str working_dir;              /* absolute */
    const struct spec_pair *environment; /* env_file and environment, resolved; secret */
    size_t environment_count;
    struct str user; /* "name", "uid", "name:group"; empty = that of muelle */
    int64_t umask;   /* or SPEC_UMASK_INHERIT */
    const struct ulimit_spec *ulimits;
    size_t ulimits_count;
    int64_t oom_score_adj;
    int64_t nice;

    int64_t replicas; /* deploy.replicas or scale */
    int64_t port;     /* the port that the program itself insists on; 0 = PORT is assigned */
    bool listen_fds;  /* hand the socket over as LISTEN_FDS instead of a free port */
    const struct depends_spec *depends_on;
    size_t depends_on_count;
    struct restart_spec restart;
    uint64_t success_exit_codes_mask[4]; /* bit n: exit code n counts as success; 0 always does */
    struct str stop_signal;              /* "SIGTERM" */
    int64_t stop_grace_ns;
    struct health_spec health;

    const struct route_spec *routes;
    size_t routes_count;
    struct traffic_spec traffic;
    const struct port_spec *ports;
    size_t ports_count;
    struct logging_spec logging;
    bool tty;
    const struct str *profiles;
    size_t profiles_count;
    const struct spec_pair *labels;
    size_t labels_count;
    struct limits_spec limits;
    const struct watch_spec *watch;
    size_t watch_count;
    struct str image; /* containers */

    uint64_t spec_hash;   /* changes if and only if a change needs a restart of the replicas */
    uint64_t routes_hash; /* of the routes as they are written; 0 = not known */
    const struct value *traffic_tree; /* `traffic` as it is written; NULL: it is not */
};

/* Of the whole instance: the largest of its projects counts. */
struct retention_spec {
    int64_t max_bytes, max_age_ns;
};

struct arena;

struct project_spec {
    struct str name;
    struct str working_dir;  /* absolute: the folder of the first file */
    const struct str *files; /* absolute, in the order given; then includes */
    size_t files_count;
    struct gateway_spec gateway;
    struct retention_spec logging;
    const struct service_spec *services; /* enabled ones, in order of the file */
    size_t services_count;
    uint64_t content_hash;    /* of the whole rendering: equal = nothing changed at all */
    const struct value *tree; /* normalised document, for rendering (load.h) */
    struct arena *arena;      /* private */
    int refs;                 /* private, atomic */
};

struct project_spec *project_spec_ref(struct project_spec *spec);
/* Accepts NULL. */
void project_spec_unref(struct project_spec *spec);
/* NULL when there is none of that name. */
const struct service_spec *project_spec_service(const struct project_spec *spec, struct str name);

/* Appends `text` with `$NAME` and `${NAME}` replaced for the names given; anything else stays as it
 * is. */
void spec_expand(struct str text, const struct spec_pair *values, size_t count, struct buf *out);
/* True for the names that exist per replica: PORT, HOST, MUELLE_PROJECT, _SERVICE, _REPLICA,
 * _INSTANCE, _ID. */
bool spec_is_replica_name(struct str name);

#endif
