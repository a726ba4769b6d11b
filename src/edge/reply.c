/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages: what they say and to whom (how: page.c), in the words of the person who has to do
 * something about it. The body is written into worker->in, the head and what it says into
 * worker->out.
 *
 * 1. One answer to a request: when the upstream's has begun, a page comes too late, and the
 *    connection is cut instead. A tcp client gets no page.
 * 2. Whoever asks by preference for JSON gets the same as a problem document.
 * 3. Behind a request that did not come whole the connection ends: its rest is no next request.
 */
#include "edge/reply.h"

#include "base/ip.h"
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
    enum ring_code code; /* of the problem document */
    struct said reason, hint;
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

static bool wants_spanish(const struct stream *stream)
{
    return stream->head_ns != 0 && page_in_spanish(http1_get(&stream->req, HTTP_H_ACCEPT_LANGUAGE));
}

/* Does the client ask from this machine, and for nobody else? Then it may be who runs all this. */
static bool is_at_home(const struct stream *stream)
{
    static const uint8_t passed_on[] = {HTTP_H_X_FORWARDED_FOR, HTTP_H_FORWARDED, HTTP_H_VIA};
    const struct client *client = stream->client;
    const struct ip ip = ip_make(client->family, client->ip);
    for (size_t i = 0; stream->head_ns != 0 && i < ARRAY_LEN(passed_on); i++) {
        if (http1_get(&stream->req, passed_on[i]).len > 0) {
            return false;
        }
    }
    return client->family == 0 || ip_is_loopback(&ip);
}

/* Does it say how a service or the gateway fares? */
static bool is_telling(const struct page *page)
{
    return page->status > 500 && page->status != 501 && page->status != 505;
}

/* Nobody else is told what runs here, how it fares, and what to do about it: records have that. */
static void make_neutral(struct page *page)
{
    page->stranger = true;
    page->hint = (struct said){0};
    if (page->status == 504) {
        page->reason = SAID("the answer did not come in time", "la respuesta no llegó a tiempo");
    } else if (is_telling(page)) {
        page->reason = SAID("this cannot be answered at the moment",
                            "en este momento no se puede responder a esto");
    }
}

/* The record's is page->code, whoever asks. */
static enum ring_code shown_code(const struct page *page)
{
    bool neutral = page->stranger && is_telling(page) && page->status != 504;
    return neutral ? RING_CODE_UNAVAILABLE : page->code;
}

/* Whom the page is about, if that is told. */
static struct str service_name(const struct stream *stream, const struct page *page)
{
    return stream->service && !page->stranger ? stream->service->spec.name : STR_NONE;
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
    grpc_write_message(texts, str_from(page->reason.en));
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
    struct page_text text = {
        .status = page->status,
        .code = ring_code_name(shown_code(page)),
        .reason = page->reason,
        .hint = page->hint,
        .service = service_name(stream, page),
        .request_id = str_make(stream->request_id, stream->request_id_len),
    };
    if (json) {
        *ret_type = STR("application/problem+json");
        page_write_problem(&body, &text);
    } else {
        *ret_type = STR("text/html; charset=utf-8");
        page_write_html(&body, &text, wants_spanish(stream));
    }
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
    if (conn_settled(conn)) {
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

void reply_page(struct stream *stream, unsigned status, struct said reason)
{
    answer(stream, &(struct page){.status = status, .code = code_of(status), .reason = reason});
}

void reply_method(struct stream *stream)
{
    reply_page(stream, 405,
               SAID("the method is not allowed here", "el método no está permitido aquí"));
}

void reply_body_too_large(struct stream *stream)
{
    reply_page(stream, 413,
               SAID("the request body is larger than the service allows",
                    "el cuerpo de la petición es mayor de lo que el servicio permite"));
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
                       .reason = SAID("no route fits this host and path",
                                      "ninguna ruta corresponde a este host y esta dirección"),
                       .hint = SAID("The gateway is up. 'muelle routes' lists what it serves; a "
                                    "service gets a route by its key 'routes'.",
                                    "La pasarela está en marcha. 'muelle routes' muestra lo que "
                                    "sirve; un servicio recibe una ruta con su clave 'routes'."),
                   });
}

void reply_no_certificate(struct stream *stream)
{
    answer(stream,
           &(struct page){
               .status = 403,
               .code = RING_CODE_NO_CLIENT_CERTIFICATE,
               .reason = SAID("a client certificate is required here and none was shown",
                              "aquí hace falta un certificado de cliente y no se mostró ninguno"),
               .hint = SAID("Ask again with a certificate of an authority that the gateway trusts "
                            "(gateway.tls.client_ca).",
                            "Repite la petición con un certificado de una autoridad en la que la "
                            "pasarela confíe (gateway.tls.client_ca)."),
           });
}

void reply_redirect(struct stream *stream)
{
    bool has_host = stream->req.host.len > 0;
    if (!has_host) {
        stream->keep_client = false;
        reply_page(stream, 400,
                   SAID("without a Host nothing says where to redirect to",
                        "sin Host nada dice adónde redirigir"));
        return;
    }
    answer(stream, &(struct page){
                       .status = 308,
                       .code = RING_CODE_REDIRECT,
                       .reason = SAID("this address is served by https",
                                      "esta dirección se sirve por https"),
                       .redirect = true,
                   });
}

/* It runs, and none of its replicas takes the request. */
static void say_who_lacks(const struct service *service, struct page *page)
{
    page->hint = SAID("'muelle ps' shows the state and the last health check of each replica.",
                      "'muelle ps' muestra el estado y la última sonda de salud de cada réplica.");
    switch (service_lack(service)) {
    case LACKS_WEIGHT:
        page->unknown = true;
        page->reason = SAID("all its replicas have weight 0", "todas sus réplicas tienen peso 0");
        page->hint =
            SAID("'muelle weight' gives them another one.", "'muelle weight' les da otro.");
        break;
    case LACKS_HEALTH:
        page->reason = SAID("all its replicas fail their health check",
                            "ninguna de sus réplicas pasa su sonda de salud");
        break;
    case LACKS_UNDRAINED:
        page->reason =
            SAID("its replicas take no new requests", "sus réplicas no aceptan peticiones nuevas");
        break;
    case LACKS_REPLICA:
        page->reason = SAID("no replica is ready", "ninguna réplica está lista");
    }
}

struct command_hint {
    char en[128], es[128];
};

static struct said command_hint(struct command_hint *memory, const char *verb,
                                const struct service *service, const char *rest)
{
    struct str name = service->spec.name;
    (void)snprintf(memory->en, sizeof(memory->en), "'muelle %s " STR_FMT "%s' starts it.", verb,
                   STR_ARG(name), rest);
    (void)snprintf(memory->es, sizeof(memory->es), "'muelle %s " STR_FMT "%s' lo arranca.", verb,
                   STR_ARG(name), rest);
    return (struct said){memory->en, memory->es};
}

void reply_no_endpoint(struct stream *stream)
{
    struct page page = {.status = 503, .code = RING_CODE_NO_ENDPOINT};
    struct command_hint hint;
    switch (stream->service->spec.state) {
    case SNAPSHOT_SERVICE_STARTING:
        page.code = RING_CODE_STARTING;
        page.reason = SAID("it is starting and no replica is ready yet",
                           "está arrancando y todavía no hay ninguna réplica lista");
        page.hint = SAID("Try again in a moment.", "Inténtalo de nuevo en un momento.");
        break;
    case SNAPSHOT_SERVICE_STOPPED:
        page.code = RING_CODE_STOPPED;
        page.unknown = true;
        page.reason = SAID("it is stopped", "está parado");
        page.hint = command_hint(&hint, "start", stream->service, "");
        break;
    case SNAPSHOT_SERVICE_SCALED_TO_0:
        page.code = RING_CODE_STOPPED;
        page.unknown = true;
        page.reason = SAID("it is scaled to 0", "está escalado a 0");
        page.hint = command_hint(&hint, "scale", stream->service, "=1");
        break;
    case SNAPSHOT_SERVICE_CRASHED:
        page.code = RING_CODE_CRASHED;
        page.reason = SAID("its replicas keep crashing", "sus réplicas se caen una y otra vez");
        page.hint = SAID("'muelle logs' shows its last lines, 'muelle ps' the reason of its exit.",
                         "'muelle logs' muestra sus últimas líneas; 'muelle ps', por qué terminó.");
        break;
    case SNAPSHOT_SERVICE_DRAINED:
        page.unknown = true;
        page.reason = SAID("all its replicas are drained", "todas sus réplicas están vaciadas");
        page.hint =
            SAID("'muelle ps' shows who drained them; 'muelle drain --end' lets them serve.",
                 "'muelle ps' muestra quién las vació; 'muelle drain --end' les deja servir.");
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
        page.reason = SAID("it has failed too often of late; the gateway lets it rest",
                           "ha fallado demasiado últimamente; la pasarela le deja descansar");
        page.hint = SAID("'muelle routes' shows until when, 'muelle logs' what it says.",
                         "'muelle routes' muestra hasta cuándo; 'muelle logs', lo que dice.");
    } else {
        page.code = RING_CODE_OVERLOADED;
        page.reason = SAID("it has as many requests as it can bear",
                           "tiene tantas peticiones como puede soportar");
        page.hint = SAID("Try again in a moment.", "Inténtalo de nuevo en un momento.");
    }
    answer(stream, &page);
}

void reply_fallback(struct stream *stream, unsigned status, struct str type, struct str body)
{
    answer(stream, &(struct page){
                       .status = status,
                       .code = RING_CODE_FALLBACK,
                       .reason = SAID("no replica can answer at the moment",
                                      "ninguna réplica puede responder en este momento"),
                       .hint = SAID("'muelle ps' shows the state of each replica.",
                                    "'muelle ps' muestra el estado de cada réplica."),
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
        page.reason = SAID("it did not answer in time", "no respondió a tiempo");
        page.hint =
            SAID("The request may still be worked on. 'muelle logs' shows what it is doing.",
                 "Puede que siga trabajando en la petición. 'muelle logs' muestra lo que hace.");
        break;
    case -ECONNREFUSED:
    case -ENOENT:
        page.code = RING_CODE_REFUSED;
        page.reason = SAID("nothing listens at its address", "nada escucha en su dirección");
        page.hint = SAID("A service must listen on the port in its environment variable PORT.",
                         "Un servicio debe escuchar en el puerto de su variable de entorno PORT.");
        break;
    case -EBADMSG:
        page.code = RING_CODE_BAD_ANSWER;
        page.reason = SAID("its answer was not valid HTTP", "su respuesta no era HTTP válido");
        break;
    case -ENOMEM:
    case -ENOBUFS:
        page.status = 503;
        page.code = RING_CODE_OUT_OF_MEMORY;
        page.reason = SAID("the gateway has no memory for this request",
                           "la pasarela no tiene memoria para esta petición");
        break;
    case -EMFILE:
    case -ENFILE:
        page.status = 503;
        page.code = RING_CODE_OUT_OF_DESCRIPTORS;
        page.reason = SAID("the gateway has no descriptor left for a connection to it",
                           "a la pasarela no le quedan descriptores para conectarse a él");
        page.hint = SAID("'ulimit -n' of the shell that started muelle limits them.",
                         "Los limita 'ulimit -n' de la terminal que arrancó muelle.");
        break;
    default:
        page.code = RING_CODE_BROKEN;
        page.reason = SAID("it closed the connection before it answered",
                           "cerró la conexión antes de responder");
        page.hint = SAID("If it crashed, 'muelle logs' shows its last lines.",
                         "Si se cayó, 'muelle logs' muestra sus últimas líneas.");
    }
    answer(stream, &page);
}

void reply_timeout(struct stream *stream)
{
    stream->keep_client = false;
    answer(stream, &(struct page){
                       .status = 408,
                       .code = RING_CODE_REQUEST_TIMEOUT,
                       .reason = SAID("the request did not arrive in time",
                                      "la petición no llegó a tiempo"),
                   });
}

void stream_answer(struct stream *stream, unsigned status, const char *reason)
{
    reply_page(stream, status, (struct said){.en = reason});
}
