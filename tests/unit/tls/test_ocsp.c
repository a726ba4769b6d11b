/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers about certificates: the right one is taken, each way of being wrong is told apart, damage
 * never gets through.
 */
#include "pki.h"
#include "tls/ocsp.h"

#include "harness/test.h"

#include <openssl/ocsp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

static int64_t now_s(void)
{
    return PKI_NOW;
}

/* NULL: it is taken. Else why it is not. */
static const char *judge(const struct tls_cert *cert, const struct pki_said *said,
                         struct problem *problem)
{
    struct buf answer = BUF_INIT(TLS_OCSP_MAX);
    struct tls_ocsp_times times = {0};
    pki_say(said, &answer);
    int r = tls_ocsp_check(cert, buf_str(&answer), now_s(), &times, problem);
    if (r == 0) {
        check_int(times.this_s, said->this_s);
        check_int(times.next_s, said->next_s);
    }
    buf_fini(&answer);
    return r == 0 ? NULL : problem->what;
}

TEST(an_answer_is_judged_as_a_client_would)
{
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC), stranger = pki_make(NULL, "", TLS_KEY_EC);
    struct pki leaf = pki_make(&ca, "a.test", TLS_KEY_EC);
    struct pki other = pki_make(&ca, "b.test", TLS_KEY_EC);
    struct tls_cert *cert = pki_read(&leaf, &ca), *issuer = pki_read(&ca, NULL);
    struct tls_cert *another = pki_read(&other, &ca), *wrong = pki_read(&stranger, NULL);
    struct problem problem;
    const struct pki_said good = {
        V_OCSP_CERTSTATUS_GOOD, PKI_NOW - 3600, PKI_NOW + 3600, cert, issuer, issuer, 0};
    check(judge(cert, &good, &problem) == NULL);
    struct pki_said said = good;
    said.next_s = PKI_NOW;
    check_cstr(judge(cert, &said, &problem),
               "the answer is not of now (or does not say until when)");
    said.next_s = 0;
    check(judge(cert, &said, &problem) != NULL);
    said = good;
    said.this_s = PKI_NOW + TLS_OCSP_SKEW_S + 1;
    check(judge(cert, &said, &problem) != NULL);
    said.this_s = PKI_NOW + TLS_OCSP_SKEW_S;
    check(judge(cert, &said, &problem) == NULL);
    said = good;
    said.status = V_OCSP_CERTSTATUS_REVOKED;
    check_cstr(judge(cert, &said, &problem), "the certificate is revoked");
    said.status = V_OCSP_CERTSTATUS_UNKNOWN;
    check_cstr(judge(cert, &said, &problem), "the responder does not know the certificate");
    said = good;
    said.about = another;
    check_cstr(judge(cert, &said, &problem), "the answer is about another certificate");
    said = good;
    said.signer = wrong;
    check_cstr(judge(cert, &said, &problem), "the answer is not signed by the issuer");
    said.signer = another; /* of the same authority, but not charged with answering */
    check_cstr(judge(cert, &said, &problem), "the answer is not signed by the issuer");
    tls_cert_free(cert);
    tls_cert_free(issuer);
    tls_cert_free(another);
    tls_cert_free(wrong);
    pki_fini(&leaf);
    pki_fini(&other);
    pki_fini(&ca);
    pki_fini(&stranger);
}

TEST(damage_never_gets_through)
{
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC), leaf = pki_make(&ca, "a.test", TLS_KEY_EC);
    struct tls_cert *cert = pki_read(&leaf, &ca), *issuer = pki_read(&ca, NULL);
    const struct pki_said good = {
        V_OCSP_CERTSTATUS_GOOD, PKI_NOW - 3600, PKI_NOW + 3600, cert, issuer, issuer, 0};
    struct pki_said bare = good;
    bare.flags = OCSP_NOCERTS; /* what nobody reads may say anything */
    struct buf answer = BUF_INIT(TLS_OCSP_MAX);
    struct tls_ocsp_times times;
    struct problem problem;
    pki_say(&bare, &answer);
    for (size_t i = 0; i < answer.len; i++) {
        check(tls_ocsp_check(cert, str_make(answer.p, i), now_s(), &times, &problem) == TLS_E_BAD);
    }
    unsigned taken = 0;
    for (size_t round = 0; round < 3000; round++) {
        size_t at = (size_t)rng_below(test_rng(), answer.len);
        char bit = (char)(1 << rng_below(test_rng(), 8));
        answer.p[at] ^= bit;
        taken += tls_ocsp_check(cert, buf_str(&answer), now_s(), &times, &problem) == 0;
        answer.p[at] ^= bit;
    }
    check(taken < 60); /* heads of ASN.1 that say the same in another way; nothing signed */
    check_int(tls_ocsp_check(cert, buf_str(&answer), now_s(), &times, &problem), 0);
    buf_fini(&answer);
    tls_cert_free(cert);
    tls_cert_free(issuer);
    pki_fini(&leaf);
    pki_fini(&ca);
}

TEST(without_an_issuer_or_a_responder_nobody_is_asked)
{
    struct pki ca = pki_make(NULL, "", TLS_KEY_EC), leaf = pki_make(&ca, "a.test", TLS_KEY_EC);
    struct tls_cert *alone = pki_read(&leaf, NULL), *whole = pki_read(&leaf, &ca);
    struct buf question = BUF_INIT(4096);
    char url[TLS_OCSP_URL_MAX];
    check(!tls_ocsp_url(alone, url) && !tls_ocsp_url(whole, url));
    check(!tls_ocsp_has_issuer(alone) && tls_ocsp_has_issuer(whole));
    check(!tls_ocsp_must_staple(whole));
    check_int(tls_ocsp_request(alone, &question), -EINVAL);
    check_int(tls_ocsp_request(whole, &question), 0);
    check(question.len > 50);
    buf_fini(&question);
    tls_cert_free(alone);
    tls_cert_free(whole);
    pki_fini(&leaf);
    pki_fini(&ca);
}
