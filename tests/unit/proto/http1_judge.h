/* SPDX-License-Identifier: Apache-2.0
 *
 * What a strict server makes of a client's bytes, and a strict client of a server's, as one line of
 * text: the parsers of proto/, driven as the edge drives them, without an edge.
 */
#ifndef TESTS_HTTP1_JUDGE_H
#define TESTS_HTTP1_JUDGE_H

#include "http1_vectors.h"

/* The bytes come `step` at a time, each time in other memory. Appends "GET a/x 0; POST a/ 3; 400":
 * method, host, path and length of each whole message, then why it goes no further: a status,
 * "close", or "more" (it is not whole). */
void http1_judge_requests(struct buf *out, struct str bytes, size_t step);
/* Appends "103; 200 2 reuse": interim answers, then status, length and what becomes of the
 * connection; or 502, or "cut" (the head was good, the body is not). */
void http1_judge_answer(struct buf *out, const struct http1_vector *vector, size_t step);

#endif
