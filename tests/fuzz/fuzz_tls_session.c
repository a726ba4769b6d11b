/* SPDX-License-Identifier: Apache-2.0
 *
 * A TLS session fed by a stranger. The first byte says how: bytes as they are, in pieces; or a
 * whole handshake and two records whose bytes are changed where the input says. Nothing is read of
 * a session that is not open, damage never becomes plaintext, and nothing leaves the wire's room.
 */
#include "fuzz.h"
#include "tls/connector.h"
#include "tls/issue.h"
#include "tls/session.h"
#include "tls/store.h"

#include <stdlib.h>

enum { DOOR = 1, LIGHT_DOOR = 2, WIRE = 128 * 1024 };

static struct tls_store *store;
static struct tls_connector connector;
static char server_out[WIRE], client_out[WIRE];
static uint64_t door; /* of this run */

/* One certificate for all runs. */
static void prepare(void)
{
    static struct buf cert = {.max = TLS_PEM_MAX}, key = {.max = TLS_PEM_MAX};
    const struct str name = STR("a.test");
    const struct tls_issue_spec spec = {.common_name = name,
                                        .names = &name,
                                        .name_count = 1,
                                        .from_s = 1700000000,
                                        .until_s = 4000000000,
                                        .kind = TLS_KEY_EC};
    const struct tls_ticket_key ticket = {"name", "aes", "mac"};
    const struct tls_door_spec doors[] = {{.id = DOOR, .tickets = 1},
                                          {.id = LIGHT_DOOR, .tickets = 1, .light = true}};
    fuzz_check(tls_issue(&spec, NULL, &cert, &key) == 0);
    const struct tls_store_cert one = {.id = 1,
                                       .chain = buf_str(&cert),
                                       .key = buf_str(&key),
                                       .names = STR("a.test "),
                                       .kind = TLS_KEY_EC};
    const struct tls_store_config config = {&one, 1, doors, 2, &ticket, 1};
    store = tls_store_new();
    fuzz_check(store && tls_store_apply(store, &config) == 0);
    const struct tls_connector_spec trust = {.verify = false};
    fuzz_check(tls_connector_init(&connector, &trust) == 0);
}

/* All of `in`, in pieces of `step`. Returns what the last read returned. */
static int feed(struct tls_session *session, struct tls_wire *wire, struct str in, size_t step)
{
    char plain[300];
    int r = TLS_E_WANT;
    for (size_t rounds = 0; (in.len > 0 || wire->in.len > 0) && r >= 0 && rounds < 4096; rounds++) {
        size_t n = 0;
        if (wire->in.len == 0) {
            wire->in = str_slice(in, 0, step);
            in = str_skip(in, step);
        }
        bool open = session->open;
        r = tls_session_read(session, wire, plain, sizeof(plain), &n);
        fuzz_check(n <= sizeof(plain) && (n == 0 || open || session->open));
        fuzz_check(wire->out_len <= wire->out_cap);
        fuzz_check(r != TLS_E_WANT || wire->in.len == 0);
        if (r == TLS_E_END) {
            break;
        }
        wire->out_len = MIN(wire->out_len, (size_t)64 * 1024);
    }
    return r;
}

static void raw(struct str in)
{
    struct tls_session session;
    struct tls_wire wire = {.out = server_out, .out_cap = WIRE};
    size_t step = in.len ? (size_t)(unsigned char)in.p[0] + 1 : 1;
    fuzz_check(tls_session_accept(&session, store, door) == 0);
    (void)feed(&session, &wire, str_skip(in, 1), step);
    fuzz_check(!session.open); /* nobody guesses a Finished */
    tls_session_fini(&session);
}

/* Triples of place (two bytes) and mask; returns whether one hit. */
static bool damage(char *p, size_t len, struct str with)
{
    bool hit = false;
    for (; with.len >= 3; with = str_skip(with, 3)) {
        size_t at = ((size_t)(unsigned char)with.p[0] << 8 | (unsigned char)with.p[1]);
        if (len > 0 && with.p[2] != 0) {
            p[at % len] ^= with.p[2];
            hit = true;
        }
    }
    return hit;
}

static void changed(struct str in)
{
    struct tls_session server, client;
    struct tls_wire to = {.out = server_out, .out_cap = WIRE};
    struct tls_wire from = {.out = client_out, .out_cap = WIRE};
    size_t step = in.len ? (size_t)(unsigned char)in.p[0] * 7 + 1 : 1;
    fuzz_check(tls_session_accept(&server, store, door) == 0);
    fuzz_check(tls_session_connect(&client, &connector, "a.test", 0) == 0);
    fuzz_check(tls_session_step(&client, &from) == TLS_E_WANT);
    fuzz_check(feed(&server, &to, str_make(client_out, from.out_len), step) == TLS_E_WANT);
    from.out_len = 0;
    fuzz_check(feed(&client, &from, str_make(server_out, to.out_len), WIRE) == TLS_E_WANT);
    fuzz_check(client.open);
    fuzz_check(tls_session_write(&client, &from, STR("GET / HTTP/1.1\r\n")) == 0);
    size_t whole = from.out_len;
    bool hit = damage(client_out, whole, str_skip(in, 1));
    to.out_len = 0;
    int r = feed(&server, &to, str_make(client_out, whole), step);
    fuzz_check(hit || (r == TLS_E_WANT && server.open));
    fuzz_check(door == DOOR || !server.open || !server.ssl);
    tls_session_end(&server, &to);
    fuzz_check(to.out_len <= WIRE);
    tls_session_fini(&server);
    tls_session_fini(&client);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    if (!store) {
        prepare();
    }
    if (size > 0) {
        door = data[0] & 2 ? LIGHT_DOOR : DOOR;
        (data[0] & 1 ? changed : raw)(str_skip(in, 1));
    }
    return 0;
}
