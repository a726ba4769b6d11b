/* SPDX-License-Identifier: Apache-2.0
 *
 * One-off commands; the public part is in run.h. See exec.c. Private to run/.
 */
#ifndef RUN_EXEC_H
#define RUN_EXEC_H

#include "run/model.h"

/* News of a child; false: it is none of ours. */
bool exec_child(struct run *run, const struct keeper_child *child);
bool exec_owns(struct run *run, struct str id);
void exec_fini(struct run *run);

#endif
