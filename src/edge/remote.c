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

void remote_words(const struct stream *stream, struct str host, struct remote_words *ret)
{
    struct buf list = BUF_ON(ret->memory), nodes = BUF_ON(ret->more);
    struct forwarded chain = {0};
    read_chain(stream, &chain);
    for (size_t i = 0; i < chain.count; i++) {
        buf_add(&list, i ? STR(", ") : STR_NONE);
        ip_format(&list, &chain.hops[i]);
        buf_add(&nodes, i ? STR(", ") : STR_NONE);
        write_node(&nodes, &chain.hops[i]);
    }
    struct str ours = stream->client->secure ? STR("https") : STR("http");
    ret->addresses = buf_str(&list);
    ret->nodes = buf_str(&nodes);
    ret->proto = chain.proto.len ? chain.proto : ours;
    ret->host = chain.host.len ? chain.host : host;
}

void remote_write_forwarded(struct http1_writer *w, const struct remote_words *words)
{
    http1_write_raw(w, words->nodes);
    http1_write_raw(w, STR(";proto="));
    http1_write_raw(w, words->proto);
    if (words->host.len > 0) {
        http1_write_raw(w, STR(";host=\""));
        http1_write_raw(w, words->host);
        http1_write_raw(w, STR("\""));
    }
}

void remote_write(struct http1_writer *w, const struct stream *stream, struct str host)
{
    struct remote_words words;
    remote_words(stream, host, &words);
    http1_write_header(w, STR("X-Forwarded-For"), words.addresses);
    http1_write_header(w, STR("X-Forwarded-Proto"), words.proto);
    if (words.host.len > 0) {
        http1_write_header(w, STR("X-Forwarded-Host"), words.host);
    }
    http1_write_raw(w, STR("Forwarded: "));
    remote_write_forwarded(w, &words);
    http1_write_raw(w, STR("\r\n"));
}
