/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of vectors, tests/vectors/http1_*.txt (their head says how to read them), which the
 * parser and the whole edge are both held to.
 */
#ifndef TESTS_HTTP1_VECTORS_H
#define TESTS_HTTP1_VECTORS_H

#include "base/buf.h"

struct http1_vector {
    struct str rfc, what;
    struct str expected; /* "GET a/ 0; 400", "200 2 reuse" */
    struct str method;   /* answers: of the request */
    struct str bytes;
    bool eof; /* answers: the connection ends behind the bytes */
};

struct http1_vectors {
    struct http1_vector *at;
    size_t count;
};

/* Both live until the program ends. */
const struct http1_vectors *http1_request_vectors(void);
const struct http1_vectors *http1_response_vectors(void);

#endif
