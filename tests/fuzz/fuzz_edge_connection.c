/* SPDX-License-Identifier: Apache-2.0
 *
 * Whole connections: the real edge between a client that sends the input, cut as its first byte
 * says (0: at every byte), and a service that answers each whole request. What reaches the service,
 * message by message, is what the parsers alone make of the same bytes (tests/unit/proto's judge):
 * no request more, fewer or other.
 *
 * With bit TIMED of the first byte a script (edge_world.h) follows: time passes, and services,
 * client or edge do something else than is hoped for. Then some requests may come twice or never,
 * but no other.
 */
#include "../unit/proto/http1_judge.h"
#include "edge_world.h"

#include <stdio.h>

enum { SEEN_MAX = 1 << 20, TIMED = 128 };

static struct buf seen; /* messages that arrived whole, over all connections, in their order */

/* The next of the verdict's messages, without what it says about the end. False: no more. */
static bool next_message(struct str *verdict, struct str *ret)
{
    while (verdict->len > 0) {
        ptrdiff_t at = str_find(*verdict, STR("; "));
        *ret = at < 0 ? *verdict : str_slice(*verdict, 0, (size_t)at);
        *verdict = at < 0 ? STR_NONE : str_skip(*verdict, (size_t)at + 2);
        if (str_find_char(*ret, ' ') >= 0) { /* not "400", "close", "more" */
            return true;
        }
    }
    return false;
}

static void only_messages(struct str verdict, struct buf *out)
{
    struct str message;
    while (next_message(&verdict, &message)) {
        buf_add(out, out->len ? STR("; ") : STR_NONE);
        buf_add(out, message);
    }
}

/* A request of HTTP/1.0 that names no host is for the service's address. */
static void put_seen(struct str what)
{
    char own[32];
    (void)snprintf(own, sizeof(own), " 127.0.0.1:%u/", world.inside.service_port);
    ptrdiff_t at = str_find(what, str_from(own));
    if (world.timed && str_find(what, STR("/of-another ")) >= 0) {
        return;
    }
    buf_add(&seen, seen.len ? STR("; ") : STR_NONE);
    buf_add(&seen, at < 0 ? what : str_slice(what, 0, (size_t)at + 1));
    buf_add(&seen, at < 0 ? STR_NONE : str_skip(what, (size_t)at + strlen(own) - 1));
}

/* A request that is whole is noted and answered; what no strict server takes is noted as such. */
static void asked(struct world_peer *peer, struct str bytes)
{
    struct buf verdict = BUF_INIT(SEEN_MAX), message = BUF_INIT(SEEN_MAX);
    buf_add(&peer->asked, bytes);
    http1_judge_requests(&verdict, buf_str(&peer->asked), SIZE_MAX);
    only_messages(buf_str(&verdict), &message);
    if (message.len > 0) {
        put_seen(buf_str(&message));
        buf_reset(&peer->asked);
        world_answer(peer);
    } else if (peer->asked.len > 0 && !str_is(buf_str(&verdict), "more")) {
        put_seen(STR("what no server takes"));
    }
    buf_fini(&verdict);
    buf_fini(&message);
}

/* One service for all hosts; another one, whose requests are cared for, for "two". */
static void describe(struct snapshot_builder *builder)
{
    static const struct snapshot_policy policy = {
        .parts = SNAPSHOT_POLICY_RETRIES | SNAPSHOT_POLICY_HEDGE | SNAPSHOT_POLICY_BREAKER |
                 SNAPSHOT_POLICY_QUEUE | SNAPSHOT_POLICY_FALLBACK | SNAPSHOT_POLICY_MIRROR,
        .total_ms = 3000,
        .queue_ms = 300,
        .retry_when = SNAPSHOT_RETRY_CONNECT | SNAPSHOT_RETRY_RESET | SNAPSHOT_RETRY_TIMEOUT,
        .retry_methods = SNAPSHOT_METHOD_GET | SNAPSHOT_METHOD_PUT | SNAPSHOT_METHOD_POST,
        .retry_backoff_ms = 50,
        .retry_share_permille = 1000,
        .retry_minimum = 10,
        .retry_window_ms = 1000,
        .hedge_after_ms = 100,
        .hedge_share_permille = 1000,
        .breaker_requests = 1,
        .breaker_pending = 10,
        .breaker_consecutive = 3,
        .breaker_window_ms = 1000,
        .breaker_open_ms = 500,
        .breaker_probes = 1,
        .queue_length = 10,
        .queue_target_ms = 50,
        .queue_interval_ms = 100,
        .fallback_service = 1,
        .mirror_permille = 500,
        .mirror_service = 1,
    };
    world_service(
        builder,
        &(struct snapshot_service){.id = 1, .name = STR("s1"), .retries = SNAPSHOT_NO_LIMIT},
        &(struct snapshot_route){.id = 1, .service = 1});
    world_service(builder,
                  &(struct snapshot_service){.id = 2, .name = STR("two"), .policy = &policy},
                  &(struct snapshot_route){.id = 2, .service = 2, .host = STR("two")});
}

static bool has_message(struct str messages, struct str wanted)
{
    struct str message;
    while (next_message(&messages, &message)) {
        if (str_eq(message, wanted)) {
            return true;
        }
    }
    return false;
}

static bool is_as_hoped(struct str want, struct str got)
{
    struct str message;
    if (!world.timed && str_find(want, STR(" two/")) < 0) {
        return str_eq(want, got);
    }
    while (next_message(&got, &message)) {
        if (!has_message(want, message)) {
            return false;
        }
    }
    return true;
}

static void compare(struct str in)
{
    struct buf verdict = BUF_INIT(SEEN_MAX), want = BUF_INIT(SEEN_MAX);
    http1_judge_requests(&verdict, in, SIZE_MAX);
    only_messages(buf_str(&verdict), &want);
    bool tunnelled = world.tcp || world.switches; /* what no parser of the edge saw */
    if (!tunnelled && !is_as_hoped(buf_str(&want), buf_str(&seen))) {
        (void)fprintf(stderr, "by the parsers: %s\nat the service: %s\n", buf_cstr(&want),
                      buf_cstr(&seen));
        fuzz_check(false);
    }
    buf_fini(&verdict);
    buf_fini(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    unsigned head = fuzz_byte(&in);
    world.describe = describe;
    world.asked = asked;
    world.cut = MAX(8 * (size_t)(head % 64), (size_t)1);
    world_open();
    world_begin(&in, head & TIMED);
    if (str_starts(in, STR("PRI * HTTP/2"))) {
        in = STR_NONE; /* another protocol */
    }
    seen = BUF_INIT(SEEN_MAX);
    world_play(&world.client, in);
    world_end();
    compare(in);
    buf_fini(&seen);
    return 0;
}
