/* SPDX-License-Identifier: Apache-2.0
 *
 * Private to proto/: what http1.c (lines) and http1_fields.c (meaning) say to each other. Functions
 * return 0 or HTTP1_E_BAD with head->error set; the first refusal is final.
 */
#ifndef PROTO_HTTP1_PRIVATE_H
#define PROTO_HTTP1_PRIVATE_H

#include "proto/http1.h"

/* struct http1_head.seen */
enum {
    HTTP1_SEEN_CLOSE = 1,      /* Connection: close */
    HTTP1_SEEN_KEEP_ALIVE = 2, /* Connection: keep-alive */
    HTTP1_SEEN_UPGRADE = 4,    /* Connection: upgrade */
    HTTP1_SEEN_NAMES = 8,      /* Connection names fields */
    HTTP1_SEEN_CHUNKED = 16,
    HTTP1_SEEN_RESPONSE = 32,
};

/* Refuses the message and returns HTTP1_E_BAD. Responses are all answered by 502. */
int http1_refuse(struct http1_head *head, unsigned status, const char *reason);
/* Would a backend that turns '-' into '_' (CGI, WSGI, …) take this name for one that has an id? */
bool http1_is_lookalike(struct str name);
/* Takes note of header `i`, whose id is one of those that a codec has to look at. */
must_check int http1_note(struct http1_head *head, size_t i);
/* Behind the last header: framing, host, persistence. */
must_check int http1_finish_request(struct http1_head *head);
must_check int http1_finish_response(struct http1_head *head);
/* Takes a request target apart, by its method. */
must_check int http1_split_target(struct http1_head *head);

#endif
