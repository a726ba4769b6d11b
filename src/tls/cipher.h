/* SPDX-License-Identifier: Apache-2.0
 *
 * Keys of TLS 1.3 records, and the ciphers of a thread. A connection holds two keys (one for each
 * direction) and no context of OpenSSL's: those are the thread's, and are keyed anew when another
 * connection comes.
 */
#ifndef TLS_CIPHER_H
#define TLS_CIPHER_H

#include "base/str.h"

#include <openssl/types.h>

enum tls_suite {
    TLS_SUITE_AES_128_GCM,
    TLS_SUITE_AES_256_GCM,
    TLS_SUITE_CHACHA20_POLY1305,
    TLS_SUITES
};
enum { TLS_HASH_MAX = 48, TLS_KEY_MAX = 32, TLS_NONCE_SIZE = 12 };

/* One direction. It must stay where it is between init and fini. Secret. */
struct tls_key {
    uint64_t seq; /* records under this key */
    uint8_t secret[TLS_HASH_MAX];
    uint8_t key[TLS_KEY_MAX];
    uint8_t iv[TLS_NONCE_SIZE];
    uint8_t suite; /* enum tls_suite */
};

struct tls_ciphers;

/* NULL when memory is out. Counted: whoever holds keys holds a reference. */
struct tls_ciphers *tls_ciphers_new(void);
struct tls_ciphers *tls_ciphers_ref(struct tls_ciphers *ciphers);
void tls_ciphers_unref(struct tls_ciphers *ciphers); /* accepts NULL */
/* Records that one key may seal; 2^24 until it is said (RFC 8446 §5.5 allows 2^24.5). For tests. */
uint64_t tls_ciphers_records_max(const struct tls_ciphers *ciphers);
void tls_ciphers_limit(struct tls_ciphers *ciphers, uint64_t records);

/* By its number in the protocol (0x1301 …). False: another one. */
bool tls_suite_find(uint32_t id, enum tls_suite *ret);
size_t tls_suite_hash_len(enum tls_suite suite);

/* From a traffic secret of the suite's length. 0 or -ENOMEM. */
must_check int tls_key_init(struct tls_key *key, struct tls_ciphers *ciphers, enum tls_suite suite,
                            const uint8_t *secret);
/* The next generation (RFC 8446 §7.2). 0 or -ENOMEM. */
must_check int tls_key_update(struct tls_key *key, struct tls_ciphers *ciphers);
/* Wipes it, also in the contexts. Accepts one that was never made. */
void tls_key_fini(struct tls_key *key, struct tls_ciphers *ciphers);

/* A context for the next record, keyed and told its nonce; NULL when OpenSSL fails. Whoever was
 * successful counts: key->seq. */
EVP_CIPHER_CTX *tls_key_context(const struct tls_key *key, struct tls_ciphers *ciphers,
                                bool sealing);

#endif
