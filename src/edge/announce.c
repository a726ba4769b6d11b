/* SPDX-License-Identifier: Apache-2.0
 *
 * Source: whom records and limits are about (a trusted proxy may have named it, then without a
 * port). Destination: our end of the client's connection; none of the same family: zeros. What is
 * known of TLS goes into version 2: the name of a connection that is passed on unread, of one that
 * ends here version, protocol and whether a certificate was shown.
 */
#include "edge/announce.h"

#include "edge/lane.h"
#include "edge/remote.h"
#include "edge/worker.h"
#include "link/ring_record.h"

#include <stdlib.h>

/* Our end of the connection that the client's bytes come by. */
static bool own_end(const struct stream *stream, struct sock_addr *ret)
{
    const struct conn *conn = &stream->client->conn;
    const struct conn *socket = conn_is_lane(conn) ? lane_of(conn)->h2->conn : conn;
    return socket->watch.fd >= 0 && sock_local_addr(socket->watch.fd, ret) == 0;
}

static void name_ends(const struct stream *stream, struct proxy_protocol *proxy)
{
    struct sock_addr own;
    proxy->source = remote_ip(stream);
    struct ip peer = ip_make(stream->client->family, stream->client->ip);
    proxy->source_port = ip_eq(&proxy->source, &peer) ? stream->client->port : 0;
    proxy->known = proxy->source.family != 0; /* else it came over a unix socket */
    proxy->destination.family = proxy->source.family;
    if (!own_end(stream, &own) || own.family == SOCK_ADDR_UNIX) {
        return;
    }
    proxy->destination_port = own.port;
    struct ip ip = ip_make(own.family == SOCK_ADDR_IP6 ? 6 : 4, own.ip);
    if (ip.family == proxy->source.family) {
        proxy->destination = ip;
    }
}

static size_t add_tls(const struct stream *stream, char *header, size_t len)
{
    const struct client *client = stream->client;
    if (stream->tcp && stream->client->kind == SNAPSHOT_SNI) {
        struct str name = str_make(stream->hello.name, stream->hello.name_len);
        return name.len ? proxy_protocol_extend(header, len, ANNOUNCE_MAX, PROXY_PROTOCOL_AUTHORITY,
                                                name)
                        : len;
    }
    if (!client->secure) {
        return len;
    }
    char value[PROXY_PROTOCOL_SSL_MAX];
    bool v13 = (client->layers & RING_TLS) == RING_TLS_13;
    struct str version = v13 ? STR("TLSv1.3") : STR("TLSv1.2");
    size_t n = proxy_protocol_ssl(value, version, client->identity != NULL);
    bool h2 = conn_is_lane(&client->conn);
    len = proxy_protocol_extend(header, len, ANNOUNCE_MAX, PROXY_PROTOCOL_ALPN,
                                h2 ? STR("h2") : STR("http/1.1"));
    return proxy_protocol_extend(header, len, ANNOUNCE_MAX, PROXY_PROTOCOL_SSL, str_make(value, n));
}

struct str announce_write(const struct service *service, const struct stream *stream,
                          char ret[ANNOUNCE_MAX])
{
    struct proxy_protocol proxy = {.version = (uint8_t)service->spec.announce};
    if (proxy.version == 0) {
        return STR_NONE;
    }
    if (stream) {
        name_ends(stream, &proxy);
    }
    size_t len = proxy_protocol_write(ret, &proxy);
    if (stream && proxy.version == 2 && proxy.known) {
        len = add_tls(stream, ret, len);
    }
    return str_make(ret, len);
}

int announce_begin(const struct service *service, const struct stream *stream, struct conn *conn,
                   struct announce **ret)
{
    char memory[ANNOUNCE_MAX];
    struct str bytes = announce_write(service, stream, memory);
    int r = bytes.len ? conn_keep(conn, &bytes, 1, 0) : 0;
    if (r < 0 || !ret) {
        return r;
    }
    *ret = malloc(sizeof(**ret) + bytes.len);
    if (!*ret) {
        return -ENOMEM;
    }
    (*ret)->len = (uint16_t)bytes.len;
    memcpy((*ret)->bytes, bytes.p, bytes.len);
    return 0;
}

struct upstream *announce_find(struct endpoint *endpoint, const struct stream *stream)
{
    char memory[ANNOUNCE_MAX];
    struct str bytes = announce_write(endpoint->service, stream, memory);
    list_for_each (node, &endpoint->idle) {
        struct upstream *upstream = list_entry(node, struct upstream, node);
        const struct announce *said = upstream->announced;
        if (said && str_eq(bytes, str_make(said->bytes, said->len))) {
            return upstream;
        }
    }
    return NULL;
}
