/* SPDX-License-Identifier: Apache-2.0
 *
 * What a request leaves behind: one count in its cell, one record in the thread's ring.
 *
 * 1. Exactly one of each for a request whose head came whole (or a tcp connection), whatever became
 *    of it; none for a connection that ended before it said anything whole.
 * 2. It never waits: a full ring drops the record and counts that.
 * 3. No query string is recorded: they carry secrets.
 * 4. What the configuration does not want (access.skip) leaves no record, and is counted like all.
 */
#include "edge/record.h"

#include "base/num.h"
#include "edge/cells.h"
#include "edge/remote.h"
#include "edge/stream.h"
#include "edge/worker.h"

/* From one moment to the next; 0 when one of them never came. */
static uint32_t phase_us(int64_t from_ns, int64_t to_ns)
{
    uint64_t us = (uint64_t)(to_ns - from_ns) / NS_PER_US;
    return from_ns == 0 || to_ns <= from_ns ? 0 : (uint32_t)MIN(us, (uint64_t)UINT32_MAX);
}

/* For a replica: to its end, or to the request's. */
static uint32_t wait_us(const struct stream *stream)
{
    return phase_us(stream->pick_ns,
                    stream->picked_ns ? stream->picked_ns : stream->worker->loop.now_ns);
}

/* How long what took. A phase that the request did not have is not counted: a pooled connection
 * was not waited for. */
static void observe(const struct stream *stream, struct counters_cell *cell, uint32_t total_us)
{
    const struct counters_pool *pool = &stream->worker->pool;
    int64_t now_ns = stream->worker->loop.now_ns;
    unsigned bucket = counters_bucket(total_us);
    counters_observe_at(pool, &cell->durations[COUNTERS_TOTAL], total_us, bucket);
    if (likely(stream->sent_ns == stream->start_ns && stream->answer_ns == now_ns)) {
        /* Sent on in the turn in which it came, answered in one: all three are the same. */
        counters_observe_at(pool, &cell->durations[COUNTERS_UPSTREAM], total_us, bucket);
        counters_observe_at(pool, &cell->durations[COUNTERS_FIRST_BYTE], total_us, bucket);
    } else if (stream->answer_ns && stream->sent_ns) {
        counters_observe(pool, &cell->durations[COUNTERS_UPSTREAM],
                         phase_us(stream->sent_ns, now_ns));
        counters_observe(pool, &cell->durations[COUNTERS_FIRST_BYTE],
                         phase_us(stream->sent_ns, stream->answer_ns));
    }
    if (unlikely(stream->flags & RING_FLAG_HELD)) {
        counters_observe(pool, &cell->durations[COUNTERS_WAIT], wait_us(stream));
    }
}

/* status / 100 of what is below 600, without a division. */
static unsigned status_class(unsigned status)
{
    unsigned class = status * 41 >> 12;
    return MIN(class, 5U);
}

/* Of what kind it was. A connection that was carried to a replica has no status and is no failure;
 * one that found none has none either, and is one. */
static uint64_t *class_of(const struct stream *stream, struct counters_cell *cell)
{
    bool carried = stream->tcp && (stream->flags & RING_FLAG_TUNNEL);
    return unlikely(carried) ? &cell->tunnels : &cell->status[status_class(stream->status)];
}

static void count(struct stream *stream, uint32_t total_us)
{
    struct counters_cell *cell = stream->cell;
    if (!cell && stream->service) { /* refused before there was an endpoint */
        cell = cells_get(stream->worker, stream->route_id, stream->service->spec.id, 0);
    }
    if (!cell) {
        return; /* no route: the thread's counters know */
    }
    counters_add(&cell->requests, 1);
    counters_add(class_of(stream, cell), 1);
    counters_add(&cell->bytes_in, stream->bytes_in);
    counters_add(&cell->bytes_out, stream->bytes_out);
    observe(stream, cell, total_us);
}

static uint8_t method_of(unsigned method)
{
    static const uint8_t methods[HTTP_METHOD_COUNT] = {
        [HTTP_GET] = RING_GET,         [HTTP_HEAD] = RING_HEAD,     [HTTP_POST] = RING_POST,
        [HTTP_PUT] = RING_PUT,         [HTTP_DELETE] = RING_DELETE, [HTTP_CONNECT] = RING_CONNECT,
        [HTTP_OPTIONS] = RING_OPTIONS, [HTTP_TRACE] = RING_TRACE,   [HTTP_PATCH] = RING_PATCH,
    };
    return method < HTTP_METHOD_COUNT ? methods[method] : 0;
}

/* The name that a TLS connection asked for and the protocols it offered: "shop.example
 * h2,http/1.1".
 */
static void fill_hello(const struct tls_hello *hello, struct ring_access *access)
{
    char memory[TLS_HELLO_NAME_MAX + TLS_HELLO_ALPN_MAX + 2];
    struct buf text = BUF_ON(memory);
    buf_add(&text, str_make(hello->name, hello->name_len));
    buf_add(&text, hello->alpn_len ? STR(" ") : STR(""));
    buf_add(&text, str_make(hello->alpn, hello->alpn_len));
    access->flags |= text.len > RING_PATH_MAX ? RING_FLAG_PATH_CUT : 0;
    access->path_len = (uint16_t)MIN(text.len, (size_t)RING_PATH_MAX);
    memcpy(access->path, memory, access->path_len);
}

static struct str host_of(const struct stream *stream)
{
    bool none = stream->tcp || stream->head_ns == 0;
    return none ? STR_NONE : http1_str(&stream->req, stream->req.host);
}

/* The path of a target that was not taken apart. Where there is an authority in front of it, that
 * may have a user and a password, and those any letters: what is up to the last `@` goes, too,
 * though it be one of the query. */
static struct str path_of(struct str target)
{
    if (target.len == 0 || target.p[0] == '/' || target.p[0] == '*') {
        return target;
    }
    ptrdiff_t at = str_rfind_char(target, '@');
    ptrdiff_t scheme = str_find(target, STR("://"));
    struct str rest = scheme < 0 ? STR_NONE : str_skip(target, (size_t)(MAX(at + 1, scheme + 3)));
    ptrdiff_t path = rest.len ? str_find_char(rest, '/') : -1;
    return path < 0 ? STR_NONE : str_skip(rest, (size_t)path);
}

/* Of a head that was refused, or did not come whole: its method and target as far as they were
 * read, without a query. Nothing else: what is no request line may be a body that went astray. */
__attribute__((cold, noinline)) static void fill_refused(const struct http1_head *head,
                                                         struct ring_access *access)
{
    struct str path = http1_str(head, head->path.len ? head->path : head->target);
    path = path_of(path); /* first: a password may have a question mark */
    ptrdiff_t query = path.len ? str_find_char(path, '?') : -1;
    path = str_slice(path, 0, query < 0 ? path.len : (size_t)query);
    if (path.len > RING_PATH_MAX) {
        access->flags |= RING_FLAG_PATH_CUT;
        path.len = RING_PATH_MAX;
    }
    if (path.len > 0) {
        memcpy(access->path, path.p, path.len);
        access->path_len = (uint16_t)path.len;
    }
    if (head->method_text.len > 0) {
        access->method = method_of(http_method_find(http1_str(head, head->method_text)));
    }
}

/* The path as the client wrote it, with its query cut off: queries carry secrets. Then the host, if
 * there is room. */
static void fill_texts(const struct stream *stream, struct ring_access *access)
{
    if (likely(stream->request_id_len == 32)) { /* our own: no call */
        access->request_id_len = 32;
        memcpy(access->request_id, stream->request_id, 32);
    } else {
        access->request_id_len = (uint8_t)MIN(stream->request_id_len, RING_REQUEST_ID_MAX);
        memcpy(access->request_id, stream->request_id, access->request_id_len);
    }
    access->path_len = 0;
    access->host_len = 0;
    if (unlikely(stream->tcp || stream->head_ns == 0)) {
        if (!stream->tcp) {
            fill_refused(&stream->req, access);
        }
        return;
    }
    struct str path = http1_str(&stream->req, stream->req.path), host = host_of(stream);
    if (unlikely(path.len > RING_PATH_MAX)) {
        access->flags |= RING_FLAG_PATH_CUT;
        path.len = RING_PATH_MAX;
    }
    memcpy(access->path, path.p, path.len);
    access->path_len = (uint16_t)path.len;
    if (likely(path.len + host.len <= RING_PATH_MAX)) {
        memcpy(access->path + path.len, host.p, host.len);
        access->host_len = (uint8_t)host.len;
    }
}

static void fill(const struct stream *stream, struct ring_access *access, uint32_t total_us)
{
    const struct client *client = stream->client;
    access->at_wall_ns = stream->start_wall_ns;
    access->total_us = total_us;
    access->head_us =
        stream->head_ns == stream->start_ns ? 0 : phase_us(stream->start_ns, stream->head_ns);
    access->wait_us = stream->flags & RING_FLAG_HELD ? wait_us(stream) : 0;
    access->connect_us =
        stream->connect_from_ns ? phase_us(stream->connect_from_ns, stream->connect_ns) : 0;
    access->first_byte_us = phase_us(stream->connect_ns, stream->answer_ns);
    access->status = (uint16_t)MIN(stream->status, 599);
    access->flags = stream->flags;
    access->route = stream->route_id;
    access->service = stream->service ? stream->service->spec.id : 0;
    access->endpoint = stream->endpoint ? stream->endpoint->id : 0;
    access->bytes_in = stream->bytes_in;
    access->bytes_out = stream->bytes_out;
    bool named = stream->remote.family; /* as remote_ip, without a copy of the struct */
    memcpy(access->client, named ? stream->remote.bytes : client->ip, sizeof(access->client));
    access->client_port = client->port;
    access->client_family = named ? stream->remote.family : client->family;
    access->method = stream->tcp ? 0 : method_of(stream->req.method);
    access->retries = stream->retries;
    access->flags |= stream->req.minor == 0 && !stream->tcp ? RING_FLAG_HTTP10 : 0;
    access->layers = client->layers;
    if (unlikely(stream->head_sent && stream->service->spec.protocol == SNAPSHOT_PROTOCOL_HTTP2) &&
        !stream->req.upgrade && !stream->connect) {
        access->layers |= RING_UPSTREAM_HTTP2;
    }
    fill_texts(stream, access);
    if (stream->client->kind == SNAPSHOT_SNI) {
        fill_hello(&stream->hello, access);
    }
}

/* --- what only some configurations want --- */

static uint8_t add_text(struct ring_more *more, size_t *at, struct str text, size_t max)
{
    size_t len = MIN(text.len, max);
    len = MIN(len, (size_t)RING_MORE_MAX - *at);
    if (len) {
        memcpy(more->text + *at, text.p, len);
    }
    *at += len;
    return (uint8_t)len;
}

bool record_wants_more(const struct stream *stream)
{
    const struct service *service = stream->service;
    return unlikely(service && service->spec.access.more) && !stream->tcp && stream->head_ns != 0;
}

void record_more(const struct stream *stream, struct ring_more *ret)
{
    enum { HOST_MAX = 80, AGENT_MAX = 140 };
    struct str referer = http1_get(&stream->req, HTTP_H_REFERER);
    ptrdiff_t query = str_find_char(referer, '?');
    size_t at = 0;
    ret->host_len = add_text(ret, &at, host_of(stream), HOST_MAX);
    ret->agent_len = add_text(ret, &at, http1_get(&stream->req, HTTP_H_USER_AGENT), AGENT_MAX);
    ret->referer_len =
        add_text(ret, &at, query < 0 ? referer : str_make(referer.p, (size_t)query), RING_MORE_MAX);
}

/* In a record of its own, in front of the request's; not when there is room for one only. The head
 * of a tunnel is gone: who did not want it then does not get it now. */
static void write_more(const struct stream *stream)
{
    struct ring *ring = &stream->worker->ring;
    if ((stream->record && !stream->more_kept) || !ring_has_two(ring)) {
        return;
    }
    struct ring_record *record = ring_next(ring);
    record->kind = RING_MORE;
    if (stream->record) {
        record->more = *record_kept_more(stream->record);
    } else {
        record_more(stream, &record->more);
    }
    ring_publish(ring);
}

/* Should this request leave no record? Every n-th good one is kept, and all that went wrong. */
static bool is_skipped(const struct stream *stream)
{
    enum { ALL = 65536 };
    struct worker *worker = stream->worker;
    uint32_t skip = stream->service->spec.access.skip;
    bool wrong = stream->status == 0 || stream->status >= 400 ||
                 (stream->flags & (RING_FLAG_CLIENT_ABORT | RING_FLAG_UPSTREAM_ABORT));
    if (skip <= ALL && wrong) {
        return false;
    }
    worker->skipped += MIN(skip, (uint32_t)ALL);
    if (worker->skipped < ALL) {
        return false;
    }
    worker->skipped -= ALL;
    counters_add(&worker->stats->unsampled, 1);
    return true;
}

void record_connected(const struct stream *stream)
{
    counters_observe(&stream->worker->pool, &stream->cell->durations[COUNTERS_CONNECT],
                     phase_us(stream->connect_from_ns, stream->connect_ns));
}

void record_tunnel(const struct stream *stream, struct ring_access *ret)
{
    memset(ret, 0, sizeof(*ret));
    fill(stream, ret, 0);
}

/* What has become of a tunnel since. */
static void finish(const struct stream *stream, struct ring_access *access, uint32_t total_us)
{
    *access = *stream->record;
    access->total_us = total_us;
    access->flags |= stream->flags;
    access->bytes_in = stream->bytes_in;
    access->bytes_out = stream->bytes_out;
}

void record_stream(struct stream *stream)
{
    struct worker *worker = stream->worker;
    if (stream->head_ns == 0 && stream->status == 0 && !stream->tcp) {
        return; /* a connection that ended before it said anything whole */
    }
    uint32_t total_us = phase_us(stream->start_ns, worker->loop.now_ns);
    counters_add(&worker->stats->requests, 1);
    count(stream, total_us);
    const struct service *service = stream->service;
    if (unlikely(service && service->spec.access.skip) && is_skipped(stream)) {
        return;
    }
    if (record_wants_more(stream)) {
        write_more(stream);
    }
    struct ring_record *record = ring_next(&worker->ring);
    if (!record) {
        counters_add(&worker->stats->ring_dropped, 1);
        return;
    }
    record->kind = RING_ACCESS;
    if (unlikely(stream->record != NULL)) {
        finish(stream, &record->access, total_us);
    } else {
        fill(stream, &record->access, total_us);
    }
    record->access.close_code = stream->close_code;
    record->code = stream->code;
    ring_publish(&worker->ring);
    worker_ring_written(worker);
}
