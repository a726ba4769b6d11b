/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of one stream's folder: "head", sealed files named by their first and last time, and
 * what an interrupted sealing left behind. Private to store/.
 */
#ifndef STORE_SEGMENT_FILES_H
#define STORE_SEGMENT_FILES_H

#include "store/segment_format.h"

enum { SEGMENT_FILES_MAX = 65536, SEGMENT_NAME_SIZE = 40, SEGMENT_PATH_SIZE = 1024 };
#define SEGMENT_HEAD_NAME "head"
#define SEGMENT_TMP_NAME  "sealing.tmp"

struct segment_file {
    int64_t first, last; /* times */
};

/* "FOLDER/NAME" into `path`. 0 or -ENAMETOOLONG. */
must_check int segment_path(char path[SEGMENT_PATH_SIZE], const char *folder, const char *name);
void segment_file_name(char name[SEGMENT_NAME_SIZE], const struct segment_file *file);
/* The sealed files, oldest first, added to `ret` (of struct segment_file). A folder that is not
 * there has none; files with other names are a person's and are left alone. 0, -ENOBUFS beyond the
 * vector's maximum, -errno. */
must_check int segment_files_list(const char *folder, struct vec *ret);
/* Opens a sealed file and reads its footer and index; `ret_entries` gets the blocks. 0;
 * SEGMENT_E_BAD;
 * -errno (-ENOENT: it was trimmed). */
must_check int segment_sealed_open(const char *folder, const struct segment_file *file, int *ret_fd,
                                   struct segment_footer *ret, struct vec *ret_entries);

#endif
