/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests and responses that a strict parser must refuse, or must take: each with the section that
 * it breaks or uses. They are tested whole, cut at every byte, and re-serialised.
 */
#ifndef TESTS_HTTP1_VECTORS_H
#define TESTS_HTTP1_VECTORS_H

#include "base/str.h"

struct http1_vector {
    const char *rfc; /* "9112 6.1" */
    const char *what;
    struct str bytes;
    unsigned status;   /* 0 = well-formed head */
    unsigned bad_body; /* the head is fine, the chunked body is not */
};

extern const struct http1_vector http1_request_vectors[];
extern const size_t http1_request_vector_count;
extern const struct http1_vector http1_response_vectors[];
extern const size_t http1_response_vector_count;

#endif
