/* SPDX-License-Identifier: Apache-2.0
 *
 * What an operator asks for; the public part is in run.h. See act.c. Private to run/.
 */
#ifndef RUN_ACT_H
#define RUN_ACT_H

#include "run/model.h"

/* 0, or the problem of a refused call (401, 403). */
bool run_allowed(struct run *run, const struct context *ctx, enum action action, struct str project,
                 struct str service, struct problem *problem);
/* Answers through the loop. */
void run_answer(struct run *run, struct run_done done, const struct problem *problem);
/* What was asked for before this core could act. */
void act_begin(struct run *run);
void act_fini(struct run *run);

#endif
