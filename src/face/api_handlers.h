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
void handle_healthz(struct exchange *x);
void handle_readyz(struct exchange *x);
void handle_openapi(struct exchange *x);
void handle_metrics(struct exchange *x);
void handle_metrics_json(struct exchange *x);
void handle_mappings(struct exchange *x);
void handle_session(struct exchange *x);
void handle_session_end(struct exchange *x);
void handle_login(struct exchange *x);
/* api_assets.c: any path of no endpoint; false when there is no such page */
bool handle_asset(struct exchange *x);

/* api_projects.c */
void handle_projects(struct exchange *x);
void handle_project(struct exchange *x);
void handle_apply(struct exchange *x);
void handle_reload(struct exchange *x);
void handle_down(struct exchange *x);
void handle_config(struct exchange *x);

/* api_services.c */
void handle_services(struct exchange *x);
void handle_service(struct exchange *x);
void handle_memory(struct exchange *x);
void handle_replicas(struct exchange *x);
void handle_routes(struct exchange *x);
void handle_start(struct exchange *x);
void handle_stop(struct exchange *x);
void handle_restart(struct exchange *x);
void handle_scale(struct exchange *x);
void handle_reset(struct exchange *x);

/* api_exec.c */
void handle_exec(struct exchange *x);
void handle_command_signal(struct exchange *x);

/* api_logs.c */
void handle_logs(struct exchange *x);

/* api_events.c */
void handle_events(struct exchange *x);

/* api_live.c */
void handle_stream(struct exchange *x);

#endif
