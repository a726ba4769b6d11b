/* SPDX-License-Identifier: Apache-2.0
 *
 * What the edge decides about services: breakers that open and close, replicas that are ejected.
 * Looked up once a second and told as events. While no service has either nothing runs. Private to
 * run/.
 */
#ifndef RUN_VERDICTS_H
#define RUN_VERDICTS_H

#include "run/model.h"

void verdicts_init(struct run *run);
void verdicts_fini(struct run *run);
/* The services may have changed: begins to look if there is anything to see. */
void verdicts_look(struct run *run);

#endif
