/* SPDX-License-Identifier: Apache-2.0
 *
 * The filters there are, each a few lines; what a filter may do is in filter.h. Which route has
 * which is decided in config_compile.c.
 */
#include "edge/stream.h"

/* "/api" and "/api/x" become "/" and "/x"; the service is told by X-Forwarded-Prefix. */
static enum filter_verdict strip_prefix(struct stream *stream, const struct filter *filter,
                                        struct str *piece)
{
    const struct str *prefix = filter->options;
    (void)piece;
    if (str_starts(stream->path, *prefix)) {
        stream->path = str_skip(stream->path, prefix->len);
        stream->path_changed = true;
        stream_add_request(stream, STR("X-Forwarded-Prefix"), *prefix);
    }
    return FILTER_NEXT;
}

const struct filter_ops filter_strip_prefix = {
    .name = "strip-prefix",
    .run = {[FILTER_ROUTE] = strip_prefix},
};

static enum filter_verdict expose_replica(struct stream *stream, const struct filter *filter,
                                          struct str *piece)
{
    (void)filter;
    (void)piece;
    if (stream->endpoint) {
        stream_add_response(stream, STR("X-Muelle-Replica"), str_from(stream->endpoint->replica));
    }
    return FILTER_NEXT;
}

const struct filter_ops filter_expose_replica = {
    .name = "expose-replica",
    .run = {[FILTER_RESPONSE] = expose_replica},
};

/* A client without a valid cookie, or whose replica is gone, gets that of the one that answered. */
static enum filter_verdict sticky(struct stream *stream, const struct filter *filter,
                                  struct str *piece)
{
    const struct endpoint *endpoint = stream->endpoint;
    (void)filter;
    (void)piece;
    if (endpoint && !stream->bound && endpoint->set_cookie_len) {
        stream_add_response(stream, STR("Set-Cookie"),
                            str_make(endpoint->set_cookie, endpoint->set_cookie_len));
    }
    return FILTER_NEXT;
}

const struct filter_ops filter_sticky = {
    .name = "sticky",
    .run = {[FILTER_RESPONSE] = sticky},
};
