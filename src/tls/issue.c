/* SPDX-License-Identifier: Apache-2.0
 *
 * X.509 v3 as RFC 5280 wants it: random serial, key identifiers, constraints and usages marked
 * critical where they must be. Serial and key are OpenSSL's randomness.
 */
#include "tls/issue.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <stdio.h>

enum { SERIAL_BYTES = 16, NAME_MAX_LEN = 253 };

static EVP_PKEY *make_key(enum tls_key_kind kind)
{
    switch (kind) {
    case TLS_KEY_RSA:
        return EVP_RSA_gen(2048U);
    case TLS_KEY_ED:
        return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    default:
        return EVP_EC_gen("P-256");
    }
}

static bool set_serial(X509 *x)
{
    unsigned char bytes[SERIAL_BYTES];
    if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        return false;
    }
    bytes[0] = (bytes[0] & 0x7f) | 0x40; /* positive, and never short */
    BIGNUM *number = BN_bin2bn(bytes, sizeof(bytes), NULL);
    bool good = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return good;
}

static bool set_subject(X509 *x, struct str common_name)
{
    X509_NAME *name = X509_get_subject_name(x);
    size_t len = MIN(common_name.len, (size_t)64); /* RFC 5280's ub-common-name */
    return X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8,
                                      (const unsigned char *)"muelle development", -1, -1,
                                      0) == 1 &&
           X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                      (const unsigned char *)common_name.p, (int)len, -1, 0) == 1;
}

static bool add_extension(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    bool good = extension && X509_add_ext(x, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return good;
}

/* Host names are plain text of letters, digits and a few signs; anything else would be read anew by
 * whoever parses it. */
static bool host_is_plain(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        bool word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!word && c != '-' && c != '.' && c != '_' && !(c == '*' && i == 0)) {
            return false;
        }
    }
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

static GENERAL_NAME *make_name(struct str text)
{
    char memory[NAME_MAX_LEN + 1];
    if (!str_copy(memory, sizeof(memory), text)) {
        return NULL;
    }
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(memory);
    if (name && address) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
        return name;
    }
    ASN1_IA5STRING *host = name && host_is_plain(text) ? ASN1_IA5STRING_new() : NULL;
    if (!host || ASN1_STRING_set(host, text.p, (int)text.len) != 1) {
        ASN1_IA5STRING_free(host);
        GENERAL_NAME_free(name);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, GEN_DNS, host);
    return name;
}

static int add_names(X509 *x, const struct tls_issue_spec *spec)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    int r = names ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < spec->name_count; i++) {
        GENERAL_NAME *name = make_name(spec->names[i]);
        if (!name || !sk_GENERAL_NAME_push(names, name)) {
            GENERAL_NAME_free(name);
            r = -EINVAL;
        }
    }
    if (r == 0 && spec->name_count > 0 &&
        X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0) != 1) {
        r = -ENOMEM;
    }
    GENERAL_NAMES_free(names);
    return r;
}

static bool add_usages(X509 *x, X509 *issuer, const struct tls_issue_spec *spec)
{
    const char *constraints = spec->authority ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE";
    const char *usage = spec->authority             ? "critical,keyCertSign,cRLSign"
                        : spec->kind == TLS_KEY_RSA ? "critical,digitalSignature,keyEncipherment"
                                                    : "critical,digitalSignature";
    return add_extension(x, issuer, NID_basic_constraints, constraints) &&
           add_extension(x, issuer, NID_key_usage, usage) &&
           (spec->authority || add_extension(x, issuer, NID_ext_key_usage,
                                             spec->client ? "clientAuth" : "serverAuth")) &&
           add_extension(x, issuer, NID_subject_key_identifier, "hash") &&
           add_extension(x, issuer, NID_authority_key_identifier, "keyid:always");
}

static int fill(X509 *x, const struct tls_issue_spec *spec, const struct tls_cert *issuer,
                EVP_PKEY *key)
{
    X509 *above = issuer ? issuer->leaf : x;
    EVP_PKEY *sign = issuer ? issuer->key : key;
    bool good = X509_set_version(x, X509_VERSION_3) == 1 && set_serial(x) &&
                ASN1_TIME_set(X509_getm_notBefore(x), (time_t)spec->from_s) &&
                ASN1_TIME_set(X509_getm_notAfter(x), (time_t)spec->until_s) &&
                set_subject(x, spec->common_name) &&
                X509_set_issuer_name(x, X509_get_subject_name(above)) == 1 &&
                X509_set_pubkey(x, key) == 1 && add_usages(x, above, spec);
    int r = good ? add_names(x, spec) : -ENOMEM;
    bool edwards = EVP_PKEY_get_base_id(sign) == EVP_PKEY_ED25519;
    if (r == 0 && X509_sign(x, sign, edwards ? NULL : EVP_sha256()) <= 0) {
        r = -ENOMEM;
    }
    return r;
}

int tls_issue(const struct tls_issue_spec *spec, const struct tls_cert *issuer, struct buf *cert,
              struct buf *key)
{
    struct tls_cert made = {.leaf = X509_new(), .key = make_key(spec->kind)};
    int r = made.leaf && made.key ? fill(made.leaf, spec, issuer, made.key) : -ENOMEM;
    r = r < 0 ? r : tls_cert_write(&made, cert, key);
    X509_free(made.leaf);
    EVP_PKEY_free(made.key);
    ERR_clear_error();
    return r;
}

void tls_fingerprint(const struct tls_cert *cert, char ret[TLS_FINGERPRINT_MAX])
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    ret[0] = '\0';
    if (X509_digest(cert->leaf, EVP_sha256(), digest, &len) != 1) {
        return;
    }
    for (unsigned i = 0; i < len && i < 32; i++) {
        (void)snprintf(ret + (size_t)i * 3, 4, i + 1 < len ? "%02X:" : "%02X", digest[i]);
    }
}

void tls_common_name(const struct tls_cert *cert, char *ret, size_t size)
{
    int n = X509_NAME_get_text_by_NID(X509_get_subject_name(cert->leaf), NID_commonName, ret,
                                      (int)size);
    if (n < 0) {
        ret[0] = '\0';
    }
}
