/* SPDX-License-Identifier: Apache-2.0
 *
 * How long a connection to a service is kept for the next request.
 */
#include "edge/upstream.h"
#include "inside.h"

#include <stdio.h>

struct play {
    struct inside inside;
    struct buf got;
    int client;
    const struct counters_thread *stats;
};

/* One connection lies in the pool. */
static void start(struct play *play)
{
    *play = (struct play){.got = BUF_INIT(MIB)};
    inside_start(&play->inside, 1);
    play->stats = inside_worker(&play->inside)->stats;
    play->client = inside_connect(&play->inside, play->inside.port);
}

static void end(struct play *play)
{
    sock_close(&play->client);
    inside_close(&play->inside);
    buf_fini(&play->got);
}

static void ask(struct play *play, const char *method)
{
    char text[64];
    int len = snprintf(text, sizeof(text), "%s / HTTP/1.1\r\nHost: s1\r\n\r\n", method);
    buf_reset(&play->got);
    check_int(sock_send(play->client, text, (size_t)len, false), len);
    check(!inside_until(&play->inside, play->client, &play->got, STR("\r\n\r\nok")));
    inside_turn(&play->inside);
}

static void wait_s(struct play *play, int64_t seconds)
{
    inside_clock_jump_ns += seconds * NS_PER_S;
    inside_turn(&play->inside);
    inside_turn(&play->inside);
}

TEST(a_connection_that_nobody_uses_for_a_minute_is_closed)
{
    struct play play;
    start(&play);
    ask(&play, "GET");
    check_int(play.stats->upstream_connections, 1);
    wait_s(&play, UPSTREAM_IDLE_S - 1);
    check_int(play.stats->upstream_connections, 1);
    wait_s(&play, 2);
    check_int(play.stats->upstream_connections, 0);
    check_int(play.inside.peer_count, 0); /* the service sees it */
    end(&play);
}

/* The minute begins anew with each use, though the timer is set but once. */
TEST(a_connection_that_is_used_stays)
{
    struct play play;
    start(&play);
    ask(&play, "GET");
    wait_s(&play, UPSTREAM_IDLE_S - 20);
    ask(&play, "GET");
    wait_s(&play, UPSTREAM_IDLE_S - 20); /* the timer has fired meanwhile */
    check_int(play.stats->upstream_connections, 1);
    ask(&play, "GET");
    check_int(play.inside.peer_count, 1);
    wait_s(&play, UPSTREAM_IDLE_S + 1);
    check_int(play.stats->upstream_connections, 0);
    end(&play);
}

/* The timer fires in the middle of a long answer. */
TEST(a_connection_that_is_in_use_is_not_idle)
{
    struct play play;
    start(&play);
    ask(&play, "GET");
    play.inside.first = STR("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok");
    ask(&play, "GET");
    wait_s(&play, UPSTREAM_IDLE_S - 30);
    inside_say(play.inside.peers[0], "."); /* it still sends */
    check(!inside_until(&play.inside, play.client, &play.got, STR("ok.")));
    wait_s(&play, 31); /* the timer of the first use */
    check_int(play.stats->upstream_connections, 1);
    inside_say(play.inside.peers[0], ".");
    check(!inside_until(&play.inside, play.client, &play.got, STR("ok..")));
    inside_turn(&play.inside);
    check_int(play.stats->upstream_connections, 1);
    wait_s(&play, UPSTREAM_IDLE_S + 1);
    check_int(play.stats->upstream_connections, 0);
    end(&play);
}

/* What must not be sent twice is not sent on a connection that the service may be closing. */
TEST(what_must_not_be_sent_twice_takes_a_fresh_connection)
{
    struct play play;
    start(&play);
    ask(&play, "GET");
    ask(&play, "POST"); /* the pooled one is fresh enough */
    check_int(play.inside.peer_count, 1);
    wait_s(&play, UPSTREAM_FRESH_MS / 1000 + 1);
    ask(&play, "POST");
    check_int(play.inside.peer_count, 2);
    ask(&play, "GET");
    check_int(play.inside.peer_count, 2);
    end(&play);
}

/* A request waits for the end of the turn, in which its connection turns out to be dead: not a byte
 * of it was sent, so that it is sent to another, whatever its method. */
TEST(a_request_that_waits_for_a_dead_connection_is_sent_elsewhere)
{
    struct play play;
    start(&play);
    ask(&play, "GET");
    struct str text = STR("POST / HTTP/1.1\r\nHost: s1\r\n\r\n");
    buf_reset(&play.got);
    check_int(sock_send(play.client, text.p, text.len, false), (int64_t)text.len);
    sock_set_abort(play.inside.peers[0]);
    sock_close(&play.inside.peers[0]); /* both are told of in one turn, the client first */
    play.inside.peer_count = 0;
    buf_fini(&play.inside.asked[0]);
    check(!inside_until(&play.inside, play.client, &play.got, STR("\r\n\r\nok")));
    check(str_starts(buf_str(&play.got), STR("HTTP/1.1 200")));
    check_int(play.inside.requests, 2);
    check_int(play.inside.peer_count, 1);
    end(&play);
}
