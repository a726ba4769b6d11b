/* SPDX-License-Identifier: Apache-2.0
 *
 * struct access_file: the file that gets a copy of a project's access log. Lines are appended batch
 * by batch behind the store, which is the one that is never missing any: a crash between the two
 * costs lines here. Opened anew when the file was renamed or removed (logrotate needs no signal).
 */
#ifndef SEE_ACCESS_FILE_H
#define SEE_ACCESS_FILE_H

#include "base/buf.h"

struct access_file {
    char path[1025]; /* "" = none */
    int fd;
    uint64_t device, inode;
    struct buf lines; /* of this batch */
    uint64_t lost;    /* lines that could not be written, ever */
    int error;        /* of the last write; 0 = it worked */
};

#define ACCESS_FILE_INIT ((struct access_file){.fd = -1, .lines = BUF_INIT(8 * MIB)})
void access_file_fini(struct access_file *file);
/* "stdout" and "stderr" are those of this process. Nothing happens when it is the same path. */
void access_file_set(struct access_file *file, const char *path);
/* Writes what `lines` holds: `count` lines. */
void access_file_write(struct access_file *file, size_t count);

#endif
