/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole HTTP/2 connections: the real edge with a client that sends the input to a service of
 * HTTP/1.1 (first byte even), or between a client of HTTP/1.1 and a service that answers with the
 * input (odd): two requests, or one for a WebSocket (RFC 8441), whose frames are read or not. The
 * second byte says how it is cut (0: at every byte), with TIMED a script follows (edge_world.h).
 * Whatever comes, who is done with sending gets an end, no request stays under way, and what
 * arrives at a service of HTTP/1.1 is whole requests.
 */
#include "../unit/proto/http1_judge.h"
#include "edge_world.h"
#include "proto/http2_types.h"

#include <stdio.h>
#include <sys/socket.h>

enum { SERVICES = 3, TURNS_MAX = 3000 };

/* Bits of the first byte. */
enum {
    SERVICE = 1,   /* the input is its, and not the client's */
    WEBSOCKET = 2, /* what the client asks that service for */
    CHECKED = 4,   /* … on the route whose frames are read */
    PLAIN = 8,     /* … and the service does not take it by an extended CONNECT */
    TIMED = 16,
};

static struct str settings, answer; /* of the service that speaks HTTP/2 */

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

/* One that waits to be asked does so: an answer to nothing ends a connection of HTTP/2. The first
 * one's is said as the script has it, that of further ones at once. */
static void asked(struct world_peer *peer, struct str bytes)
{
    if (!peer->http2) {
        answer_text(peer, bytes);
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

/* The first one speaks HTTP/1.1, the last one's frames are read. */
static void describe(struct snapshot_builder *builder)
{
    static const char *const hosts[SERVICES] = {"one", "two", "three"};
    for (uint64_t id = 1; id <= SERVICES; id++) {
        struct str host = str_from(hosts[id - 1]);
        world_service(builder,
                      &(struct snapshot_service){.id = id,
                                                 .name = host,
                                                 .retries = SNAPSHOT_NO_LIMIT,
                                                 .protocol = id > 1 ? SNAPSHOT_PROTOCOL_HTTP2 : 0});
        snapshot_builder_route(
            builder,
            &(struct snapshot_route){.id = id,
                                     .service = id,
                                     .host = id > 1 ? host : STR_NONE,
                                     .flags = id == SERVICES ? SNAPSHOT_ROUTE_CHECK_FRAMES : 0});
    }
}

static void ask_for_websocket(unsigned kind)
{
    static const struct str takes = STR_INIT("\0\0\6\4\0\0\0\0\0\0\10\0\0\0\1");
    static const struct str hello = STR_INIT("\x81\x82\0\0\0\0hi"); /* masked by zeros */
    struct buf asks = BUF_INIT(1024);
    buf_add(&asks, STR("GET /c HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nHost: "));
    buf_add(&asks, kind & CHECKED ? STR("three\r\n\r\n") : STR("two\r\n\r\n"));
    settings = kind & PLAIN ? STR("\0\0\0\4\0\0\0\0\0") : takes;
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
    world.speaks_http2 = kind & SERVICE;
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
        converse(STR("GET /a HTTP/1.1\r\nHost: two\r\n\r\n"
                     "POST /b HTTP/1.1\r\nHost: two\r\nContent-Length: 3\r\n\r\nabc"),
                 STR_NONE);
    }
    world_end();
    buf_fini(&bytes);
    return 0;
}
