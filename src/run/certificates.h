/* SPDX-License-Identifier: Apache-2.0
 *
 * struct certificates: what a project's configuration names of certificates, read and checked, as
 * it goes into the snapshot. Private to run/. Secret: keys are in it; it is never stored, shown or
 * logged.
 */
#ifndef RUN_CERTIFICATES_H
#define RUN_CERTIFICATES_H

#include "base/arena.h"
#include "base/problem.h"
#include "link/snapshot.h"
#include "schema/spec.h"

struct source;
struct run;
struct project;

enum { CERTIFICATES_LOCAL_NAMES = 100 /* of one certificate of the development authority */ };

struct certificates {
    struct arena arena;
    struct snapshot_certificate *items; /* `listener`: index + 1 into the spec's, 0 = all */
    size_t count;
    struct str client_ca;
    struct snapshot_upstream_tls *services; /* by service of the spec */
    size_t service_count;
    uint64_t content; /* of all; the same = nothing has changed */
};

/* Reads what the spec names. What is wrong is added to `problems` and left out. Blocks: on a
 * worker. 0 or -errno. */
must_check int certificates_load(const struct source *source, const struct project_spec *spec,
                                 struct problem_list *problems, struct certificates **ret);
/* Accepts NULL. */
void certificates_free(struct certificates *certificates);
/* Adds those of a project. */
void certificates_publish(const struct project *project, struct snapshot_builder *builder);
/* How the replicas of its i-th service are reached by TLS. */
struct snapshot_upstream_tls certificates_upstream(const struct project *project, size_t i);
/* How a listener of the project speaks TLS. */
struct snapshot_tls certificates_tls(const struct project *project,
                                     const struct listen_spec *listen);

#endif
