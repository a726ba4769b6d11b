/* SPDX-License-Identifier: Apache-2.0
 *
 * Counters of the layout before this one, which the keeper still holds behind an upgrade: read on,
 * never written.
 */
#ifndef LINK_COUNTERS_OLDER_H
#define LINK_COUNTERS_OLDER_H

#include "link/counters.h"

/* 0 or -EINVAL. What is opened is a `counters.older`. */
must_check int counters_open_older(void *memory, size_t size, struct counters *ret);
/* Results of probes go on from there; before anybody else has the new memory. */
void counters_take_probes(const struct counters *counters, const struct counters *older);

#endif
