/* SPDX-License-Identifier: Apache-2.0
 *
 * Output files: what a program appends to for as long as it lives, and others read and free from
 * the front. The file's offsets never move: what is freed becomes a hole.
 *
 * Why a file and not a pipe: a program that writes to it needs nobody of ours alive, and what it
 * wrote is there when we come back. O_APPEND makes each write of each of its processes land whole
 * at the end (POSIX write()), also when they share nothing but the path.
 */
#ifndef OS_OUTFILE_H
#define OS_OUTFILE_H

#include "base/def.h"

struct outfile_owner {
    uint32_t uid, gid;
};

/* Opens it for appending, made with its folders where it is missing. `owner`, if not NULL, owns it
 * then, so that its programs may open /dev/stdout by name. 0; -EINVAL: not an absolute path below
 * some folder; -EPERM: it cannot be given away; -errno. */
must_check int outfile_open(const char *path, const struct outfile_owner *owner, int *ret_fd);
/* Frees the oldest bytes beyond the last `keep`, at most 64 MiB at a time. The offset below which
 * this call freed, or 0: nothing. */
uint64_t outfile_trim(const char *path, uint64_t keep);

#endif
