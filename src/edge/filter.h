/* SPDX-License-Identifier: Apache-2.0
 *
 * Filters: what is done to a request besides carrying it. Each route compiles to a chain; a stage
 * without filters costs one test. Filters of the connection and headers stages are the gateway's,
 * those behind the routing decision the route's.
 *
 * The chains of a request stay the same from its first stage to its end, whatever snapshot comes
 * meanwhile.
 *
 * A filter goes on, answers by itself (stream_answer, then FILTER_ANSWERED), or suspends: the
 * stream stops in that direction until stream_resume is called, from a timer or another descriptor,
 * never from inside the filter; it then goes on with the *next* filter. Bytes wait in the sockets
 * meanwhile. When a request is sent once more, FILTER_UPSTREAM runs again, and the stages of the
 * body see it from its beginning again.
 */
#ifndef EDGE_FILTER_H
#define EDGE_FILTER_H

#include "base/str.h"

struct stream;

enum filter_stage {
    FILTER_CONNECTION, /* before the first request of a connection is looked at */
    FILTER_HEADERS,    /* the request head is there */
    FILTER_ROUTE,      /* the route is known */
    FILTER_UPSTREAM,   /* an endpoint is chosen, nothing is sent yet */
    FILTER_RESPONSE,   /* the response head is there */
    FILTER_BODY_UP,    /* a piece of the request body */
    FILTER_BODY_DOWN,  /* a piece of the response body */
    FILTER_END,        /* all is over, also after an error; cannot suspend or answer */
    FILTER_STAGES
};
enum { FILTERS_MAX = 8 };

enum filter_verdict { FILTER_NEXT, FILTER_ANSWERED, FILTER_SUSPEND };

struct filter {
    const struct filter_ops *ops;
    const void *options; /* belongs to the config */
    uint8_t slot;        /* where stream->filter_state has room for this filter */
};

struct filter_ops {
    const char *name;
    /* `piece` is the body's next bytes in the body stages (a filter may shorten or replace it;
     * replaced bytes must live until the next call), else NULL. NULL = not interested in that
     * stage. */
    enum filter_verdict (*run[FILTER_STAGES])(struct stream *stream, const struct filter *filter,
                                              struct str *piece);
};

struct filter_chain {
    uint8_t count[FILTER_STAGES];
    const struct filter *at[FILTER_STAGES][FILTERS_MAX];
    struct filter filters[FILTERS_MAX];
    uint8_t filter_count;
    uint8_t slot_base; /* of filter->slot: 0, or FILTERS_MAX for the gateway's chain */
};

extern const struct filter_chain filter_chain_empty;

/* Adds a filter to the stages it has a function for. 0 or -ENOBUFS. */
must_check int filter_chain_add(struct filter_chain *chain, const struct filter_ops *ops,
                                const void *options);

/* --- what a filter may do to its stream --- */
/* Fields for the request or the answer; names and values must live until they are sent (config,
 * static, or the filter's state). Beyond STREAM_EDITS_MAX they are dropped. */
void stream_add_request(struct stream *stream, struct str name, struct str value);
void stream_add_response(struct stream *stream, struct str name, struct str value);
/* Answers from here with an error page (edge/reply.h); the filter then returns FILTER_ANSWERED. */
void stream_answer(struct stream *stream, unsigned status, const char *reason);
/* After FILTER_SUSPEND: goes on with the next filter, at the end of this turn. */
void stream_resume(struct stream *stream, enum filter_stage stage);

/* The filters there are. Options: the prefix (struct str), and none. */
extern const struct filter_ops filter_strip_prefix;
extern const struct filter_ops filter_expose_replica;
extern const struct filter_ops filter_sticky;

#endif
