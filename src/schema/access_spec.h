/* SPDX-License-Identifier: Apache-2.0
 *
 * `gateway.access_log`: what is written of requests to a project's services (table_access.c).
 */
#ifndef SCHEMA_ACCESS_SPEC_H
#define SCHEMA_ACCESS_SPEC_H

#include "base/str.h"

enum access_kind { ACCESS_JSON, ACCESS_COMBINED, ACCESS_COMMON, ACCESS_OFF };

/* Members of a line, in the order of the usual one. */
enum access_field {
    ACCESS_TIME,
    ACCESS_METHOD,
    ACCESS_HOST,
    ACCESS_PATH,
    ACCESS_ROUTE,
    ACCESS_STATUS,
    ACCESS_DURATION,
    ACCESS_WAIT,
    ACCESS_CONNECT,
    ACCESS_FIRST_BYTE,
    ACCESS_BYTES_IN,
    ACCESS_BYTES_OUT,
    ACCESS_SERVICE,
    ACCESS_REPLICA,
    ACCESS_CLIENT,
    ACCESS_CLIENT_PORT,
    ACCESS_PROTOCOL,
    ACCESS_UPSTREAM_PROTOCOL,
    ACCESS_TLS,
    ACCESS_GRPC_STATUS,
    ACCESS_CLOSE_CODE,
    ACCESS_RETRIES,
    ACCESS_REQUEST_ID,
    ACCESS_FLAGS,
    ACCESS_CODE,
    ACCESS_USER_AGENT, /* these two only when they are asked for */
    ACCESS_REFERER,
    ACCESS_FIELDS
};
extern const char *const names_access_format[], *const names_access_field[];

struct access_log_spec {
    int32_t format;  /* enum access_kind */
    struct str file; /* absolute, "stdout", "stderr"; "" = none */
    const struct str *fields;
    size_t fields_count; /* 0 = the usual ones */
    double sample;       /* of the answers below 400; 0 … 1 */
};

/* Index of a member's name, or -1. */
int access_field_find(struct str name);
/* Is a user agent or a referer asked for? */
bool access_log_wants_more(const struct access_log_spec *spec);

#endif
