/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables of configuration documents, by file. Private to schema/; others reach them through
 * schema_config (resource.h), whose rows lead to all of them.
 *
 * A new key: a row in the table, a member in the struct, and if need be a choice here. Then
 * build/tests/tools/schema_doc writes the reference and the JSON schema anew (tests hold both).
 */
#ifndef SCHEMA_TABLE_H
#define SCHEMA_TABLE_H

#include "schema/field.h"

/* table_service.c */
extern const struct schema_table table_service;
/* table_parts.c: objects inside of a service that muelle acts on */
extern const struct schema_table table_depends, table_health, table_route, table_port,
    table_logging;
extern const struct schema_table table_backoff, table_deploy, table_develop, table_extends,
    table_env_file;
/* table_tunnel.c */
extern const struct schema_table table_websocket;
/* table_traffic.c: what the gateway does about requests to a service */
extern const struct schema_table table_traffic;
/* table_spread.c: its parts that balance */
extern const struct schema_table table_hash, table_sticky, table_member;
/* table_container.c: objects that container engines act on */
extern const struct schema_table table_build, table_service_network, table_service_secret;
extern const struct schema_table table_service_volume, table_ulimit;
/* table_tls.c: certificates */
extern const struct schema_table table_certificate, table_gateway_tls;
/* table_config.c: the top level */
extern const struct schema_table table_gateway, table_gateway_limits, table_gateway_http2,
    table_listen, table_include;
/* table_access.c */
extern const struct schema_table table_access_log;

/* Names of the enums in spec_parts.h and status.h, in their order. */
extern const char *const names_depends_condition[], *const names_balance[], *const names_protocol[];
extern const char *const names_logging_mode[], *const names_watch_action[],
                                                   *const names_listen_kind[];
extern const char *const names_tls_version[], *const names_client_certificate[];
extern const char *const names_replica_state[], *const names_health_state[],
                                                    *const names_log_stream[];
extern const char *const names_severity[], *const names_origin[];

/* finish.c: what needs more than one row (schema_finish_fn). */
extern schema_finish_fn finish_service, finish_health, finish_route, finish_port, finish_listen;
extern schema_finish_fn finish_gateway, finish_access_log;

#endif
