/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates and time: events before one ends (run/expiry.h says when), new ones of the
 * development authority before the old ones do, and the table of all that the API and the metrics
 * show. Private to run/.
 */
#ifndef RUN_ENDINGS_H
#define RUN_ENDINGS_H

#include "run/model.h"

/* Certificates have perhaps changed: looks at all of them, and again when it is time. */
void endings_look(struct run *run);
void endings_fini(struct run *run);

#endif
