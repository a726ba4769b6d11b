/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations that a reload replaced, freed by a worker: one of thousands of routes is
 * megabytes, which the kernel takes back page by page, and the loop has requests to answer. Private
 * to run/, on the core's loop.
 */
#ifndef RUN_SPENT_H
#define RUN_SPENT_H

#include "os/worker.h"

struct run;
struct project_spec;

struct spent {
    struct work work;
    struct project_spec *spec;    /* reference; NULL: none */
    struct project_spec *freeing; /* reference; the worker's while `busy`; NULL: it is freed */
    bool busy;
};

/* Takes the caller's reference. */
void spent_put(struct spent *spent, struct project_spec *spec);
/* The edge was told of the next one, so nobody else is likely to hold it. */
void spent_free(struct spent *spent, struct run *run);
/* The workers have ended. */
void spent_fini(struct spent *spent);

#endif
