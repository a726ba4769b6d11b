/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections of sni listeners: the ClientHello is read (proto/tls_hello.h), its name chooses the
 * service as a host chooses that of a request, and from there on it is a tunnel whose first bytes
 * are the hello.
 *
 * 1. Nothing of TLS is ended here: no key, no certificate; the client and the service see each
 *    other's bytes only.
 * 2. The hello stays in client->in until the service is connected, so that connecting may be tried
 *    again.
 *
 * As it fails: a name that nobody has gets the alert that says so (RFC 6066 §3), what is no hello
 * the alert for that; a hello that does not come ends with the deadline for heads.
 */
#include "edge/hello.h"

#include "base/num.h"
#include "edge/worker.h"

enum { ALERT_DECODE_ERROR = 50, ALERT_UNRECOGNIZED_NAME = 112 };

/* A fatal alert in a record of its own, then the end. */
static bool refuse(struct stream *stream, unsigned alert)
{
    const char record[] = {21, 3, 1, 0, 2, 2, (char)alert};
    struct str text = str_make(record, sizeof(record));
    stream->tcp = true;
    stream->flags |= RING_FLAG_TCP | RING_FLAG_LOCAL;
    stream->answer_begun = conn_send(&stream->client->conn, &text, 1) == 0;
    stream->bytes_out = sizeof(record);
    stream_end(stream);
    return false;
}

/* 0; TLS_HELLO_E_MORE: it waits; TLS_HELLO_E_BAD; -errno: the client is gone. */
static int read_hello(struct stream *stream)
{
    struct client *client = stream->client;
    struct block *in = client->in;
    int r = tls_hello_parse(block_rest(in), &stream->hello);
    while (r == TLS_HELLO_E_MORE && client->conn.readable && !client->conn.eof) {
        if (in->len == in->cap) {
            return TLS_HELLO_E_BAD;
        }
        int64_t n = conn_recv(&client->conn, in->data + in->len, in->cap - in->len);
        if (n < 0) {
            return (int)n;
        }
        in->len += (uint32_t)n;
        r = tls_hello_parse(block_rest(in), &stream->hello);
    }
    return r == TLS_HELLO_E_MORE && client->conn.eof ? -ECONNRESET : r;
}

static bool find_service(struct stream *stream)
{
    struct worker *worker = stream->worker;
    struct str name = str_make(stream->hello.name, stream->hello.name_len);
    const struct route *route = route_table_find(&worker_config(worker)->names, name, STR("/"));
    if (route) {
        return stream_take_route(stream, route);
    }
    stream->service =
        map_get(&worker->set.services, str_make((const char *)&stream->client->service, 8));
    return stream->service != NULL;
}

bool hello_run(struct stream *stream)
{
    struct worker *worker = stream->worker;
    int r = read_hello(stream);
    if (r == TLS_HELLO_E_MORE) {
        client_deadline(stream->client, stream->start_ns + worker->gateway.head_ms * NS_PER_MS);
        return false;
    }
    if (r < 0) {
        stream_abort(stream);
        return false;
    }
    stream->head_ns = worker->loop.now_ns;
    if (r == TLS_HELLO_E_BAD) {
        counters_add(&worker->stats->bad_requests, 1);
        stream->hello = (struct tls_hello){.name_len = 0};
        return refuse(stream, ALERT_DECODE_ERROR);
    }
    if (!find_service(stream)) {
        counters_add(&worker->stats->no_route, 1);
        return refuse(stream, ALERT_UNRECOGNIZED_NAME);
    }
    service_ref(stream->service);
    stream->tcp = true;
    stream->flags |= RING_FLAG_TCP;
    stream->up_done = true;
    stream_carry(stream, STREAM_AS_TUNNEL);
    stream_move(stream, STREAM_PICK);
    return true;
}
