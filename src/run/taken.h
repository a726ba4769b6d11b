/* SPDX-License-Identifier: Apache-2.0
 *
 * Answers that wait until the edge serves what they speak of: who asks right behind a `reload` or
 * `drain` meets what it says. Private to run/.
 */
#ifndef RUN_TAKEN_H
#define RUN_TAKEN_H

#include "os/loop.h"

struct run;

/* Memory of the caller, zeroed, which stays until `done` is called or taken_cancel. */
struct taken {
    struct run *run;
    struct timer timer;
    int64_t until_ns, pause_ns;
    void (*done)(struct taken *self);
};

/* Calls `done` later, when the edge has taken what was published, and what is about to be; half
 * a second later at most: an edge that is away does not hold up what is committed. */
void taken_wait(struct taken *self, struct run *run, void (*done)(struct taken *self));
/* Of one that may wait, or never did. */
void taken_cancel(struct taken *self);

#endif
