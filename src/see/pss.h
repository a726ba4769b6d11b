/* SPDX-License-Identifier: Apache-2.0
 *
 * The proportional share of memory (PSS) of a service's processes: the honest figure where pages
 * are shared. The kernel walks page tables for it (smaps_rollup, proc(5)), some ms for each GB and
 * with the process's memory lock held, so it is read on demand only, on a worker, one service at a
 * time.
 */
#ifndef SEE_PSS_H
#define SEE_PSS_H

#include "core/bus.h"

struct see;

struct pss {
    uint64_t bytes;
    uint32_t processes;  /* that were read */
    uint32_t unreadable; /* of another user */
};

/* `pss` is valid during the call; with an error it is empty. */
typedef void pss_done_fn(void *arg, int error, const struct pss *pss);

/* Of a service, or of one of its replicas (0 = all). `done` comes from the loop, never from within
 * this call. 0; -ENOENT: no such service; -ENOMEM; -ENOBUFS: too many are read just now. */
must_check int pss_read(struct see *see, const struct bus_id *id, pss_done_fn *done, void *arg);
/* `done` is not called any more for what was asked for with this `arg`. */
void pss_cancel(struct see *see, const void *arg);

#endif
