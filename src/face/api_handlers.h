/* SPDX-License-Identifier: Apache-2.0
 *
 * The handlers that the endpoint table names, by file. Each answers its exchange exactly once, now
 * or from a callback (api.h tells what it may rely on). None is called from elsewhere than the
 * table, but handle_asset, which is asked when no endpoint has the path.
 */
#ifndef FACE_API_HANDLERS_H
#define FACE_API_HANDLERS_H

#include "face/api.h"

/* api_system.c */
void handle_instance(struct exchange *x);
void handle_healthz(struct exchange *x); /* public */
void handle_readyz(struct exchange *x);  /* public; 503 until the store is read */
void handle_openapi(struct exchange *x); /* kept after the first time */
void handle_metrics(struct exchange *x); /* text, by Accept */
void handle_metrics_json(struct exchange *x);
void handle_mappings(struct exchange *x);
void handle_session(struct exchange *x); /* public: it checks the token itself */
void handle_session_end(struct exchange *x);
void handle_login(struct exchange *x); /* public; 303 with the cookie */
/* api_assets.c: any path of no endpoint; false when there is no such page */
bool handle_asset(struct exchange *x);

/* api_projects.c */
void handle_projects(struct exchange *x);
void handle_project(struct exchange *x);
void handle_apply(struct exchange *x);  /* later: the files are read on a worker */
void handle_reload(struct exchange *x); /* later, likewise */
void handle_down(struct exchange *x);   /* later: when the order is on disk */
void handle_config(struct exchange *x); /* secrets hidden */

/* api_services.c */
void handle_services(struct exchange *x);
void handle_service(struct exchange *x);
void handle_memory(struct exchange *x); /* later */
void handle_replicas(struct exchange *x);
void handle_routes(struct exchange *x);
void handle_certificates(struct exchange *x);
void handle_start(
    struct exchange *x); /* the five: later, when the order is on disk, with the service */
void handle_stop(struct exchange *x);
void handle_restart(struct exchange *x);
void handle_scale(struct exchange *x);
void handle_weight(struct exchange *x);
void handle_drain(struct exchange *x);
void handle_reset(struct exchange *x);

/* api_exec.c */
void handle_exec(struct exchange *x); /* a stream; three descriptors must have come along */
void handle_command_signal(struct exchange *x); /* 204 also when the command has ended */

/* api_logs.c */
void handle_logs(struct exchange *x); /* later: segments are read on a worker; or a stream */

/* api_events.c */
void handle_events(struct exchange *x); /* later: from the store; or a stream */

/* api_live.c */
void handle_stream(struct exchange *x); /* a stream without an end */

#endif
