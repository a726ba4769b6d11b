/* SPDX-License-Identifier: Apache-2.0
 *
 * Records of TLS 1.3 under application keys (RFC 8446 §5.2): text and a type to bytes, and back.
 *
 *   1  23 (application data)                    ┐ head: what is
 *   2  3, 3                                     │ authenticated
 *   2  length of what follows, big endian       ┘ besides
 *   n  encrypted: text, 1 byte type, any number of zeros (padding)
 *  16  tag
 */
#ifndef TLS_RECORD_H
#define TLS_RECORD_H

#include "tls/cipher.h"

enum {
    TLS_RECORD_HEAD = 5,
    TLS_RECORD_TAG = 16,
    TLS_RECORD_TEXT_MAX = 16 * 1024,
    TLS_RECORD_BODY_MAX = TLS_RECORD_TEXT_MAX + 256,
};
enum tls_record_type { TLS_TYPE_ALERT = 21, TLS_TYPE_HANDSHAKE = 22, TLS_TYPE_DATA = 23 };
/* RFC 8446 §6.2 */
enum tls_alert {
    TLS_ALERT_CLOSE_NOTIFY = 0,
    TLS_ALERT_UNEXPECTED_MESSAGE = 10,
    TLS_ALERT_BAD_RECORD_MAC = 20,
    TLS_ALERT_RECORD_OVERFLOW = 22,
    TLS_ALERT_ILLEGAL_PARAMETER = 47,
    TLS_ALERT_DECODE_ERROR = 50,
    TLS_ALERT_INTERNAL_ERROR = 80,
    TLS_ALERT_USER_CANCELED = 90,
};

/* What was in one. */
struct tls_record {
    struct str text;
    uint8_t type; /* enum tls_record_type, or anything */
};

/* Judges a head: 0 and the length of what follows, or the alert to refuse it with. */
must_check int tls_record_head(const uint8_t head[TLS_RECORD_HEAD], size_t *ret_len);
/* What a record of `len` bytes behind the head needs to be opened. */
static inline size_t tls_record_room(size_t len)
{
    return len - TLS_RECORD_TAG;
}
/* Opens a whole record. `out` has tls_record_room bytes, or is where the encrypted bytes are. 0,
 * the text's length and the type; else the alert to refuse it with, and `out` is wiped. */
must_check int tls_record_open(struct tls_key *key, struct tls_ciphers *ciphers, struct str record,
                               char *out, struct tls_record *ret);
/* Bytes written to `out`, which has room for the text and TLS_RECORD_EXTRA (session.h) more; 0 when
 * OpenSSL fails. */
must_check size_t tls_record_seal(struct tls_key *key, struct tls_ciphers *ciphers,
                                  enum tls_record_type type, struct str text, char *out);

#endif
