/* SPDX-License-Identifier: Apache-2.0
 *
 * The problems that the edge tells by itself, as numbers in access records.
 */
#ifndef LINK_RING_CODE_H
#define LINK_RING_CODE_H

/* Why the edge answered by itself: the problem that it said, named by ring_code_name. Only added to
 * at the end. */
enum ring_code {
    RING_CODE_NONE,
    RING_CODE_METHOD_NOT_ALLOWED,
    RING_CODE_BODY_TOO_LARGE,
    RING_CODE_TARGET_TOO_LONG,
    RING_CODE_HEAD_TOO_LARGE,
    RING_CODE_UNAVAILABLE,
    RING_CODE_BAD_REQUEST,
    RING_CODE_ERROR,
    RING_CODE_NO_ROUTE,
    RING_CODE_NO_CLIENT_CERTIFICATE,
    RING_CODE_REDIRECT,
    RING_CODE_NO_ENDPOINT,
    RING_CODE_STARTING,
    RING_CODE_STOPPED,
    RING_CODE_CRASHED,
    RING_CODE_BREAKER_OPEN,
    RING_CODE_OVERLOADED,
    RING_CODE_FALLBACK,
    RING_CODE_TIMEOUT,
    RING_CODE_REFUSED,
    RING_CODE_BAD_ANSWER,
    RING_CODE_OUT_OF_MEMORY,
    RING_CODE_OUT_OF_DESCRIPTORS,
    RING_CODE_BROKEN,
    RING_CODE_REQUEST_TIMEOUT,
    RING_CODES
};

/* "edge.no-route" …; NULL for none, and for one that is not known here. */
const char *ring_code_name(unsigned code);

#endif
