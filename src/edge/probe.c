/* SPDX-License-Identifier: Apache-2.0
 *
 * One struct probe per endpoint, found by its id; what to ask is read from the service at each run,
 * so that a snapshot or delta needs to tell probes only of endpoints that came, changed their
 * address or went.
 */
#include "edge/probe.h"

#include "base/num.h"
#include "proto/http1_body.h"
#include "proto/http1_write.h"

#include <stdlib.h>

enum { FAST_FIRST_MS = 5, FAST_SHARE = 8, JITTER_PERCENT = 10, ANSWER_MAX = 4096 };

struct edge_probes {
    struct worker *worker; /* thread 0 */
    void (*changed)(struct worker *worker);
    struct map probes; /* endpoint id → struct probe */
};

struct probe {
    struct edge_probes *owner;
    uint64_t endpoint;
    struct timer timer; /* the next run, or the end of this one's patience */
    struct loop_fd watch;
    int fd; /* -1 = not running */
    bool sent;
    char address[DELTA_ADDRESS_MAX]; /* as it was when the fast phase began */
    int64_t begun_ns;                /* of the fast phase */
    uint32_t delay_ms;               /* of the next fast run; 0 = the fast phase is over */
    uint32_t failures_in_row;
    int64_t run_ns;
    size_t answer_len;
    char *answer; /* while running */
    struct counters_probe *cell;
};

struct result {
    int error; /* 0 or errno */
    unsigned http_status;
    struct str body;
};

static void fire(struct timer *timer, int64_t now_ns);

static struct endpoint *endpoint_of(const struct probe *probe)
{
    return map_get(&probe->owner->worker->set.endpoints,
                   str_make((const char *)&probe->endpoint, 8));
}

static const struct snapshot_probe *spec_of(const struct endpoint *endpoint)
{
    return &endpoint->service->spec.probe;
}

static void hang_up(struct probe *probe)
{
    if (probe->fd >= 0) {
        loop_fd_remove(&probe->owner->worker->loop, &probe->watch);
        sock_close(&probe->fd);
    }
    free(probe->answer);
    probe->answer = NULL;
}

/* --- results --- */

static void write_record(struct probe *probe, const struct endpoint *endpoint,
                         const struct result *result, uint32_t latency_us)
{
    struct worker *worker = probe->owner->worker;
    struct ring_record *record = ring_next(&worker->ring);
    if (!record) {
        counters_add(&worker->stats->ring_dropped, 1);
        return;
    }
    record->kind = RING_PROBE;
    record->probe = (struct ring_probe){
        .at_wall_ns = worker->loop.wall_ns,
        .service = endpoint->service->spec.id,
        .endpoint = endpoint->id,
        .latency_us = latency_us,
        .failures_in_row = probe->failures_in_row,
        .http_status = (uint16_t)MIN(result->http_status, 999U),
        .status = probe->cell ? (uint8_t)probe->cell->status : 0,
        .error = result->error,
        .body_len = (uint8_t)MIN(result->body.len, (size_t)RING_BODY_MAX),
    };
    if (record->probe.body_len) {
        memcpy(record->probe.body, result->body.p, record->probe.body_len);
    }
    ring_publish(&worker->ring);
    worker_ring_written(worker);
}

static void write_cell(struct probe *probe, const struct result *result, uint32_t latency_us,
                       uint32_t status)
{
    struct counters_probe *cell = probe->cell;
    bool well = result->error == 0;
    counters_probe_begin(cell);
    cell->at_wall_ns = probe->owner->worker->loop.wall_ns;
    cell->runs++;
    cell->failures += !well;
    cell->failures_in_row = probe->failures_in_row;
    cell->http_status = result->http_status;
    cell->latency_us = latency_us;
    cell->error = (uint32_t)result->error;
    cell->body_len = (uint32_t)MIN(result->body.len, (size_t)COUNTERS_PROBE_BODY_MAX);
    if (cell->body_len) {
        memcpy(cell->body, result->body.p, cell->body_len);
    }
    __atomic_store_n(&cell->status, status, __ATOMIC_RELAXED);
    counters_probe_end(cell);
}

/* While it has never been well since it started, failures only mean "not yet". */
static bool failures_count(const struct probe *probe, const struct snapshot_probe *spec)
{
    int64_t age_ns = probe->owner->worker->loop.now_ns - probe->begun_ns;
    return probe->delay_ms == 0 && age_ns >= spec->start_period_ms * NS_PER_MS;
}

static void schedule(struct probe *probe, const struct snapshot_probe *spec)
{
    struct worker *worker = probe->owner->worker;
    uint64_t delay_ms = probe->delay_ms;
    if (delay_ms == 0) {
        delay_ms = rng_jitter(&worker->loop.rng, spec->interval_ms, JITTER_PERCENT);
    }
    loop_timer_after(&worker->loop, &probe->timer, (int64_t)delay_ms * NS_PER_MS);
}

/* The fast phase ends with success, or after two intervals and the start period. Its steps grow
 * with the age, so that whatever the time an application needs, it serves an eighth of it later at
 * most. */
static void next_step(struct probe *probe, const struct snapshot_probe *spec, bool well)
{
    int64_t now_ns = probe->owner->worker->loop.now_ns;
    uint64_t age_ms = (uint64_t)MAX(now_ns - probe->begun_ns, INT64_C(0)) / NS_PER_MS;
    bool over = age_ms >= 2 * (uint64_t)spec->interval_ms && age_ms >= spec->start_period_ms;
    if (well || over || probe->delay_ms == 0) {
        probe->delay_ms = 0;
    } else if (spec->start_interval_ms) {
        probe->delay_ms = spec->start_interval_ms;
    } else {
        uint64_t step_ms = MAX(age_ms / FAST_SHARE, (uint64_t)FAST_FIRST_MS);
        probe->delay_ms = (uint32_t)MIN(step_ms, (uint64_t)spec->interval_ms);
    }
}

static void finish(struct probe *probe, const struct result *result)
{
    struct worker *worker = probe->owner->worker;
    struct endpoint *endpoint = endpoint_of(probe);
    if (!endpoint) {
        hang_up(probe);
        return;
    }
    const struct snapshot_probe *spec = spec_of(endpoint);
    uint32_t latency_us = (uint32_t)((worker->loop.now_ns - probe->run_ns) / NS_PER_US);
    bool well = result->error == 0;
    uint32_t before = probe->cell ? probe->cell->status : COUNTERS_PROBE_UNKNOWN;
    uint32_t status = before;
    if (well) {
        probe->failures_in_row = 0;
        status = COUNTERS_PROBE_PASSING;
    } else if (failures_count(probe, spec)) {
        probe->failures_in_row++;
        status = probe->failures_in_row >= spec->retries ? COUNTERS_PROBE_FAILING : before;
    }
    if (probe->cell) {
        write_cell(probe, result, latency_us, status);
    }
    if (status != before || (!well && probe->failures_in_row > 0)) {
        write_record(probe, endpoint, result, latency_us);
    }
    if (status != before) {
        probe->owner->changed(probe->owner->worker);
    }
    next_step(probe, spec, well);
    hang_up(probe);
    schedule(probe, spec);
}

static void fail(struct probe *probe, int error)
{
    finish(probe, &(struct result){.error = error < 0 ? -error : error});
}

/* --- one run --- */

/* The request as one piece in `w`. */
static void write_request(struct http1_writer *w, const struct endpoint *endpoint)
{
    const struct snapshot_probe *spec = spec_of(endpoint);
    struct str host = spec->host.len ? spec->host : str_from(endpoint->address_text);
    if (!spec->host.len && str_starts(host, STR("unix:"))) {
        host = STR("localhost");
    }
    http1_write_raw(w, STR("GET "));
    http1_write_raw(w, spec->path.len ? spec->path : STR("/"));
    http1_write_raw(w, STR(" HTTP/1.1\r\nHost: "));
    http1_write_raw(w, host);
    http1_write_raw(
        w, STR("\r\nUser-Agent: muelle-probe\r\nAccept: */*\r\nConnection: close\r\n\r\n"));
}

/* 0, -EAGAIN (not connected yet), or -errno. */
static int send_request(struct probe *probe, const struct endpoint *endpoint)
{
    char memory[1024 + SNAPSHOT_TEXT_MAX];
    struct http1_writer w = http1_writer_make(memory, sizeof(memory));
    write_request(&w, endpoint);
    int64_t n = w.full ? -EMSGSIZE : sock_send(probe->fd, w.p, w.len, false);
    if (n == (int64_t)w.len) {
        probe->sent = true;
        return 0;
    }
    return n < 0 ? (int)n : -EIO;
}

/* The head is whole: what of the body is there already is enough, unless none is and some is to
 * come. */
static void judge(struct probe *probe, const struct http1_head *head, bool ended)
{
    struct http1_body body;
    struct str piece = STR_NONE;
    size_t used;
    http1_body_of(&body, head);
    struct str rest = str_make(probe->answer + head->len, probe->answer_len - head->len);
    if (head->framing != HTTP1_BODY_NONE && rest.len > 0) {
        (void)!http1_body_read(&body, rest, &used, &piece);
    }
    if (piece.len == 0 && head->framing != HTTP1_BODY_NONE && !ended) {
        return; /* one more read */
    }
    bool well = head->status >= 200 && head->status < 400;
    finish(probe, &(struct result){well ? 0 : EPROTO, head->status, piece});
}

static void read_answer(struct probe *probe)
{
    static const struct http1_limits limits = {
        .line_max = 1024, .header_max = ANSWER_MAX, .head_max = ANSWER_MAX, .count_max = 100};
    struct http1_head *head = &probe->owner->worker->response;
    int64_t n =
        sock_recv(probe->fd, probe->answer + probe->answer_len, ANSWER_MAX - probe->answer_len);
    if (n == -EAGAIN) {
        return;
    }
    if (n < 0) {
        fail(probe, (int)n);
        return;
    }
    probe->answer_len += (size_t)n;
    bool ended = n == 0 || probe->answer_len == ANSWER_MAX;
    http1_head_init(head, &limits);
    int r = http1_parse_response(head, HTTP_GET, probe->answer, probe->answer_len);
    if (r == 0) {
        judge(probe, head, ended);
    } else if (r == HTTP1_E_BAD || ended) {
        fail(probe, n == 0 && probe->answer_len == 0 ? ECONNRESET : EBADMSG);
    }
}

static void ready(struct loop_fd *watch, uint32_t events)
{
    struct probe *probe = container_of(watch, struct probe, watch);
    const struct endpoint *endpoint = endpoint_of(probe);
    (void)events;
    if (!endpoint) {
        hang_up(probe);
        return;
    }
    if (probe->sent) {
        read_answer(probe);
        return;
    }
    int r = sock_error(probe->fd);
    if (r < 0) {
        fail(probe, r);
    } else if (spec_of(endpoint)->kind == SNAPSHOT_PROBE_TCP) {
        finish(probe, &(struct result){0});
    } else {
        r = send_request(probe, endpoint);
        if (r == 0) {
            r = loop_fd_set(&probe->owner->worker->loop, &probe->watch, LOOP_READ);
        }
        if (r < 0) {
            fail(probe, r);
        }
    }
}

/* A local connection is there as soon as it was asked for: an HTTP probe then saves a turn of the
 * loop. */
static int begin(struct probe *probe, const struct endpoint *endpoint)
{
    struct worker *worker = probe->owner->worker;
    int r = sock_connect(&endpoint->address, &probe->fd);
    if (r < 0) {
        return r;
    }
    if (spec_of(endpoint)->kind == SNAPSHOT_PROBE_HTTP) {
        r = send_request(probe, endpoint);
        if (r < 0 && r != -EAGAIN && r != -ENOTCONN) {
            return r;
        }
    }
    return loop_fd_add(&worker->loop, &probe->watch, probe->fd,
                       probe->sent ? LOOP_READ : LOOP_WRITE);
}

static void run(struct probe *probe, const struct endpoint *endpoint)
{
    struct worker *worker = probe->owner->worker;
    probe->run_ns = worker->loop.now_ns;
    probe->sent = false;
    probe->answer_len = 0;
    probe->answer = malloc(ANSWER_MAX);
    int r = probe->answer ? begin(probe, endpoint) : -ENOMEM;
    if (r < 0) {
        fail(probe, r);
        return;
    }
    loop_timer_after(&worker->loop, &probe->timer, spec_of(endpoint)->timeout_ms * NS_PER_MS);
}

static void fire(struct timer *timer, int64_t now_ns)
{
    struct probe *probe = container_of(timer, struct probe, timer);
    const struct endpoint *endpoint = endpoint_of(probe);
    (void)now_ns;
    if (!endpoint || spec_of(endpoint)->kind == SNAPSHOT_PROBE_NONE) {
        hang_up(probe);
    } else if (probe->fd >= 0) {
        fail(probe, ETIMEDOUT);
    } else {
        run(probe, endpoint);
    }
}

/* --- which endpoints --- */

static void probe_end(struct probe *probe)
{
    struct edge_probes *probes = probe->owner;
    loop_timer_cancel(&probes->worker->loop, &probe->timer);
    hang_up(probe);
    if (probe->cell && probe->cell->endpoint == probe->endpoint) {
        counters_probe_begin(probe->cell);
        __atomic_store_n(&probe->cell->endpoint, 0, __ATOMIC_RELAXED); /* its place is free */
        __atomic_store_n(&probe->cell->status, COUNTERS_PROBE_UNKNOWN, __ATOMIC_RELAXED);
        counters_probe_end(probe->cell);
    }
    (void)map_take(&probes->probes, str_make((const char *)&probe->endpoint, 8));
    free(probe);
}

static struct probe *probe_begin(struct edge_probes *probes, const struct endpoint *endpoint)
{
    struct probe *probe = calloc(1, sizeof(*probe));
    if (!probe) {
        return NULL;
    }
    probe->owner = probes;
    probe->endpoint = endpoint->id;
    probe->fd = -1;
    probe->begun_ns = probes->worker->loop.now_ns;
    timer_init(&probe->timer, fire);
    loop_fd_init(&probe->watch, ready);
    if (map_put(&probes->probes, str_make((const char *)&probe->endpoint, 8), probe) < 0) {
        free(probe);
        return NULL;
    }
    probe->cell = counters_probe_get(&probes->worker->counters, endpoint->id);
    return probe;
}

/* From the fast end: a process was started, or somebody wants to know. */
static void start_fast(struct probe *probe, const struct endpoint *endpoint, bool forget)
{
    struct worker *worker = probe->owner->worker;
    (void)str_copy(probe->address, sizeof(probe->address), str_from(endpoint->address_text));
    hang_up(probe);
    probe->begun_ns = worker->loop.now_ns;
    probe->delay_ms = FAST_FIRST_MS;
    if (forget && probe->cell) {
        probe->failures_in_row = 0;
        write_cell(probe, &(struct result){0}, 0, COUNTERS_PROBE_UNKNOWN);
        probe->owner->changed(probe->owner->worker);
    }
    loop_timer_after(&worker->loop, &probe->timer, 0);
}

static void follow(struct edge_probes *probes, const struct endpoint *endpoint, bool restarted)
{
    struct probe *probe = map_get(&probes->probes, str_make((const char *)&endpoint->id, 8));
    if (spec_of(endpoint)->kind == SNAPSHOT_PROBE_NONE) {
        if (probe) {
            probe_end(probe);
        }
        return;
    }
    bool fresh = !probe;
    if (fresh) {
        probe = probe_begin(probes, endpoint);
    }
    if (!probe) {
        return;
    }
    if (fresh || restarted || !str_eq(str_from(probe->address), str_from(endpoint->address_text))) {
        /* After an edge crash the last status stands until the first answer. */
        start_fast(probe, endpoint, endpoint->state == SNAPSHOT_ENDPOINT_STARTING);
    }
}

static bool is_probed(void *context, uint64_t endpoint)
{
    const struct edge_probes *probes = context;
    return map_get(&probes->probes, str_make((const char *)&endpoint, 8)) != NULL;
}

void probe_apply(struct edge_probes *probes)
{
    struct service_set *set = &probes->worker->set;
    for (size_t i = probes->probes.len; i > 0; i--) {
        struct probe *probe = probes->probes.entries[i - 1].value;
        if (!endpoint_of(probe)) {
            probe_end(probe);
        }
    }
    for (size_t i = 0; i < set->endpoints.len; i++) {
        follow(probes, set->endpoints.entries[i].value, false);
    }
    counters_probe_sweep(&probes->worker->counters, is_probed, probes);
}

void probe_delta(struct edge_probes *probes, const struct delta *delta)
{
    struct str key = str_make((const char *)&delta->endpoint, 8);
    struct endpoint *endpoint = map_get(&probes->worker->set.endpoints, key);
    struct probe *probe = map_get(&probes->probes, key);
    if (!endpoint) {
        if (probe) {
            probe_end(probe);
        }
        return;
    }
    switch (delta->kind) {
    case DELTA_ENDPOINT_SET:
        follow(probes, endpoint, endpoint->state == SNAPSHOT_ENDPOINT_STARTING);
        break;
    case DELTA_PROBE_NOW:
        follow(probes, endpoint, true);
        break;
    default:
        break;
    }
}

int probe_new(struct worker *worker, void (*changed)(struct worker *worker),
              struct edge_probes **ret)
{
    struct edge_probes *probes = calloc(1, sizeof(*probes));
    if (!probes) {
        return -ENOMEM;
    }
    probes->worker = worker;
    probes->changed = changed;
    probes->probes = MAP_INIT(COUNTERS_PROBES_MAX);
    *ret = probes;
    return 0;
}

void probe_free(struct edge_probes *probes)
{
    if (!probes) {
        return;
    }
    while (probes->probes.len > 0) {
        struct probe *probe = probes->probes.entries[probes->probes.len - 1].value;
        loop_timer_cancel(&probes->worker->loop, &probe->timer);
        hang_up(probe);
        (void)map_take(&probes->probes, str_make((const char *)&probe->endpoint, 8));
        free(probe);
    }
    map_fini(&probes->probes);
    free(probes);
}
