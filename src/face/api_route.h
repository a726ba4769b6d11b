/* SPDX-License-Identifier: Apache-2.0
 *
 * From method and path to an endpoint. Pure. Paths are compared segment by segment, decoded; a
 * parameter matches one non-empty segment. So a '/' that is encoded ("%2F") is part of a name and
 * never a border: RFC 3986 §2.2, decoding after splitting.
 */
#ifndef FACE_API_ROUTE_H
#define FACE_API_ROUTE_H

#include "face/api.h"

enum { ROUTE_SEGMENTS_MAX = 10 };

struct route_match {
    const struct endpoint *endpoint; /* NULL: see `allow` */
    struct str params[API_PARAMS_MAX];
    uint16_t allow; /* bits 1 << method of the endpoints with that path; 0 = no such path */
};

/* `path` as it came (still encoded). Parameters are decoded into `arena`. HEAD is GET. 0; -EINVAL
 * for a path that cannot be decoded; -ENOMEM. */
must_check int api_route(enum http_method method, struct str path, struct arena *arena,
                         struct route_match *ret);
/* "GET, HEAD, POST" */
void api_route_allow(uint16_t allow, struct buf *out);

#endif
