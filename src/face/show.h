/* SPDX-License-Identifier: Apache-2.0
 *
 * Small helpers that the verbs share: cells from JSON members, ages, states, the summary sentence.
 * Absent and null members look the same ("-"), as they do in the API's contract.
 *
 * The members that scripts may rely on are listed with their verbs (verb_show.c, verb_logs.c) and
 * in docs/cli.md; a test compares both with what is printed.
 */
#ifndef FACE_SHOW_H
#define FACE_SHOW_H

#include "face/session.h"

/* Prints `out` and a newline. */
void show_json(const struct session *s, struct buf *out);
void show_table(const struct session *s, const struct table *table);
/* Copies a member as it is; null when it is absent. */
void show_raw(struct json_writer *w, const struct jdoc *object, const char *key);
/* A string or number member; "-" when absent or null. */
void show_cell(struct table *table, const struct jdoc *object, const char *key);
void show_state_cell(struct table *table, struct str state);
/* How long ago an RFC 3339 time was. */
void show_age_cell(struct table *table, struct str time);
/* Whether the service is among the words of the command line (no words: every one is). */
bool show_wanted(const struct cli_args *args, struct str service);
/* "3 running, 1 crashed: worker: exited 1 after 3 s", from the list of services. */
void show_summary(const struct session *s, const struct jdoc *services, struct buf *out);
/* What an apply changed or would change, as a table. */
void show_plan(const struct session *s, const struct jdoc *plan);

#endif
