/* SPDX-License-Identifier: Apache-2.0
 *
 * 1. A cookie is compared with what the core made for each endpoint, in constant time: nothing in
 *    it is decoded or believed, and the edge holds no key.
 * 2. A key is hashed as the client sent it; only the path is the normalised one. No key: the next
 *    in turn, counted (traffic/pick.h).
 */
#include "edge/affinity.h"

#include "base/num.h"
#include "edge/geo.h"
#include "edge/remote.h"
#include "edge/worker.h"
#include "proto/cookie.h"
#include "proto/uri.h"

#include <stdlib.h>

enum { COOKIE_TEXT_MAX = 224 };

/* The value of that cookie, from whichever Cookie field; STR_NONE. */
static struct str cookie_of(const struct stream *stream, struct str name)
{
    struct str found = STR_NONE;
    for (size_t i = 0; !found.len && i < stream->req.count; i++) {
        if (stream->req.headers[i].id == HTTP_H_COOKIE) {
            found = cookie_get(http1_value(&stream->req, i), name);
        }
    }
    return found;
}

static struct str query_of(const struct stream *stream, struct str name)
{
    struct str query = http1_str(&stream->req, stream->req.query), key, value;
    while (stream->req.has_query && uri_query_next(&query, &key, &value)) {
        if (str_eq(key, name)) {
            return value;
        }
    }
    return STR_NONE;
}

static struct str client_key(const struct stream *stream)
{
    const struct client *client = stream->client;
    if (stream->remote.family) {
        return str_make((const char *)stream->remote.bytes, sizeof(stream->remote.bytes));
    }
    return client->family ? str_make((const char *)client->ip, sizeof(client->ip)) : STR_NONE;
}

static struct str key_of(const struct stream *stream)
{
    const struct snapshot_spread *spread = &stream->service->spec.spread;
    if (stream->tcp || spread->hash == SNAPSHOT_HASH_IP) {
        return client_key(stream);
    }
    switch (spread->hash) {
    case SNAPSHOT_HASH_HEADER:
        return http1_get_name(&stream->req, spread->hash_name);
    case SNAPSHOT_HASH_COOKIE:
        return cookie_of(stream, spread->hash_name);
    case SNAPSHOT_HASH_QUERY:
        return query_of(stream, spread->hash_name);
    default:
        return stream->path;
    }
}

static bool same_secret(struct str text, const char *secret, size_t len)
{
    unsigned char differ = text.len != len;
    for (size_t i = 0; i < len && i < text.len; i++) {
        differ |= (unsigned char)(text.p[i] ^ secret[i]);
    }
    return !differ;
}

/* The endpoint that the client's cookie names, if it is still there and may get requests. */
static struct endpoint *bound_of(const struct stream *stream)
{
    const struct service *service = stream->service;
    struct str said = cookie_of(stream, service->spec.spread.sticky);
    if (!said.len) {
        return NULL;
    }
    list_for_each (node, &service->endpoints) {
        struct endpoint *endpoint = list_entry(node, struct endpoint, node);
        size_t len = strlen(endpoint->sticky);
        if (len > 0 && same_secret(said, endpoint->sticky, len)) {
            return service_takes(service, endpoint) ? endpoint : NULL;
        }
    }
    return NULL;
}

struct endpoint *affinity_pick(struct stream *stream)
{
    struct service *service = stream->service;
    struct endpoint *bound =
        service->spec.spread.sticky.len && !stream->tcp ? bound_of(stream) : NULL;
    struct pick_ask ask = {.bound = bound ? &bound->member : NULL};
    if (service->spec.balance == SNAPSHOT_HASH && !bound) {
        struct str key = key_of(stream);
        ask.has_key = key.len > 0;
        ask.key = map_hash(service->spec.id, key);
    }
    if (service->spec.balance == SNAPSHOT_NEAREST && !bound) {
        struct ip ip = remote_ip(stream);
        ask.place = geo_place(worker_config(stream->worker)->geo, ip.family, ip.bytes);
    }
    struct endpoint *endpoint = service_pick_by(service, stream->avoid, &ask, &stream->shared_load);
    stream->bound = bound && endpoint == bound;
    return endpoint;
}

void affinity_count(const struct stream *stream)
{
    struct pick *pick = &stream->service->pick;
    if (pick->missing) {
        counters_add(&stream->cell->unbalanced, pick->missing);
        pick->missing = 0;
    }
}

/* From the request's last byte on: how long a client takes to send it is not the replica's doing.
 * Answers that are no good say nothing of how long a good one takes: a replica that only fails is
 * fast; nor does a client that leaves, perhaps after an hour of a stream. */
void affinity_learn(const struct stream *stream)
{
    uint32_t none = stream->answer_ns ? RING_FLAG_TUNNEL : RING_FLAG_CLIENT_ABORT;
    if (!stream->head_sent || !stream->up_done || (stream->flags & none)) {
        return;
    }
    if (stream->answer_ns == 0) {
        affinity_waited(stream->endpoint, stream->sent_ns);
    } else if (stream->answer_ns >= stream->sent_ns && stream->status < 500) {
        peak_sample(&stream->endpoint->member.latency, stream->answer_ns - stream->sent_ns,
                    stream->worker->loop.now_ns);
    }
}

/* Its answer would have taken longer than that: which says something only where it is more than
 * what is known. */
void affinity_waited(struct endpoint *endpoint, int64_t since_ns)
{
    int64_t now_ns = endpoint->service->worker->loop.now_ns;
    struct peak *latency = &endpoint->member.latency;
    if ((double)(now_ns - since_ns) > peak_value(latency, now_ns)) {
        peak_sample(latency, now_ns - since_ns, now_ns);
    }
}

/* The room stays where it is and is filled up with spaces: a stream that waits between its response
 * filters and its head may hold an older length. */
void affinity_set_cookie(struct endpoint *endpoint)
{
    const struct snapshot_spread *spread = &endpoint->service->spec.spread;
    struct buf text = BUF_INIT(COOKIE_TEXT_MAX);
    endpoint->set_cookie_len = 0;
    if (!spread->sticky.len || !endpoint->sticky[0]) {
        return;
    }
    if (!endpoint->set_cookie) {
        endpoint->set_cookie = malloc(COOKIE_TEXT_MAX);
    }
    int r = cookie_write(&text, &(struct cookie){.name = spread->sticky,
                                                 .value = str_from(endpoint->sticky),
                                                 .path = STR("/"),
                                                 .max_age_s = spread->sticky_max_age
                                                                  ? (int64_t)spread->sticky_max_age
                                                                  : COOKIE_SESSION,
                                                 .http_only = true,
                                                 .secure = spread->sticky_secure,
                                                 .same_site = COOKIE_LAX});
    if (endpoint->set_cookie && r == 0 && buf_error(&text) == 0) {
        memset(endpoint->set_cookie, ' ', COOKIE_TEXT_MAX);
        memcpy(endpoint->set_cookie, text.p, text.len);
        endpoint->set_cookie_len = (uint8_t)text.len;
    }
    buf_fini(&text);
}
