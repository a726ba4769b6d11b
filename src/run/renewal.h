/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates whose files change while they serve: their folders are watched, and what is new and
 * good goes to the edge without a reload. What is not good is said, and the old ones serve on.
 * Private to run/.
 */
#ifndef RUN_RENEWAL_H
#define RUN_RENEWAL_H

#include "run/model.h"

struct certificates;

/* A project was taken: watches the folders of its files. */
void renewal_watch(struct run *run, const struct project *project);
/* Takes what was loaded anew in place of what serves, if it is something else. */
void renewal_take(struct run *run, struct project *project, struct certificates **fresh);
/* Reads the project's certificates again, and has those of the development authority issued
 * anew. */
void renewal_ask(struct run *run, struct project *project);
void renewal_fini(struct run *run);

#endif
