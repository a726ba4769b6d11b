/* SPDX-License-Identifier: Apache-2.0
 *
 * A change in a watched folder → all projects that name certificates are read again, one after the
 * other on a worker (files are few, changes are rare) → those that differ are published.
 *
 * 1. One reading at a time; a change meanwhile asks for one more.
 * 2. What cannot be read or does not fit is said once a change (log, event, status), and takes
 *    nothing away: that certificate stays as it was, the others are taken. A
 *    certificate and its key are two files: between the two writes they do not fit, and the second
 *    write asks again.
 */
#include "run/renewal.h"

#include "base/num.h"
#include "core/core.h"
#include "os/watch.h"
#include "os/worker.h"
#include "run/certificates.h"
#include "run/endings.h"
#include "run/project.h"
#include "run/source.h"

#include <stdlib.h>

enum { DIRS_MAX = 64, QUIET_MS = 300 };

struct reading {
    struct work work;
    struct run *run;
    struct source *source;
    struct project_spec *spec;
    struct problem_list problems;
    struct certificates *before, *fresh;
    int error;
};

struct renewal {
    struct run *run;
    struct watcher watcher;
    struct reading *reading;  /* under way */
    char next[NAME_MAX_SIZE]; /* the project after which the walk goes on; empty = from the first */
    bool again;
};

static void read_next(struct renewal *renewal);

void renewal_take(struct run *run, struct project *project, struct certificates **fresh)
{
    struct certificates *before = project->source->certificates;
    if (!before || !*fresh) {
        return;
    }
    project->source->certificates = *fresh;
    *fresh = before;
    if (before->content != project->source->certificates->content) {
        run->snapshot_dirty = true;
        loop_defer(run->core->loop, &run->reconcile);
    } else {
        endings_look(run); /* the same serve, but perhaps because a file is of no use now */
    }
}

static bool names_files(const struct project *project)
{
    const struct gateway_spec *gateway = project->spec ? &project->spec->gateway : NULL;
    bool own = false;
    for (size_t i = 0; gateway && i < gateway->listens_count; i++) {
        own |= gateway->listens[i].certificate.cert.len > 0;
    }
    for (size_t i = 0; gateway && i < project->spec->services_count; i++) {
        own |= project->spec->services[i].traffic.tls.on;
    }
    return gateway &&
           (own || gateway->tls.certificates_count > 0 || gateway->tls.client_ca.len > 0);
}

/* --- one project --- */

static void run_reading(struct work *work)
{
    struct reading *reading = container_of(work, struct reading, work);
    const struct certificates_request request = {
        .source = reading->source,
        .spec = reading->spec,
        .kept = certificates_kept(reading->before),
        .state = str_from(reading->run->core->instance.state_dir),
    };
    reading->error = certificates_load(&request, &reading->problems, NULL, &reading->fresh);
}

static void take_reading(struct reading *reading)
{
    struct run *run = reading->run;
    struct project *project = NULL;
    list_for_each (it, &run->projects) {
        struct project *one = list_entry(it, struct project, node);
        project = one->source == reading->source ? one : project;
    }
    if (!project) {
        return; /* it was changed or removed meanwhile: that read the files, too */
    }
    for (size_t i = 0; i < MIN(reading->problems.count, (size_t)PROBLEM_LIST_MAX); i++) {
        core_log(run->core, "certificates of %s changed and are not taken: %s", project->name,
                 reading->problems.items[i].what);
    }
    if (reading->error == 0) {
        renewal_take(run, project, &reading->fresh);
    }
}

static void reading_free(struct reading *reading)
{
    certificates_unref(reading->before);
    certificates_unref(reading->fresh);
    project_spec_unref(reading->spec);
    source_unref(reading->source);
    free(reading);
}

static void reading_done(struct work *work)
{
    struct reading *reading = container_of(work, struct reading, work);
    struct renewal *renewal = reading->run->renewal;
    take_reading(reading);
    reading_free(reading);
    if (renewal) {
        renewal->reading = NULL;
        read_next(renewal);
    }
}

static bool submit(struct renewal *renewal, struct project *project)
{
    struct reading *reading = calloc(1, sizeof(*reading));
    if (!reading) {
        return false;
    }
    reading->run = renewal->run;
    reading->source = source_ref(project->source);
    reading->spec = project_spec_ref(project->spec);
    reading->before = certificates_ref(project->source->certificates);
    reading->work.run = run_reading;
    reading->work.done = reading_done;
    if (worker_submit(renewal->run->core->workers, &reading->work) < 0) {
        reading_free(reading);
        return false;
    }
    renewal->reading = reading;
    return true;
}

/* --- all of them --- */

/* The project behind the one that was last; the walk is by name, since projects come and go. */
static void read_next(struct renewal *renewal)
{
    bool passed = renewal->next[0] == '\0';
    list_for_each (it, &renewal->run->projects) {
        struct project *project = list_entry(it, struct project, node);
        bool last = strcmp(project->name, renewal->next) == 0;
        bool wanted = project->renew || names_files(project);
        if (passed && wanted && project->source && submit(renewal, project)) {
            project->renew = false;
            (void)str_copy(renewal->next, sizeof(renewal->next), str_from(project->name));
            return;
        }
        passed |= last;
    }
    renewal->next[0] = '\0';
    if (renewal->again) {
        renewal->again = false;
        read_next(renewal);
    }
}

static void reread(struct renewal *renewal)
{
    if (renewal->reading) {
        renewal->again = true;
    } else {
        read_next(renewal);
    }
}

static void changed(struct watcher *watcher, const struct watch_batch *batch)
{
    (void)batch; /* links that lead elsewhere have other names: all are read */
    reread(container_of(watcher, struct renewal, watcher));
}

static struct renewal *open_renewal(struct run *run)
{
    if (!run->renewal) {
        struct renewal *renewal = calloc(1, sizeof(*renewal));
        if (!renewal || watcher_init(&renewal->watcher, run->core->loop, DIRS_MAX, changed) < 0) {
            free(renewal);
            return NULL;
        }
        renewal->run = run;
        renewal->watcher.quiet_ns = QUIET_MS * NS_PER_MS;
        run->renewal = renewal;
    }
    return run->renewal;
}

void renewal_ask(struct run *run, struct project *project)
{
    struct renewal *renewal = open_renewal(run);
    if (renewal) {
        project->renew = true;
        reread(renewal);
    }
}

static void watch_file(struct renewal *renewal, struct str path)
{
    char folder[4096];
    ptrdiff_t slash = str_rfind_char(path, '/');
    if (slash > 0 && str_copy(folder, sizeof(folder), str_slice(path, 0, (size_t)slash)) &&
        watcher_add(&renewal->watcher, folder) < 0) {
        core_log(renewal->run->core, "%s cannot be watched: 'muelle reload' takes new certificates",
                 folder);
    }
}

void renewal_watch(struct run *run, const struct project *project)
{
    const struct gateway_spec *gateway = &project->spec->gateway;
    struct renewal *renewal = names_files(project) ? open_renewal(run) : NULL;
    if (!renewal) {
        return;
    }
    for (size_t i = 0; i < gateway->listens_count; i++) {
        watch_file(renewal, gateway->listens[i].certificate.cert);
        watch_file(renewal, gateway->listens[i].certificate.key);
    }
    for (size_t i = 0; i < gateway->tls.certificates_count; i++) {
        watch_file(renewal, gateway->tls.certificates[i].cert);
        watch_file(renewal, gateway->tls.certificates[i].key);
        watch_file(renewal, gateway->tls.certificates[i].ocsp);
    }
    watch_file(renewal, gateway->tls.client_ca);
    for (size_t i = 0; i < project->spec->services_count; i++) {
        const struct upstream_tls_spec *tls = &project->spec->services[i].traffic.tls;
        watch_file(renewal, tls->ca);
        watch_file(renewal, tls->cert);
    }
}

void renewal_fini(struct run *run)
{
    struct renewal *renewal = run->renewal;
    run->renewal = NULL;
    if (renewal) {
        watcher_fini(&renewal->watcher);
        if (renewal->reading) { /* the workers have ended: it is not told any more */
            reading_free(renewal->reading);
        }
        free(renewal);
    }
}
