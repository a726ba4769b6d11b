/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages. Small, without scripts or foreign parts, in the words of the person who has to do
 * something about it. The body is written into worker->in, the head and what it says into
 * worker->out.
 *
 * 1. One answer to a request: when the upstream's has begun, a page comes too late, and the
 *    connection is cut instead. A tcp client gets no page.
 * 2. Whoever asks by preference for JSON gets the same as a problem document.
 * 3. Behind a request that did not come whole the connection ends: its rest is no next request.
 * 4. Nothing that a client sent is repeated in a page but its request id, whose letters are
 *    checked.
 */
#include "edge/reply.h"

#include "base/json.h"
#include "base/num.h"
#include "edge/call.h"
#include "edge/exchange.h"
#include "edge/h2_heads.h"
#include "edge/stream_private.h"
#include "edge/worker.h"
#include "proto/accept.h"
#include "proto/http1_write.h"

#include <stdlib.h>

enum {
    PAGE_MAX = 8 * 1024,
    RETRY_AFTER_S = 2,
    TEXTS_AT = WORKER_OUT_SIZE / 2, /* in worker->out, behind the head's text */
    TEXTS_MAX = WORKER_OUT_SIZE - TEXTS_AT,
};

struct page {
    unsigned status;
    enum ring_code code;    /* of the problem document */
    const char *reason;     /* one sentence */
    const char *hint;       /* what to do; may be NULL */
    unsigned retry_after_s; /* 503; 0 = usual */
    bool unknown;           /* 503: nobody knows when it is over; no Retry-After */
    bool empty;             /* only a head */
    bool redirect;          /* to https */
    bool stranger;          /* is not told which service it is about */
    struct str type, body;  /* not ours but the service's own; without a body ours */
};

static bool wants_json(const struct stream *stream)
{
    if (stream->head_ns == 0) {
        return false; /* its head was not understood */
    }
    struct str accept = http1_get(&stream->req, HTTP_H_ACCEPT);
    if (accept.len == 0) {
        return false;
    }
    unsigned html = accept_type(accept, STR("text/html"));
    unsigned problem = accept_type(accept, STR("application/problem+json"));
    unsigned json = accept_type(accept, STR("application/json"));
    return MAX(problem, json) > html;
}

static void add_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        switch (text.p[i]) {
        case '<':
            buf_add(out, STR("&lt;"));
            break;
        case '>':
            buf_add(out, STR("&gt;"));
            break;
        case '&':
            buf_add(out, STR("&amp;"));
            break;
        case '"':
            buf_add(out, STR("&quot;"));
            break;
        default:
            buf_add_char(out, text.p[i]);
        }
    }
}

/* Does the client ask from this machine, and for nobody else? Then it may be who runs all this. */
static bool is_at_home(const struct stream *stream)
{
    static const uint8_t passed_on[] = {HTTP_H_X_FORWARDED_FOR, HTTP_H_FORWARDED, HTTP_H_VIA};
    const struct client *client = stream->client;
    struct str address = client_text(client);
    for (size_t i = 0; stream->head_ns != 0 && i < ARRAY_LEN(passed_on); i++) {
        if (http1_get(&stream->req, passed_on[i]).len > 0) {
            return false;
        }
    }
    return client->family == 0 || str_starts(address, STR("127.")) || str_is(address, "::1");
}

/* Nobody else is told what runs here, how it fares, and what to do about it: records have that. */
static void make_neutral(struct page *page)
{
    page->stranger = true;
    page->hint = NULL;
    if (page->status == 504) {
        page->reason = "the answer did not come in time";
    } else if (page->status > 500 && page->status != 501 && page->status != 505) {
        page->reason = "this cannot be answered at the moment";
    }
}

/* Whom the page is about, if that is told. */
static struct str service_name(const struct stream *stream, const struct page *page)
{
    return stream->service && !page->stranger ? stream->service->spec.name : STR_NONE;
}

/* Reasons are written to stand behind "Service x:"; where nothing is in front they begin as a
 * sentence does. */
enum { SENTENCE_MAX = 256 };
static const char *sentence(const char *reason, char memory[SENTENCE_MAX])
{
    (void)snprintf(memory, SENTENCE_MAX, "%s", reason);
    if (memory[0] >= 'a' && memory[0] <= 'z') {
        memory[0] = (char)(memory[0] - 'a' + 'A');
    }
    return memory;
}

static void write_json(struct buf *out, const struct stream *stream, const struct page *page)
{
    struct json_writer json = JSON_WRITER(out);
    json_begin_object(&json);
    json_key(&json, STR("type"));
    char type[96], memory[SENTENCE_MAX];
    (void)snprintf(type, sizeof(type), "urn:muelle:problem:%s", ring_code_name(page->code));
    json_cstr(&json, type);
    json_field(&json, "title", str, http_reason(page->status));
    json_field(&json, "status", u64, page->status);
    json_field(&json, "detail", cstr, sentence(page->reason, memory));
    json_field(&json, "code", cstr, ring_code_name(page->code));
    struct str service = service_name(stream, page);
    if (service.len > 0) {
        json_field(&json, "service", str, service);
    }
    if (page->hint) {
        json_field(&json, "hint", cstr, page->hint);
    }
    json_field(&json, "request_id", str, str_make(stream->request_id, stream->request_id_len));
    json_end_object(&json);
    buf_add_char(out, '\n');
}

static void write_html(struct buf *out, const struct stream *stream, const struct page *page)
{
    buf_printf(out,
               "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
               "<meta name=\"viewport\" content=\"width=device-width\"><title>%u " STR_FMT
               "</title>\n"
               "<style>body{font:16px/1.5 system-ui,sans-serif;max-width:36em;margin:15vh auto;"
               "padding:0 1em;color-scheme:light dark}code{font-size:.9em}small{opacity:.7}</style>"
               "</head><body>\n<h1>%u " STR_FMT "</h1>\n<p>",
               page->status, STR_ARG(http_reason(page->status)), page->status,
               STR_ARG(http_reason(page->status)));
    struct str service = service_name(stream, page);
    if (service.len > 0) {
        buf_add(out, STR("Service <strong>"));
        add_escaped(out, service);
        buf_add(out, STR("</strong>: "));
    }
    char memory[SENTENCE_MAX];
    const char *text = service.len > 0 ? page->reason : sentence(page->reason, memory);
    add_escaped(out, str_from(text));
    buf_add(out, STR(".</p>\n"));
    if (page->hint) {
        buf_add(out, STR("<p>"));
        add_escaped(out, str_from(page->hint));
        buf_add(out, STR("</p>\n"));
    }
    buf_add(out, STR("<p><small>muelle"));
    if (stream->request_id_len > 0) {
        buf_add(out, STR(" &middot; request <code>"));
        add_escaped(out, str_make(stream->request_id, stream->request_id_len));
        buf_add(out, STR("</code>"));
    }
    buf_add(out, STR("</small></p>\n</body></html>\n"));
}

/* The host without its port: that of https is the listener's to say. */
static struct str host_alone(const struct http1_head *req)
{
    struct str host = http1_str(req, req->host);
    ptrdiff_t colon = str_rfind_char(host, ':');
    ptrdiff_t bracket = str_rfind_char(host, ']');
    return colon > bracket ? str_slice(host, 0, (size_t)colon) : host;
}

static struct str write_location(struct buf *out, const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    size_t from = out->len;
    buf_add(out, STR("https://"));
    buf_add(out, host_alone(req));
    if (stream->client->redirect_port != 443) {
        buf_add_char(out, ':');
        buf_add_u64(out, stream->client->redirect_port);
    }
    buf_add(out, req->form == HTTP1_ASTERISK ? STR("/") : stream->path);
    if (req->has_query) {
        buf_add_char(out, '?');
        buf_add(out, http1_str(req, req->query));
    }
    return str_skip(buf_str(out), from);
}

static void add(struct reply_head *head, struct str name, struct str value)
{
    ensure(head->count < REPLY_FIELDS_MAX);
    head->fields[head->count++] = (struct stream_field){name, value};
}

static void add_date(const struct stream *stream, struct reply_head *head)
{
    struct worker *worker = stream->worker;
    add(head, STR("Date"), date_text(&worker->date, worker->loop.wall_ns));
}

static struct str write_number(struct buf *out, uint64_t number)
{
    size_t from = out->len;
    buf_add_u64(out, number);
    return str_skip(buf_str(out), from);
}

/* `texts` keeps what is put together. */
static void make_head(const struct stream *stream, const struct page *page, struct str type,
                      struct buf *texts, struct reply_head *head)
{
    *head = (struct reply_head){.status = page->status};
    add(head, STR("Content-Type"), type);
    add(head, STR("Cache-Control"), STR("no-store"));
    add(head, STR("X-Content-Type-Options"), STR("nosniff"));
    add_date(stream, head);
    if (page->status == 503 && !page->unknown) {
        unsigned seconds = page->retry_after_s ? page->retry_after_s : RETRY_AFTER_S;
        add(head, STR("Retry-After"), write_number(texts, seconds));
    }
    if (page->redirect) {
        add(head, STR("Location"), write_location(texts, stream));
    }
    if (page->status == 405 || page->empty) {
        add(head, STR("Allow"), STR("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"));
    }
    if (page->status == 426) {
        add(head, STR("Sec-WebSocket-Version"), STR("13"));
    }
}

/* A gRPC caller reads grpc-status, whatever the HTTP status is: an answer that is only a head. */
static void make_call_head(struct stream *stream, const struct page *page, struct buf *texts,
                           struct reply_head *head)
{
    enum grpc_status status = grpc_status_of(page->status);
    *head = (struct reply_head){.status = 200};
    call_note_status(stream, status);
    add(head, STR("Content-Type"), STR("application/grpc"));
    add(head, STR("grpc-status"), write_number(texts, status));
    add_date(stream, head);
    size_t from = texts->len;
    struct str service = service_name(stream, page);
    if (service.len > 0) {
        grpc_write_message(texts, service);
        buf_add(texts, STR(": "));
    }
    grpc_write_message(texts, str_from(page->reason));
    add(head, STR("grpc-message"), str_skip(buf_str(texts), from));
}

/* The head as HTTP/1 has it. */
static struct str write_head(const struct stream *stream, const struct reply_head *head,
                             size_t body_len)
{
    struct http1_writer w = http1_writer_make(stream->worker->out, TEXTS_AT);
    http1_write_status_line(&w, head->status);
    for (size_t i = 0; i < head->count; i++) {
        http1_write_header(&w, head->fields[i].name, head->fields[i].value);
    }
    if (stream->request_id_len > 0) {
        http1_write_header(&w, STR("X-Request-ID"),
                           str_make(stream->request_id, stream->request_id_len));
    }
    if (head->status == 426) {
        http1_write_raw(&w, STR("Connection: upgrade\r\nUpgrade: websocket\r\n"));
    }
    http1_write_framing(&w, HTTP1_BODY_LENGTH, body_len);
    if (!stream->keep_client) {
        http1_write_raw(&w, STR("Connection: close\r\n"));
    } else if (stream->req.minor == 0) {
        http1_write_raw(&w, STR("Connection: keep-alive\r\n"));
    }
    http1_write_end(&w);
    return str_make(w.p, w.len);
}

/* Says it, in the client's version of HTTP. 0 or -errno. */
static int send_page(struct stream *stream, struct reply_head *head, struct str body, bool no_body)
{
    struct conn *conn = &stream->client->conn;
    char memory[24];
    if (conn_is_lane(conn)) {
        struct buf length = BUF_ON(memory);
        if (!call_is(stream)) {
            add(head, STR("Content-Length"), write_number(&length, body.len));
        }
        return h2_write_reply(stream, head, no_body ? STR_NONE : body);
    }
    struct str parts[2] = {write_head(stream, head, body.len), body};
    return conn_send(conn, parts, no_body ? 1 : 2);
}

static struct str write_body(const struct stream *stream, const struct page *page,
                             struct str *ret_type)
{
    bool json = wants_json(stream);
    struct buf body = {.p = stream->worker->in, .cap = PAGE_MAX, .max = PAGE_MAX};
    if (page->body.len) {
        *ret_type = page->type;
        return page->body;
    }
    if (page->empty) {
        *ret_type = STR("text/html; charset=utf-8");
        return STR_NONE;
    }
    *ret_type = json ? STR("application/problem+json") : STR("text/html; charset=utf-8");
    (json ? write_json : write_html)(&body, stream, page);
    return buf_str(&body);
}

/* Sends the page and ends the exchange, if any. A tcp client gets nothing but the end. */
static void answer(struct stream *stream, struct page *page)
{
    struct worker *worker = stream->worker;
    if (!is_at_home(stream)) {
        make_neutral(page);
    }
    stream->flags |= RING_FLAG_LOCAL;
    stream->code = (uint8_t)page->code;
    stream->keep_upstream = false;
    bool too_late = stream->answer_begun;
    if (stream->upstream) {
        upstream_release(stream->upstream, false);
        stream->upstream = NULL;
    }
    stream_move(stream, STREAM_REPLY);
    if (stream->tcp || too_late) {
        stream->keep_client = false;
        stream->cut = true;
        return;
    }
    stream->status = (uint16_t)page->status;
    stream->answer_begun = true;
    stream->down_done = true;
    stream->keep_client &= stream->up_done && !(worker->stopping && client_ends(stream->client));
    bool call = call_is(stream);
    struct str type, body = write_body(stream, page, &type);
    struct buf texts = {.p = worker->out + TEXTS_AT, .cap = TEXTS_MAX, .max = TEXTS_MAX};
    struct reply_head head;
    if (call) {
        make_call_head(stream, page, &texts, &head);
    } else {
        make_head(stream, page, type, &texts, &head);
    }
    bool no_body = call || page->empty || stream->req.method == HTTP_HEAD;
    stream->bytes_out = no_body ? 0 : body.len;
    if (send_page(stream, &head, body, no_body) < 0) {
        stream->keep_client = false;
        stream->client->conn.failed = true;
    }
    const struct snapshot_gateway *gateway = &worker->gateway;
    client_deadline(stream->client, worker->loop.now_ns + gateway->head_ms * NS_PER_MS);
}

bool reply_run(struct stream *stream)
{
    struct conn *conn = &stream->client->conn;
    if (conn->failed || conn_flush(conn) < 0) {
        stream_abort(stream);
        return false;
    }
    if (!conn_blocked(conn)) {
        stream_end(stream);
    }
    return false;
}

static enum ring_code code_of(unsigned status)
{
    switch (status) {
    case 405:
        return RING_CODE_METHOD_NOT_ALLOWED;
    case 413:
        return RING_CODE_BODY_TOO_LARGE;
    case 414:
        return RING_CODE_TARGET_TOO_LONG;
    case 431:
        return RING_CODE_HEAD_TOO_LARGE;
    case 503:
        return RING_CODE_UNAVAILABLE;
    default:
        return status < 500 ? RING_CODE_BAD_REQUEST : RING_CODE_ERROR;
    }
}

void reply_page(struct stream *stream, unsigned status, const char *reason)
{
    answer(stream, &(struct page){.status = status, .code = code_of(status), .reason = reason});
}

void reply_options(struct stream *stream)
{
    answer(stream, &(struct page){.status = 200, .empty = true});
}

void reply_no_route(struct stream *stream)
{
    answer(stream, &(struct page){
                       .status = 404,
                       .code = RING_CODE_NO_ROUTE,
                       .reason = "no route fits this host and path",
                       .hint = "The gateway is up. 'muelle routes' lists what it serves; a service "
                               "gets a route by its key 'routes'.",
                   });
}

void reply_no_certificate(struct stream *stream)
{
    answer(stream, &(struct page){
                       .status = 403,
                       .code = RING_CODE_NO_CLIENT_CERTIFICATE,
                       .reason = "a client certificate is required here and none was shown",
                       .hint = "Ask again with a certificate of an authority that the gateway "
                               "trusts (gateway.tls.client_ca).",
                   });
}

void reply_redirect(struct stream *stream)
{
    bool has_host = stream->req.host.len > 0;
    if (!has_host) {
        stream->keep_client = false;
        reply_page(stream, 400, "without a Host nothing says where to redirect to");
        return;
    }
    answer(stream, &(struct page){
                       .status = 308,
                       .code = RING_CODE_REDIRECT,
                       .reason = "this address is served by https",
                       .redirect = true,
                   });
}

/* It runs, and none of its replicas takes the request. */
static void say_who_lacks(const struct service *service, struct page *page)
{
    page->hint = "'muelle ps' shows the state and the last health check of each replica.";
    switch (service_lack(service)) {
    case LACKS_WEIGHT:
        page->unknown = true;
        page->reason = "all its replicas have weight 0";
        page->hint = "'muelle weight' gives them another one.";
        break;
    case LACKS_HEALTH:
        page->reason = "all its replicas fail their health check";
        break;
    case LACKS_UNDRAINED:
        page->reason = "its replicas take no new requests";
        break;
    case LACKS_REPLICA:
        page->reason = "no replica is ready";
    }
}

void reply_no_endpoint(struct stream *stream)
{
    struct page page = {.status = 503, .code = RING_CODE_NO_ENDPOINT};
    switch (stream->service->spec.state) {
    case SNAPSHOT_SERVICE_STARTING:
        page.code = RING_CODE_STARTING;
        page.reason = "it is starting and no replica is ready yet";
        page.hint = "Try again in a moment.";
        break;
    case SNAPSHOT_SERVICE_STOPPED:
        page.code = RING_CODE_STOPPED;
        page.unknown = true;
        page.reason = "it is stopped";
        page.hint = "'muelle start' starts it again, 'muelle scale' one that is scaled to 0.";
        break;
    case SNAPSHOT_SERVICE_CRASHED:
        page.code = RING_CODE_CRASHED;
        page.reason = "its replicas keep crashing";
        page.hint = "'muelle logs' shows its last lines, 'muelle ps' the reason of its exit.";
        break;
    case SNAPSHOT_SERVICE_DRAINED:
        page.unknown = true;
        page.reason = "all its replicas are drained";
        page.hint = "'muelle ps' shows who drained them; 'muelle drain --end' lets them serve.";
        break;
    default:
        if (stream->last_error) {
            reply_upstream_error(stream, stream->last_error);
            return;
        }
        say_who_lacks(stream->service, &page);
    }
    answer(stream, &page);
}

void reply_refused(struct stream *stream, enum reply_refusal why, unsigned retry_after_s)
{
    struct page page = {.status = 503, .retry_after_s = retry_after_s};
    if (why == REPLY_BREAKER_OPEN) {
        page.code = RING_CODE_BREAKER_OPEN;
        page.reason = "it has failed too often of late; the gateway lets it rest";
        page.hint = "'muelle routes' shows until when, 'muelle logs' what it says.";
    } else {
        page.code = RING_CODE_OVERLOADED;
        page.reason = "it has as many requests as it can bear";
        page.hint = "Try again in a moment.";
    }
    answer(stream, &page);
}

void reply_fallback(struct stream *stream, unsigned status, struct str type, struct str body)
{
    answer(stream, &(struct page){
                       .status = status,
                       .code = RING_CODE_FALLBACK,
                       .reason = "no replica can answer at the moment",
                       .hint = "'muelle ps' shows the state of each replica.",
                       .type = type,
                       .body = body,
                   });
}

void reply_upstream_error(struct stream *stream, int error)
{
    struct page page = {.status = 502};
    switch (error) {
    case -ETIMEDOUT:
        page.status = 504;
        page.code = RING_CODE_TIMEOUT;
        page.reason = "it did not answer in time";
        page.hint = "The request may still be worked on. 'muelle logs' shows what it is doing.";
        break;
    case -ECONNREFUSED:
    case -ENOENT:
        page.code = RING_CODE_REFUSED;
        page.reason = "nothing listens at its address";
        page.hint = "A service must listen on the port in its environment variable PORT.";
        break;
    case -EBADMSG:
        page.code = RING_CODE_BAD_ANSWER;
        page.reason = "its answer was not valid HTTP";
        break;
    case -ENOMEM:
    case -ENOBUFS:
        page.status = 503;
        page.code = RING_CODE_OUT_OF_MEMORY;
        page.reason = "the gateway has no memory for this request";
        break;
    case -EMFILE:
    case -ENFILE:
        page.status = 503;
        page.code = RING_CODE_OUT_OF_DESCRIPTORS;
        page.reason = "the gateway has no descriptor left for a connection to it";
        page.hint = "'ulimit -n' of the shell that started muelle limits them.";
        break;
    default:
        page.code = RING_CODE_BROKEN;
        page.reason = "it closed the connection before it answered";
        page.hint = "If it crashed, 'muelle logs' shows its last lines.";
    }
    answer(stream, &page);
}

void reply_timeout(struct stream *stream)
{
    stream->keep_client = false;
    answer(stream, &(struct page){
                       .status = 408,
                       .code = RING_CODE_REQUEST_TIMEOUT,
                       .reason = "the request did not arrive in time",
                   });
}

void stream_answer(struct stream *stream, unsigned status, const char *reason)
{
    reply_page(stream, status, reason);
}
