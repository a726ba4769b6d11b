/* SPDX-License-Identifier: Apache-2.0
 *
 * The loop says which processes there are (from what the last tick knows), a worker reads them.
 *
 *   1. A request is in see->pss from its start to its answer; the pool drops at the end what it has
 *      not run, and pss_fini frees that.
 *   2. The first one of the list is at the worker, the others wait: reading the page tables of
 *      large processes takes seconds, and the threads of the pool are the tail's and the queries'
 *      too.
 *   3. A process that ended in between counts as none.
 */
#include "see/pss.h"

#include "os/proc.h"
#include "see/metrics_private.h"

#include <stdlib.h>

enum { REQUESTS_MAX = 4 };

struct pss_request {
    struct list node;
    struct see *see;
    struct work work;
    pss_done_fn *done; /* NULL: nobody waits any more */
    void *arg;
    struct pss result;
    size_t count;
    int pids[USAGE_TREE_MAX];
};

static void request_free(struct pss_request *request)
{
    list_del(&request->node);
    free(request);
}

/* Reads what the loop has listed; the request is the worker's alone meanwhile. */
static void read_all(struct work *work)
{
    struct pss_request *request = container_of(work, struct pss_request, work);
    for (size_t i = 0; i < request->count; i++) {
        uint64_t bytes = 0;
        int r = proc_pss(request->pids[i], &bytes);
        request->result.bytes += r == 0 ? bytes : 0;
        request->result.processes += r == 0;
        request->result.unreadable += r == -EACCES || r == -EPERM;
    }
}

/* Ends a request; its callback comes last, since it may ask for another one. */
static void finish(struct pss_request *request, int error)
{
    pss_done_fn *done = request->done;
    void *arg = request->arg;
    struct pss result = error < 0 ? (struct pss){0} : request->result;
    request_free(request);
    if (done) {
        done(arg, error, &result);
    }
}

/* Hands the first one that waits to the worker; those that cannot be run are answered. */
static void start_first(struct see *see)
{
    while (!list_empty(&see->pss)) {
        struct pss_request *request = list_entry(see->pss.next, struct pss_request, node);
        int r = worker_submit(&see->pool, &request->work);
        if (r == 0) {
            return;
        }
        finish(request, r);
    }
}

static void answer(struct work *work)
{
    struct pss_request *request = container_of(work, struct pss_request, work);
    struct see *see = request->see;
    list_del(&request->node);
    start_first(see);
    finish(request, 0);
}

/* At most REQUESTS_MAX: counted, not kept. */
static size_t waiting(const struct see *see)
{
    size_t count = 0;
    list_for_each (it, &see->pss) {
        count++;
    }
    return count;
}

int pss_read(struct see *see, const struct bus_id *id, pss_done_fn *done, void *arg)
{
    if (waiting(see) >= REQUESTS_MAX) {
        return -ENOBUFS;
    }
    struct pss_request *request = calloc(1, sizeof(*request));
    if (!request) {
        return -ENOMEM;
    }
    request->see = see;
    request->work = (struct work){.run = read_all, .done = answer};
    request->done = done;
    request->arg = arg;
    list_init(&request->node);
    int r =
        metrics_pids(see->metrics, id, request->pids, ARRAY_LEN(request->pids), &request->count);
    if (r == 0 && list_empty(&see->pss)) { /* else the one before hands it over */
        r = worker_submit(&see->pool, &request->work);
    }
    if (r < 0) {
        request_free(request);
        return r;
    }
    list_push_back(&see->pss, &request->node);
    return 0;
}

void pss_cancel(struct see *see, const void *arg)
{
    list_for_each (it, &see->pss) {
        struct pss_request *request = list_entry(it, struct pss_request, node);
        request->done = request->arg == arg ? NULL : request->done;
    }
}

void pss_fini(struct see *see)
{
    while (!list_empty(&see->pss)) {
        request_free(list_entry(see->pss.next, struct pss_request, node));
    }
}
