/* SPDX-License-Identifier: Apache-2.0
 *
 * Two answers to a shortage. Most of what run/ does is asked for again by reconcile, so it is
 * enough to ask a little later; only a picture that is taken in by halves cannot be mended that
 * way.
 */
#include "run/shortage.h"

#include <errno.h>

enum { AGAIN_MS = 500 };

void shortage_again(struct run *run)
{
    if (!timer_armed(&run->again)) {
        loop_timer_after(run->core->loop, &run->again, AGAIN_MS * NS_PER_MS);
    }
}

void shortage_give_up(struct run *run, const char *what, int error)
{
    if (!run->gave_up) {
        core_log(run->core, "%s: %s; services run on", what,
                 strerror(error < 0 ? -error : EBADMSG));
    }
    run->gave_up = true;
    run->started = false;
    core_stop(run->core, 1);
}
