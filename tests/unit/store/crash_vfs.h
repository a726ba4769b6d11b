/* SPDX-License-Identifier: Apache-2.0
 *
 * A file layer for SQLite that lies in memory and can crash: what was written but not synced is
 * then lost, kept or torn at a sector, each write by the dice. Also fails writes as a full disk
 * does.
 *
 * One disk per process, one thread.
 */
#ifndef TESTS_CRASH_VFS_H
#define TESTS_CRASH_VFS_H

#include "base/rng.h"

#define CRASH_VFS_NAME "crash"

/* Registers the layer and empties the disk. */
void crash_vfs_init(void);
/* From the n-th write, sync or truncation on (0 = the next), all operations fail: the crash. */
void crash_vfs_die_after(int64_t operations);
bool crash_vfs_is_dead(void);
/* After the connections are gone: decides what of the unsynced writes is on the disk; lives
 * again. */
void crash_vfs_restart(struct rng *rng);
/* Growing writes fail with "disk full" while true. */
void crash_vfs_full(bool full);
uint64_t crash_vfs_syncs(void);
/* From now on a sync does nothing: the planted bug that the crash test must find. */
void crash_vfs_lie(bool lie);
void crash_vfs_fini(void);

#endif
