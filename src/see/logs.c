/* SPDX-License-Identifier: Apache-2.0
 *
 * The API of logs: queries wait in a queue, one runs at a time on a worker (a search may read
 * gigabytes; two would only read slower), answers come through the loop. Followers are queries that
 * are asked again, behind where they stopped, when the tail has stored something that they asked
 * for.
 *
 * Invariants:
 * 1. A request sees the streams and the watermark (committed_ns) of the moment in which it begins,
 *    not of its submit: whoever waited long gets what is there now.
 * 2. A page ends either with its last line (`more`) or at the watermark; so the cursor never stands
 *    in front of a line that can still appear.
 * 3. A follower has at most one request under way. `behind` and `wanting` together start the next
 *    one: new lines alone do not (a slow reader costs nothing), room alone does not (no empty
 *    pages).
 * 4. An owner that goes away loses its callback, not its request: a worker may be in the middle of
 *    it, and stops at the next block (`cancelled`).
 *
 * How it fails: a query that cannot be run is answered with its error from the loop; a follower is
 * told, keeps its place and is asked again when lines come.
 */
#include "see/logs.h"
#include "schema/resource.h"
#include "schema/status_more.h"

#include "base/timefmt.h"
#include "see/logs_select.h"
#include "see/private.h"

#include <stdio.h>
#include <stdlib.h>

enum { QUERIES_MAX = 1024, TEXT_MAX = 4096 };

/* A query with its own copies of all texts. */
struct owned_query {
    struct logs_query query;
    struct str services[LOGS_SERVICES_MAX];
    char *texts; /* one block */
};

struct logs_request {
    struct list node;
    struct see *see;
    struct work work;
    struct owned_query owned;
    struct vec ids; /* the streams, as known when it was started */
    int64_t watermark;
    struct logs_selection selection;
    bool cancelled; /* read by the worker */
    int error;
    logs_done_fn *done; /* NULL: its owner went away */
    void *arg;
};

struct logs_follower {
    struct list node;
    struct see *see;
    struct owned_query owned;
    logs_done_fn *page;
    void *arg;
    bool first;   /* the page of the start is still to come */
    bool asking;  /* a request is under way */
    bool wanting; /* the consumer has room */
    bool behind;  /* there is (or may be) more */
};

static void owned_fini(struct owned_query *owned)
{
    free(owned->texts);
}

/* Texts of a query lie in one block of its own: the caller's may be a request that is answered long
 * before the query runs. */
static struct str put_text(char **at, struct str text)
{
    char *p = *at;
    if (text.len) {
        memcpy(p, text.p, text.len);
    }
    *at += text.len;
    return str_make(p, text.len);
}

/* 0, -ENOMEM, -EMSGSIZE. */
static int owned_init(struct owned_query *owned, const struct logs_query *query)
{
    size_t total = query->tenant.len + query->project.len + query->text.len;
    if (query->service_count > LOGS_SERVICES_MAX) {
        return -EMSGSIZE;
    }
    for (size_t i = 0; i < query->service_count; i++) {
        total += query->services[i].len;
    }
    if (total > TEXT_MAX) {
        return -EMSGSIZE;
    }
    owned->texts = malloc(total + 1);
    if (!owned->texts) {
        return -ENOMEM;
    }
    char *at = owned->texts;
    owned->query = *query;
    owned->query.tenant = put_text(&at, query->tenant);
    owned->query.project = put_text(&at, query->project);
    owned->query.text = put_text(&at, query->text);
    for (size_t i = 0; i < query->service_count; i++) {
        owned->services[i] = put_text(&at, query->services[i]);
    }
    owned->query.services = owned->services;
    owned->query.limit = query->limit ? MIN(query->limit, (uint32_t)LOGS_LIMIT_MAX) : 100;
    return 0;
}

/* --- requests --- */

static void request_free(struct logs_request *request)
{
    list_del(&request->node);
    owned_fini(&request->owned);
    vec_fini(&request->ids);
    logs_selection_fini(&request->selection);
    free(request);
}

static void request_run(struct work *work)
{
    struct logs_request *request = container_of(work, struct logs_request, work);
    const struct logs_query *query = &request->owned.query;
    const struct logs_select select = {
        .logs = request->see->logs_folder,
        .ids = request->ids.items,
        .id_count = request->ids.len,
        .from = MAX(query->since_ns, query->after + 1),
        .to = MIN(query->until_ns ? query->until_ns : INT64_MAX, request->watermark + 1),
        .text = query->text,
        .ignore_case = query->ignore_case,
        .newest = query->newest,
        .limit = query->limit,
        .cancelled = &request->cancelled,
    };
    request->error = logs_select_run(&select, &request->selection);
}

static void start_next(struct logs *logs);

/* Where reading goes on: behind the last line of a cut page, else behind all that was looked at. */
static int64_t page_after(const struct logs_request *request)
{
    const struct logs_query *query = &request->owned.query;
    const struct vec *lines = &request->selection.lines;
    if (request->selection.more && !query->newest && lines->len) {
        return vec_at(lines, struct logs_line, lines->len - 1)->wall_ns;
    }
    int64_t end =
        query->until_ns ? MIN(query->until_ns - 1, request->watermark) : request->watermark;
    return MAX(end, query->after);
}

static void request_done(struct work *work)
{
    struct logs_request *request = container_of(work, struct logs_request, work);
    struct logs *logs = &request->see->logs;
    const struct logs_selection *selection = &request->selection;
    const struct logs_page page = {
        .lines = selection->lines.items,
        .count = selection->lines.len,
        .after = page_after(request),
        .more = selection->more,
        .bytes_scanned = selection->scanned,
    };
    if (request->error < 0 && request->done) {
        core_log(request->see->core, "logs cannot be read: %s", strerror(-request->error));
    }
    list_del(&request->node);
    logs->running = NULL;
    logs->stats.queries++;
    logs->stats.scanned_bytes += selection->scanned;
    start_next(logs);
    if (request->done) {
        request->done(request->arg, request->error, &page);
    }
    request_free(request);
}

/* The streams are those of now, and what is stored now is what is seen. The list is a copy: the
 * catalog may lose a stream to the budget while the worker reads. */
static int request_begin(struct logs_request *request)
{
    const struct see *see = request->see;
    request->watermark = see->tail.committed_ns;
    for (size_t i = 0; i < see->catalog.len; i++) {
        const struct stream_id *id = vec_at(&see->catalog, struct stream_id, i);
        int r = stream_matches(id, &request->owned.query) ? vec_push(&request->ids, id) : 0;
        if (r < 0) {
            return r;
        }
    }
    request->work = (struct work){.run = request_run, .done = request_done};
    return worker_submit(&request->see->pool, &request->work);
}

/* A request that cannot be run is answered with its error, from the loop like any other. */
static void start_next(struct logs *logs)
{
    while (!logs->running && !list_empty(&logs->queue)) {
        struct logs_request *request =
            list_entry(list_pop_front(&logs->queue), struct logs_request, node);
        logs->queued--;
        if (!request->done) {
            request_free(request);
            continue;
        }
        int r = request_begin(request);
        if (r == 0) {
            logs->running = request;
            return;
        }
        request->done(request->arg, r, &(struct logs_page){.after = request->owned.query.after});
        request_free(request);
    }
}

static void on_start(struct loop_task *task)
{
    start_next(container_of(task, struct logs, start));
}

int logs_read(struct see *see, const struct logs_query *query, logs_done_fn *done, void *arg)
{
    struct logs *logs = &see->logs;
    if (logs->queued >= QUERIES_MAX || logs->stopped) {
        return -ENOBUFS;
    }
    struct logs_request *request = calloc(1, sizeof(*request));
    if (!request) {
        return -ENOMEM;
    }
    list_init(&request->node);
    request->see = see;
    request->done = done;
    request->arg = arg;
    request->ids = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    logs_selection_init(&request->selection);
    int r = owned_init(&request->owned, query);
    if (r < 0) {
        request_free(request);
        return r;
    }
    list_push_back(&logs->queue, &request->node);
    logs->queued++;
    loop_defer(see->core->loop, &logs->start);
    return 0;
}

void logs_cancel(struct see *see, const void *arg)
{
    struct logs *logs = &see->logs;
    list_for_each (it, &logs->queue) {
        struct logs_request *request = list_entry(it, struct logs_request, node);
        request->done = request->arg == arg ? NULL : request->done;
    }
    if (logs->running && logs->running->arg == arg) {
        logs->running->done = NULL;
        __atomic_store_n(&logs->running->cancelled, true, __ATOMIC_RELAXED);
    }
}

/* --- followers --- */

static void follower_step(struct logs_follower *follower);

/* As much of a page as a follower gets at once; the rest is read again behind it: 256 followers may
 * wait with what they were given, and pages of 4 MiB each would be a gigabyte. */
static struct logs_page first_part(const struct logs_page *page)
{
    struct logs_page part = *page;
    size_t bytes = 0;
    for (size_t i = 0; i < page->count; i++) {
        bytes += page->lines[i].message.len;
        if (i > 0 && (i >= LOGS_FOLLOW_LIMIT || bytes > LOGS_FOLLOW_BYTES)) {
            part.count = i;
            part.after = page->lines[i - 1].wall_ns;
            part.more = true;
            break;
        }
    }
    return part;
}

static void follower_page(void *arg, int error, const struct logs_page *page)
{
    struct logs_follower *follower = arg;
    follower->asking = false;
    if (error < 0) { /* said to the consumer, tried again with the next lines */
        follower->wanting = false;
        follower->page(follower->arg, error, page);
        return;
    }
    bool first = follower->first;
    struct logs_page part = first_part(page);
    follower->first = false;
    follower->owned.query.after = part.after;
    follower->owned.query.newest = false;
    follower->owned.query.limit = LOGS_FOLLOW_LIMIT;
    /* `more` of the newest lines means older ones: those were not asked for. */
    follower->behind = follower->behind || part.count < page->count || (page->more && !first);
    if (part.count || first) {
        follower->wanting = false;
        follower->page(follower->arg, 0, &part); /* may unfollow: nothing after this line */
        return;
    }
    follower_step(follower);
}

/* Asks for the next page if the consumer wants one and there may be one. */
static void follower_step(struct logs_follower *follower)
{
    if (follower->asking || !follower->wanting || !follower->behind) {
        return;
    }
    follower->behind = false;
    int r = logs_read(follower->see, &follower->owned.query, follower_page, follower);
    follower->asking = r == 0;
    follower->behind = r < 0; /* too many queries: asked again when lines come */
}

struct logs_follower *logs_follow(struct see *see, const struct logs_query *query,
                                  logs_done_fn *page, void *arg)
{
    struct logs *logs = &see->logs;
    if (logs->follower_count == LOGS_FOLLOWERS_MAX) {
        return NULL;
    }
    struct logs_follower *follower = calloc(1, sizeof(*follower));
    if (!follower || owned_init(&follower->owned, query) < 0) {
        free(follower);
        return NULL;
    }
    *follower = (struct logs_follower){
        .see = see, .owned = follower->owned, .page = page, .arg = arg, .wanting = true};
    struct logs_query *own = &follower->owned.query;
    own->services = follower->owned.services;
    own->until_ns = 0;
    own->newest = !query->after;
    if (!query->after && !query->limit) { /* from now on */
        own->after = see->tail.committed_ns;
        own->newest = false;
    }
    follower->first = follower->behind = own->newest || query->after;
    list_push_back(&logs->followers, &follower->node);
    logs->follower_count++;
    follower_step(follower);
    return follower;
}

void logs_follow_more(struct logs_follower *follower)
{
    follower->wanting = true;
    follower_step(follower);
}

void logs_unfollow(struct logs_follower *follower)
{
    logs_cancel(follower->see, follower);
    list_del(&follower->node);
    follower->see->logs.follower_count--;
    owned_fini(&follower->owned);
    free(follower);
}

void logs_committed(struct logs *logs, const struct stream_id *ids, size_t count)
{
    list_for_each_safe (it, &logs->followers) {
        struct logs_follower *follower = list_entry(it, struct logs_follower, node);
        for (size_t i = 0; i < count && !follower->behind; i++) {
            follower->behind = stream_matches(&ids[i], &follower->owned.query);
        }
        follower_step(follower);
    }
}

void logs_line_json(struct json_writer *json, const struct logs_line *line)
{
    static const int32_t streams[LOGS_STREAMS] = {
        [LOGS_STDOUT] = LOG_STDOUT, [LOGS_STDERR] = LOG_STDERR, [LOGS_ACCESS] = LOG_ACCESS};
    struct log_line row = {
        .time_ns = line->wall_ns,
        .project = line->project,
        .service = line->service,
        .replica = line->replica,
        .stream = line->flags & LOGS_NOTICE ? LOG_SYSTEM : streams[line->stream % LOGS_STREAMS],
        .message = line->message,
        .offset = (int64_t)line->offset,
    };

    schema_encode_json(&schema_log_line, &row, 0, json);
}

void logs_init(struct logs *logs)
{
    list_init(&logs->queue);
    list_init(&logs->followers);
    loop_task_init(&logs->start, on_start);
}

void logs_stop(struct logs *logs)
{
    logs->stopped = true;
    loop_task_cancel(&logs->start);
    if (logs->running) {
        __atomic_store_n(&logs->running->cancelled, true, __ATOMIC_RELAXED);
    }
}

void logs_fini(struct logs *logs)
{
    if (logs->running) {
        request_free(logs->running);
        logs->running = NULL;
    }
    while (!list_empty(&logs->queue)) {
        request_free(list_entry(list_pop_front(&logs->queue), struct logs_request, node));
    }
    while (!list_empty(&logs->followers)) {
        logs_unfollow(list_entry(logs->followers.next, struct logs_follower, node));
    }
}
