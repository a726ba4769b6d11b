/* SPDX-License-Identifier: Apache-2.0
 *
 * Sealing and opening. A number of a record is used once: it is counted before the bytes leave
 * here, and a record that does not open ends the connection.
 */
#include "tls/record.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

int tls_record_head(const uint8_t head[TLS_RECORD_HEAD], size_t *ret_len)
{
    size_t len = (size_t)head[3] << 8 | head[4];
    if (head[0] != TLS_TYPE_DATA || head[1] != 3) {
        return TLS_ALERT_UNEXPECTED_MESSAGE;
    }
    if (len > TLS_RECORD_BODY_MAX) {
        return TLS_ALERT_RECORD_OVERFLOW;
    }
    /* At least the type is in it. */
    *ret_len = len;
    return len > TLS_RECORD_TAG ? 0 : TLS_ALERT_BAD_RECORD_MAC;
}

static bool decrypt(EVP_CIPHER_CTX *evp, struct str record, char *out)
{
    const uint8_t *p = (const uint8_t *)record.p;
    uint8_t *to = (uint8_t *)out;
    int inner = (int)(record.len - TLS_RECORD_HEAD - TLS_RECORD_TAG), n = 0;
    uint8_t tag[TLS_RECORD_TAG];
    memcpy(tag, p + TLS_RECORD_HEAD + inner, sizeof(tag));
    return EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) == 1 &&
           EVP_DecryptUpdate(evp, NULL, &n, p, TLS_RECORD_HEAD) == 1 &&
           EVP_DecryptUpdate(evp, to, &n, p + TLS_RECORD_HEAD, inner) == 1 && n == inner &&
           EVP_DecryptFinal_ex(evp, to + inner, &n) == 1;
}

int tls_record_open(struct tls_key *key, struct tls_ciphers *ciphers, struct str record, char *out,
                    struct tls_record *ret)
{
    size_t inner = tls_record_room(record.len - TLS_RECORD_HEAD);
    EVP_CIPHER_CTX *evp = tls_key_context(key, ciphers, false);
    if (unlikely(!evp || key->seq == UINT64_MAX)) {
        return TLS_ALERT_INTERNAL_ERROR;
    }
    if (unlikely(!decrypt(evp, record, out))) {
        ERR_clear_error();
        OPENSSL_cleanse(out, inner); /* nobody may take it for what was sent */
        return TLS_ALERT_BAD_RECORD_MAC;
    }
    key->seq++;
    if (unlikely(inner > TLS_RECORD_TEXT_MAX + 1)) {
        return TLS_ALERT_RECORD_OVERFLOW;
    }
    while (inner > 0 && out[inner - 1] == 0) {
        inner--;
    }
    if (unlikely(inner == 0)) {
        return TLS_ALERT_UNEXPECTED_MESSAGE; /* RFC 8446 §5.4 */
    }
    *ret = (struct tls_record){str_make(out, inner - 1), (uint8_t)out[inner - 1]};
    return 0;
}

size_t tls_record_seal(struct tls_key *key, struct tls_ciphers *ciphers, enum tls_record_type type,
                       struct str text, char *out)
{
    size_t body = text.len + 1 + TLS_RECORD_TAG;
    uint8_t *to = (uint8_t *)out, inner = (uint8_t)type;
    int n = 0, last = 0;
    EVP_CIPHER_CTX *evp = tls_key_context(key, ciphers, true);
    if (unlikely(!evp || key->seq == UINT64_MAX)) {
        return 0;
    }
    memcpy(to, (const uint8_t[]){TLS_TYPE_DATA, 3, 3, (uint8_t)(body >> 8), (uint8_t)body},
           TLS_RECORD_HEAD);
    bool good = EVP_EncryptUpdate(evp, NULL, &n, to, TLS_RECORD_HEAD) == 1;
    to += TLS_RECORD_HEAD;
    n = 0;
    good = good && (text.len == 0 ||
                    EVP_EncryptUpdate(evp, to, &n, (const uint8_t *)text.p, (int)text.len) == 1);
    good = good && EVP_EncryptUpdate(evp, to + n, &last, &inner, 1) == 1 &&
           (size_t)(n + last) == text.len + 1 &&
           EVP_EncryptFinal_ex(evp, to + n + last, &last) == 1;
    to += text.len + 1;
    if (unlikely(!good ||
                 EVP_CIPHER_CTX_ctrl(evp, EVP_CTRL_AEAD_GET_TAG, TLS_RECORD_TAG, to) != 1)) {
        ERR_clear_error();
        return 0;
    }
    key->seq++;
    return TLS_RECORD_HEAD + body;
}
