/* SPDX-License-Identifier: Apache-2.0
 *
 * The top rung of cgroup.h: asks systemd for a scope of our own.
 */
#ifndef OS_CGROUP_SYSTEMD_H
#define OS_CGROUP_SYSTEMD_H

#include "os/cgroup.h"

/* Moves this process into a fresh transient scope "muelle-ID.scope" with Delegate=yes and fills
 * root's path and limits. 0, or -errno: no systemd, no bus, refused. Blocks for at most a
 * second. */
must_check int cgroup_systemd_scope(struct cgroup_root *root, const char *instance_id);

#endif
