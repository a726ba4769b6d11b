/* SPDX-License-Identifier: Apache-2.0
 *
 * One short request now and then over the socket that gave the order: the first at once, then in
 * growing steps (5 to 100 ms). A core that dies meanwhile is waited for, since it carries out what
 * it has acknowledged.
 *
 * Why polling and not the stream: what is waited for is one state of one service, mostly there
 * within milliseconds; a stream begins with the state of everything.
 *
 * Given up after LIMIT_NS, or after PATIENCE_NS in a state that does not lead out by itself
 * (crashed, pending for another service, unhealthy): then the reason is said, as `up --wait` does
 * it.
 *
 *   seen                                          settle_wait returns
 *   as many running and ready as desired          0 (restart: and none is from before)
 *   completed, or gone from the file (404)        0
 *   crashed, pending, unhealthy for 5 s           CLI_NOT_READY, with the reason
 *   anything else for 120 s                       CLI_NOT_READY
 *   no core any more                              CLI_NOT_RUNNING or CLI_FAILED, said by session.c
 */
#include "face/settle.h"
#include "os/clock.h"
#include "proto/uri.h"

#define LIMIT_NS    (120 * NS_PER_S)
#define PATIENCE_NS (5 * NS_PER_S) /* crashed, or waiting for another service, for so long */
#define STEP_MIN_NS (5 * NS_PER_MS)
#define STEP_MAX_NS (100 * NS_PER_MS)

/* All replicas of the project: which services are meant is not known yet, and one list is one
 * request.
 */
int settle_begin(struct settle *settle, struct session *s)
{
    *settle = (struct settle){.s = s};
    return session_list(s, &settle->before, "/replicas");
}

void settle_fini(struct settle *settle)
{
    client_answer_fini(&settle->before);
    settle->before = (struct client_answer){0};
}

/* 0 with the answer, whatever its status. The retry says what is wrong if there is no core any
 * more; the first failure is no news. */
static int ask(struct session *s, const char *what, struct str name, struct client_answer *ret)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(8 * KIB);
    int r;

    buf_add_cstr(&target, "/api/v1/projects/");
    uri_encode(&target, str_from(s->project), false);
    buf_add_cstr(&target, what);
    uri_encode(&target, name, false);
    struct client_request request = {.method = "GET", .target = buf_cstr(&target)};
    r = client_call(s->client, &request, ret);
    if (r < 0) { /* the core went away in this moment: it will be back */
        client_answer_fini(ret);
        *ret = (struct client_answer){0};
        r = session_connect(s, false);
        r = r ? r : session_call(s, &request, ret);
    }
    return r;
}

/* Names of services repeat in other projects, but the list is one project's. */
static const struct jdoc *find_same(const struct jdoc *items, const struct jdoc *replica)
{
    jdoc_each(item, items)
    {
        if (str_eq(jdoc_str(item, "service"), jdoc_str(replica, "service")) &&
            jdoc_i64(item, "replica", 0) == jdoc_i64(replica, "replica", 0)) {
            return item;
        }
    }
    return NULL;
}

/* Is one of the page a replica of the service from before? */
static bool has_old(const struct settle *settle, const struct jdoc *page, struct str service)
{
    jdoc_each(replica, jdoc_get(page, "items"))
    {
        if (!str_eq(jdoc_str(replica, "service"), service)) {
            continue;
        }
        const struct jdoc *old = find_same(jdoc_get(settle->before.doc, "items"), replica);
        /* The time of the start tells two lives of a replica apart: a pid may come again. */
        if (old && str_eq(jdoc_str(old, "started_at"), jdoc_str(replica, "started_at"))) {
            return true;
        }
    }
    return false;
}

/* Is no replica one from before? Page by page, since a core that goes away meanwhile is waited
 * for. */
static int renewal(struct settle *settle, struct str service, bool *ret_renewed)
{
    char cursor[256] = "";
    int r;

    *ret_renewed = true;
    do {
        struct client_answer page = {0};
        const char *target = cursor[0] ? "/replicas?limit=1000&cursor=" : "/replicas?limit=1000";
        r = ask(settle->s, target, str_from(cursor), &page);
        bool fine = r == 0 && page.status == 200 &&
                    str_copy(cursor, sizeof(cursor), jdoc_str(page.doc, "next_cursor"));
        *ret_renewed = fine && *ret_renewed && !has_old(settle, page.doc, service);
        client_answer_fini(&page);
    } while (*ret_renewed && cursor[0]);
    return r;
}

/* The replicas that should run do, and no others. completed: a job that ended well is as it should
 * be, whatever number was wanted. */
static bool is_settled(const struct jdoc *service)
{
    const struct jdoc *replicas = jdoc_get(service, "replicas");
    int64_t desired = jdoc_i64(replicas, "desired", 0);
    int64_t running = jdoc_i64(replicas, "running", 0);

    if (str_is(jdoc_str(service, "state"), "completed")) {
        return true;
    }
    if (str_is(jdoc_str(service, "state"), "stopping")) {
        return false; /* the main process may be gone, but not yet all that it started */
    }
    return running == desired && (desired == 0 || jdoc_i64(replicas, "ready", 0) == desired);
}

/* States without a way out of their own. crashed comes back by back-off, so it has its patience,
 * too.
 */
static bool is_stuck(const struct jdoc *service)
{
    struct str state = jdoc_str(service, "state");

    return str_is(state, "crashed") || str_is(state, "pending") || str_is(state, "unhealthy");
}

/* The same three lines as `up --wait`: state, reason, where to look. */
static void say_unsettled(const struct session *s, const struct jdoc *service)
{
    cleanup(buf_fini) struct buf what = BUF_INIT(1 * KIB);
    cleanup(buf_fini) struct buf todo = BUF_INIT(1 * KIB);
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    const struct jdoc *replicas = jdoc_get(service, "replicas");
    struct str name = jdoc_str(service, "name");

    buf_printf(&what, STR_FMT " is " STR_FMT ", %lld of %lld replicas ready", STR_ARG(name),
               STR_ARG(jdoc_str(service, "state")), (long long)jdoc_i64(replicas, "ready", 0),
               (long long)jdoc_i64(replicas, "desired", 0));
    buf_printf(&todo, "see 'muelle logs " STR_FMT "' and 'muelle events " STR_FMT "'",
               STR_ARG(name), STR_ARG(name));
    say_render(&s->err, buf_str(&what), STR_NONE, jdoc_str(service, "reason"), &out);
    buf_printf(&out, "  %s\n", buf_cstr(&todo));
    term_write(&s->err, buf_str(&out));
}

/* One look. 0 with *ret_done; or an exit code. 404 is an end: a plan may take services away. */
static int look(struct settle *settle, struct str service, bool renewed, struct client_answer *ret,
                bool *ret_done)
{
    int r = ask(settle->s, "/services/", service, ret);

    *ret_done = r == 0 && ret->status == 404; /* it left the file */
    if (r || *ret_done) {
        if (*ret_done) {
            client_answer_fini(ret);
            *ret = (struct client_answer){0};
        }
        return r;
    }
    *ret_done = is_settled(ret->doc);
    bool stopped = jdoc_i64(jdoc_get(ret->doc, "replicas"), "desired", 0) == 0;
    return *ret_done && renewed && !stopped ? renewal(settle, service, ret_done) : 0;
}

int settle_wait(struct settle *settle, struct str service, bool renewed, struct client_answer *ret)
{
    int64_t start = clock_mono_ns();
    int64_t well = start; /* when it last was not stuck */
    int64_t step = STEP_MIN_NS;

    for (;;) {
        bool done = false;
        *ret = (struct client_answer){0};
        int r = look(settle, service, renewed, ret, &done);
        int64_t now = clock_mono_ns();
        if (r || done) {
            return r;
        }
        well = is_stuck(ret->doc) ? well : now;
        if (now - start > LIMIT_NS || now - well > PATIENCE_NS) {
            say_unsettled(settle->s, ret->doc);
            client_answer_fini(ret);
            return CLI_NOT_READY;
        }
        client_answer_fini(ret);
        clock_sleep_ns(step);
        step = MIN(step * 2, STEP_MAX_NS);
    }
}
