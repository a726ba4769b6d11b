/* SPDX-License-Identifier: Apache-2.0
 *
 * Carrying a spawn order out: what link/order.h describes becomes one process in its control group.
 * For the keeper, who has the descriptors that an order may name.
 */
#ifndef LINK_ORDER_RUN_H
#define LINK_ORDER_RUN_H

#include "link/order.h"
#include "os/cgroup.h"
#include "os/proc.h"

/* What an order is carried out with. All is borrowed during the call. */
struct order_host {
    const struct cgroup_root *cgroups;
    const char *mark; /* "MUELLE_ID=…": added to the environment */
    /* The descriptor kept under that name, or -1. */
    int (*kept)(void *arg, struct str name);
    void *arg;
};

enum { ORDER_RUN_E_NO_LIMITS = 1 };

/* The name of the order's group. */
static inline struct str order_group(const struct order *order)
{
    return str_from(order->cgroup ? order->cgroup : order->id);
}

/* Starts it. 0; ORDER_RUN_E_NO_LIMITS: started, but limits do not work on this machine; -errno, and
 * *ret_step says in words what failed; nothing is left then. Allocates nothing; one thread. */
must_check int order_run(const struct order *order, const struct order_host *host, struct proc *ret,
                         const char **ret_step);

#endif
