/* SPDX-License-Identifier: Apache-2.0
 *
 * GET …/logs: a page of history or a search (JSON), or a stream that goes on.
 *
 * A line's time is its identity (see/logs.h: unique within an instance), so the cursor is a time; a
 * stream that broke goes on behind its Last-Event-ID without a hole or a double line.
 *
 * The follower is pulled: the next page is asked for when the client has taken the one before, so a
 * slow reader costs one page and loses nothing. `handler_state` is set while a page is owed because
 * the client had not taken enough: `drained` asks then.
 */
#include "base/num.h"
#include "base/timefmt.h"
#include "face/api_handlers.h"
#include "face/api_util.h"
#include "see/see.h"

enum { LOGS_LIMIT = 100, FOLLOW_PAGE = 500, BACKLOG_MAX = 128 << 10 };

/* Without a name all of them: the check has let no other one pass. */
static int stream_number(struct str name)
{
    for (int i = 0; i < LOGS_STREAMS; i++) {
        if (str_is(name, logs_stream_name((uint8_t)i))) {
            return i;
        }
    }
    return LOGS_ALL_STREAMS;
}

static int64_t option_time(const struct exchange *x, const char *name)
{
    int64_t wall = 0;

    return timefmt_parse(exchange_option(x, name), &wall) == 0 ? wall : 0;
}

/* Not a number, or before all time: from the beginning. */
static int64_t parse_cursor(struct str text)
{
    int64_t after = 0;

    return num_parse_i64(text, &after) == 0 && after > 0 ? after : 0;
}

/* Requests that no route took are no project's: they are for those who may read all projects. */
static bool reads_all(const struct exchange *x)
{
    struct resource all = {.tenant = str_from(x->ctx.tenant)};

    return authorise(&x->ctx, ACTION_LOGS, all, x->core->instance.owner).allowed;
}

static void make_query(struct exchange *x, struct logs_query *query)
{
    const struct jdoc *services = jdoc_get(x->options, "service");
    struct str *names = services ? arena_array(&x->arena, services->count, sizeof(*names)) : NULL;
    int64_t tail = exchange_option_i64(x, "tail", -1);

    *query = (struct logs_query){
        .tenant = str_from(x->ctx.tenant),
        .project = x->params[0],
        .replica = (uint32_t)exchange_option_i64(x, "replica", 0),
        .stream = stream_number(exchange_option(x, "stream")),
        .since_ns = option_time(x, "since"),
        .until_ns = option_time(x, "until"),
        .after = parse_cursor(exchange_option(x, "cursor")),
        .text = exchange_option(x, "q"),
        .unrouted = reads_all(x),
        .newest = tail >= 0,
        .limit = (uint32_t)(tail >= 0 ? tail : exchange_option_i64(x, "limit", LOGS_LIMIT)),
    };
    if (names) {
        jdoc_each(item, services)
        {
            names[query->service_count++] = item->text;
        }
        query->services = names;
    }
}

/* ---- a page ---- */

/* With `tail` there is no next page: what is older was not asked for, what is newer not there. */
static void on_page(void *arg, int error, const struct logs_page *page)
{
    struct exchange *x = arg;
    char cursor[24] = "";

    if (error) {
        exchange_answer_error(x, error);
        return;
    }
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = 0; i < page->count; i++) {
        logs_line_json(&w, &page->lines[i]);
    }
    if (page->more && exchange_option_i64(x, "tail", -1) < 0) {
        snprintf(cursor, sizeof(cursor), "%lld", (long long)page->after);
    }
    exchange_list_end(x, &w, str_from(cursor));
}

static void read_page(struct exchange *x, const struct logs_query *query)
{
    int r;

    if (query->newest && query->limit == 0) { /* tail=0: none, which 0 does not mean below */
        struct json_writer w = exchange_list_begin(x);
        exchange_list_end(x, &w, STR_NONE);
        return;
    }
    r = logs_read(api_see(x), query, on_page, x);
    if (r < 0) {
        exchange_answer_error(x, r);
    }
}

/* ---- a stream ---- */

/* Also called for a stream that the follower ended itself: it is let go of once. */
static void on_closed(struct exchange *x)
{
    if (x->stream.arg) {
        logs_unfollow(x->stream.arg);
        x->stream.arg = NULL;
    }
}

static bool send_line(struct exchange *x, const struct logs_line *line)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(1 * MIB);
    struct json_writer w = JSON_WRITER(&text);

    logs_line_json(&w, line);
    return exchange_send(x, "log", (uint64_t)line->wall_ns, buf_str(&text));
}

static void on_follow(void *arg, int error, const struct logs_page *page)
{
    struct exchange *x = arg;

    if (error) {
        exchange_stream_break(x);
        return;
    }
    for (size_t i = 0; i < page->count; i++) {
        if (!send_line(x, &page->lines[i])) {
            return;
        }
    }
    /* Else `drained` asks for more. */
    if (x->stream.arg && exchange_backlog(x) < BACKLOG_MAX) {
        logs_follow_more(x->stream.arg);
    } else {
        x->handler_state = x->stream.arg; /* a page is owed */
    }
}

static void on_drained(struct exchange *x)
{
    if (x->handler_state) {
        x->handler_state = NULL;
        logs_follow_more(x->stream.arg);
    }
}

static void follow(struct exchange *x, struct logs_query *query)
{
    struct str last_id = http1_get(&x->head, HTTP_H_LAST_EVENT_ID);
    struct see *see = api_see(x);

    if (last_id.len > 0 && parse_cursor(last_id) > 0) {
        query->after = parse_cursor(last_id);
        query->newest = false;
    } else if (!query->newest && query->after == 0) {
        query->after = MAX(query->since_ns - 1, INT64_C(1)); /* all that is kept, then what comes */
    }
    /* A limit is for pages; a stream that begins with the newest lines needs it for those. */
    if (!query->newest) {
        query->limit = FOLLOW_PAGE;
    }
    if (!exchange_stream_begin(
            x, (struct exchange_stream){.closed = on_closed, .drained = on_drained})) {
        return;
    }
    x->stream.arg = logs_follow(see, query, on_follow, x);
    if (!x->stream.arg) {
        exchange_stream_end(x);
    }
}

void handle_logs(struct exchange *x)
{
    const struct project_status *project;
    struct logs_query query;

    if (!api_need_project(x, &project)) {
        return;
    }
    make_query(x, &query);
    if (x->arena.failed) { /* without its services the query would mean all of them */
        exchange_answer_error(x, -ENOMEM);
        return;
    }
    if (exchange_option_bool(x, "follow")) {
        if (!exchange_wants_stream(x)) {
            exchange_refuse(x, 406, "http.accept", "follow=1 answers text/event-stream only");
            return;
        }
        follow(x, &query);
        return;
    }
    read_page(x, &query);
}
