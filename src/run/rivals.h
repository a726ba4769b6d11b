/* SPDX-License-Identifier: Apache-2.0
 *
 * Routes of a configuration that another project has already. Pure.
 *
 * Only routes of services that are written otherwise than in the configuration before it are looked
 * at: what that one had was compared when it came. So a reload costs nothing where no route has
 * changed, else a hash per route of the others.
 */
#ifndef RUN_RIVALS_H
#define RUN_RIVALS_H

#include "schema/spec.h"

struct rival;

struct rivals {
    struct rival *items; /* heap */
    uint32_t *heads;     /* heap: index + 1 of the first item by hash, mask + 1 of them */
    size_t count, mask;
};

#define RIVALS_INIT ((struct rivals){0})

/* `before` is what the same project runs, NULL if it does not; both stay until rivals_fini. 0 or
 * -ENOMEM. */
must_check int rivals_init(struct rivals *rivals, const struct project_spec *spec,
                           const struct project_spec *before);
void rivals_fini(struct rivals *rivals);

/* `found` is told of each route (by its index) that a service of `other` has too. */
typedef void rivals_fn(void *arg, const struct service_spec *own, size_t index,
                       const struct service_spec *other);
void rivals_find(const struct rivals *rivals, const struct project_spec *other, rivals_fn *found,
                 void *arg);

#endif
