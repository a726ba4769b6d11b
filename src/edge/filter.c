/* SPDX-License-Identifier: Apache-2.0
 *
 * Chains are filled while a snapshot is compiled and run by stream.c (filters_run). A filter's slot
 * is its place for state in the stream; a stage without filters costs one test.
 */
#include "edge/filter.h"

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
