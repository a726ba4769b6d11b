/* SPDX-License-Identifier: Apache-2.0
 *
 * GET /api/v1/stream: everything live, for dashboards and `up`. One hub listens to the bus for
 * all readers and encodes each message once; with no reader it listens to nothing.
 *
 *   hello     the instance                     first, once
 *   service   a whole service, without spec    all of them at the start, then when one changes
 *   replica   a whole replica                  the same
 *   history   a service's last minutes         at the start, in columns: {project, service, …}
 *   ping      {}                               the start is over; then every 15 s
 *   removed   {project, service?, replica?}
 *   event     a row of the events, id = seq
 *   metrics   {time, items}                    each second
 *
 *   1. What is sent are whole objects, never differences: a reader that missed one is right again
 *      with the next, and a resync is simply all of them.
 *   2. Objects have no id: only events do, so Last-Event-ID is the event sequence. Events behind it
 *      are read from the store first; what is committed meanwhile is found by reading once more, so
 *      that each event comes once and in order.
 *   3. A reader may leave its list inside of any send: every walk takes `next` before it sends.
 *
 * As it fails: too slow a reader loses its stream (api_stream.c). A bus that had to drop messages
 * says BUS_RESYNC, which is answered with the state of all.
 */
#include "base/num.h"
#include "base/timefmt.h"
#include "face/api_handlers.h"
#include "face/api_server.h"
#include "face/api_util.h"
#include "run/run.h"
#include "schema/resource.h"
#include "schema/status_more.h"
#include "see/see.h"

enum { EVENTS_PAGE = 500, HISTORY_MAX = 4 << 20 };
#define PING_NS (15 * NS_PER_S)

struct live {
    struct api *api;
    struct bus_subscriber subscriber;
    struct metrics_watcher watcher; /* ticks once a second while somebody reads */
    struct timer ping;
    struct list readers; /* struct reader; each leaves it in on_closed alone */
};

struct reader {
    struct list node;
    struct live *live;
    struct exchange *x;          /* NULL: gone while a read is under way */
    char project[NAME_MAX_SIZE]; /* "" = all of the instance */
    uint64_t after;              /* newest event that was sent */
    bool reading;                /* events are being read from the store */
    bool missed;                 /* events were committed during the read */
};

/* ---- readers ---- */

/* Without readers nothing of the bus is even encoded: an idle instance costs nothing. */
static void sleep_when_alone(struct live *live)
{
    if (list_empty(&live->readers)) {
        bus_unsubscribe(&live->subscriber);
        metrics_unwatch(&live->watcher);
        loop_timer_cancel(live->api->loop, &live->ping);
    }
}

/* While a read is under way the store still holds the reader: its callback frees it. */
static void on_closed(struct exchange *x)
{
    struct reader *reader = x->stream.arg;

    list_del(&reader->node);
    sleep_when_alone(reader->live);
    reader->x = NULL;
    if (!reader->reading) {
        free(reader);
    }
}

/* A reader of one project hears of what belongs to none, too: ping. */
static bool wants(const struct reader *reader, struct str project)
{
    return project.len == 0 || !reader->project[0] || str_is(project, reader->project);
}

/* Sends to all who want to hear of `project`. A reader that is too slow leaves the list by
 * itself. */
static void broadcast(struct live *live, struct str project, const char *event, struct str data)
{
    struct list *next;

    for (struct list *node = live->readers.next; node != &live->readers; node = next) {
        struct reader *reader = container_of(node, struct reader, node);
        next = node->next;
        if (wants(reader, project) && !exchange_send(reader->x, event, 0, data)) {
            continue;
        }
    }
}

/* ---- objects ---- */

/* To one reader, or (NULL) to all. False: the one reader is gone. */
static bool deliver(struct live *live, struct reader *reader, struct str project, const char *event,
                    struct buf *data)
{
    bool alive = true;

    if (buf_error(data)) {
        return true;
    }
    if (!reader) {
        broadcast(live, project, event, buf_str(data));
    } else {
        alive = exchange_send(reader->x, event, 0, buf_str(data));
    }
    buf_reset(data);
    return alive;
}

/* As the system, not as the reader: who may read one project may read all of an instance, and one
 * encoding serves all. */
static bool deliver_services(struct live *live, struct reader *reader, struct bus_id filter)
{
    struct context ctx = context_system("live stream");
    cleanup(arena_fini) struct arena arena = ARENA_INIT(API_ARENA_MAX);
    cleanup(buf_fini) struct buf data = BUF_INIT(API_OUT_MAX);
    struct core *core = live->api->core;
    struct service_status *services = NULL;
    size_t count = 0;

    if (run_services(run_get(core), &ctx, filter, &arena, &services, &count) != 0) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        struct json_writer w = JSON_WRITER(&data);
        api_add_service_figures(see_get(core), &services[i]);
        schema_encode_json(&schema_service, &services[i], 0, &w);
        if (!deliver(live, reader, services[i].project, "service", &data)) {
            return false;
        }
    }
    return true;
}

static bool deliver_replicas(struct live *live, struct reader *reader, struct bus_id filter)
{
    struct context ctx = context_system("live stream");
    cleanup(arena_fini) struct arena arena = ARENA_INIT(API_ARENA_MAX);
    cleanup(buf_fini) struct buf data = BUF_INIT(API_OUT_MAX);
    struct core *core = live->api->core;
    struct replica_status *replicas = NULL;
    size_t count = 0;

    if (run_replicas(run_get(core), &ctx, filter, &arena, &replicas, &count) != 0) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        struct json_writer w = JSON_WRITER(&data);
        api_add_replica_figures(see_get(core), &replicas[i]);
        schema_encode_json(&schema_replica, &replicas[i], SCHEMA_ENCODE_DETAIL, &w);
        if (!deliver(live, reader, replicas[i].project, "replica", &data)) {
            return false;
        }
    }
    return true;
}

/* Whose number is 0 is all of it: a service with its replicas, a project with its services. */
static void deliver_removed(struct live *live, const struct bus_id *id)
{
    cleanup(buf_fini) struct buf data = BUF_INIT(1 << 10);
    struct json_writer w = JSON_WRITER(&data);

    json_begin_object(&w);
    json_field(&w, "project", cstr, id->project);
    if (id->service[0]) {
        json_field(&w, "service", cstr, id->service);
    }
    if (id->replica) {
        json_field(&w, "replica", u64, id->replica);
    }
    json_end_object(&w);
    broadcast(live, str_from(id->project), "removed", buf_str(&data));
}

struct history {
    struct reader *reader;
    size_t left; /* bytes that may still be sent */
    bool alive;
};

static void deliver_history(void *arg, struct str project, struct str service, uint32_t replica,
                            const struct metrics_sample *sample)
{
    struct history *history = arg;
    struct live *live = history->reader->live;
    static struct metrics_sample samples[METRICS_HISTORY]; /* large; one thread */
    cleanup(buf_fini) struct buf data = BUF_INIT(256 << 10);
    struct json_writer w = JSON_WRITER(&data);

    if (replica || !history->alive || !wants(history->reader, project)) {
        return;
    }
    size_t count =
        metrics_history(see_get(live->api->core), project, service, samples, METRICS_HISTORY);
    if (count == 0) {
        return;
    }
    json_begin_object(&w);
    json_field(&w, "project", str, project);
    json_field(&w, "service", str, service);
    metrics_history_json(&w, samples, count);
    json_end_object(&w);
    if (!buf_error(&data) && data.len <= history->left) {
        history->left -= data.len;
        history->alive = exchange_send(history->reader->x, "history", 0, buf_str(&data));
    }
}

/* What the charts begin with; of very many services only the first. False: the reader is gone. */
static bool deliver_histories(struct reader *reader)
{
    struct history history = {.reader = reader, .left = HISTORY_MAX, .alive = true};

    metrics_visit(see_get(reader->live->api->core), deliver_history, &history);
    return history.alive;
}

/* The state of all, to one reader. False: it is gone. */
static bool deliver_all(struct reader *reader)
{
    struct bus_id filter = bus_id_make(STR("default"), str_from(reader->project), STR_NONE, 0);

    return deliver_services(reader->live, reader, filter) &&
           deliver_replicas(reader->live, reader, filter) && deliver_histories(reader) &&
           exchange_send(reader->x, "ping", 0, STR("{}"));
}

/* ---- events ---- */

static bool send_event(struct reader *reader, const struct event *event)
{
    cleanup(buf_fini) struct buf data = BUF_INIT(64 << 10);
    struct json_writer w = JSON_WRITER(&data);

    if (event->seq <= reader->after || !wants(reader, str_from(event->id.project))) {
        return true;
    }
    reader->after = event->seq;
    api_event_json(&w, event);
    return exchange_send(reader->x, "event", event->seq, buf_str(&data));
}

static void read_events(struct reader *reader);

static void on_events(void *arg, int error, const struct event *events, size_t count)
{
    struct reader *reader = arg;
    bool again = count == EVENTS_PAGE || reader->missed;

    reader->reading = false;
    if (!reader->x) {
        free(reader);
        return;
    }
    if (error) { /* going on would leave a hole */
        exchange_stream_break(reader->x);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        if (!send_event(reader, &events[i])) {
            return;
        }
    }
    if (again) {
        reader->missed = false;
        read_events(reader);
    }
}

static void read_events(struct reader *reader)
{
    struct event_query query = {
        .after = reader->after, .limit = EVENTS_PAGE, .project = str_from(reader->project)};

    reader->reading = true;
    event_list(reader->live->api->core, &query, on_events, reader);
}

static void broadcast_event(struct live *live, const struct event *event)
{
    struct list *next;

    for (struct list *node = live->readers.next; node != &live->readers; node = next) {
        struct reader *reader = container_of(node, struct reader, node);
        next = node->next;
        if (reader->reading) {
            reader->missed = true;
        } else if (!send_event(reader, event)) {
            continue;
        }
    }
}

/* ---- news ---- */

/* The bus lost messages (it is bounded): what they said is in the state of all, and events are read
 * again from the last one that was sent. */
static void resync(struct live *live)
{
    struct list *next;

    for (struct list *node = live->readers.next; node != &live->readers; node = next) {
        struct reader *reader = container_of(node, struct reader, node);
        next = node->next;
        if (deliver_all(reader) && !reader->reading) {
            read_events(reader);
        }
    }
}

/* What no reader shows (probes, outputs, roles) passes by. */
static void on_bus(struct bus_subscriber *self, const struct bus_message *message)
{
    struct live *live = container_of(self, struct live, subscriber);

    switch (message->topic) {
    case BUS_RESYNC:
        resync(live);
        break;
    case BUS_SERVICE_CHANGED:
        deliver_services(live, NULL, message->id);
        break;
    case BUS_REPLICA_CHANGED:
        deliver_replicas(live, NULL, message->id);
        break;
    case BUS_PROJECT_REMOVED:
    case BUS_SERVICE_REMOVED:
    case BUS_REPLICA_REMOVED:
        deliver_removed(live, &message->id);
        break;
    case BUS_EVENT:
        broadcast_event(live, message->event);
        break;
    default:
        break;
    }
}

struct metrics_visit {
    struct json_writer *w;
    const char *project; /* "" = all */
};

static void visit(void *arg, struct str project, struct str service, uint32_t replica,
                  const struct metrics_sample *sample)
{
    struct metrics_visit *v = arg;

    if (v->project[0] && !str_is(project, v->project)) {
        return;
    }
    json_begin_object(v->w);
    json_field(v->w, "project", str, project);
    json_field(v->w, "service", str, service);
    json_key(v->w, STR("replica"));
    if (replica) {
        json_u64(v->w, replica);
    } else {
        json_null(v->w); /* the whole service */
    }
    metrics_sample_json(v->w, sample);
    json_end_object(v->w);
}

/* Encoded once for all readers of everything; readers of one project get their own, which is
 * smaller.
 */
static void write_metrics(struct live *live, const char *project, int64_t wall_ns, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    cleanup(buf_fini) struct buf time = BUF_INIT(64);

    timefmt_rfc3339(&time, wall_ns);
    json_begin_object(&w);
    json_field(&w, "time", str, buf_str(&time));
    json_key(&w, STR("items"));
    json_begin_array(&w);
    metrics_visit(see_get(live->api->core), visit,
                  &(struct metrics_visit){.w = &w, .project = project});
    json_end_array(&w);
    json_end_object(&w);
}

static void on_tick(struct metrics_watcher *self, int64_t wall_ns)
{
    struct live *live = container_of(self, struct live, watcher);
    cleanup(buf_fini) struct buf all = BUF_INIT(API_OUT_MAX);
    struct list *next;

    write_metrics(live, "", wall_ns, &all);
    for (struct list *node = live->readers.next; node != &live->readers; node = next) {
        struct reader *reader = container_of(node, struct reader, node);
        next = node->next;
        if (!reader->project[0]) {
            if (!exchange_send(reader->x, "metrics", 0, buf_str(&all))) {
                continue;
            }
        } else {
            cleanup(buf_fini) struct buf own = BUF_INIT(API_OUT_MAX);
            write_metrics(live, reader->project, wall_ns, &own);
            if (!exchange_send(reader->x, "metrics", 0, buf_str(&own))) {
                continue;
            }
        }
    }
}

static void on_ping(struct timer *timer, int64_t now_ns)
{
    struct live *live = container_of(timer, struct live, ping);

    loop_timer_after(live->api->loop, timer, PING_NS);
    broadcast(live, STR_NONE, "ping", STR("{}"));
}

/* ---- a new reader ---- */

static void wake(struct live *live)
{
    if (list_empty(&live->readers)) {
        bus_subscribe(live->api->core->bus, &live->subscriber);
        metrics_watch(see_get(live->api->core), &live->watcher);
        loop_timer_after(live->api->loop, &live->ping, PING_NS);
    }
}

/* The instance goes first: a dashboard shows its name and version before any service. */
static bool greet(struct reader *reader)
{
    cleanup(buf_fini) struct buf data = BUF_INIT(1 << 20);
    struct json_writer w = JSON_WRITER(&data);

    api_instance_json(reader->x, &w);
    return exchange_send(reader->x, "hello", 0, buf_str(&data));
}

void handle_stream(struct exchange *x)
{
    struct live *live = x->api->live;
    struct reader *reader;
    uint64_t last_id = 0;
    bool resumes = num_parse_u64(http1_get(&x->head, HTTP_H_LAST_EVENT_ID), &last_id) == 0;

    if (!exchange_wants_stream(x)) {
        exchange_refuse(x, 406, "http.accept", "this answers text/event-stream only");
        return;
    }
    reader = calloc(1, sizeof(*reader));
    if (!reader) {
        exchange_answer_error(x, -ENOMEM);
        return;
    }
    reader->live = live;
    reader->x = x;
    reader->after = resumes ? last_id : event_seq_last(x->core);
    str_copy(reader->project, sizeof(reader->project), exchange_option(x, "project"));
    wake(live);
    list_push_back(&live->readers, &reader->node);
    if (!exchange_stream_begin(x, (struct exchange_stream){.closed = on_closed, .arg = reader})) {
        return;
    }
    /* The greeting is as large as the projects are; only what comes on top of it can be too slow.
     * */
    x->stream_max = API_OUT_MAX / 2;
    if (!greet(reader) || !deliver_all(reader)) {
        return;
    }
    x->stream_max = exchange_backlog(x) + API_STREAM_MAX;
    if (resumes) {
        read_events(reader);
    }
}

int api_live_init(struct api *api)
{
    struct live *live = calloc(1, sizeof(*live));

    if (!live) {
        return -ENOMEM;
    }
    live->api = api;
    list_init(&live->readers);
    list_init(&live->subscriber.node);
    live->subscriber.topics = BUS_ALL;
    live->subscriber.notify = on_bus;
    list_init(&live->watcher.node);
    live->watcher.tick = on_tick;
    timer_init(&live->ping, on_ping);
    api->live = live;
    return 0;
}

void api_live_fini(struct api *api)
{
    free(api->live);
    api->live = NULL;
}
