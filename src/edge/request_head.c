/* SPDX-License-Identifier: Apache-2.0
 *
 * The request as the upstream gets it: written anew from the parsed fields. Who the client is, we
 * say ourselves: what it claims in Forwarded and X-Forwarded-* is dropped, unless it is a trusted
 * proxy (remote.c).
 *
 * 1. What frames the request, or is for one hop, is never copied: it is said anew. What was routed
 *    (the normalised path) is what is asked for, so nobody reads another path than we did.
 * 2. Room is made sure of once (put_room); a head that would not fit is refused (431).
 */
#include "edge/exchange.h"

#include "base/num.h"
#include "edge/put.h"
#include "edge/remote.h"
#include "edge/worker.h"

static void request_line(struct http1_writer *w, const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    put_str(w, http1_str(req, req->method_text));
    put_lit(w, " ");
    if (likely(!stream->path_changed)) {
        put_str(w, http1_str(req, req->target));
    } else {
        if (stream->path.len == 0) { /* a prefix that was stripped whole leaves the root */
            put_lit(w, "/");
        }
        put_str(w, stream->path);
        if (req->has_query) {
            put_lit(w, "?");
            put_str(w, http1_str(req, req->query));
        }
    }
    put_lit(w, " HTTP/1.1\r\nHost: ");
    put_str(w, exchange_host(stream));
    put_lit(w, "\r\n");
}

/* A node of RFC 7239: IPv6 in brackets and quotes. */
void exchange_write_forwarded(struct http1_writer *w, const struct client *client, struct str host)
{
    if (client->family == 6) {
        put_lit(w, "for=\"[");
        put_str(w, client_text(client));
        put_lit(w, "]\";proto=http");
    } else {
        put_lit(w, "for=");
        put_str(w, client_text(client));
        put_lit(w, ";proto=http");
    }
    if (client->secure) {
        put_lit(w, "s");
    }
    if (host.len > 0) {
        put_lit(w, ";host=\"");
        put_str(w, host);
        put_lit(w, "\"");
    }
}

/* Who asks, by our own knowledge. */
static void who_it_is(struct http1_writer *w, const struct stream *stream, struct str host)
{
    put_lit(w, "X-Forwarded-For: ");
    put_str(w, client_text(stream->client));
    put_lit(w, "\r\nX-Forwarded-Proto: http");
    if (stream->client->secure) {
        put_lit(w, "s");
    }
    put_lit(w, "\r\n");
    if (host.len > 0) {
        put_lit(w, "X-Forwarded-Host: ");
        put_str(w, host);
        put_lit(w, "\r\n");
    }
    put_lit(w, "Forwarded: ");
    exchange_write_forwarded(w, stream->client, host);
    put_lit(w, "\r\n");
}

/* RFC 9440: the certificate that we verified, as a byte sequence of structured fields. */
static void write_identity(struct http1_writer *w, const struct client *client)
{
    if (client->identity) {
        http1_write_raw(w, STR("Client-Cert: :"));
        http1_write_raw(w, str_from(client->identity));
        http1_write_raw(w, STR(":\r\n"));
    }
}

bool exchange_takes_trailers(const struct http1_head *req)
{
    for (size_t i = 0; i < req->count; i++) {
        struct str list = http1_value(req, i);
        struct str item;
        while (req->headers[i].id == HTTP_H_TE && http_list_next(&list, &item)) {
            if (str_eq_nocase(item, STR("trailers"))) {
                return true;
            }
        }
    }
    return false;
}

/* What we say about our connection to the upstream. */
static void connection(struct http1_writer *w, const struct http1_head *req)
{
    if (req->upgrade) {
        http1_write_raw(w, STR("Connection: upgrade\r\n"));
        http1_write_header(w, STR("Upgrade"), http1_get(req, HTTP_H_UPGRADE));
    } else if (req->minor > 0 && exchange_takes_trailers(req)) {
        http1_write_raw(w, STR("Connection: TE\r\nTE: trailers\r\n"));
    }
}

/* OPTIONS goes on with one hop less (RFC 9110 §7.6.2); at 0 it has been answered here. */
static void max_forwards(struct http1_writer *w, const struct http1_head *req)
{
    uint64_t hops;
    if (num_parse_u64(http1_get(req, HTTP_H_MAX_FORWARDS), &hops) == 0 && hops > 0) {
        http1_write_header_u64(w, STR("Max-Forwards"), hops - 1);
    }
}

enum { OWN_MAX = 3072 }; /* all literals, addresses of a whole chain twice, a request id */

const struct http_set *exchange_dropped(const struct stream *stream)
{
    const struct worker *worker = stream->worker;
    return unlikely(stream->req.method == HTTP_OPTIONS) ? &worker->drop_options
                                                        : &worker->drop_request;
}

static void write_own(struct http1_writer *w, const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    struct str host = http1_str(req, req->host);
    if (!put_room(w, (size_t)req->len + 3 * host.len + OWN_MAX)) {
        return;
    }
    if (likely(stream->remote.family == 0)) {
        who_it_is(w, stream, host);
    } else {
        remote_write(w, stream, host);
    }
    put_lit(w, "X-Request-ID: ");
    put_str(w, str_make(stream->request_id, stream->request_id_len));
    put_lit(w, "\r\nVia: 1.1 muelle\r\n");
    if (unlikely(req->method == HTTP_OPTIONS)) {
        max_forwards(w, req);
    }
    if (unlikely(stream->route && stream->route->shows_client)) {
        write_identity(w, stream->client);
    }
    for (unsigned i = 0; i < stream->add_request_count; i++) {
        http1_write_header(w, stream->add_request[i].name, stream->add_request[i].value);
    }
}

int exchange_write_request(struct stream *stream, struct str *ret)
{
    struct worker *worker = stream->worker;
    const struct http1_head *req = &stream->req;
    struct http1_writer w = http1_writer_make(worker->out, WORKER_OUT_SIZE);
    if (!put_room(&w, (size_t)req->len + stream->path.len + req->host.len + OWN_MAX)) {
        return -ENOBUFS;
    }
    request_line(&w, stream);
    http1_write_forward(&w, req, exchange_dropped(stream));
    write_own(&w, stream);
    if (unlikely(req->upgrade || http_set_has(&req->present, HTTP_H_TE))) {
        connection(&w, req);
    }
    http1_write_framing_of(&w, req);
    if (unlikely(http_set_has(&req->present, HTTP_H_TRAILER))) {
        trailers_write_names(&w, req);
    }
    http1_write_end(&w);
    *ret = str_make(w.p, w.len);
    return w.full ? -ENOBUFS : 0;
}
