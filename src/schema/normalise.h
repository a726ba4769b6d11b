/* SPDX-License-Identifier: Apache-2.0
 *
 * Rewriting short forms into long ones: the functions that table rows name. Private to schema/.
 *
 * Each leaves alone what it does not understand: checking says so later, with the row's words. Each
 * keeps the place and the tag of what it rewrites. Idempotent: a long form passes unchanged, so a
 * document that was normalised before (a base of `extends`) may be walked again.
 */
#ifndef SCHEMA_NORMALISE_H
#define SCHEMA_NORMALISE_H

#include "schema/field.h"

schema_normalise_fn normalise_path;        /* text: absolute */
schema_normalise_fn normalise_log_file;    /* the same, but for stdout and stderr */
schema_normalise_fn normalise_paths;       /* text or list of texts: list, absolute */
schema_normalise_fn normalise_list;        /* text: list of one */
schema_normalise_fn normalise_pairs;       /* list of "K=V": map; values become text */
schema_normalise_fn normalise_environment; /* the same; "K" alone and null stay null */
schema_normalise_fn normalise_names;       /* list of names: map of null */
schema_normalise_fn normalise_empty;       /* map of null: map of empty maps */
schema_normalise_fn normalise_depends_on;  /* list of names: map of {condition: service_started} */
schema_normalise_fn normalise_ports; /* "ip:8080:80/tcp": {host_ip, published, target, protocol} */
schema_normalise_fn normalise_build; /* text: {context}; absolute */
schema_normalise_fn normalise_volumes;  /* "./a:/b": "/abs/a:/b:rw" */
schema_normalise_fn normalise_sources;  /* items "name": {source: name} */
schema_normalise_fn normalise_env_file; /* text or list: list of {path, required} */
schema_normalise_fn normalise_extends;  /* text: {service} */
schema_normalise_fn normalise_include;  /* items "path": {path: [path]} */
schema_normalise_fn normalise_listen;   /* text or list: list of {address} */
schema_normalise_fn normalise_balance;  /* "round-robin", "least_connections": the names we use */

#endif
