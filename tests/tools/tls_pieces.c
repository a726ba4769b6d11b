/* SPDX-License-Identifier: Apache-2.0
 *
 * What an open TLS session of a server that rests holds of OpenSSL's memory, piece by piece, with
 * the line of OpenSSL that asked for it: the table of docs/decisions/0017-tls-light.md.
 *
 *   tls_pieces [12]      TLS 1.3, or 1.2; the client is OpenSSL's own with what it offers by itself
 *
 * Both ends are in this process: only what the server's calls allocate is noted. Two sessions come
 * before the one that is looked at, so that what is made once a context is made.
 */
#include "tls/issue.h"
#include "tls/session.h"
#include "tls/store.h"

#include <malloc.h>
#include <openssl/crypto.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PIECES_MAX = 100000, WIRE = 64 * 1024, ROUNDS = 3, FROM_S = 1700000000 };

struct piece {
    void *p;
    size_t size;
    const char *file;
    int line;
};
static struct piece pieces[PIECES_MAX];
static size_t piece_count;
static bool server_runs;

static void note(void *p, size_t size, const char *file, int line)
{
    if (p && piece_count < PIECES_MAX) {
        pieces[piece_count++] = (struct piece){p, size, file, line};
    }
}

static bool forget(const void *p)
{
    for (size_t i = piece_count; p && i-- > 0;) {
        if (pieces[i].p == p) {
            pieces[i] = pieces[--piece_count];
            return true;
        }
    }
    return false;
}

static void *piece_alloc(size_t size, const char *file, int line)
{
    void *p = malloc(size);
    if (server_runs) {
        note(p, size, file, line);
    }
    return p;
}

static void piece_free(void *p, const char *file, int line)
{
    (void)file;
    (void)line;
    (void)forget(p);
    free(p);
}

static void *piece_resize(void *p, size_t size, const char *file, int line)
{
    if (size == 0) {
        piece_free(p, file, line);
        return NULL;
    }
    bool noted = forget(p);
    void *next = realloc(p, size);
    if (noted || server_runs) {
        note(next, size, file, line);
    }
    return next;
}

/* --- one server, one client --- */

struct certificate {
    struct buf cert, key;
};

static int make(struct certificate *ret)
{
    static const struct str names[] = {STR_INIT("a.test")};
    const struct tls_issue_spec spec = {.common_name = STR("a.test"),
                                        .names = names,
                                        .name_count = 1,
                                        .kind = TLS_KEY_EC,
                                        .from_s = FROM_S,
                                        .until_s = 4000000000};
    *ret = (struct certificate){BUF_INIT(TLS_PEM_MAX), BUF_INIT(TLS_PEM_MAX)};
    return tls_issue(&spec, NULL, &ret->cert, &ret->key);
}

static int open_store(struct tls_store **ret, const struct certificate *of)
{
    static const struct tls_ticket_key ticket = {.name = "pieces"};
    const struct tls_store_cert cert = {.id = 1,
                                        .chain = buf_str(&of->cert),
                                        .key = buf_str(&of->key),
                                        .names = STR("a.test "),
                                        .kind = TLS_KEY_EC};
    const struct tls_door_spec door = {.id = 1, .tickets = 2, .h2 = true};
    static struct tls_store_cert kept;
    kept = cert;
    const struct tls_store_config config = {.certs = &kept,
                                            .cert_count = 1,
                                            .doors = &door,
                                            .door_count = 1,
                                            .tickets = &ticket,
                                            .ticket_count = 1};
    *ret = tls_store_new();
    return *ret ? tls_store_apply(*ret, &config) : -ENOMEM;
}

static SSL *open_client(SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
    SSL_set_tlsext_host_name(ssl, "a.test");
    return ssl;
}

struct talk {
    struct tls_session session;
    struct tls_wire wire;
    SSL *client;
    bool noted; /* the server's pieces of this one */
};

static char sent[WIRE];

/* The client's bytes go to the server, which reads them. */
static void server_reads(struct talk *talk)
{
    char in[16 * 1024], plain[1024];
    size_t n;
    int len = BIO_read(SSL_get_wbio(talk->client), in, sizeof(in));
    talk->wire.in = str_make(in, len > 0 ? (size_t)len : 0);
    server_runs = talk->noted;
    (void)!tls_session_read(&talk->session, &talk->wire, plain, sizeof(plain), &n);
    server_runs = false;
}

static void client_reads(struct talk *talk)
{
    char plain[1024];
    BIO_write(SSL_get_rbio(talk->client), talk->wire.out, (int)talk->wire.out_len);
    talk->wire.out_len = 0;
    (void)SSL_read(talk->client, plain, sizeof(plain));
}

/* A handshake, a request of 80 bytes and an answer of 300: false if it did not come to that. */
static bool run(struct talk *talk, struct tls_store *store)
{
    static const char text[300];
    server_runs = talk->noted;
    int r = tls_session_accept(&talk->session, store, 1);
    server_runs = false;
    for (int i = 0; r == 0 && i < 10 && !talk->session.open; i++) {
        (void)SSL_do_handshake(talk->client);
        server_reads(talk);
        client_reads(talk);
    }
    if (r != 0 || !talk->session.open || SSL_write(talk->client, text, 80) != 80) {
        return false;
    }
    server_reads(talk);
    server_runs = talk->noted;
    r = tls_session_write(&talk->session, &talk->wire, str_make(text, sizeof(text)));
    server_runs = false;
    client_reads(talk);
    return r == 0;
}

static int by_size(const void *a, const void *b)
{
    size_t x = ((const struct piece *)a)->size, y = ((const struct piece *)b)->size;
    return (y > x) - (y < x);
}

static void report(const SSL *client)
{
    size_t sum = 0, taken = 0;
    qsort(pieces, piece_count, sizeof(pieces[0]), by_size);
    for (size_t i = 0; i < piece_count; i++) {
        printf("%6zu  %s:%d\n", pieces[i].size, pieces[i].file, pieces[i].line);
        sum += pieces[i].size;
        taken += malloc_usable_size(pieces[i].p) + sizeof(size_t);
    }
    printf("%6zu  in %zu pieces; %zu with what malloc adds; %s, %s, %s\n", sum, piece_count, taken,
           SSL_get_version(client), SSL_get_cipher_name(client), OpenSSL_version(OPENSSL_VERSION));
}

int main(int argc, char **argv)
{
    struct certificate certificate;
    struct tls_store *store = NULL;
    bool older = argc > 1 && strcmp(argv[1], "12") == 0;
    if (CRYPTO_set_mem_functions(piece_alloc, piece_resize, piece_free) != 1 ||
        make(&certificate) != 0 || open_store(&store, &certificate) != 0) {
        fprintf(stderr, "tls_pieces: no server\n");
        return 1;
    }
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_max_proto_version(ctx, older ? TLS1_2_VERSION : TLS1_3_VERSION);
    SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)"\x08http/1.1", 9);
    for (int i = 0; i < ROUNDS; i++) {
        struct talk talk = {.wire = {.out = sent, .out_cap = sizeof(sent)},
                            .client = open_client(ctx),
                            .noted = i == ROUNDS - 1};
        if (!run(&talk, store)) {
            fprintf(stderr, "tls_pieces: %s\n", tls_session_reason(&talk.session));
            return 1;
        }
        if (talk.noted) {
            report(talk.client);
        }
        tls_session_fini(&talk.session);
        SSL_free(talk.client);
    }
    SSL_CTX_free(ctx);
    tls_store_free(store);
    buf_fini(&certificate.cert);
    buf_fini(&certificate.key);
    return 0;
}
