/* SPDX-License-Identifier: Apache-2.0
 *
 * What trusted proxies say (proto/forwarded.h). All of it is written anew from what was understood:
 * the chain from the client on, in both fields; what stood left of the client is not told on.
 */
#include "edge/remote.h"

#include "edge/worker.h"
#include "proto/forwarded.h"

bool remote_trusted(const struct stream *stream)
{
    const struct config *config = worker_config(stream->worker);
    struct ip ip = ip_make(stream->client->family, stream->client->ip);
    return ip_nets_have(config->trusted, config->trusted_count, &ip);
}

static void read_chain(const struct stream *stream, struct forwarded *ret)
{
    const struct config *config = worker_config(stream->worker);
    struct ip peer = ip_make(stream->client->family, stream->client->ip);
    forwarded_read(&stream->req, &peer, config->trusted, config->trusted_count, ret);
}

void remote_find(struct stream *stream)
{
    struct forwarded chain = {0};
    if (remote_trusted(stream)) {
        read_chain(stream, &chain);
        stream->remote = chain.hops[0];
    }
}

static void write_node(struct buf *out, const struct ip *ip)
{
    buf_add(out, ip->family == 6 ? STR("for=\"[") : STR("for="));
    ip_format(out, ip);
    buf_add(out, ip->family == 6 ? STR("]\"") : STR_NONE);
}

void remote_write(struct http1_writer *w, const struct stream *stream, struct str host)
{
    char names[FORWARDED_HOPS_MAX * (IP_TEXT_MAX + 2)], nodes[FORWARDED_HOPS_MAX * 64];
    struct buf list = BUF_ON(names), forwarded = BUF_ON(nodes);
    struct forwarded chain = {0};
    read_chain(stream, &chain);
    struct str ours = stream->client->secure ? STR("https") : STR("http");
    struct str proto = chain.proto.len ? chain.proto : ours;
    host = chain.host.len ? chain.host : host;
    for (size_t i = 0; i < chain.count; i++) {
        buf_add(&list, i ? STR(", ") : STR_NONE);
        ip_format(&list, &chain.hops[i]);
        buf_add(&forwarded, i ? STR(", ") : STR_NONE);
        write_node(&forwarded, &chain.hops[i]);
    }
    http1_write_header(w, STR("X-Forwarded-For"), buf_str(&list));
    http1_write_header(w, STR("X-Forwarded-Proto"), proto);
    http1_write_raw(w, STR("Forwarded: "));
    http1_write_raw(w, buf_str(&forwarded));
    http1_write_raw(w, STR(";proto="));
    http1_write_raw(w, proto);
    if (host.len > 0) {
        http1_write_raw(w, STR(";host=\""));
        http1_write_raw(w, host);
        http1_write_raw(w, STR("\"\r\n"));
        http1_write_header(w, STR("X-Forwarded-Host"), host);
    } else {
        http1_write_raw(w, STR("\r\n"));
    }
}
