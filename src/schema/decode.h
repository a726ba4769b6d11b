/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking a document against tables and decoding it into structs. Private to schema/.
 *
 * Strings of the structs point into the pass's arena, which becomes the spec's. All of it runs in
 * one pass (pass.h): problems go to its list, memory comes from its arena and is sticky when it is
 * out.
 */
#ifndef SCHEMA_DECODE_H
#define SCHEMA_DECODE_H

#include "schema/field.h"
#include "schema/pass.h"

/* Checks every key and value of `v` (NULL = empty) and stores what has a member in `object` (NULL =
 * check only). What is absent gets its preset. */
void decode_table(struct schema_pass *pass, const struct schema_table *table, const struct value *v,
                  void *object);

/* Checks a part that a stage takes out of the document (extends, include, env_file). True if it is
 * fine. */
bool decode_check(struct schema_pass *pass, const struct schema_table *table,
                  const struct value *v);

/* Reads one scalar by type and bounds of the row into `member` (may be NULL). False when it said a
 * problem. */
bool decode_scalar(struct schema_pass *pass, const struct schema_field *row, enum schema_type type,
                   const struct value *v, void *member);

/* true, yes, on, y and their opposites, in any case; false for anything else. */
bool decode_bool(struct str text, bool *ret);
/* The truth value that a node holds; `absent` when there is none. */
bool decode_truth(const struct value *v, bool absent);

/* Splits a command as Compose does: words, quotes and backslashes, no shell. NULL when it said a
 * problem. */
const struct str *decode_words(struct schema_pass *pass, const struct value *v, size_t *ret_count);

/* "a whole number from 1 to 65535", "one of: tcp, udp": what a row wants. */
void decode_expected(const struct schema_field *row, enum schema_type type, struct buf *out);

/* A path that requests are to have: it begins with '/' and holds neither control characters nor any
 * of `without`. False when it said a problem (finish_net.c). */
bool finish_path(struct schema_pass *pass, const struct value *v, const char *expected,
                 const char *without);

/* What a process should know about keys and ports that do nothing for it (advise.c). */
void advise_process(struct schema_pass *pass, const struct value *v,
                    const struct service_spec *service);
/* The part of it about `traffic:` (advise_traffic.c). */
void advise_traffic(struct schema_pass *pass, const struct value *v,
                    const struct service_spec *service);
/* enum balance_kind: that of `traffic:`, else of the first route. */
int32_t advise_balance(const struct service_spec *service);
/* What routes, listeners and services ask of each other and do not get. */
void advise_gateway(struct schema_pass *pass, const struct value *root,
                    const struct project_spec *spec);
/* The same about the keys beside the services. */
void advise_project(struct schema_pass *pass, const struct value *root,
                    const struct project_spec *spec);

#endif
