/* SPDX-License-Identifier: Apache-2.0
 *
 * What a role says of itself, on standard error: one line, one write, from any thread.
 *
 * In a file (muelle.log, where the keeper leads it) a line begins with its time, level and role:
 *
 *     2026-11-20T23:00:05.123Z warning core: the keeper does not hold ring:0: No such device
 *
 * Anywhere else somebody reads along, who knows the time: "muelle: core: …".
 */
#ifndef OS_ROLELOG_H
#define OS_ROLELOG_H

#include "base/def.h"
#include <stdarg.h>

/* Something that is as it should be, or is again · something is amiss and muelle helps itself, or
 * waits · something was lost, or does not work until somebody acts. */
enum rolelog_level { ROLELOG_INFO, ROLELOG_WARNING, ROLELOG_ERROR };

/* Longer texts than 1,000 bytes are cut; control characters become blanks. */
void rolelog(enum rolelog_level level, const char *role, const char *fmt, ...) printf_like(3, 4);
void rolelog_list(enum rolelog_level level, const char *role, const char *fmt, va_list args)
    printf_like(3, 0);

#endif
