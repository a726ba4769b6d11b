/* SPDX-License-Identifier: Apache-2.0
 *
 * Content negotiation (RFC 9110 §12.5): how much a client wants a media type, a coding or a
 * language. Qualities are per mille. Broken elements of a header are passed over: a preference is
 * advice, and refusing a request for it would help nobody. Several Accept lines are one list to
 * HTTP; the caller joins them or takes the first.
 */
#ifndef PROTO_ACCEPT_H
#define PROTO_ACCEPT_H

#include "base/str.h"

/* Quality of "text/html" under an Accept header: the most specific range that fits decides. An
 * empty header takes everything (1000). 0 = not acceptable. */
unsigned accept_type(struct str header, struct str type);
/* Quality of a content coding ("gzip", "br", "identity"): an empty header takes identity only. */
unsigned accept_encoding(struct str header, struct str coding);
/* Quality of a language ("es") in any of its kinds ("es-MX"), of which the best liked one counts. 0
 * = not named; "*" names none. */
unsigned accept_language(struct str header, struct str language);
/* Index of the best of `count` offers (ties: the first), -1 when none is acceptable. */
int accept_best_type(struct str header, const struct str *offers, size_t count);
int accept_best_encoding(struct str header, const struct str *offers, size_t count);

#endif
