/* SPDX-License-Identifier: Apache-2.0
 *
 * One edge replaces another while both serve (docs/gateway.md, "Upgrade"):
 *
 *   old: edge_retire → probes and deltas are the other's; serves on, accepts on
 *   new: edge_take_over → all threads serve → CREDIT
 *   old: CREDIT → accepts no more; what rests moves (move.c), what has state ends here → gone
 *
 * 1. Nothing is moved before the other one serves, and never more than it has credit for: what is
 *    on its way if it dies is in the socket pair, which the keeper holds, for the next one.
 * 2. Parcels are made and taken on the threads that own the connections; only thread 0 speaks.
 *
 * As it fails: the other edge cannot be understood or is gone, then what is here ends here, in the
 * time for draining. The pair's other ends are all gone: so is the instance, and this edge ends.
 */
#include "edge/handover.h"

#include "base/num.h"
#include "edge/edge_private.h"
#include "edge/move.h"
#include "edge/probe.h"
#include "os/rolelog.h"

#include <stdlib.h>

enum { CREDIT_FIRST = 512, CREDIT_STEP = 128, SERVING_MS = 2, ORPHAN_GRACE_MS = 0 };
enum { QUEUE_SIZE = CREDIT_FIRST * (int)(sizeof(struct handover_msg) + 24) };

void handover_init(struct edge_handover *handover, struct edge *edge)
{
    *handover = (struct edge_handover){.edge = edge, .chan.watch.fd = -1};
    list_init(&handover->parcels);
    timer_init(&handover->tick, NULL);
}

void handover_fini(struct edge_handover *handover)
{
    if (!handover->edge) {
        return;
    }
    if (timer_armed(&handover->tick)) {
        loop_timer_cancel(edge_loop(handover->edge), &handover->tick);
    }
    chan_close(&handover->chan);
    while (!list_empty(&handover->parcels)) {
        struct parcel *parcel = list_entry(handover->parcels.next, struct parcel, node);
        list_del(&parcel->node);
        parcel_free(parcel);
    }
    free(handover->queue);
    handover->queue = NULL;
}

static int open_channel(struct edge_handover *handover, int fd)
{
    handover->queue = malloc(QUEUE_SIZE);
    int r = handover->queue ? chan_open(&handover->chan, edge_loop(handover->edge), fd,
                                        handover->queue, QUEUE_SIZE)
                            : -ENOMEM;
    if (r < 0) {
        sock_close(&fd);
    }
    return r;
}

/* --- giving --- */

static void pump(struct edge_handover *giving)
{
    while (giving->credit > 0 && !list_empty(&giving->parcels) && chan_is_open(&giving->chan)) {
        struct parcel *parcel = list_entry(giving->parcels.next, struct parcel, node);
        if (chan_send(&giving->chan, &parcel->msg, sizeof(parcel->msg), parcel->fds,
                      parcel->fds[1] >= 0 ? 2 : 1) < 0) {
            return; /* the end of the channel is told by itself */
        }
        list_del(&parcel->node);
        parcel_free(parcel);
        giving->waiting--;
        giving->credit--;
    }
    if (giving->waiting == 0) {
        worker_notify(&giving->edge->workers[0], WORKER_STOP); /* perhaps nothing is left */
    }
}

/* On thread 0. */
static void parcel_came(struct worker *worker, struct worker_gift *gift)
{
    struct edge_handover *giving = &worker->edge->giving;
    struct parcel *parcel = container_of(gift, struct parcel, gift);
    list_push_back(&giving->parcels, &parcel->node);
    giving->waiting++;
    atomic_fetch_sub(&worker->gifts, 1);
    pump(giving);
}

/* On the thread that had it. */
static void give(struct worker *worker, struct parcel *parcel)
{
    struct worker *first = &worker->edge->workers[0];
    parcel->gift.take = parcel_came;
    atomic_fetch_add(&first->gifts, 1);
    mailbox_post(&first->mailbox, &parcel->gift.mail);
}

void edge_worker_moves(struct worker *worker)
{
    if (worker->edge->giving.gives) {
        move_begin(worker, give);
    } else {
        worker->moving = true;
    }
}

static void credit_came(struct chan *chan, struct chan_msg *received)
{
    struct edge_handover *giving = container_of(chan, struct edge_handover, chan);
    struct handover_msg msg;
    memcpy(&msg, received->data, MIN(received->len, sizeof(msg)));
    bool understood =
        handover_msg_valid(&msg, received->len, received->fd_count) && msg.kind == HANDOVER_CREDIT;
    if (!understood) {
        rolelog(ROLELOG_WARNING, "edge",
                "the edge that replaces this one is not understood: connections end here");
    }
    if (!giving->begun) { /* it serves, whatever it says */
        giving->begun = true;
        giving->gives = understood;
        atomic_store(&giving->edge->moves, true);
        edge_stop(giving->edge, giving->edge->workers[0].gateway.upgrade_drain_ms);
    }
    if (understood) {
        giving->credit += MIN(msg.credit, (uint32_t)CREDIT_FIRST);
        pump(giving);
    }
}

/* Keeper, core and the other edge are gone. */
static void orphaned(struct chan *chan, int error)
{
    struct edge_handover *giving = container_of(chan, struct edge_handover, chan);
    (void)error;
    edge_stop(giving->edge, ORPHAN_GRACE_MS);
}

int edge_retire(struct edge *edge, int fd)
{
    struct edge_handover *giving = &edge->giving;
    giving->chan.message = credit_came;
    giving->chan.closed = orphaned;
    int r = open_channel(giving, fd);
    if (r == 0) {
        loop_fd_remove(edge_loop(edge), &edge->bell);
        probe_free(edge->probes);
        edge->probes = NULL;
    }
    return r;
}

/* --- taking --- */

static void send_credit(struct edge_handover *taking, uint32_t credit)
{
    struct handover_msg msg;
    handover_msg_init(&msg, HANDOVER_CREDIT);
    msg.credit = credit;
    if (chan_is_open(&taking->chan) && chan_send(&taking->chan, &msg, sizeof(msg), NULL, 0) == 0) {
        taking->credit += credit;
        taking->begun = true;
    }
}

static void move_in(struct worker *worker, struct worker_gift *gift)
{
    atomic_fetch_sub(&worker->gifts, 1);
    move_take(worker, container_of(gift, struct parcel, gift));
}

static struct worker *least_of(struct edge *edge)
{
    struct worker *least = &edge->workers[0];
    uint64_t fewest = UINT64_MAX;
    for (unsigned i = 0; i < edge->thread_count; i++) {
        struct worker *worker = &edge->workers[i];
        uint64_t count = __atomic_load_n(&worker->stats->connections, __ATOMIC_RELAXED) +
                         atomic_load(&worker->gifts);
        if (count < fewest && atomic_load(&worker->serves)) {
            fewest = count;
            least = worker;
        }
    }
    return least;
}

static void take(struct edge_handover *taking, struct chan_msg *received)
{
    struct parcel *parcel = parcel_new();
    struct handover_msg msg;
    memcpy(&msg, received->data, MIN(received->len, sizeof(msg)));
    if (!parcel || !handover_msg_valid(&msg, received->len, received->fd_count) ||
        received->fd_count == 0) {
        parcel_free(parcel); /* what came with it is closed */
        return;
    }
    parcel->msg = msg;
    for (size_t i = 0; i < received->fd_count; i++) {
        parcel->fds[i] = received->fds[i];
        received->fds[i] = -1;
    }
    parcel->gift.take = move_in;
    struct worker *to = least_of(taking->edge);
    atomic_fetch_add(&to->gifts, 1);
    if (!atomic_load(&to->serves) && to->index > 0) { /* it began to stop: this thread waits */
        atomic_fetch_sub(&to->gifts, 1);
        to = &taking->edge->workers[0];
        atomic_fetch_add(&to->gifts, 1);
    }
    mailbox_post(&to->mailbox, &parcel->gift.mail);
}

/* One that is not taken has used its credit, too. */
static void connection_came(struct chan *chan, struct chan_msg *received)
{
    struct edge_handover *taking = container_of(chan, struct edge_handover, chan);
    take(taking, received);
    if (--taking->credit <= CREDIT_FIRST - CREDIT_STEP) {
        send_credit(taking, CREDIT_STEP);
    }
}

/* The other edge has ended: what its counters call open is not. Not if this one leaves, too: then
 * that half is the next one's. */
static void other_ended(struct chan *chan, int error)
{
    struct edge_handover *taking = container_of(chan, struct edge_handover, chan);
    struct edge *edge = taking->edge;
    (void)error;
    loop_timer_cancel(edge_loop(edge), &taking->tick);
    free(taking->queue);
    taking->queue = NULL;
    if (!chan_is_open(&edge->giving.chan)) {
        (void)counters_clear(&edge->shared.counters, edge->memory.first == 0 ? COUNTERS_HALF : 0,
                             COUNTERS_HALF);
    }
    if (edge->opts.former_ended) {
        edge->opts.former_ended(edge->opts.context);
    }
    if (edge->workers[0].stopping) {
        worker_notify(&edge->workers[0], WORKER_STOP); /* it may have waited for this alone */
    }
}

static void when_serving(struct timer *timer, int64_t now_ns)
{
    struct edge_handover *taking = container_of(timer, struct edge_handover, tick);
    (void)now_ns;
    for (unsigned i = 0; i < taking->edge->thread_count; i++) {
        if (!atomic_load(&taking->edge->workers[i].serves)) {
            loop_timer_after(edge_loop(taking->edge), timer, SERVING_MS * NS_PER_MS);
            return;
        }
    }
    send_credit(taking, CREDIT_FIRST);
}

int edge_take_over(struct edge *edge, int fd)
{
    struct edge_handover *taking = &edge->taking;
    chan_close(&taking->chan); /* an older one: two at most are alive */
    free(taking->queue);
    taking->credit = 0;
    taking->begun = false;
    taking->chan = (struct chan){.message = connection_came, .closed = other_ended};
    taking->tick.fire = when_serving;
    int r = open_channel(taking, fd);
    if (r == 0) {
        loop_timer_after(edge_loop(edge), &taking->tick, SERVING_MS * NS_PER_MS);
    }
    return r;
}

bool edge_receives(const struct edge *edge)
{
    return chan_is_open(&edge->taking.chan);
}

bool edge_takes(const struct edge *edge)
{
    return edge->taking.begun;
}
