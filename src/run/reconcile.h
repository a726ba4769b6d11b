/* SPDX-License-Identifier: Apache-2.0
 *
 * What should be against what is. Asked for after every change; runs from the loop. See
 * reconcile.c. Private to run/.
 */
#ifndef RUN_RECONCILE_H
#define RUN_RECONCILE_H

#include "run/model.h"

void reconcile_soon(struct run *run, struct project *project);
void reconcile_run(struct loop_task *task);

#endif
