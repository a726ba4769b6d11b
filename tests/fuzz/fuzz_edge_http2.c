/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole HTTP/2 connections: the real edge with a client that sends the input to a service of
 * HTTP/1.1 (first byte even) or, with BOTH, of HTTP/2, or between a client of HTTP/1.1 and a
 * service that answers with the input (odd): two requests, or one for a WebSocket (RFC 8441), whose
 * frames are read or not. The second byte says how it is cut (0: at every byte), with TIMED a
 * script follows (edge_world.h). Whatever comes, who is done with sending gets an end, no request
 * stays under way, and what arrives at a service of HTTP/1.1 is whole requests.
 */
#include "../unit/proto/http1_judge.h"
#include "edge_world.h"
#include "proto/http2_types.h"

#include <stdio.h>
#include <sys/socket.h>

enum { SERVICES = 4, TURNS_MAX = 3000 };

/* Bits of the first byte. */
enum {
    SERVICE = 1,   /* the input is its, and not the client's */
    WEBSOCKET = 2, /* what the client asks that service for */
    CHECKED = 4,   /* … on the route whose frames are read */
    PLAIN = 8,     /* … and the service does not take it by an extended CONNECT */
    TIMED = 16,
    BOTH = 32,  /* the input is the client's, and services answer it in HTTP/2 */
    CARED = 64, /* the client's requests are for the service that is cared for */
};
enum { HEAD_LEN = 10, WHOLE_LEN = 21 }; /* of an answer */

static const struct str takes_websockets = STR_INIT("\0\0\6\4\0\0\0\0\0\0\10\0\0\0\1");
static struct str settings, answer; /* of the service that speaks HTTP/2 */
static bool both;

/* By HTTP/1.1 it is asked for what it does not take otherwise. */
static bool in_http2(struct str bytes)
{
    return str_starts(STR(HTTP2_PREFACE), str_slice(bytes, 0, sizeof(HTTP2_PREFACE) - 1));
}

static void answer_text(struct world_peer *peer, struct str bytes)
{
    struct buf verdict = BUF_INIT(1 << 20);
    buf_add(&peer->asked, bytes);
    http1_judge_requests(&verdict, buf_str(&peer->asked), SIZE_MAX);
    if (str_find_char(buf_str(&verdict), ' ') >= 0) {
        buf_reset(&peer->asked);
        world_answer(peer);
    } else if (!world.tcp && !world.switches && !str_is(buf_str(&verdict), "more") &&
               !in_http2(buf_str(&peer->asked))) {
        (void)fprintf(stderr, "%s: %s\n", buf_cstr(&verdict), buf_cstr(&peer->asked));
        fuzz_check(false);
    }
    buf_fini(&verdict);
}

static bool was_asked(struct str bytes)
{
    static const struct str preface = STR_INIT(HTTP2_PREFACE);
    if (!in_http2(bytes)) {
        return true;
    }
    bytes = str_skip(bytes, preface.len);
    while (bytes.len >= HTTP2_FRAME_HEAD) {
        if (bytes.p[3] == HTTP2_HEADERS) {
            return true;
        }
        bytes = str_skip(bytes, HTTP2_FRAME_HEAD + (http2_u32(bytes.p) >> 8));
    }
    return false;
}

static void say(const struct world_peer *peer, struct str bytes)
{
    (void)!sock_send(peer->fd, bytes.p, bytes.len, false);
}

/* Each call is answered at its end or, when much is said, already at its head; a tunnel at both. */
static void answer_frame(const struct world_peer *peer, const char *frame)
{
    char bytes[] = "\0\0\1\1\4....\x88" /* :status 200 */
                   "\0\0\2\0\1....ok";
    uint8_t type = (uint8_t)frame[3], flags = (uint8_t)frame[4];
    bool end = flags & HTTP2_END_STREAM;
    memcpy(bytes + 5, frame + 5, 4);
    memcpy(bytes + HEAD_LEN + 5, frame + 5, 4);
    if (type == HTTP2_SETTINGS && !(flags & HTTP2_ACK)) {
        say(peer, STR("\0\0\0\4\1\0\0\0\0"));
    }
    bool early = type == HTTP2_HEADERS && (flags & HTTP2_END_HEADERS);
    if (world.silent) {
        return;
    }
    if (world.switches && early) {
        say(peer, str_make(bytes, HEAD_LEN));
    } else if (world.switches && type == HTTP2_DATA) {
        say(peer, str_make(bytes + HEAD_LEN, WHOLE_LEN - HEAD_LEN));
    } else if (world.large ? early : end && (type == HTTP2_DATA || type == HTTP2_HEADERS)) {
        say(peer, str_make(bytes, world.half ? HEAD_LEN : WHOLE_LEN));
    }
}

static void answer_frames(struct world_peer *peer, struct str bytes)
{
    buf_add(&peer->asked, bytes);
    if (!peer->begun && peer->asked.len >= sizeof(HTTP2_PREFACE) - 1) {
        peer->begun = true;
        buf_consume(&peer->asked, sizeof(HTTP2_PREFACE) - 1);
        say(peer, takes_websockets);
    }
    while (peer->begun && peer->asked.len >= HTTP2_FRAME_HEAD) {
        size_t len = HTTP2_FRAME_HEAD + (http2_u32(peer->asked.p) >> 8);
        if (peer->asked.len < len) {
            return;
        }
        answer_frame(peer, peer->asked.p);
        buf_consume(&peer->asked, len);
    }
}

/* One that waits to be asked does so: an answer to nothing ends a connection of HTTP/2. The first
 * one's is said as the script has it, that of further ones at once. */
static void asked(struct world_peer *peer, struct str bytes)
{
    if (both || !peer->http2) {
        (both ? answer_frames : answer_text)(peer, bytes);
        return;
    }
    buf_add(&peer->asked, bytes);
    if (!peer->begun && in_http2(buf_str(&peer->asked))) {
        peer->begun = true;
        say(peer, settings); /* none: one of an input before */
    }
    if (peer->told || !(settings.len == 0 || was_asked(buf_str(&peer->asked)))) {
        return;
    }
    peer->told = true;
    if (!world.input_told) {
        world.input_told = true;
        world.input = peer->fd;
    } else {
        say(peer, answer);
        (void)shutdown(peer->fd, SHUT_WR);
    }
}

/* The client sends `asks`, the service the input, the client, behind the first bytes of an answer,
 * `then`. */
static void converse(struct str asks, struct str then)
{
    world_send(&world.client, asks, SIZE_MAX);
    for (unsigned i = 0; i < TURNS_MAX && world.input < 0 && !world.ended; i++) {
        world_turn();
    }
    world_play(&world.input, answer);
    if (world.input >= 0) {
        (void)shutdown(world.input, SHUT_WR);
    }
    for (unsigned i = 0; i < TURNS_MAX && !world.ended && then.len > 0 && world.got.len == 0; i++) {
        world_turn();
    }
    if (world.client >= 0) {
        world_send(&world.client, then, SIZE_MAX);
    }
}

/* The first one speaks HTTP/1.1, unless BOTH do, the third one's frames are read, the last one is
 * cared for. */
static void describe(struct snapshot_builder *builder)
{
    static const struct snapshot_policy policy = {
        .parts = SNAPSHOT_POLICY_RETRIES | SNAPSHOT_POLICY_HEDGE | SNAPSHOT_POLICY_QUEUE,
        .total_ms = 3000,
        .queue_ms = 300,
        .retry_when = SNAPSHOT_RETRY_CONNECT | SNAPSHOT_RETRY_RESET | SNAPSHOT_RETRY_TIMEOUT |
                      SNAPSHOT_RETRY_503 | SNAPSHOT_RETRY_UNAVAILABLE,
        .retry_methods = SNAPSHOT_METHOD_GET | SNAPSHOT_METHOD_POST,
        .retry_backoff_ms = 50,
        .retry_share_permille = 1000,
        .retry_minimum = 10,
        .retry_window_ms = 1000,
        .hedge_after_ms = 100,
        .hedge_share_permille = 1000,
        .queue_length = 10,
        .queue_target_ms = 50,
        .queue_interval_ms = 100,
    };
    static const char *const hosts[SERVICES] = {"one", "two", "three", "four"};
    for (uint64_t id = 1; id <= SERVICES; id++) {
        struct str host = str_from(hosts[id - 1]);
        bool checked = id == 3;
        world_service(builder,
                      &(struct snapshot_service){.id = id,
                                                 .name = host,
                                                 .retries = SNAPSHOT_NO_LIMIT,
                                                 .policy = id == SERVICES ? &policy : NULL,
                                                 .protocol = id > 1 ? SNAPSHOT_PROTOCOL_HTTP2 : 0},
                      &(struct snapshot_route){.id = id,
                                               .service = id,
                                               .host = id > 1 ? host : STR_NONE,
                                               .flags = checked ? SNAPSHOT_ROUTE_CHECK_FRAMES : 0,
                                               .tunnel = {.ping_ms = checked ? 1000 : 0}});
    }
}

static void ask_for_websocket(unsigned kind)
{
    static const struct str hello = STR_INIT("\x81\x82\0\0\0\0hi"); /* masked by zeros */
    struct buf asks = BUF_INIT(1024);
    buf_add(&asks, STR("GET /c HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost: "));
    buf_add(&asks, kind & CHECKED ? STR("three\r\n\r\n") : STR("two\r\n\r\n"));
    settings = kind & PLAIN ? STR("\0\0\0\4\0\0\0\0\0") : takes_websockets;
    converse(buf_str(&asks), hello);
    buf_fini(&asks);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    unsigned kind = fuzz_byte(&in);
    struct buf bytes = BUF_INIT(16 << 20);
    world.describe = describe;
    world.asked = asked;
    world.cut = 1 + 8 * (size_t)(fuzz_byte(&in) % 64);
    both = (kind & BOTH) && !(kind & SERVICE);
    world.speaks_http2 = both || (kind & SERVICE);
    world_open();
    world_begin(&in, kind & TIMED);
    if (!(kind & SERVICE)) {
        buf_add(&bytes, STR(HTTP2_PREFACE));
    }
    if (!(kind & SERVICE) || !(kind & WEBSOCKET)) {
        buf_add(&bytes, STR("\0\0\0\4\0\0\0\0\0"));
    }
    buf_add(&bytes, in);
    answer = buf_str(&bytes);
    settings = STR_NONE;
    if (!(kind & SERVICE)) {
        world_play(&world.client, answer);
    } else if (kind & WEBSOCKET) {
        ask_for_websocket(kind);
    } else {
        converse(kind & CARED
                     ? STR("GET /a HTTP/1.1\r\nHost: four\r\n\r\n"
                           "POST /b HTTP/1.1\r\nHost: four\r\nContent-Length: 3\r\n\r\nabc")
                     : STR("GET /a HTTP/1.1\r\nHost: two\r\n\r\n"
                           "POST /b HTTP/1.1\r\nHost: two\r\nContent-Length: 3\r\n\r\nabc"),
                 STR_NONE);
    }
    world_end();
    buf_fini(&bytes);
    return 0;
}
