/* SPDX-License-Identifier: Apache-2.0
 *
 * Sessions, both ends in memory: whole = split at every byte; bytes come out as they went in; an
 * end that was not said is noticed; damage is refused.
 */
#include "pki.h"
#include "tls/connector.h"
#include "tls/session.h"
#include "tls/store.h"

#include "harness/test.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdlib.h>

enum { DOOR = 7, WIRE = 256 * 1024 };

struct end {
    struct tls_session session;
    struct tls_wire wire;
    char *memory;
    size_t sent; /* of wire.out, what the other end got */
};
struct pair {
    struct pki ca, leaf;
    struct tls_store *store;
    struct tls_connector connector;
    struct end server, client;
    size_t step; /* bytes handed over at once */
};

static void pair_store(struct pair *pair, unsigned tickets)
{
    const struct tls_ticket_key key = {"name of the key", "aes", "mac"};
    const struct tls_store_cert cert = {.id = 1,
                                        .chain = buf_str(&pair->leaf.cert),
                                        .key = buf_str(&pair->leaf.key),
                                        .names = STR("a.test "),
                                        .kind = TLS_KEY_EC};
    const struct tls_door_spec door = {.id = DOOR, .tickets = tickets};
    const struct tls_store_config config = {&cert, 1, &door, 1, &key, 1};
    check(pair->store != NULL);
    check_int(tls_store_apply(pair->store, &config), 0);
}

static void end_init(struct end *end)
{
    end->memory = malloc(WIRE);
    end->wire = (struct tls_wire){.out = end->memory, .out_cap = WIRE};
    end->sent = 0;
}

static void pair_init(struct pair *pair, const char *name, size_t step)
{
    *pair = (struct pair){.step = step};
    pair->ca = pki_make(NULL, "", TLS_KEY_EC);
    pair->leaf = pki_make(&pair->ca, "a.test", TLS_KEY_EC);
    pair->store = tls_store_new();
    pair_store(pair, 2);
    const struct tls_connector_spec spec = {.verify = true, .ca = buf_str(&pair->ca.cert)};
    check_int(tls_connector_init(&pair->connector, &spec), 0);
    end_init(&pair->server);
    end_init(&pair->client);
    check_int(tls_session_accept(&pair->server.session, pair->store, DOOR), 0);
    check_int(tls_session_connect(&pair->client.session, &pair->connector, name, 0), 0);
}

static void pair_fini(struct pair *pair)
{
    tls_session_fini(&pair->server.session);
    tls_session_fini(&pair->client.session);
    tls_connector_fini(&pair->connector);
    tls_store_free(pair->store);
    pki_fini(&pair->leaf);
    pki_fini(&pair->ca);
    free(pair->server.memory);
    free(pair->client.memory);
}

/* What OpenSSL holds for the server: counted while `counting`. */
static bool counting;
static int64_t held;

static void *count_alloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    void *p = malloc(size);
    held += counting && p ? (int64_t)malloc_usable_size(p) : 0;
    return p;
}

static void count_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    held -= counting && p ? (int64_t)malloc_usable_size(p) : 0;
    free(p);
}

static void *count_resize(void *p, size_t size, const char *file, int line)
{
    void *q = size ? count_alloc(size, file, line) : NULL;
    if (p && q) {
        size_t before = malloc_usable_size(p);
        memcpy(q, p, MIN(before, size));
    }
    if (q || size == 0) {
        count_free(p, file, line);
    }
    return q;
}

/* One read with the next bytes of the other end. Those not taken come again. */
static int feed(struct pair *pair, struct end *to, struct end *from, struct buf *got)
{
    char plain[999];
    size_t n = 0, left = from->wire.out_len - from->sent;
    size_t now = MIN(left, pair->step);
    to->wire.in = str_make(from->wire.out + from->sent, now);
    counting = to == &pair->server;
    int r = tls_session_read(&to->session, &to->wire, plain, sizeof(plain), &n);
    counting = false;
    from->sent += now - to->wire.in.len;
    to->wire.in = STR_NONE;
    if (got) {
        buf_add(got, str_make(plain, n));
    } else {
        check_int(n, 0);
    }
    return r;
}

static int settle(struct pair *pair, struct buf *got)
{
    int r = 0;
    for (int i = 0; i < 400000 && r >= 0; i++) {
        bool more = pair->client.sent < pair->client.wire.out_len ||
                    pair->server.sent < pair->server.wire.out_len ||
                    tls_session_pending(&pair->server.session);
        if (!more) {
            return r;
        }
        r = feed(pair, &pair->server, &pair->client, got);
        r = r < 0 ? r : feed(pair, &pair->client, &pair->server, NULL);
    }
    return r < 0 ? r : -ELOOP;
}

static int handshake(struct pair *pair)
{
    int r = tls_session_step(&pair->client.session, &pair->client.wire);
    return r < 0 ? r : settle(pair, NULL);
}

TEST(a_handshake_split_anywhere_ends_the_same)
{
    const size_t steps[] = {1, 2, 3, 5, 7, 64, 1000, WIRE};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        struct pair pair;
        pair_init(&pair, "a.test", steps[i]);
        check(handshake(&pair) >= 0);
        check(pair.server.session.open && pair.client.session.open);
        check_str(tls_session_protocol(&pair.server.session), STR("http/1.1"));
        pair_fini(&pair);
    }
}

TEST(bytes_come_out_as_they_went_in)
{
    for (size_t round = 0; round < test_rounds(30); round++) {
        struct pair pair;
        struct buf sent = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
        pair_init(&pair, "a.test", 1 + (size_t)rng_below(test_rng(), 4000));
        check(handshake(&pair) >= 0);
        for (unsigned i = 0; i < 6; i++) {
            size_t len = (size_t)rng_below(test_rng(), i == 5 ? 40000 : 600);
            char *p = buf_reserve(&sent, len);
            for (size_t k = 0; k < len; k++) {
                p[k] = (char)rng_u64(test_rng());
            }
            buf_commit(&sent, len);
            check_int(tls_session_write(&pair.client.session, &pair.client.wire, str_make(p, len)),
                      0);
        }
        check(settle(&pair, &got) >= 0);
        check_str(buf_str(&got), buf_str(&sent));
        buf_fini(&sent);
        buf_fini(&got);
        pair_fini(&pair);
    }
}

TEST(an_end_is_said_once_and_noticed)
{
    struct pair pair;
    pair_init(&pair, "a.test", WIRE);
    check(handshake(&pair) >= 0);
    tls_session_end(&pair.client.session, &pair.client.wire);
    size_t len = pair.client.wire.out_len;
    tls_session_end(&pair.client.session, &pair.client.wire);
    check_int(pair.client.wire.out_len, len);
    check_int(tls_session_write(&pair.client.session, &pair.client.wire, STR("x")), -EPIPE);
    check_int(feed(&pair, &pair.server, &pair.client, NULL), TLS_E_END);
    check(pair.server.session.ended);
    /* The other direction still works: TLS 1.3 has half-closed connections. */
    struct buf got = BUF_INIT(100);
    check_int(tls_session_write(&pair.server.session, &pair.server.wire, STR("bye")), 0);
    check(feed(&pair, &pair.client, &pair.server, &got) >= 0);
    check_str(buf_str(&got), STR("bye"));
    buf_fini(&got);
    pair_fini(&pair);
}

TEST(an_idle_session_holds_no_buffer)
{
    if (CRYPTO_set_mem_functions(count_alloc, count_resize, count_free) != 1) {
        test_skip("OpenSSL has memory already");
    }
    struct pair pair;
    struct buf got = BUF_INIT(1000);
    pair_init(&pair, "a.test", WIRE);
    held = 0;
    check(handshake(&pair) >= 0);
    int64_t open = held;
    for (int i = 0; i < 3; i++) { /* the first answer brings the tickets along */
        check_int(tls_session_write(&pair.client.session, &pair.client.wire, STR("hello")), 0);
        check(settle(&pair, &got) >= 0);
        counting = true;
        check_int(tls_session_write(&pair.server.session, &pair.server.wire, STR("answer")), 0);
        counting = false;
        check(feed(&pair, &pair.client, &pair.server, &got) >= 0);
        check(held < open + 1000);
    }
    buf_fini(&got);
    pair_fini(&pair);
}

TEST(damage_is_refused_wherever_it_is)
{
    for (size_t round = 0; round < test_rounds(150); round++) {
        struct pair pair;
        pair_init(&pair, "a.test", WIRE);
        bool early = rng_below(test_rng(), 2) == 0;
        if (!early) {
            check(handshake(&pair) >= 0);
            check_int(tls_session_write(&pair.client.session, &pair.client.wire, STR("hello")), 0);
        } else {
            check_int(tls_session_step(&pair.client.session, &pair.client.wire), TLS_E_WANT);
        }
        struct tls_wire *wire = &pair.client.wire;
        size_t left = wire->out_len - pair.client.sent;
        /* The version in the first record's head is nobody's business (RFC 8446 §5.1). */
        size_t skip = early ? 5 : 0;
        size_t at = pair.client.sent + skip + (size_t)rng_below(test_rng(), left - skip);
        wire->out[at] ^= (char)(1 << rng_below(test_rng(), 8));
        struct buf got = BUF_INIT(100);
        int r = settle(&pair, &got);
        /* A changed hello may be another valid one; then the transcripts differ. A length that grew
         * waits for more. */
        check(!(pair.server.session.open && early) || r < 0);
        check(early || got.len == 0);
        buf_fini(&got);
        pair_fini(&pair);
    }
}

TEST(a_server_for_another_name_or_of_a_stranger_is_refused)
{
    struct pair pair;
    pair_init(&pair, "b.test", WIRE);
    check_int(handshake(&pair), -EPROTO);
    check(!pair.server.session.open || pair.client.session.failed);
    check(tls_session_reason(&pair.client.session)[0] != '\0');
    pair_fini(&pair);
}

TEST(noise_never_opens_a_session)
{
    for (size_t round = 0; round < test_rounds(200); round++) {
        struct pair pair;
        char noise[512], plain[64];
        size_t n = 0, len = (size_t)rng_below(test_rng(), sizeof(noise));
        pair_init(&pair, "a.test", WIRE);
        for (size_t i = 0; i < len; i++) {
            noise[i] = (char)rng_u64(test_rng());
        }
        pair.server.wire.in = str_make(noise, len);
        int r = tls_session_read(&pair.server.session, &pair.server.wire, plain, sizeof(plain), &n);
        check(r != 0 && n == 0 && !pair.server.session.open);
        pair_fini(&pair);
    }
}

/* Another connection of the same client; the server says one byte, with which tickets come. */
static bool again(struct pair *pair, uint64_t peer)
{
    struct buf got = BUF_INIT(100);
    tls_session_end(&pair->client.session, &pair->client.wire);
    tls_session_fini(&pair->server.session);
    tls_session_fini(&pair->client.session);
    pair->client.sent = pair->server.sent = 0;
    pair->client.wire.out_len = pair->server.wire.out_len = 0;
    check_int(tls_session_accept(&pair->server.session, pair->store, DOOR), 0);
    check_int(tls_session_connect(&pair->client.session, &pair->connector, "a.test", peer), 0);
    check(handshake(pair) >= 0);
    check(pair->client.session.open && pair->server.session.open);
    bool resumed = SSL_session_reused(pair->client.session.ssl);
    check_int(SSL_session_reused(pair->server.session.ssl), resumed);
    check_int(tls_session_write(&pair->server.session, &pair->server.wire, STR("!")), 0);
    check(feed(pair, &pair->client, &pair->server, &got) >= 0);
    check_str(buf_str(&got), STR("!"));
    buf_fini(&got);
    return resumed;
}

TEST(a_client_resumes_with_the_peer_that_gave_the_ticket)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct pair pair;
        pair_init(&pair, "a.test", WIRE);
        SSL_CTX_set_max_proto_version(pair.connector.ctx, versions[i]);
        check(!again(&pair, 5));
        for (unsigned k = 0; k < 6; k++) {
            check(again(&pair, 5));
        }
        check(!again(&pair, 6));
        check(!again(&pair, 0) && !again(&pair, 0));
        check(again(&pair, 6) && again(&pair, 5));
        /* More peers than are kept: the one that was not used for longest is forgotten. */
        for (uint64_t peer = 100; peer < 100 + TLS_PEERS_MAX - 1; peer++) {
            check(!again(&pair, peer));
        }
        check(again(&pair, 5) && !again(&pair, 6));
        /* The server's keys have turned: a whole handshake, and no harm. */
        tls_session_fini(&pair.server.session);
        tls_store_free(pair.store);
        pair.store = tls_store_new();
        pair_store(&pair, 0);
        check(!again(&pair, 5));
        pair_fini(&pair);
    }
}

TEST(a_ticket_is_owed_no_more_when_the_keys_are_gone)
{
    struct pair pair;
    struct buf got = BUF_INIT(100);
    const struct tls_store_config none = {0};
    pair_init(&pair, "a.test", WIRE);
    check(handshake(&pair) >= 0);
    check_int(tls_store_apply(pair.store, &none), 0);
    check_int(tls_session_write(&pair.server.session, &pair.server.wire, STR("!")), 0);
    check(feed(&pair, &pair.client, &pair.server, &got) >= 0);
    check_str(buf_str(&got), STR("!"));
    buf_fini(&got);
    pair_fini(&pair);
}

TEST(sessions_outlive_their_connector)
{
    struct pair pair;
    pair_init(&pair, "a.test", WIRE);
    (void)again(&pair, 5);
    tls_connector_fini(&pair.connector);
    struct buf got = BUF_INIT(100);
    check_int(tls_session_write(&pair.server.session, &pair.server.wire, STR("?")), 0);
    check(feed(&pair, &pair.client, &pair.server, &got) >= 0);
    check_str(buf_str(&got), STR("?"));
    buf_fini(&got);
    pair_fini(&pair);
}
