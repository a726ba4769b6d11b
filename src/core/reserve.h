/* SPDX-License-Identifier: Apache-2.0
 *
 * STATE/reserve: room on the disk that is given back when the disk is full, so that the instance
 * can still be taken down in order: the end of a project is written down like every other change.
 */
#ifndef CORE_RESERVE_H
#define CORE_RESERVE_H

#include "base/def.h"

enum { RESERVE_BYTES = 256 << 10 };

/* Takes the room, where there is none yet; a disk that has none is no error. */
void reserve_take(const char *state_dir);
/* Gives it back. False: there was none. */
must_check bool reserve_release(const char *state_dir);

#endif
