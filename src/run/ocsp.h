/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers of OCSP responders, to be stapled: fetched in the background, kept in STATE/ocsp, fetched
 * again in time. Which certificates want one is said by certificates.c, which also takes what lies
 * there; this room only fills the folder. Private to run/.
 */
#ifndef RUN_OCSP_H
#define RUN_OCSP_H

#include "run/model.h"

struct certificate_about;
struct tls_cert;

enum { OCSP_NAME_MAX = 64 };

/* The name of a certificate's file in the folder. */
void ocsp_name(const struct tls_cert *cert, char ret[OCSP_NAME_MAX]);
/* When its answer is to be fetched: the second since 1970; INT64_MAX: never (it has no responder).
 * An answer is fetched anew when half of its time is over. */
int64_t ocsp_due_s(const struct certificate_about *about);
/* Certificates have perhaps changed, or it is time: fetches what is due, one after the other.
 * Returns the second in which it wants to be called again. */
int64_t ocsp_look(struct run *run, int64_t now_s);
void ocsp_fini(struct run *run);

#endif
