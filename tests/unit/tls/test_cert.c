/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates are read whole or refused with a sentence; what is issued can be read.
 */
#include "pki.h"
#include "tls/cert.h"

#include "harness/test.h"

static int read_pair(struct str cert, struct str key, struct tls_cert **ret,
                     struct problem *problem)
{
    const struct tls_cert_source source = {
        .cert = cert, .key = key, .cert_name = STR("a.crt"), .key_name = STR("a.key")};
    return tls_cert_new(&source, ret, problem);
}

TEST(a_certificate_says_its_names_and_kind)
{
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC);
    const enum tls_key_kind kinds[] = {TLS_KEY_RSA, TLS_KEY_EC, TLS_KEY_ED};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct pki leaf = pki_make(&ca, "Shop.Localhost *.shop.localhost 127.0.0.1 ::1", kinds[i]);
        struct tls_cert *cert;
        struct problem problem;
        check_int(read_pair(buf_str(&leaf.cert), buf_str(&leaf.key), &cert, &problem), 0);
        check_str(buf_str(&cert->names), STR("shop.localhost *.shop.localhost "));
        check_int(cert->kind, kinds[i]);
        check_int(cert->from_s, 1700000000);
        check_int(cert->until_s, 4000000000);
        tls_cert_free(cert);
        pki_fini(&leaf);
    }
    pki_fini(&ca);
}

TEST(what_is_wrong_is_said_with_the_file)
{
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC);
    struct pki a = pki_make(&ca, "a.test", TLS_KEY_EC), b = pki_make(&ca, "b.test", TLS_KEY_EC);
    const struct {
        struct str cert, key;
        const char *code, *where;
    } cases[] = {
        {STR_NONE, buf_str(&a.key), "tls.bad-certificate", "a.crt"},
        {STR("hello"), buf_str(&a.key), "tls.bad-certificate", "a.crt"},
        {str_slice(buf_str(&a.cert), 0, 200), buf_str(&a.key), "tls.bad-certificate", "a.crt"},
        {buf_str(&a.cert), STR_NONE, "tls.bad-key", "a.key"},
        {buf_str(&a.cert), buf_str(&a.cert), "tls.bad-key", "a.key"},
        {buf_str(&a.cert), buf_str(&b.key), "tls.mismatch", "a.key"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct tls_cert *cert;
        struct problem problem;
        check_int(read_pair(cases[i].cert, cases[i].key, &cert, &problem), TLS_E_BAD);
        check_cstr(problem.code, cases[i].code);
        check_cstr(problem.where, cases[i].where);
        check(problem.what[0] && problem.expected[0]);
    }
    pki_fini(&a);
    pki_fini(&b);
    pki_fini(&ca);
}

TEST(a_key_with_a_passphrase_is_refused_without_asking)
{
    static const char key[] = "-----BEGIN ENCRYPTED PRIVATE KEY-----\n"
                              "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjVvKZtHlmIsAICCAAw\n"
                              "DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEI+QwmdClGmKqPEn41zAmc4EgZCp\n"
                              "MIHsMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAjVvKZtHlmIsAICCAAw\n"
                              "-----END ENCRYPTED PRIVATE KEY-----\n";
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC), a = pki_make(&ca, "a.test", TLS_KEY_EC);
    struct tls_cert *cert;
    struct problem problem;
    check_int(read_pair(buf_str(&a.cert), str_from(key), &cert, &problem), TLS_E_BAD);
    check_cstr(problem.code, "tls.bad-key");
    pki_fini(&a);
    pki_fini(&ca);
}

TEST(a_chain_must_be_in_order)
{
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC), other = pki_make(NULL, "", TLS_KEY_EC);
    struct pki leaf = pki_make(&ca, "a.test", TLS_KEY_EC),
               stray = pki_make(&ca, "b.test", TLS_KEY_EC);
    struct buf text = BUF_INIT(TLS_PEM_MAX);
    struct tls_cert *cert;
    struct problem problem;
    buf_add(&text, buf_str(&leaf.cert));
    buf_add(&text, buf_str(&ca.cert));
    check_int(read_pair(buf_str(&text), buf_str(&leaf.key), &cert, &problem), 0);
    struct buf chain = BUF_INIT(TLS_PEM_MAX), key = BUF_INIT(TLS_PEM_MAX);
    check_int(tls_cert_write(cert, &chain, &key), 0);
    check_str(buf_str(&chain), buf_str(&text));
    tls_cert_free(cert);
    buf_reset(&text);
    buf_add(&text, buf_str(&leaf.cert));
    buf_add(&text, buf_str(&stray.cert));
    check_int(read_pair(buf_str(&text), buf_str(&leaf.key), &cert, &problem), TLS_E_BAD);
    check_cstr(problem.code, "tls.bad-chain");
    buf_fini(&text);
    buf_fini(&chain);
    buf_fini(&key);
    pki_fini(&stray);
    pki_fini(&leaf);
    pki_fini(&other);
    pki_fini(&ca);
}

TEST(time_is_the_callers)
{
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC);
    struct pki a = pki_make_until(&ca, "a.test", TLS_KEY_EC, PKI_NOW);
    struct tls_cert *cert;
    struct problem problem;
    check_int(read_pair(buf_str(&a.cert), buf_str(&a.key), &cert, &problem), 0);
    check_int(tls_cert_check_time(cert, STR("a.crt"), PKI_NOW, &problem), 0);
    check_int(tls_cert_check_time(cert, STR("a.crt"), PKI_NOW + 1, &problem), TLS_E_BAD);
    check_cstr(problem.code, "tls.expired");
    check_int(tls_cert_check_time(cert, STR("a.crt"), 1600000000, &problem), TLS_E_BAD);
    check_cstr(problem.code, "tls.not-yet-valid");
    tls_cert_free(cert);
    pki_fini(&a);
    pki_fini(&ca);
}

TEST(a_name_that_is_none_is_not_issued)
{
    struct buf cert = BUF_INIT(TLS_PEM_MAX), key = BUF_INIT(TLS_PEM_MAX);
    const struct str bad[] = {STR("a b"), STR(""), STR("a,DNS:b"), STR("x/y"), STR("a*b")};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        const struct tls_issue_spec spec = {.common_name = STR("x"),
                                            .names = &bad[i],
                                            .name_count = 1,
                                            .until_s = 4000000000,
                                            .kind = TLS_KEY_EC};
        check_int(tls_issue(&spec, NULL, &cert, &key), -EINVAL);
    }
    buf_fini(&cert);
    buf_fini(&key);
}
