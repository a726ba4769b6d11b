/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /api/v1/events: pages by sequence number, or a stream: what is stored behind `after`, then
 * what is committed.
 *
 * A stream never keeps events: while a read is under way, what is committed is only noted
 * (`missed`), and another read finds it. So each event comes once and in order, by its number,
 * whatever overlaps.
 *
 * struct follow outlives its exchange while a read is under way: the store's callback frees it
 * then. As it fails: a read that fails ends the stream; its reader comes again behind the last
 * event it got.
 */
#include "base/num.h"
#include "core/core.h"
#include "face/api_handlers.h"
#include "face/api_util.h"
#include "schema/resource.h"
#include "schema/status_more.h"

enum { PAGE = 500 };

void api_event_json(struct json_writer *w, const struct event *event)
{
    struct event_row row = {
        .seq = (int64_t)event->seq,
        .time_ns = event->wall_ns,
        .kind = str_from(event->kind),
        .severity = event->severity,
        .tenant = str_from(event->id.tenant),
        .project = str_from(event->id.project),
        .service = str_from(event->id.service),
        .replica = event->id.replica,
        .actor = str_from(event->actor),
        .cause = str_from(event->cause),
        .message = str_from(event->message),
        .data = str_from(event->data),
    };

    schema_encode_json(&schema_event, &row, SCHEMA_ENCODE_DETAIL, w);
}

/* `cursor` is `after` by another name, given by the page before; `tail` turns the order of reading.
 */
static struct event_query make_query(struct exchange *x)
{
    struct event_query query = {
        .after = (uint64_t)exchange_option_i64(x, "after", 0),
        .limit = (uint32_t)exchange_option_i64(x, "limit", 100),
        .project = exchange_option(x, "project"),
        .service = exchange_option(x, "service"),
        .kind = exchange_option(x, "kind"),
    };
    uint64_t cursor = 0;
    int64_t tail = exchange_option_i64(x, "tail", -1);

    if (num_parse_u64(exchange_option(x, "cursor"), &cursor) == 0) {
        query.after = cursor;
    }
    if (tail >= 0) {
        query.newest = true;
        query.limit = (uint32_t)MAX(tail, INT64_C(1));
    }
    return query;
}

/* ---- a page ---- */

/* tail=0 asks for none: the store's limit of 1 found one, which is not shown. A full page has a
 * cursor, also if it was the last: the next one is empty then. */
static void on_page(void *arg, int error, const struct event *events, size_t count)
{
    struct exchange *x = arg;
    int64_t tail = exchange_option_i64(x, "tail", -1);
    size_t limit = (size_t)exchange_option_i64(x, "limit", 100);
    char cursor[24] = "";

    if (error) {
        exchange_answer_error(x, error);
        return;
    }
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = 0; i < count && tail != 0; i++) {
        api_event_json(&w, &events[i]);
    }
    if (tail < 0 && count == limit) {
        snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)events[count - 1].seq);
    }
    exchange_list_end(x, &w, str_from(cursor));
}

/* ---- a stream ---- */

struct follow {
    struct bus_subscriber subscriber;
    struct exchange *x;       /* NULL: the client is gone while a read is under way */
    struct event_query query; /* `after` moves with each event that is sent */
    bool reading;             /* the store will call back: it may not be freed */
    bool missed; /* something was committed while a read was under way: read once more */
};

/* The same conditions as the store's, for what comes by the bus. */
static bool matches(const struct event_query *query, const struct event *event)
{
    bool of_instance = event->id.project[0] == '\0' && query->service.len == 0;

    return (query->project.len == 0 || of_instance || str_is(query->project, event->id.project)) &&
           (query->service.len == 0 || str_is(query->service, event->id.service)) &&
           (query->kind.len == 0 || str_is(query->kind, event->kind));
}

static bool send_event(struct exchange *x, const struct event *event)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(64 << 10);
    struct json_writer w = JSON_WRITER(&text);

    api_event_json(&w, event);
    return exchange_send(x, "event", event->seq, buf_str(&text));
}

static void on_closed(struct exchange *x)
{
    struct follow *f = x->stream.arg;

    bus_unsubscribe(&f->subscriber);
    f->x = NULL;
    if (!f->reading) {
        free(f);
    }
}

static void read_more(struct follow *f);

static void on_read(void *arg, int error, const struct event *events, size_t count)
{
    struct follow *f = arg;

    f->reading = false;
    if (!f->x) {
        free(f);
        return;
    }
    if (error) { /* going on would leave a hole */
        exchange_stream_break(f->x);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!send_event(f->x, &events[i])) {
            return;
        }
        f->query.after = events[i].seq;
    }
    f->query.newest = false;
    if (count == PAGE || f->missed) {
        f->missed = false;
        read_more(f);
    }
}

static void read_more(struct follow *f)
{
    f->query.limit = f->query.newest ? f->query.limit : PAGE;
    f->reading = true;
    event_list(f->x->core, &f->query, on_read, f);
}

/* While a read is under way, what is committed is only noted: another read follows and finds it.
 * So nothing is kept, and each event is sent once, by its number. */
static void on_bus(struct bus_subscriber *self, const struct bus_message *message)
{
    struct follow *f = container_of(self, struct follow, subscriber);

    if (f->reading) {
        f->missed = true;
        return;
    }
    if (message->topic == BUS_RESYNC) {
        read_more(f);
        return;
    }
    if (message->event->seq > f->query.after && matches(&f->query, message->event)) {
        f->query.after = message->event->seq;
        if (!send_event(f->x, message->event)) {
            return;
        }
    }
}

/* Subscribed before the first read: what is committed in between is noted, not lost. */
static void follow(struct exchange *x)
{
    struct follow *f = calloc(1, sizeof(*f));
    struct str last_id = http1_get(&x->head, HTTP_H_LAST_EVENT_ID);
    struct core *core = x->core;

    if (!f) {
        exchange_answer_error(x, -ENOMEM);
        return;
    }
    f->x = x;
    f->query = make_query(x);
    if (num_parse_u64(last_id, &f->query.after) == 0) {
        f->query.newest = false;
    }
    f->subscriber.topics = BUS_BIT(BUS_EVENT);
    f->subscriber.notify = on_bus;
    bus_subscribe(core->bus, &f->subscriber);
    if (exchange_stream_begin(x, (struct exchange_stream){.closed = on_closed, .arg = f})) {
        read_more(f);
    }
}

void handle_events(struct exchange *x)
{
    if (exchange_option_bool(x, "follow")) {
        if (!exchange_wants_stream(x)) {
            exchange_refuse(x, 406, "http.accept", "follow=1 answers text/event-stream only");
            return;
        }
        follow(x);
        return;
    }
    struct event_query query = make_query(x);
    event_list(x->core, &query, on_page, x);
}
