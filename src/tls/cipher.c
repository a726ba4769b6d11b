/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys and contexts.
 *
 * 1. `owner` of a context is whose key is in it; a key that changes or goes takes itself out, so
 *    its address may be another's afterwards.
 * 2. Contexts are made when a suite is first used, and never more than two a suite and thread.
 */
#include "tls/cipher.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

enum { HASH_256, HASH_384, HASHES };

static const struct {
    const char *cipher;
    uint16_t id;
    uint8_t key_len, hash;
} suites[TLS_SUITES] = {
    [TLS_SUITE_AES_128_GCM] = {"AES-128-GCM", 0x1301, 16, HASH_256},
    [TLS_SUITE_AES_256_GCM] = {"AES-256-GCM", 0x1302, 32, HASH_384},
    [TLS_SUITE_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", 0x1303, 32, HASH_256},
};
static const struct {
    const char *name;
    uint8_t len;
} hashes[HASHES] = {{"SHA256", 32}, {"SHA384", 48}};

struct context {
    EVP_CIPHER_CTX *evp;
    const struct tls_key *owner;
};
struct tls_ciphers {
    unsigned refs;
    uint64_t records_max;
    EVP_MAC_CTX *hmac[HASHES];
    struct context contexts[TLS_SUITES][2];
};

/* --- the thread's --- */

static bool make_hmac(struct tls_ciphers *ciphers)
{
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    bool good = hmac != NULL;
    for (size_t i = 0; good && i < HASHES; i++) {
        OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                             (char *)(uintptr_t)hashes[i].name, 0),
            OSSL_PARAM_construct_end(),
        };
        ciphers->hmac[i] = EVP_MAC_CTX_new(hmac);
        good = ciphers->hmac[i] && EVP_MAC_CTX_set_params(ciphers->hmac[i], params) == 1;
    }
    EVP_MAC_free(hmac);
    return good;
}

struct tls_ciphers *tls_ciphers_new(void)
{
    struct tls_ciphers *ciphers = calloc(1, sizeof(*ciphers));
    if (!ciphers) {
        return NULL;
    }
    ciphers->refs = 1;
    ciphers->records_max = 1U << 24;
    if (!make_hmac(ciphers)) {
        ERR_clear_error();
        tls_ciphers_unref(ciphers);
        return NULL;
    }
    return ciphers;
}

struct tls_ciphers *tls_ciphers_ref(struct tls_ciphers *ciphers)
{
    ciphers->refs++;
    return ciphers;
}

void tls_ciphers_unref(struct tls_ciphers *ciphers)
{
    if (!ciphers || --ciphers->refs > 0) {
        return;
    }
    for (size_t i = 0; i < TLS_SUITES; i++) {
        EVP_CIPHER_CTX_free(ciphers->contexts[i][0].evp);
        EVP_CIPHER_CTX_free(ciphers->contexts[i][1].evp);
    }
    for (size_t i = 0; i < HASHES; i++) {
        EVP_MAC_CTX_free(ciphers->hmac[i]);
    }
    free(ciphers);
}

uint64_t tls_ciphers_records_max(const struct tls_ciphers *ciphers)
{
    return ciphers->records_max;
}

void tls_ciphers_limit(struct tls_ciphers *ciphers, uint64_t records)
{
    ciphers->records_max = records;
}

bool tls_suite_find(uint32_t id, enum tls_suite *ret)
{
    for (size_t i = 0; i < TLS_SUITES; i++) {
        if (suites[i].id == id) {
            *ret = (enum tls_suite)i;
            return true;
        }
    }
    return false;
}

size_t tls_suite_hash_len(enum tls_suite suite)
{
    return hashes[suites[suite].hash].len;
}

/* --- derivation (RFC 8446 §7.1, RFC 5869 §2.3) --- */

/* HKDF-Expand-Label with an empty context. `len` is at most the hash's: one round. */
static bool expand(struct tls_ciphers *ciphers, const struct tls_key *key, const char *label,
                   uint8_t *ret, size_t len)
{
    EVP_MAC_CTX *mac = ciphers->hmac[suites[key->suite].hash];
    uint8_t info[32] = {0,   (uint8_t)len, (uint8_t)(6 + strlen(label)), 't', 'l', 's', '1',
                        '3', ' '};
    uint8_t block[TLS_HASH_MAX];
    size_t at = 9, made = 0;
    for (; *label; label++) {
        info[at++] = (uint8_t)*label;
    }
    info[at++] = 0; /* the context's length */
    info[at++] = 1; /* the round */
    bool good = EVP_MAC_init(mac, key->secret, tls_suite_hash_len(key->suite), NULL) == 1 &&
                EVP_MAC_update(mac, info, at) == 1 &&
                EVP_MAC_final(mac, block, &made, sizeof(block)) == 1 && made >= len;
    if (good) {
        memcpy(ret, block, len);
    }
    OPENSSL_cleanse(block, sizeof(block));
    return good;
}

/* The context of the hash must not remember whose secret it had last. */
static void forget_secret(struct tls_ciphers *ciphers, const struct tls_key *key)
{
    static const uint8_t nobody[TLS_HASH_MAX];
    if (EVP_MAC_init(ciphers->hmac[suites[key->suite].hash], nobody, sizeof(nobody), NULL) != 1) {
        ERR_clear_error();
    }
}

/* Takes the key out of the contexts. */
static void forget_key(const struct tls_key *key, struct tls_ciphers *ciphers)
{
    static const uint8_t nobody[TLS_KEY_MAX];
    for (int sealing = 0; sealing < 2; sealing++) {
        struct context *context = &ciphers->contexts[key->suite][sealing];
        if (context->owner == key) {
            context->owner = NULL;
            if (EVP_CipherInit_ex2(context->evp, NULL, nobody, nobody, sealing, NULL) != 1) {
                ERR_clear_error();
            }
        }
    }
}

static int derive(struct tls_key *key, struct tls_ciphers *ciphers)
{
    bool good = expand(ciphers, key, "key", key->key, suites[key->suite].key_len) &&
                expand(ciphers, key, "iv", key->iv, sizeof(key->iv));
    forget_secret(ciphers, key);
    key->seq = 0;
    if (!good) {
        ERR_clear_error();
        return -ENOMEM;
    }
    return 0;
}

int tls_key_init(struct tls_key *key, struct tls_ciphers *ciphers, enum tls_suite suite,
                 const uint8_t *secret)
{
    *key = (struct tls_key){.suite = (uint8_t)suite};
    memcpy(key->secret, secret, tls_suite_hash_len(suite));
    return derive(key, ciphers);
}

int tls_key_update(struct tls_key *key, struct tls_ciphers *ciphers)
{
    uint8_t next[TLS_HASH_MAX];
    size_t len = tls_suite_hash_len(key->suite);
    forget_key(key, ciphers);
    if (!expand(ciphers, key, "traffic upd", next, len)) {
        ERR_clear_error();
        return -ENOMEM;
    }
    memcpy(key->secret, next, len);
    OPENSSL_cleanse(next, sizeof(next));
    return derive(key, ciphers);
}

void tls_key_fini(struct tls_key *key, struct tls_ciphers *ciphers)
{
    forget_key(key, ciphers);
    OPENSSL_cleanse(key, sizeof(*key));
}

/* --- contexts --- */

static bool make_context(struct context *context, const char *name, bool sealing)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *evp = cipher ? EVP_CIPHER_CTX_new() : NULL;
    if (!evp || EVP_CipherInit_ex2(evp, cipher, NULL, NULL, sealing, NULL) != 1) {
        EVP_CIPHER_CTX_free(evp);
        evp = NULL;
        ERR_clear_error();
    }
    EVP_CIPHER_free(cipher); /* the context has its own reference */
    context->evp = evp;
    return evp != NULL;
}

EVP_CIPHER_CTX *tls_key_context(const struct tls_key *key, struct tls_ciphers *ciphers,
                                bool sealing)
{
    struct context *context = &ciphers->contexts[key->suite][sealing];
    uint8_t nonce[TLS_NONCE_SIZE];
    if (unlikely(!context->evp) && !make_context(context, suites[key->suite].cipher, sealing)) {
        return NULL;
    }
    uint64_t tail;
    memcpy(nonce, key->iv, sizeof(nonce));
    memcpy(&tail, nonce + 4, sizeof(tail));
    tail ^= __builtin_bswap64(key->seq); /* RFC 8446 §5.3; little-endian machines */
    memcpy(nonce + 4, &tail, sizeof(tail));
    const uint8_t *set = context->owner == key ? NULL : key->key;
    if (unlikely(EVP_CipherInit_ex2(context->evp, NULL, set, nonce, sealing, NULL) != 1)) {
        context->owner = NULL;
        ERR_clear_error();
        return NULL;
    }
    context->owner = key;
    return context->evp;
}
