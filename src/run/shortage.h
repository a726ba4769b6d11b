/* SPDX-License-Identifier: Apache-2.0
 *
 * When memory or the disk is full: what to do instead. Private to run/.
 */
#ifndef RUN_SHORTAGE_H
#define RUN_SHORTAGE_H

#include "run/model.h"

/* What failed is tried again in half a second (run.c): rows that are not stored, projects that are
 * dirty, a snapshot that is. */
void shortage_again(struct run *run);

/* A core that knows but half of what was applied, or of what runs, would stop what it does not know
 * and start a second of what it thinks gone: better no core, until the keeper starts the next. From
 * here on nothing is decided. */
void shortage_give_up(struct run *run, const char *what, int error);

#endif
