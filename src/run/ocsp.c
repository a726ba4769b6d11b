/* SPDX-License-Identifier: Apache-2.0
 *
 * One fetch at a time: question (tls/ocsp.h) → POST by libcurl on a worker → the answer is checked
 * → STATE/ocsp/NAME → the project's certificates are read again, which staples it.
 *
 * 1. Only what was checked gets into the folder, and it is checked again when it is read.
 * 2. A failure is said once, and tried again after 1, 2, 4 … 60 minutes; the answer that is there
 *    serves until its own end.
 * 3. A responder is asked by plain http (its answer is signed), for 10 s at most, and answers at
 *    most 16 KiB; no redirect is followed.
 */
#include "run/ocsp.h"

#include "base/num.h"
#include "core/core.h"
#include "core/event.h"
#include "os/clock.h"
#include "os/file.h"
#include "os/libs.h"
#include "os/worker.h"
#include "run/certificates.h"
#include "run/endings.h"
#include "run/renewal.h"
#include "run/source.h"
#include "tls/issue.h"
#include "tls/ocsp.h"

#include <stdio.h>
#include <stdlib.h>

enum { TRIES_MAX = 4096, FETCH_S = 10, RETRY_FIRST_S = 60, RETRY_MAX_S = 3600, FOLDER_MAX = 512 };

struct fetch {
    struct work work;
    struct run *run;
    struct certificates *certificates; /* its texts are read on the worker */
    size_t item;
    bool must; /* the certificate is worth nothing without */
    char tenant[NAME_MAX_SIZE], project[NAME_MAX_SIZE];
    char name[OCSP_NAME_MAX], url[TLS_OCSP_URL_MAX], path[FOLDER_MAX + OCSP_NAME_MAX];
    struct problem problem; /* what: empty = it is there */
};

/* A certificate whose answer did not come. */
struct attempt {
    char name[OCSP_NAME_MAX];
    int64_t again_s, wait_s;
};
struct ocsp {
    struct run *run;
    struct fetch *fetch; /* under way */
    struct vec attempts; /* of struct attempt */
};

void ocsp_name(const struct tls_cert *cert, char ret[OCSP_NAME_MAX])
{
    char print[TLS_FINGERPRINT_MAX];
    size_t len = 0;
    tls_fingerprint(cert, print);
    for (size_t i = 0; print[i] && len < 40; i++) {
        if (print[i] != ':') {
            ret[len++] = print[i];
        }
    }
    (void)snprintf(ret + len, OCSP_NAME_MAX - len, ".der");
}

int64_t ocsp_due_s(const struct certificate_about *about)
{
    if (about->ocsp_url.len == 0) {
        return INT64_MAX;
    }
    return about->ocsp_next_s == 0
               ? 0
               : about->ocsp_this_s + (about->ocsp_next_s - about->ocsp_this_s) / 2;
}

/* --- on the worker: HTTP --- */

/* Of <curl/curl.h>, which need not be there to build. */
enum {
    CURL_WRITEDATA = 10001,
    CURL_URL = 10002,
    CURL_POSTFIELDS = 10015,
    CURL_HTTPHEADER = 10023,
    CURL_WRITEFUNCTION = 20011,
    CURL_POSTFIELDSIZE = 60,
    CURL_NOSIGNAL = 99,
    CURL_TIMEOUT = 13,
    CURL_PROTOCOLS_STR = 10318,
    CURL_FAILONERROR = 45,
    CURL_OF_SIZE = 24,
};
static struct {
    void *(*init)(void);
    int (*set)(void *handle, int option, ...);
    int (*perform)(void *handle);
    void (*end)(void *handle);
    const char *(*error)(int code);
    void *(*append)(void *list, const char *line);
    void (*free_list)(void *list);
} curl;

static int load_curl(struct problem *problem)
{
    const struct lib_symbol symbols[] = {
        {"curl_easy_init", (void **)&curl.init},
        {"curl_easy_setopt", (void **)&curl.set},
        {"curl_easy_perform", (void **)&curl.perform},
        {"curl_easy_cleanup", (void **)&curl.end},
        {"curl_easy_strerror", (void **)&curl.error},
        {"curl_slist_append", (void **)&curl.append},
        {"curl_slist_free_all", (void **)&curl.free_list},
        {NULL, NULL},
    };
    return libs_load(LIB_CURL, symbols, problem);
}

static size_t take_bytes(char *p, size_t size, size_t count, void *to)
{
    struct buf *out = to;
    buf_add_mem(out, p, size * count);
    return buf_error(out) ? 0 : size * count;
}

/* 0, or -EIO with the problem. */
static int post(const char *url, struct str question, struct buf *answer, struct problem *problem)
{
    void *handle = load_curl(problem) == 0 ? curl.init() : NULL;
    if (!handle) {
        return -EIO;
    }
    void *head = curl.append(NULL, "Content-Type: application/ocsp-request");
    curl.set(handle, CURL_URL, url);
    curl.set(handle, CURL_PROTOCOLS_STR, "http");
    curl.set(handle, CURL_NOSIGNAL, 1L);
    curl.set(handle, CURL_TIMEOUT, (long)FETCH_S);
    curl.set(handle, CURL_FAILONERROR, 1L);
    curl.set(handle, CURL_HTTPHEADER, head);
    curl.set(handle, CURL_POSTFIELDS, question.p);
    curl.set(handle, CURL_POSTFIELDSIZE, (long)question.len);
    curl.set(handle, CURL_WRITEFUNCTION, take_bytes);
    curl.set(handle, CURL_WRITEDATA, answer);
    int code = curl.perform(handle);
    if (code != 0) {
        problem_set(problem, "tls.no-ocsp", "%s: %s", url, curl.error(code));
    }
    curl.free_list(head);
    curl.end(handle);
    return code == 0 ? 0 : -EIO;
}

/* --- on the worker: one answer --- */

static void get_answer(struct fetch *fetch, const struct tls_cert *cert)
{
    cleanup(buf_fini) struct buf question = BUF_INIT(4 * KIB);
    cleanup(buf_fini) struct buf answer = BUF_INIT(TLS_OCSP_MAX);
    struct tls_ocsp_times times;
    int r = tls_ocsp_request(cert, &question);
    if (r < 0) {
        problem_set(&fetch->problem, "tls.no-ocsp", "the question cannot be made: %s",
                    strerror(-r));
        return;
    }
    r = post(fetch->url, buf_str(&question), &answer, &fetch->problem);
    r = r < 0 ? r
              : tls_ocsp_check(cert, buf_str(&answer), clock_wall_ns() / NS_PER_S, &times,
                               &fetch->problem);
    if (r == 0) {
        r = file_replace(fetch->path, buf_str(&answer), 0644);
        if (r < 0) {
            problem_set(&fetch->problem, "tls.no-ocsp", "%s cannot be written: %s", fetch->path,
                        strerror(-r));
        }
    }
}

static void run_fetch(struct work *work)
{
    struct fetch *fetch = container_of(work, struct fetch, work);
    const struct snapshot_certificate *item = &fetch->certificates->items[fetch->item];
    const struct tls_cert_source texts = {.cert = item->chain, .key = item->key};
    struct tls_cert *cert = NULL;
    fetch->problem = (struct problem){0};
    if (tls_cert_new(&texts, &cert, &fetch->problem) == 0) {
        get_answer(fetch, cert);
    }
    tls_cert_free(cert);
}

/* --- on the loop --- */

static void fetch_free(struct fetch *fetch)
{
    certificates_unref(fetch->certificates);
    free(fetch);
}

static struct attempt *find_attempt(const struct ocsp *ocsp, const char *name)
{
    for (size_t i = 0; i < ocsp->attempts.len; i++) {
        struct attempt *attempt = vec_at(&ocsp->attempts, struct attempt, i);
        if (strcmp(attempt->name, name) == 0) {
            return attempt;
        }
    }
    return NULL;
}

static void say_failure(const struct ocsp *ocsp, const struct fetch *fetch)
{
    struct context ctx = context_system("certificates");
    struct event event;
    core_log(ocsp->run->core, "no answer to staple for a certificate of %s: %s", fetch->project,
             fetch->problem.what);
    event_draft(&event, &ctx, "certificate.unstapled", fetch->must ? EVENT_WARNING : EVENT_INFO);
    event.id = bus_id_make(str_from(fetch->tenant), str_from(fetch->project), STR_NONE, 0);
    if (fetch->must) {
        event_message(
            &event, "No OCSP answer to staple, and clients refuse this certificate without one: %s",
            fetch->problem.what);
    } else {
        event_message(&event, "No OCSP answer to staple: %s", fetch->problem.what);
    }
    event_emit(ocsp->run->core, &event);
}

/* Also when an answer came: it is not asked for again before it was read. */
static void note(struct ocsp *ocsp, const struct fetch *fetch, bool failed)
{
    struct attempt *attempt = find_attempt(ocsp, fetch->name);
    bool first = !attempt || attempt->wait_s == 0;
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    if (!attempt) {
        attempt = vec_add(&ocsp->attempts);
        if (!attempt) {
            return;
        }
        *attempt = (struct attempt){0};
        (void)str_copy(attempt->name, sizeof(attempt->name), str_from(fetch->name));
    }
    attempt->wait_s = !failed ? 0 : first ? RETRY_FIRST_S : MIN(attempt->wait_s * 2, RETRY_MAX_S);
    attempt->again_s = now_s + (failed ? attempt->wait_s : RETRY_FIRST_S);
    if (failed && first) {
        say_failure(ocsp, fetch);
    }
}

static void fetched(struct work *work)
{
    struct fetch *fetch = container_of(work, struct fetch, work);
    struct run *run = fetch->run;
    struct ocsp *ocsp = run->ocsp;
    bool failed = fetch->problem.what[0] != '\0';
    if (ocsp) {
        ocsp->fetch = NULL;
        note(ocsp, fetch, failed);
        list_for_each (it, &run->projects) {
            struct project *project = list_entry(it, struct project, node);
            if (!failed && strcmp(project->name, fetch->project) == 0) {
                renewal_ask(run, project);
            }
        }
        endings_look(run); /* the next one */
    }
    fetch_free(fetch);
}

static bool begin(struct ocsp *ocsp, const struct project *project, size_t item)
{
    struct core *core = ocsp->run->core;
    const struct certificate_about *about = &project->source->certificates->about[item];
    struct fetch *fetch = calloc(1, sizeof(*fetch));
    char folder[FOLDER_MAX];
    if (!fetch) {
        return false;
    }
    (void)snprintf(folder, sizeof(folder), "%s/ocsp", core->instance.state_dir);
    (void)!file_mkdir(folder, 0755); /* what cannot be written is said then */
    fetch->run = ocsp->run;
    fetch->certificates = certificates_ref(project->source->certificates);
    fetch->item = item;
    fetch->must = about->must_staple;
    (void)str_copy(fetch->tenant, sizeof(fetch->tenant), str_from(project->tenant));
    (void)str_copy(fetch->project, sizeof(fetch->project), str_from(project->name));
    (void)str_copy(fetch->name, sizeof(fetch->name), about->ocsp_name);
    (void)str_copy(fetch->url, sizeof(fetch->url), about->ocsp_url);
    (void)snprintf(fetch->path, sizeof(fetch->path), "%s/%s", folder, fetch->name);
    fetch->work.run = run_fetch;
    fetch->work.done = fetched;
    if (worker_submit(core->workers, &fetch->work) < 0) {
        fetch_free(fetch);
        return false;
    }
    ocsp->fetch = fetch;
    return true;
}

static struct ocsp *open_ocsp(struct run *run)
{
    if (!run->ocsp) {
        struct ocsp *ocsp = calloc(1, sizeof(*ocsp));
        if (!ocsp) {
            return NULL;
        }
        ocsp->run = run;
        ocsp->attempts = VEC_INIT(struct attempt, TRIES_MAX);
        run->ocsp = ocsp;
    }
    return run->ocsp;
}

/* When that one is to be fetched, its failures considered. */
static int64_t due_of(const struct ocsp *ocsp, const struct certificate_about *about)
{
    int64_t due_s = ocsp_due_s(about);
    char name[OCSP_NAME_MAX];
    if (due_s == INT64_MAX || !ocsp || !str_copy(name, sizeof(name), about->ocsp_name)) {
        return due_s;
    }
    const struct attempt *attempt = find_attempt(ocsp, name);
    return attempt ? MAX(due_s, attempt->again_s) : due_s;
}

int64_t ocsp_look(struct run *run, int64_t now_s)
{
    int64_t next_s = INT64_MAX;
    list_for_each (it, &run->projects) {
        struct project *project = list_entry(it, struct project, node);
        const struct certificates *all = project->source ? project->source->certificates : NULL;
        for (size_t i = 0; all && i < all->count; i++) {
            int64_t due_s = due_of(run->ocsp, &all->about[i]);
            struct ocsp *ocsp = due_s <= now_s ? open_ocsp(run) : NULL;
            if (ocsp && !ocsp->fetch) {
                (void)begin(ocsp, project, i);
            }
            due_s = due_s <= now_s ? now_s + RETRY_FIRST_S : due_s;
            next_s = MIN(next_s, due_s);
            /* An answer that has ended is dropped when the certificates are read again. */
            int64_t end_s = all->about[i].ocsp_next_s ? all->about[i].ocsp_next_s : INT64_MAX;
            if (end_s <= now_s && !project->renew) {
                renewal_ask(run, project);
            }
            next_s = end_s > now_s ? MIN(next_s, end_s) : next_s;
        }
    }
    return next_s;
}

void ocsp_fini(struct run *run)
{
    struct ocsp *ocsp = run->ocsp;
    run->ocsp = NULL;
    if (ocsp) {
        if (ocsp->fetch) { /* the workers have ended: it is not told any more */
            fetch_free(ocsp->fetch);
        }
        vec_fini(&ocsp->attempts);
        free(ocsp);
    }
}
