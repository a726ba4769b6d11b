/* SPDX-License-Identifier: Apache-2.0
 *
 * What was there before this core: taken up at the start, and when a new keeper came. See adopt.c.
 * Private to run/.
 */
#ifndef RUN_ADOPT_H
#define RUN_ADOPT_H

#include "run/model.h"

must_check int adopt_init(struct run *run);
void adopt_fini(struct run *run);

#endif
