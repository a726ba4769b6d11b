/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to a running project; the public part is in run.h. See apply.c. Private to run/.
 */
#ifndef RUN_APPLY_H
#define RUN_APPLY_H

#include "run/model.h"

/* Lets the first of those that wait in; nothing before adoption is done. */
void apply_begin(struct run *run);
void apply_fini(struct run *run);

#endif
