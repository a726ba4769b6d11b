/* SPDX-License-Identifier: Apache-2.0
 *
 * struct certificates: what a project's configuration names of certificates, read and checked, as
 * it goes into the snapshot. Private to run/. Secret: keys are in it; it is never stored, shown or
 * logged.
 */
#ifndef RUN_CERTIFICATES_H
#define RUN_CERTIFICATES_H

#include "base/arena.h"
#include "base/map.h"
#include "base/problem.h"
#include "link/snapshot.h"
#include "schema/spec.h"
#include "tls/cert.h"

struct source;
struct run;
struct project;

enum { CERTIFICATES_LOCAL_NAMES = 100 /* of one certificate of the development authority */ };

/* What is known of one besides what the edge needs. */
struct certificate_about {
    struct str file;                  /* empty: of the development authority */
    int64_t from_s, until_s;          /* seconds since 1970 */
    struct str kept;                  /* why its file is of no use: it is the one that served
                                       * before; empty: it is the file's */
    bool is_common_name;              /* it has no alternative names, only its subject's */
    bool must_staple;                 /* worth nothing without an OCSP answer */
    struct str ocsp_url, ocsp_name;   /* who is asked, and its file; empty: nobody */
    int64_t ocsp_this_s, ocsp_next_s; /* of the answer that is stapled; 0: none, or it is a file's
                                       * that says nothing of its end */
    const char *unstapled; /* why none is, though it wants one; NULL: one is, or none is wanted */
};
struct certificates {
    struct arena arena;
    struct snapshot_certificate *items; /* `listener`: index + 1 into the spec's, 0 = all */
    struct certificate_about *about;    /* of each */
    size_t count;
    struct str client_ca;
    struct snapshot_upstream_tls *services; /* by service of the spec */
    size_t service_count;
    uint64_t content; /* of all; the same = nothing has changed */
    uint32_t refs;    /* counted on the loop's thread */
};

/* What has served until now, for files that are of no use. */
struct certificates_kept {
    const struct snapshot_certificate *items;
    size_t count;
    struct str client_ca;
    const struct snapshot_upstream_tls *services; /* by service of the spec */
    size_t service_count;
};
struct certificates_request {
    const struct source *source; /* its variables say where the development authority lies */
    const struct project_spec *spec;
    struct certificates_kept kept; /* may be nothing */
    bool files_only;               /* nothing is issued */
    struct str state; /* the folder of the instance, for OCSP answers; empty: none are taken */
};
/* Reads what the spec names. What is wrong is added to `problems` and left out (or the one in
 * `kept` is taken), what is merely doubtful to `notices` (may be NULL). Blocks: on a worker. 0 or
 * -errno. */
must_check int certificates_load(const struct certificates_request *request,
                                 struct problem_list *problems, struct problem_list *notices,
                                 struct certificates **ret);
/* Does TLS end at one of its listeners? */
bool certificates_needed(const struct gateway_spec *gateway);
/* Are routes served by https? The admin listener has none. */
bool certificates_for_routes(const struct project_spec *spec);
/* All names of all of them, in CERTIFICATES_NAMES. False: memory is out. */
#define CERTIFICATES_NAMES(all) MAP_INIT((all)->count *TLS_NAMES_MAX + 1)
must_check bool certificates_names(const struct certificates *certificates, struct map *names);
/* The name itself, or the wildcard one label above: as clients compare (RFC 6125 §6.4.3). */
bool certificates_cover(const struct map *names, struct str host);
/* Below localhost (RFC 6761 §6.3): nobody but the development authority issues for it. */
bool certificates_is_local(struct str host);
/* Says which hosts of routes no certificate is for, and which certificates end soon. */
void certificates_doubts(const struct project_spec *spec, const struct certificates *certificates,
                         int64_t now_s, struct problem_list *notices);
/* All of it, as long as they live; nothing for NULL. */
struct certificates_kept certificates_kept(const struct certificates *before);
struct certificates *certificates_ref(struct certificates *certificates);
/* Accepts NULL. */
void certificates_unref(struct certificates *certificates);
/* Adds those of a project. */
void certificates_publish(const struct project *project, struct snapshot_builder *builder);
/* How the replicas of its i-th service are reached by TLS. */
struct snapshot_upstream_tls certificates_upstream(const struct project *project, size_t i);
/* How a listener of the project speaks TLS. */
struct snapshot_tls certificates_tls(const struct project *project,
                                     const struct listen_spec *listen);

#endif
