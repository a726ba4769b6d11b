/* SPDX-License-Identifier: Apache-2.0
 *
 * The real edge inside the test: one thread, whose loop the test turns by hand, with a service
 * ("the peer") and a client that the test plays itself. So what one turn does, and which memory is
 * there, is the test's to say; and its clock, which the test may turn on (the linker puts
 * inside.c's in front of os/clock.c's).
 */
#ifndef TESTS_EDGE_INSIDE_H
#define TESTS_EDGE_INSIDE_H

#include "base/num.h"
#include "edge/edge_private.h"
#include "harness/test.h"

enum { INSIDE_PEERS = 16 };

extern bool inside_edge_runs;         /* it is the edge's code, and not the test's, that runs now */
extern int64_t inside_clock_jump_ns;  /* how far the clock is ahead */
extern int64_t inside_clock_still_ns; /* of this time, if it is not 0: it does not run by itself */

struct inside {
    struct edge *edge;
    int listening, tcp_listening, service; /* sockets */
    uint16_t port, tcp_port, service_port;
    uint64_t sequence;
    unsigned snapshots_wanted; /* that the edge asked for */
    /* What the next inside_apply says of each service: its probe, its name (NULL: "s1" …), where it
     * is (NULL: at the peer), and up to which delta the snapshot knows. */
    struct snapshot_probe probe;
    const char *name, *address;
    uint64_t delta_base;
    /* The service: each connection answers each request by these two pieces, a turn apart. */
    struct str first, second;
    int peers[INSIDE_PEERS];
    struct buf asked[INSIDE_PEERS];
    size_t peer_count;
    unsigned requests; /* that the service was sent whole */
};

/* An edge that serves nothing yet. 0 or -errno. */
must_check int inside_open(struct inside *inside);
/* One that serves `services`. */
void inside_start(struct inside *inside, size_t services);
void inside_close(struct inside *inside);
/* A snapshot of `services` services s1, s2 …, each with a route of its name as host; the last is
 * the tcp listener's too. All lead to the one peer. 0 or -errno. */
must_check int inside_apply(struct inside *inside, size_t services);
struct worker *inside_worker(const struct inside *inside);
/* One turn of the edge's loop, and of the service. */
void inside_turn(struct inside *inside);
/* A log of deltas, for the worker's `deltas`; the memory is freed by the caller. */
void *inside_deltas(struct delta_log *log, uint32_t capacity);
/* Many turns: for what is told by nothing that the test sees. */
void inside_turns(struct inside *inside);
int inside_connect(const struct inside *inside, uint16_t port);
void inside_say(int client, const char *text);
/* A plain GET of s1, and what is answered up to `mark`. */
#define INSIDE_GET "GET / HTTP/1.1\r\nHost: s1\r\n\r\n"
void inside_ask(struct inside *inside, int client, struct buf *got, struct str mark);
/* Reads what is there for this client. True: the connection has ended; *ret_reset: by a reset. */
bool inside_read(int client, struct buf *out, bool *ret_reset);
/* Turns until the client has got `mark`, or its end (then true), or for long enough. */
bool inside_until(struct inside *inside, int client, struct buf *out, struct str mark);

#endif
