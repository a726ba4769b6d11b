/* SPDX-License-Identifier: Apache-2.0
 *
 * What was there before this core: taken up at the start, and when a new keeper came. See adopt.c.
 * Private to run/.
 */
#ifndef RUN_ADOPT_H
#define RUN_ADOPT_H

#include "run/model.h"

void adopt_init(struct run *run);
/* The keeper is linked: what the edge has can be looked at. */
must_check int adopt_start(struct run *run);
void adopt_fini(struct run *run);

#endif
