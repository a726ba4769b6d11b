/* SPDX-License-Identifier: Apache-2.0
 *
 * Between cgroup_find.c, cgroup.c and cgroup_stats.c: paths and small files of the control group
 * trees. Their files have no position worth keeping: each question opens, reads from 0 and closes,
 * and a group that is gone reads as empty.
 */
#ifndef OS_CGROUP_PRIVATE_H
#define OS_CGROUP_PRIVATE_H

#include "os/cgroup.h"

enum { CGROUP_FILE_PATH_MAX = CGROUP_PATH_MAX + CGROUP_NAME_MAX + 40 };

/* "BASE/name/FILE" with the name made safe; file "" names the folder. False when it is too long or
 * climbs. */
must_check bool cgroup_path(char ret[CGROUP_FILE_PATH_MAX], const char *base, struct str name,
                            const char *file);
/* Reads a file of a group into `space`; the bytes, empty when it cannot be read. */
struct str cgroup_read(const char *base, struct str name, const char *file, char *space,
                       size_t size);
must_check int cgroup_write(const char *base, struct str name, const char *file, const char *text);
/* The number behind "KEY " at the start of a line; false when there is no such line. */
bool cgroup_line(struct str text, const char *key, uint64_t *ret);
bool cgroup_has_path(const char *base);
/* "+memory +cpu +pids" for the children of a v2 folder, each on its own. True when all three are
 * on. */
bool cgroup_enable(const char *base, struct str name);

#endif
