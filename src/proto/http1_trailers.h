/* SPDX-License-Identifier: Apache-2.0
 *
 * The trailer section behind a chunked body (RFC 9110 §6.5, RFC 9112 §7.1.2), for one who passes it
 * on: lines written anew, in the caller's memory, ready to be sent as they are. The decoder fills
 * it (http1_body.h). A trailer stays a trailer: nothing here ever becomes a header.
 */
#ifndef PROTO_HTTP1_TRAILERS_H
#define PROTO_HTTP1_TRAILERS_H

#include "base/str.h"

enum {
    HTTP1_TRAILERS_MAX = 8192,    /* bytes of the section, line ends included; more: refused */
    HTTP1_TRAILER_LINES_MAX = 32, /* the same for lines, kept or not */
    /* A line may grow by the space behind its colon. */
    HTTP1_TRAILERS_ROOM = HTTP1_TRAILERS_MAX + HTTP1_TRAILER_LINES_MAX,
};

struct http1_trailers {
    char *p;           /* HTTP1_TRAILERS_ROOM bytes; NULL until somebody gives them */
    uint32_t len;      /* the lines kept, each "name: value\r\n", and the one begun */
    uint32_t at;       /* private: where the one begun starts */
    uint32_t value_at; /* private: and its value */
    bool secret;       /* one of them must not be kept (RFC 7541 §6.2.3) */
};

static inline struct str http1_trailers_str(const struct http1_trailers *trailers)
{
    return (struct str){trailers->p, trailers->at};
}
/* May a field of that name be passed on behind a body? Not what frames, routes or authenticates a
 * message, says how its content is to be read or its answer to be kept, or is ours to say (RFC 9110
 * §6.5.1): of the names that we know only those that an RFC allows in trailers. */
bool http1_trailer_allowed(struct str name);

/* For the decoder, byte by byte; at its end a line that may not be passed on is dropped. */
void http1_trailers_name(struct http1_trailers *trailers, char c); /* ':' ends it */
void http1_trailers_value(struct http1_trailers *trailers, char c);
void http1_trailers_line_end(struct http1_trailers *trailers);

#endif
