/* SPDX-License-Identifier: Apache-2.0
 *
 * Between accept and the first request.
 *
 * 1. The header of the PROXY protocol is looked at in the socket and taken out of it to the byte,
 *    so that whoever reads next (TLS, HTTP, a tunnel) finds its own bytes and nothing else.
 * 2. Where it is expected nobody connects without it; and where trusted proxies are named, nobody
 *    but those: who could say who he is would pass all limits.
 * 3. Trusted proxies speak for many, so limits of one address are not for them.
 */
#include "edge/admit.h"

#include "base/num.h"
#include "edge/client_run.h"
#include "edge/edge_private.h"
#include "os/rolelog.h"
#include "proto/proxy_protocol.h"

enum { STRANGER_S = 60 };

static bool trusts(const struct client *client, const struct ip *ip)
{
    const struct config *config = worker_config(client->conn.worker);
    return ip_nets_have(config->trusted, config->trusted_count, ip);
}

/* If the file sets none: half of all that may connect, so that one address cannot keep the others
 * out; but what comes from this machine is not bound then. */
static struct addresses_limits limits_for(const struct worker *worker, const struct ip *ip)
{
    const struct snapshot_gateway *gateway = &worker->gateway;
    struct addresses_limits limits = {gateway->address_connections, gateway->address_rate};
    if (limits.connections == 0) {
        uint64_t half = (uint64_t)gateway->connections_max * worker->edge->thread_count / 2;
        limits.connections = ip_is_loopback(ip)
                                 ? UINT32_MAX
                                 : (uint32_t)MIN(MAX(half, UINT64_C(1)), (uint64_t)UINT32_MAX - 1);
    }
    return limits;
}

bool admit_address(struct client *client)
{
    struct worker *worker = client->conn.worker;
    if (client->family == 0) {
        return true; /* a unix socket: no address */
    }
    struct ip ip = ip_make(client->family, client->ip);
    client->trusted = trusts(client, &ip);
    if (client->trusted) {
        return true;
    }
    int r = addresses_enter(&worker->edge->addresses, &ip, limits_for(worker, &ip),
                            worker->loop.now_ns, &client->slot);
    if (r == ADDRESSES_E_MANY) {
        counters_add(&worker->stats->limit_address_connections, 1);
    } else if (r == ADDRESSES_E_FAST) {
        counters_add(&worker->stats->limit_address_rate, 1);
    }
    return r == 0;
}

/* Where some are named, only they may say who asks. */
static bool may_announce(const struct client *client)
{
    struct ip peer = ip_make(client->family, client->ip);
    return worker_config(client->conn.worker)->trusted_count == 0 || client->family == 0 ||
           trusts(client, &peer);
}

/* A balancer that nobody named looks like this: its address is what one needs to know. */
static void say_stranger(const struct client *client)
{
    struct worker *worker = client->conn.worker;
    const struct ip ip = ip_make(client->family, client->ip);
    char memory[64];
    struct buf text = {.p = memory, .cap = sizeof(memory), .max = sizeof(memory)};
    if (worker->loop.now_ns < worker->stranger_ns) {
        return;
    }
    worker->stranger_ns = worker->loop.now_ns + STRANGER_S * NS_PER_S;
    ip_format(&text, &ip);
    rolelog(ROLELOG_WARNING, "edge",
            STR_FMT " is no trusted proxy, and its connection to a listener of the PROXY protocol "
                    "is closed (said once a minute)",
            STR_ARG(buf_str(&text)));
}

/* Takes the header's meaning. False: its address has too many connections. */
static bool believe(struct client *client, const struct proxy_protocol *proxy)
{
    if (proxy->known) {
        struct sock_addr address = {
            .family = proxy->source.family == 6 ? SOCK_ADDR_IP6 : SOCK_ADDR_IP4,
            .port = proxy->source_port,
        };
        memcpy(address.ip, proxy->source.bytes, sizeof(address.ip));
        client_set_address(client, &address);
    }
    client->announced = false;
    return admit_address(client);
}

bool admit_announced(struct client *client)
{
    struct conn *conn = &client->conn;
    struct worker *worker = conn->worker;
    char memory[PROXY_PROTOCOL_MAX];
    struct proxy_protocol proxy;
    if (!conn->readable) {
        return false;
    }
    int64_t n = sock_peek(conn->watch.fd, memory, sizeof(memory));
    int r =
        n > 0 ? proxy_protocol_read(str_make(memory, (size_t)n), &proxy) : PROXY_PROTOCOL_E_MORE;
    bool ended = n == 0 || (n < 0 && n != -EAGAIN) || (r == PROXY_PROTOCOL_E_MORE && conn->hup);
    if (r == PROXY_PROTOCOL_E_MORE && !ended) {
        conn->readable = false;
        return false;
    }
    bool good = r == 0 && sock_recv(conn->watch.fd, memory, proxy.len) == (int64_t)proxy.len;
    bool stranger = good && !may_announce(client);
    if (stranger) {
        say_stranger(client);
    }
    if (!good || stranger || !believe(client, &proxy)) {
        counters_add(&worker->stats->bad_announcements, stranger || (!good && !ended));
        counters_add(&worker->stats->refused, 1);
        client_close(client);
        return false;
    }
    return true;
}

bool admit_glitch(struct client *client)
{
    const struct worker *worker = client->conn.worker;
    if (client->glitches < UINT16_MAX) {
        client->glitches++;
    }
    bool over = client->glitches > worker->gateway.glitches_max;
    counters_add(&worker->stats->glitches, 1);
    counters_add(&worker->stats->limit_glitches, over);
    return over;
}
