/* SPDX-License-Identifier: Apache-2.0
 *
 * The request as the upstream gets it: written anew from the parsed fields. Who the client is, we say ourselves:
 * what it claims in Forwarded and X-Forwarded-* is dropped unless the gateway trusts it.
 */
#include "edge/exchange.h"
#include "edge/worker.h"
#include "proto/http1_write.h"

static void request_line(struct http1_writer *w, const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    http1_write_raw(w, http1_str(req, req->method_text));
    http1_write_raw(w, STR(" "));
    if (likely(!stream->path_changed)) {
        http1_write_raw(w, http1_str(req, req->target));
    } else {
        /* A prefix that was stripped whole leaves the root. */
        if (stream->path.len == 0) {
            http1_write_raw(w, STR("/"));
        }
        http1_write_raw(w, stream->path);
        if (req->has_query) {
            http1_write_raw(w, STR("?"));
            http1_write_raw(w, http1_str(req, req->query));
        }
    }
    http1_write_raw(w, STR(" HTTP/1.1\r\nHost: "));
    http1_write_raw(w, http1_str(req, req->host));
    http1_write_raw(w, STR("\r\n"));
}

/* A node of RFC 7239: IPv6 in brackets and quotes. */
static void forwarded(struct http1_writer *w, const struct client *client, struct str host)
{
    struct str text = client_text(client);
    http1_write_raw(w, STR("Forwarded: for="));
    if (client->family == 6) {
        http1_write_raw(w, STR("\"["));
        http1_write_raw(w, text);
        http1_write_raw(w, STR("]\""));
    } else {
        http1_write_raw(w, text);
    }
    http1_write_raw(w, STR(";proto=http"));
    if (host.len > 0) {
        http1_write_raw(w, STR(";host=\""));
        http1_write_raw(w, host);
        http1_write_raw(w, STR("\""));
    }
    http1_write_raw(w, STR("\r\n"));
}

static void who_it_is(struct http1_writer *w, const struct stream *stream)
{
    const struct http1_head *req = &stream->req;
    struct str host = http1_str(req, req->host);
    bool trusted = stream->worker->gateway.trust_forwarded;
    http1_write_raw(w, STR("X-Forwarded-For: "));
    if (unlikely(trusted) && http_set_has(&req->present, HTTP_H_X_FORWARDED_FOR)) {
        http1_write_raw(w, http1_get(req, HTTP_H_X_FORWARDED_FOR));
        http1_write_raw(w, STR(", "));
    }
    http1_write_raw(w, client_text(stream->client));
    if (likely(!trusted) || !http_set_has(&req->present, HTTP_H_X_FORWARDED_PROTO)) {
        http1_write_raw(w, STR("\r\nX-Forwarded-Proto: http"));
    }
    if (host.len > 0 &&
        (likely(!trusted) || !http_set_has(&req->present, HTTP_H_X_FORWARDED_HOST))) {
        http1_write_raw(w, STR("\r\nX-Forwarded-Host: "));
        http1_write_raw(w, host);
    }
    http1_write_raw(w, STR("\r\n"));
    if (likely(!trusted) || !http_set_has(&req->present, HTTP_H_FORWARDED)) {
        forwarded(w, stream->client, host);
    }
    http1_write_raw(w, STR("X-Request-ID: "));
    http1_write_raw(w, str_make(stream->request_id, stream->request_id_len));
    http1_write_raw(w, STR("\r\nVia: 1.1 muelle\r\n"));
}

int exchange_write_request(struct stream *stream, struct str *ret)
{
    struct worker *worker = stream->worker;
    const struct http1_head *req = &stream->req;
    struct http1_writer w = http1_writer_make(worker->out, WORKER_OUT_SIZE);
    bool trusted = worker->gateway.trust_forwarded;
    request_line(&w, stream);
    http1_write_forward(&w, req, trusted ? &worker->drop_trusted : &worker->drop_request);
    who_it_is(&w, stream);
    for (unsigned i = 0; i < stream->add_request_count; i++) {
        http1_write_header(&w, stream->add_request[i].name, stream->add_request[i].value);
    }
    if (unlikely(req->upgrade)) {
        http1_write_raw(&w, STR("Connection: upgrade\r\n"));
        http1_write_header(&w, STR("Upgrade"), http1_get(req, HTTP_H_UPGRADE));
    }
    http1_write_framing_of(&w, req);
    http1_write_end(&w);
    *ret = str_make(w.p, w.len);
    return w.full ? -ENOBUFS : 0;
}
