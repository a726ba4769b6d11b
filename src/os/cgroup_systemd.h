/* SPDX-License-Identifier: Apache-2.0
 *
 * The top rung of cgroup.h: asks systemd for a scope of our own.
 */
#ifndef OS_CGROUP_SYSTEMD_H
#define OS_CGROUP_SYSTEMD_H

#include "os/cgroup.h"

/* Moves this process into a fresh transient scope "muelle-ID.scope" with Delegate=yes and fills
 * root's path and limits. 0, or -errno: no systemd, no bus, refused. Blocks: systemd has a second
 * to answer the call, and another to move us. On failure `root` may hold a path: it counts by its
 * rung alone. */
must_check int cgroup_systemd_scope(struct cgroup_root *root, const char *instance_id);

#endif
