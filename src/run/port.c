/* SPDX-License-Identifier: Apache-2.0
 *
 * Ports for replicas: each gets one of its own from a private range, which the program finds in
 * PORT. A replica keeps its port over restarts when it is still free, so that addresses are stable;
 * it is probed by a bind before every start. A bit per port keeps two replicas that start in the
 * same moment apart.
 */
#include "run/port.h"
#include "core/core.h"
#include "core/mutate.h"
#include "os/sock.h"
#include "run/model.h"

enum { TRIES = 64 };

static bool in_range(uint16_t port)
{
    return port >= RUN_PORT_FIRST && port <= RUN_PORT_LAST;
}

static bool is_used(const struct run *run, uint16_t port)
{
    unsigned bit = port - RUN_PORT_FIRST;
    return run->ports[bit / 8] & (1U << bit % 8);
}

void port_mark(struct run *run, uint16_t port)
{
    if (in_range(port)) {
        unsigned bit = port - RUN_PORT_FIRST;
        run->ports[bit / 8] |= (uint8_t)(1U << bit % 8);
    }
}

void port_put(struct run *run, uint16_t port)
{
    if (in_range(port)) {
        unsigned bit = port - RUN_PORT_FIRST;
        run->ports[bit / 8] &= (uint8_t) ~(1U << bit % 8);
    }
}

static bool is_free(uint16_t port)
{
    struct sock_addr addr = sock_addr_loopback(port);
    return sock_probe_bind(&addr) == 0;
}

/* After a start from old rows two replicas may remember one port: it is his who has a process. */
static bool is_anothers(struct run *run, const struct replica *replica)
{
    list_for_each (p, &run->projects) {
        list_for_each (s, &list_entry(p, struct project, node)->services) {
            list_for_each (r, &list_entry(s, struct service, node)->members) {
                const struct replica *other = list_entry(r, struct replica, node);
                if (other != replica && other->port == replica->port && !replica_gone(&other->sm)) {
                    return true;
                }
            }
        }
    }
    return false;
}

int port_take(struct run *run, struct replica *replica)
{
    bool others = replica->port && is_anothers(run, replica);
    if (replica->port && !others && is_free(replica->port)) {
        return 0;
    }
    if (!others) {
        port_put(run, replica->port);
    }
    replica->port = 0;
    for (int i = 0; i < TRIES; i++) {
        uint16_t port = 0;
        int r = sock_pick_port(&run->core->loop->rng, RUN_PORT_FIRST, RUN_PORT_LAST, &port);
        if (r < 0) {
            return r;
        }
        if (!is_used(run, port) || MUTATE(shared_port)) {
            port_mark(run, port);
            replica->port = port;
            return 0;
        }
    }
    return -EADDRINUSE;
}
