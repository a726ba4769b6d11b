/* SPDX-License-Identifier: Apache-2.0
 *
 * Our own records with OpenSSL as the client: three suites, every count of tickets, split anywhere,
 * keys that change at random moments on both sides; certificates and tickets as without it.
 */
#include "pki.h"
#include "tls/light.h"
#include "tls/store.h"

#include "harness/test.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <stdlib.h>

enum { DOOR = 7, WIRE = 512 * 1024 };

struct rig {
    struct pki ca, leaf, person;
    struct tls_store *store;
    struct tls_session server;
    struct tls_wire wire;
    SSL_CTX *ctx;
    SSL *client;
    BIO *to_client, *from_client;
    char *memory, *flight;
    size_t step;
    struct buf got; /* what the server read */
};

static X509 *x509_of(const struct pki *pki)
{
    BIO *bio = BIO_new_mem_buf(pki->cert.p, (int)pki->cert.len);
    X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    BIO_free(bio);
    check(x != NULL);
    return x;
}

static void use_person(struct rig *rig)
{
    BIO *bio = BIO_new_mem_buf(rig->person.key.p, (int)rig->person.key.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    X509 *x = x509_of(&rig->person);
    check_int(SSL_CTX_use_certificate(rig->ctx, x), 1);
    check_int(SSL_CTX_use_PrivateKey(rig->ctx, key), 1);
    X509_free(x);
    EVP_PKEY_free(key);
    BIO_free(bio);
}

static void rig_apply(struct rig *rig, unsigned tickets, enum tls_client_mode mode, bool light)
{
    static const struct tls_ticket_key key = {"name of the key", "aes", "mac"};
    const struct tls_store_cert cert = {.id = 1,
                                        .chain = buf_str(&rig->leaf.cert),
                                        .key = buf_str(&rig->leaf.key),
                                        .names = STR("a.test "),
                                        .kind = TLS_KEY_EC};
    const struct tls_door_spec door = {.id = DOOR,
                                       .tickets = tickets,
                                       .client = mode,
                                       .client_ca = buf_str(&rig->ca.cert),
                                       .h2 = true,
                                       .light = light};
    const struct tls_store_config config = {&cert, 1, &door, 1, &key, 1};
    check_int(tls_store_apply(rig->store, &config), 0);
}

/* A new connection of the same client. */
static void rig_connect(struct rig *rig, SSL_SESSION *resumed)
{
    tls_session_fini(&rig->server);
    if (rig->client) {
        SSL_set_shutdown(rig->client, SSL_SENT_SHUTDOWN); /* else its tickets are void */
    }
    SSL_free(rig->client);
    rig->got.len = 0;
    rig->wire.out_len = 0;
    rig->client = SSL_new(rig->ctx);
    rig->to_client = BIO_new(BIO_s_mem());
    rig->from_client = BIO_new(BIO_s_mem());
    SSL_set_bio(rig->client, rig->to_client, rig->from_client);
    SSL_set_connect_state(rig->client);
    SSL_set_tlsext_host_name(rig->client, "a.test");
    if (resumed) {
        check_int(SSL_set_session(rig->client, resumed), 1);
    }
    check_int(tls_session_accept(&rig->server, rig->store, DOOR), 0);
}

static void rig_init(struct rig *rig, unsigned tickets, enum tls_client_mode mode, bool light)
{
    *rig = (struct rig){.step = WIRE, .got = BUF_INIT(1 << 22)};
    rig->memory = malloc(WIRE);
    rig->flight = malloc(WIRE);
    rig->wire = (struct tls_wire){.out = rig->memory, .out_cap = WIRE};
    rig->ca = pki_make(NULL, "", TLS_KEY_EC);
    rig->leaf = pki_make(&rig->ca, "a.test", TLS_KEY_EC);
    rig->person = pki_make_client(&rig->ca, "alice");
    rig->store = tls_store_new();
    rig_apply(rig, tickets, mode, light);
    rig->ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_session_cache_mode(rig->ctx, SSL_SESS_CACHE_CLIENT);
    rig_connect(rig, NULL);
}

static void rig_fini(struct rig *rig)
{
    tls_session_fini(&rig->server);
    SSL_free(rig->client);
    SSL_CTX_free(rig->ctx);
    tls_store_free(rig->store);
    pki_fini(&rig->ca);
    pki_fini(&rig->leaf);
    pki_fini(&rig->person);
    buf_fini(&rig->got);
    free(rig->memory);
    free(rig->flight);
}

static void to_client(struct rig *rig)
{
    if (rig->wire.out_len) {
        BIO_write(rig->to_client, rig->wire.out, (int)rig->wire.out_len);
        rig->wire.out_len = 0;
    }
}

/* All that the client sent, in pieces, read in rooms of any size. */
static int to_server(struct rig *rig)
{
    int len = BIO_read(rig->from_client, rig->flight, WIRE), r = TLS_E_WANT;
    struct str rest = str_make(rig->flight, len > 0 ? (size_t)len : 0);
    while (r >= 0 && r != TLS_E_END &&
           (rest.len > 0 || rig->wire.in.len > 0 || tls_session_pending(&rig->server))) {
        static char plain[40000];
        size_t n = 0, room = 1 + (size_t)rng_below(test_rng(), sizeof(plain));
        room = rng_below(test_rng(), 4) == 0 ? 1 + room % 30 : room;
        if (rig->wire.in.len == 0) {
            size_t step = 1 + (size_t)rng_below(test_rng(), rig->step);
            rig->wire.in = str_slice(rest, 0, step);
            rest = str_skip(rest, rig->wire.in.len);
        }
        r = tls_session_read(&rig->server, &rig->wire, plain, room, &n);
        check(n <= room);
        check(r != TLS_E_WANT || rig->wire.in.len == 0);
        buf_add(&rig->got, str_make(plain, n));
    }
    rig->wire.in = STR_NONE;
    return r;
}

static bool shake(struct rig *rig)
{
    int done = 0, r = 0;
    for (int i = 0; i < 6 && r >= 0; i++) {
        done = SSL_do_handshake(rig->client);
        r = to_server(rig);
        to_client(rig);
    }
    ERR_clear_error();
    return done == 1 && rig->server.open && r >= 0;
}

static bool is_light(const struct rig *rig)
{
    return rig->server.open && !rig->server.ssl && rig->server.light;
}

static struct str some_bytes(size_t max)
{
    static char bytes[60000];
    size_t len = 1 + (size_t)rng_below(test_rng(), max);
    for (size_t i = 0; i < len; i++) {
        bytes[i] = (char)rng_u64(test_rng());
    }
    return str_make(bytes, len);
}

static void client_says(struct rig *rig, struct str bytes)
{
    size_t before = rig->got.len;
    check_int(SSL_write(rig->client, bytes.p, (int)bytes.len), (int)bytes.len);
    check(to_server(rig) >= 0);
    check_str(str_skip(buf_str(&rig->got), before), bytes);
}

static void server_says(struct rig *rig, struct str bytes)
{
    static char back[60000];
    size_t got = 0;
    check_int(tls_session_write(&rig->server, &rig->wire, bytes), 0);
    to_client(rig);
    while (got < bytes.len) {
        int n = SSL_read(rig->client, back + got, (int)(sizeof(back) - got));
        check(n > 0);
        got += (size_t)n;
    }
    check_str(str_make(back, got), bytes);
}

static const char *const suites[] = {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384",
                                     "TLS_CHACHA20_POLY1305_SHA256"};

TEST(every_suite_and_count_of_tickets_goes_on_without_openssl)
{
    for (size_t suite = 0; suite < ARRAY_LEN(suites); suite++) {
        for (unsigned tickets = 0; tickets <= TLS_TICKETS_MAX; tickets++) {
            struct rig rig;
            rig_init(&rig, tickets, TLS_CLIENT_NONE, true);
            rig.step = tickets % 2 ? 40 : WIRE;
            check_int(SSL_CTX_set_ciphersuites(rig.ctx, suites[suite]), 1);
            rig_connect(&rig, NULL);
            check(shake(&rig));
            check(is_light(&rig));
            check_int(rig.server.light->out.suite, suite);
            check_int(rig.server.light->out.seq, tickets);
            check_int(rig.wire.out_len, 0);
            check_int(rig.server.light->tickets != NULL, tickets > 0); /* they wait for data */
            client_says(&rig, STR("hello"));
            server_says(&rig, STR("world"));
            check(!rig.server.light->tickets);
            for (int i = 0; i < 5; i++) {
                client_says(&rig, some_bytes(i == 4 ? 50000 : 900));
                server_says(&rig, some_bytes(i == 4 ? 50000 : 900));
            }
            rig_fini(&rig);
        }
    }
}

TEST(what_comes_with_the_finished_message_is_not_lost)
{
    for (size_t round = 0; round < test_rounds(30); round++) {
        struct rig rig;
        rig_init(&rig, 2, TLS_CLIENT_NONE, true);
        rig.step = round % 3 ? 1 + (size_t)rng_below(test_rng(), 300) : WIRE;
        check_int(SSL_do_handshake(rig.client), -1);
        check(to_server(&rig) >= 0);
        to_client(&rig);
        check_int(SSL_do_handshake(rig.client), 1);
        struct str bytes = some_bytes(3000);
        check(SSL_write(rig.client, bytes.p, (int)bytes.len) == (int)bytes.len);
        check(to_server(&rig) >= 0);
        check(is_light(&rig));
        check_str(buf_str(&rig.got), bytes);
        to_client(&rig);
        server_says(&rig, some_bytes(3000));
        rig_fini(&rig);
    }
}

TEST(keys_change_at_any_moment_on_both_sides)
{
    for (size_t round = 0; round < test_rounds(40); round++) {
        struct rig rig;
        rig_init(&rig, (unsigned)rng_below(test_rng(), 3), TLS_CLIENT_NONE, true);
        check_int(SSL_CTX_set_ciphersuites(rig.ctx, suites[round % 3]), 1);
        rig_connect(&rig, NULL);
        check(shake(&rig) && is_light(&rig));
        rig.step = 1 + (size_t)rng_below(test_rng(), 2000);
        tls_ciphers_limit(rig.server.light->ciphers, 3 + rng_below(test_rng(), 9));
        for (int i = 0; i < 60; i++) {
            if (rng_below(test_rng(), 3) == 0) {
                bool ask = rng_below(test_rng(), 2);
                check_int(SSL_key_update(rig.client, ask ? SSL_KEY_UPDATE_REQUESTED
                                                         : SSL_KEY_UPDATE_NOT_REQUESTED),
                          1);
                check_int(SSL_do_handshake(rig.client), 1);
            }
            if (rng_below(test_rng(), 2)) {
                client_says(&rig, some_bytes(2000));
            } else {
                check(to_server(&rig) >= 0);
                server_says(&rig, some_bytes(rng_below(test_rng(), 8) ? 2000 : 50000));
            }
            check(rig.server.light->out.seq <= 12);
        }
        rig_fini(&rig);
    }
}

TEST(padding_is_taken_off)
{
    struct rig rig;
    rig_init(&rig, 1, TLS_CLIENT_NONE, true);
    SSL_set_block_padding(rig.client, 4096);
    check(shake(&rig) && is_light(&rig));
    for (int i = 0; i < 20; i++) {
        client_says(&rig, some_bytes(9000));
    }
    rig_fini(&rig);
}

TEST(an_end_is_said_and_noticed_and_half_closed_works)
{
    struct rig rig;
    char p[16];
    rig_init(&rig, 2, TLS_CLIENT_NONE, true);
    check(shake(&rig) && is_light(&rig));
    check_int(SSL_shutdown(rig.client), 0);
    check_int(to_server(&rig), TLS_E_END);
    check(rig.server.ended);
    check_int(tls_session_write(&rig.server, &rig.wire, STR("bye")), 0);
    tls_session_end(&rig.server, &rig.wire);
    size_t len = rig.wire.out_len;
    tls_session_end(&rig.server, &rig.wire);
    check_int(rig.wire.out_len, len);
    check_int(tls_session_write(&rig.server, &rig.wire, STR("x")), -EPIPE);
    to_client(&rig);
    check_int(SSL_read(rig.client, p, sizeof(p)), 3);
    check_int(SSL_read(rig.client, p, sizeof(p)), 0);
    check_int(SSL_get_error(rig.client, 0), SSL_ERROR_ZERO_RETURN);
    rig_fini(&rig);
}

TEST(the_older_version_and_doors_without_it_stay_with_openssl)
{
    for (int light = 0; light < 2; light++) {
        struct rig rig;
        rig_init(&rig, 2, TLS_CLIENT_NONE, light);
        if (light) {
            SSL_set_max_proto_version(rig.client, TLS1_2_VERSION);
        }
        check(shake(&rig));
        check(rig.server.ssl && !rig.server.light);
        client_says(&rig, STR("hello"));
        server_says(&rig, STR("world"));
        rig_fini(&rig);
    }
}

/* The lines between the first and the last one. */
static void check_pem(const struct buf *pem, struct str base64)
{
    struct buf text = BUF_INIT(8192);
    struct str line, rest = buf_str(pem);
    while (rest.len > 0) {
        (void)str_split(rest, '\n', &line, &rest);
        if (line.len > 0 && line.p[0] != '-') {
            buf_add(&text, line);
        }
    }
    check_str(base64, buf_str(&text));
    buf_fini(&text);
}

TEST(a_verified_certificate_and_the_protocol_are_known_as_before)
{
    const unsigned char offer[] = "\x02h2\x08http/1.1";
    for (int light = 0; light < 2; light++) {
        struct rig rig;
        rig_init(&rig, 2, TLS_CLIENT_REQUIRED, light);
        use_person(&rig);
        SSL_CTX_set_alpn_protos(rig.ctx, offer, sizeof(offer) - 1);
        rig_connect(&rig, NULL);
        check(shake(&rig));
        check_int(is_light(&rig), light);
        struct buf seen = BUF_INIT(8192), again = BUF_INIT(8192);
        check(tls_session_identity(&rig.server, &seen));
        check_pem(&rig.person.cert, buf_str(&seen));
        check_str(tls_session_protocol(&rig.server), STR("h2"));
        server_says(&rig, some_bytes(2000));
        /* A resumed one still knows who it is. */
        SSL_SESSION *session = SSL_get1_session(rig.client);
        rig_connect(&rig, session);
        check(shake(&rig));
        check(SSL_session_reused(rig.client));
        check_int(is_light(&rig), light);
        check(tls_session_identity(&rig.server, &again));
        check_str(buf_str(&again), buf_str(&seen));
        server_says(&rig, some_bytes(2000));
        buf_fini(&again);
        buf_fini(&seen);
        SSL_SESSION_free(session);
        rig_fini(&rig);
    }
}

TEST(a_door_changes_its_mind_for_those_who_come_later)
{
    struct rig rig;
    rig_init(&rig, 1, TLS_CLIENT_NONE, false);
    check(shake(&rig) && !is_light(&rig));
    server_says(&rig, STR("before"));
    SSL_SESSION *session = SSL_get1_session(rig.client);
    rig_apply(&rig, 1, TLS_CLIENT_NONE, true);
    server_says(&rig, STR("still"));
    rig_connect(&rig, session); /* its ticket is as good as before */
    check(shake(&rig) && is_light(&rig));
    check(SSL_session_reused(rig.client));
    rig_apply(&rig, 1, TLS_CLIENT_NONE, false);
    server_says(&rig, STR("still light"));
    rig_connect(&rig, NULL);
    check(shake(&rig) && !is_light(&rig));
    SSL_SESSION_free(session);
    rig_fini(&rig);
}

TEST(every_flipped_bit_ends_with_an_alert_and_no_text)
{
    struct rig rig;
    rig_init(&rig, 1, TLS_CLIENT_NONE, true);
    for (size_t bit = 0; bit < (5 + 5 + 1 + 16) * 8; bit++) {
        static char zeros[20000];
        char plain[100];
        size_t n = 0;
        rig_connect(&rig, NULL);
        check(shake(&rig) && is_light(&rig));
        check_int(SSL_write(rig.client, "hello", 5), 5);
        int len = BIO_read(rig.from_client, rig.flight, WIRE);
        check_int(len, 5 + 5 + 1 + 16);
        rig.flight[bit / 8] ^= (char)(1 << bit % 8);
        rig.wire.in = str_make(rig.flight, (size_t)len);
        int r = tls_session_read(&rig.server, &rig.wire, plain, sizeof(plain), &n);
        if (r == TLS_E_WANT) { /* it became longer */
            check(bit / 8 == 3 || bit / 8 == 4);
            rig.wire.in = str_make(zeros, sizeof(zeros));
            r = tls_session_read(&rig.server, &rig.wire, plain, sizeof(plain), &n);
        }
        check_int(r, -EPROTO);
        check(n == 0 && memcmp(plain, "hello", 5) != 0);
        check(rig.server.failed && tls_session_reason(&rig.server)[0]);
        check_int(tls_session_read(&rig.server, &rig.wire, plain, sizeof(plain), &n), -EPROTO);
        check_int(tls_session_write(&rig.server, &rig.wire, STR("x")), -EPIPE);
        to_client(&rig);
        check(SSL_read(rig.client, plain, sizeof(plain)) <= 0);
        int reason = ERR_GET_REASON(ERR_get_error());
        check(reason == SSL_R_SSLV3_ALERT_BAD_RECORD_MAC ||
              reason == SSL_AD_REASON_OFFSET + SSL_AD_UNEXPECTED_MESSAGE ||
              reason == SSL_AD_REASON_OFFSET + SSL_AD_RECORD_OVERFLOW);
        ERR_clear_error();
        rig.wire.in = STR_NONE;
    }
    rig_fini(&rig);
}
