/* SPDX-License-Identifier: Apache-2.0
 *
 * Which certificate a client gets: by name, by wildcard, by door, by what it can verify; and that a
 * change of one makes one anew. Tickets: keys in turn, and what does not resume.
 */
#include "pki.h"
#include "tls/session.h"
#include "tls/store.h"

#include "harness/test.h"

#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <stdlib.h>

enum { DOOR = 1, OTHER_DOOR = 2, WIRE = 64 * 1024 };

struct hall {
    struct pki ca, pki[6];
    struct tls_store_cert certs[6];
    size_t count;
    struct tls_door_spec doors[2];
    struct tls_ticket_key keys[2];
    size_t key_count;
    struct tls_store *store;
    SSL_CTX *client;
};

static void hall_add(struct hall *hall, const char *names, enum tls_key_kind kind, uint64_t door)
{
    struct pki *pki = &hall->pki[hall->count];
    struct tls_store_cert *cert = &hall->certs[hall->count];
    *pki = pki_make(&hall->ca, names, kind);
    struct buf text = BUF_INIT(1000);
    buf_printf(&text, "%s ", names);
    *cert = (struct tls_store_cert){.id = hall->count + 100,
                                    .door = door,
                                    .chain = buf_str(&pki->cert),
                                    .key = buf_str(&pki->key),
                                    .names = str_from(buf_take(&text)),
                                    .kind = kind};
    hall->count++;
}

static void hall_apply(struct hall *hall)
{
    const struct tls_store_config config = {
        .certs = hall->certs,
        .cert_count = hall->count,
        .doors = hall->doors,
        .door_count = 2,
        .tickets = hall->keys,
        .ticket_count = hall->key_count,
    };
    check_int(tls_store_apply(hall->store, &config), 0);
}

static void hall_init(struct hall *hall)
{
    *hall = (struct hall){.store = tls_store_new(), .client = SSL_CTX_new(TLS_client_method())};
    hall->ca = pki_make(NULL, "", TLS_KEY_EC);
    hall->doors[0] = (struct tls_door_spec){.id = DOOR, .tickets = 1};
    hall->doors[1] = (struct tls_door_spec){.id = OTHER_DOOR, .tickets = 1};
    hall->key_count = 1;
    memset(&hall->keys[0], 1, sizeof(hall->keys[0]));
    memset(&hall->keys[1], 2, sizeof(hall->keys[1]));
}

static void hall_fini(struct hall *hall)
{
    tls_store_free(hall->store);
    SSL_CTX_free(hall->client);
    for (size_t i = 0; i < hall->count; i++) {
        pki_fini(&hall->pki[i]);
        free((void *)(uintptr_t)hall->certs[i].names.p);
    }
    pki_fini(&hall->ca);
}

struct visit {
    const char *name, *sigalgs;
    SSL_SESSION *resume; /* taken over */
    SSL_SESSION **keep;  /* ret */
    bool turned_off;     /* no tickets any more, when the handshake is done */
    bool resumed;        /* ret */
    bool stapled;        /* ret: an OCSP answer came */
    unsigned early;      /* ret: tickets that came before the server had written */
    unsigned tickets;    /* ret: in all */
    char got[64];        /* ret: the first name of the certificate */
};

static unsigned tickets_seen;

static int ticket_came(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    (void)session;
    tickets_seen++;
    return 0;
}

/* The server's first byte, and the tickets that come with it. */
static void first_byte(struct visit *visit, struct tls_session *server, struct tls_wire *wire,
                       SSL *client)
{
    char got = 0;
    visit->early = tickets_seen;
    check_int(tls_session_write(server, wire, STR("!")), 0);
    check_int(BIO_write(SSL_get_rbio(client), wire->out, (int)wire->out_len), (int)wire->out_len);
    wire->out_len = 0;
    check_int(SSL_read(client, &got, 1), 1);
    check_int(got, '!');
    visit->tickets = tickets_seen;
}

/* A whole handshake with a client of OpenSSL's own, over its memory BIOs. */
static bool visit_door(struct hall *hall, uint64_t door, struct visit *visit)
{
    struct tls_session session;
    char *out = malloc(WIRE), in[8192], plain[100];
    struct tls_wire wire = {.out = out, .out_cap = WIRE};
    SSL *ssl = SSL_new(hall->client);
    BIO *to = BIO_new(BIO_s_mem()), *from = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl, from, to);
    SSL_set_connect_state(ssl);
    if (visit->name) {
        SSL_set_tlsext_host_name(ssl, visit->name);
    }
    SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
    if (visit->sigalgs) {
        SSL_set1_sigalgs_list(ssl, visit->sigalgs);
    }
    if (visit->resume) {
        SSL_set_session(ssl, visit->resume);
        SSL_SESSION_free(visit->resume);
        visit->resume = NULL;
    }
    check_int(tls_session_accept(&session, hall->store, door), 0);
    SSL_CTX_set_session_cache_mode(hall->client,
                                   SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(hall->client, ticket_came);
    tickets_seen = 0;
    size_t n;
    int r = TLS_E_WANT;
    for (int i = 0; i < 10 && r == TLS_E_WANT; i++) {
        char one[1];
        (void)SSL_do_handshake(ssl);
        int len = BIO_read(to, in, sizeof(in));
        wire.in = str_make(in, len > 0 ? (size_t)len : 0);
        r = tls_session_read(&session, &wire, plain, sizeof(plain), &n);
        BIO_write(from, wire.out, (int)wire.out_len);
        wire.out_len = 0;
        (void)SSL_read(ssl, one, 1); /* tickets */
        if (session.open && SSL_is_init_finished(ssl)) {
            break;
        }
    }
    bool open = session.open && SSL_is_init_finished(ssl);
    if (open && visit->turned_off) {
        hall->doors[0].tickets = 0;
        hall->key_count = 0;
        hall_apply(hall);
    }
    if (open) {
        first_byte(visit, &session, &wire, ssl);
        X509 *leaf = SSL_get0_peer_certificate(ssl);
        X509_NAME_get_text_by_NID(X509_get_subject_name(leaf), NID_commonName, visit->got,
                                  sizeof(visit->got));
        visit->resumed = SSL_session_reused(ssl);
        const unsigned char *answer = NULL;
        visit->stapled = SSL_get_tlsext_status_ocsp_resp(ssl, &answer) > 0;
        if (visit->keep) {
            *visit->keep = SSL_get1_session(ssl);
        }
    }
    tls_session_fini(&session);
    SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); /* else nothing resumes */
    SSL_free(ssl);
    free(out);
    return open;
}

static void check_visit(struct hall *hall, uint64_t door, const char *name, const char *want)
{
    struct visit visit = {.name = name};
    check(visit_door(hall, door, &visit));
    check_cstr(visit.got, want);
}

TEST(a_name_finds_its_certificate)
{
    struct hall hall;
    hall_init(&hall);
    hall_add(&hall, "first.test", TLS_KEY_EC, 0);
    hall_add(&hall, "*.shop.test shop.test", TLS_KEY_EC, 0);
    hall_add(&hall, "www.shop.test", TLS_KEY_EC, 0);
    hall_add(&hall, "own.test", TLS_KEY_EC, OTHER_DOOR);
    hall_apply(&hall);
    const struct {
        uint64_t door;
        const char *name, *want;
    } cases[] = {
        {DOOR, "first.test", "first.test"},       {DOOR, "SHOP.test", "*.shop.test"},
        {DOOR, "api.shop.test", "*.shop.test"},   {DOOR, "www.shop.test", "www.shop.test"},
        {DOOR, "a.b.shop.test", "first.test"}, /* a wildcard is one label */
        {DOOR, "unknown.test", "first.test"},     {DOOR, NULL, "first.test"},
        {DOOR, "own.test", "first.test"}, /* another door's */
        {OTHER_DOOR, "own.test", "own.test"},     {OTHER_DOOR, "api.shop.test", "*.shop.test"},
        {OTHER_DOOR, "unknown.test", "own.test"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check_visit(&hall, cases[i].door, cases[i].name, cases[i].want);
    }
    hall_fini(&hall);
}

TEST(what_the_client_can_verify_chooses_the_key)
{
    struct hall hall;
    hall_init(&hall);
    hall_add(&hall, "a.test", TLS_KEY_RSA, 0);
    hall_add(&hall, "a.test", TLS_KEY_EC, 0);
    hall_apply(&hall);
    struct visit rsa = {.name = "a.test", .sigalgs = "RSA-PSS+SHA256:RSA+SHA256"};
    struct visit ec = {.name = "a.test", .sigalgs = "ECDSA+SHA256"};
    check(visit_door(&hall, DOOR, &rsa));
    check(visit_door(&hall, DOOR, &ec));
    check_int(tls_store_built(hall.store), 1);
    hall_fini(&hall);
}

TEST(a_change_of_one_certificate_makes_one_anew)
{
    struct hall hall;
    hall_init(&hall);
    hall_add(&hall, "a.test", TLS_KEY_EC, 0);
    hall_add(&hall, "b.test", TLS_KEY_EC, 0);
    hall_apply(&hall);
    check_int(tls_store_built(hall.store), 0);
    check_visit(&hall, DOOR, "a.test", "a.test");
    check_visit(&hall, DOOR, "b.test", "b.test");
    check_int(tls_store_built(hall.store), 2);
    hall.certs[1].id++;
    hall_apply(&hall);
    check_int(tls_store_built(hall.store), 1);
    check_visit(&hall, DOOR, "b.test", "b.test");
    check_int(tls_store_built(hall.store), 2);
    hall_fini(&hall);
}

static bool resumes(struct hall *hall, uint64_t door, SSL_SESSION *session)
{
    struct visit visit = {.name = "a.test", .resume = session};
    check(visit_door(hall, door, &visit));
    return visit.resumed;
}

static SSL_SESSION *ticket(struct hall *hall)
{
    SSL_SESSION *session = NULL;
    struct visit visit = {.name = "a.test", .keep = &session};
    check(visit_door(hall, DOOR, &visit));
    check(session != NULL);
    return session;
}

TEST(tickets_live_as_long_as_their_key)
{
    const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    for (size_t i = 0; i < ARRAY_LEN(versions); i++) {
        struct hall hall;
        hall_init(&hall);
        SSL_CTX_set_max_proto_version(hall.client, versions[i]);
        hall_add(&hall, "a.test", TLS_KEY_EC, 0);
        hall_apply(&hall);
        check(resumes(&hall, DOOR, ticket(&hall)));
        /* Another store with the same keys: another thread, or another edge. */
        SSL_SESSION *one = ticket(&hall), *two = ticket(&hall);
        tls_store_free(hall.store);
        hall.store = tls_store_new();
        hall_apply(&hall);
        check(resumes(&hall, DOOR, one));
        /* The next key comes first, the old one still opens. */
        struct tls_ticket_key old = hall.keys[0];
        hall.keys[0] = hall.keys[1];
        hall.keys[1] = old;
        hall.key_count = 2;
        hall_apply(&hall);
        check(resumes(&hall, DOOR, two));
        /* Then it is gone. */
        SSL_SESSION *three = ticket(&hall);
        hall.keys[0] = old;
        hall.key_count = 1;
        hall_apply(&hall);
        check(!resumes(&hall, DOOR, three));
        hall_fini(&hall);
    }
}

TEST(tickets_go_with_the_first_bytes_of_the_server)
{
    struct hall hall;
    hall_init(&hall);
    SSL_CTX_set_min_proto_version(hall.client, TLS1_3_VERSION);
    hall_add(&hall, "a.test", TLS_KEY_EC, 0);
    for (unsigned count = 0; count <= 8; count++) {
        SSL_SESSION *session = NULL;
        struct visit visit = {.name = "a.test", .keep = &session};
        hall.doors[0].tickets = count;
        hall_apply(&hall);
        check(visit_door(&hall, DOOR, &visit));
        check_int(visit.early, 0);
        check_int(visit.tickets, count);
        /* Whoever resumes used up one. */
        struct visit again = {.name = "a.test", .resume = session};
        check(visit_door(&hall, DOOR, &again));
        check_int(again.resumed, count > 0);
        check_int(again.tickets, MIN(count, 1U));
    }
    hall_fini(&hall);
}

TEST(who_was_promised_tickets_gets_them_though_they_were_turned_off_meanwhile)
{
    struct hall hall;
    SSL_SESSION *session = NULL;
    hall_init(&hall);
    SSL_CTX_set_min_proto_version(hall.client, TLS1_3_VERSION);
    hall_add(&hall, "a.test", TLS_KEY_EC, 0);
    hall_apply(&hall);
    struct visit visit = {.name = "a.test", .keep = &session, .turned_off = true};
    check(visit_door(&hall, DOOR, &visit));
    check_int(visit.tickets, 1);
    struct visit again = {.name = "a.test", .resume = session}; /* but it is good for nothing */
    check(visit_door(&hall, DOOR, &again));
    check(!again.resumed && again.tickets == 0);
    hall_fini(&hall);
}

TEST(a_ticket_is_of_no_use_where_a_certificate_is_asked_for)
{
    struct hall hall;
    hall_init(&hall);
    hall_add(&hall, "a.test", TLS_KEY_EC, 0);
    hall.doors[1].client = TLS_CLIENT_OPTIONAL;
    hall.doors[1].client_ca = buf_str(&hall.ca.cert);
    hall_apply(&hall);
    check(resumes(&hall, DOOR, ticket(&hall)));
    check(!resumes(&hall, OTHER_DOOR, ticket(&hall)));
    hall_fini(&hall);
}

TEST(without_a_certificate_nobody_is_let_in)
{
    struct hall hall;
    hall_init(&hall);
    hall.doors[1].client = TLS_CLIENT_REQUIRED;
    hall.doors[1].client_ca = buf_str(&hall.ca.cert);
    hall_add(&hall, "a.test", TLS_KEY_EC, 0);
    hall_apply(&hall);
    SSL_CTX_set_max_proto_version(hall.client, TLS1_2_VERSION);
    struct visit visit = {.name = "a.test"};
    check(!visit_door(&hall, OTHER_DOOR, &visit));
    struct tls_session session;
    check_int(tls_session_accept(&session, hall.store, 99), -ENOENT);
    hall_fini(&hall);
}

TEST(an_answer_is_stapled_until_its_end)
{
    struct hall hall;
    hall_init(&hall);
    hall_add(&hall, "a.test", TLS_KEY_EC, 0);
    struct tls_cert *cert = pki_read(&hall.pki[0], &hall.ca), *issuer = pki_read(&hall.ca, NULL);
    struct pki_said said = {
        V_OCSP_CERTSTATUS_GOOD, PKI_NOW - 60, PKI_NOW + 60, cert, issuer, issuer, 0};
    const struct {
        int64_t next_s, now_s;
        bool stapled;
    } cases[] = {
        {PKI_NOW + 60, 0, true}, /* nobody has told the moment yet */
        {PKI_NOW + 60, PKI_NOW + 59, true},
        {PKI_NOW + 60, PKI_NOW + 60, false},
        {PKI_NOW + 60, PKI_NOW + 59, true}, /* the clock was set back */
        {0, PKI_NOW + 100000, true},        /* it does not say until when */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buf answer = BUF_INIT(TLS_OCSP_MAX);
        struct visit visit = {.name = "a.test"};
        said.next_s = cases[i].next_s;
        pki_say(&said, &answer);
        hall.certs[0].ocsp = buf_str(&answer);
        hall.certs[0].id = 1000 + (uint64_t)cases[i].next_s;
        hall_apply(&hall);
        tls_store_moment(hall.store, cases[i].now_s);
        check(visit_door(&hall, DOOR, &visit));
        check_int(visit.stapled, cases[i].stapled);
        hall.certs[0].ocsp = STR_NONE;
        buf_fini(&answer);
    }
    tls_cert_free(cert);
    tls_cert_free(issuer);
    hall_fini(&hall);
}
