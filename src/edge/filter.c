/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains are filled while a snapshot is compiled and run by stream.c (filters_run). A filter's slot
 * is its place for state in the stream; a stage without filters costs one test.
 */
#include "edge/filter.h"

#include "edge/stream.h"

const struct filter_chain filter_chain_empty;

int filter_chain_add(struct filter_chain *chain, const struct filter_ops *ops, const void *options)
{
    if (chain->filter_count == FILTERS_MAX) {
        return -ENOBUFS;
    }
    struct filter *filter = &chain->filters[chain->filter_count];
    *filter = (struct filter){
        .ops = ops, .options = options, .slot = (uint8_t)(chain->slot_base + chain->filter_count)};
    chain->filter_count++;
    for (unsigned stage = 0; stage < FILTER_STAGES; stage++) {
        if (ops->run[stage]) {
            chain->at[stage][chain->count[stage]++] = filter;
        }
    }
    return 0;
}

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
