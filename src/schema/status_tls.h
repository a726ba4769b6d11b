/* SPDX-License-Identifier: Apache-2.0
 *
 * What the API says of certificates (see status.h, whose rules hold here).
 */
#ifndef SCHEMA_STATUS_TLS_H
#define SCHEMA_STATUS_TLS_H

#include "schema/status.h"

/* A certificate that the gateway serves with. */
struct certificate_status {
    struct str tenant, project;
    struct str file;   /* empty: of the development authority */
    struct str names;  /* with blanks between them */
    struct str listen; /* the only listener that shows it; empty: all */
    int64_t from_ns, until_ns, days_left;
    bool development, kept, must_staple;
    struct str kept_reason; /* empty: it is not kept */
    struct str unstapled;
    int64_t stapled_until_ns; /* 0: nothing is stapled */
};

#endif
