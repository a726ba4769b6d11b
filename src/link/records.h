/* SPDX-License-Identifier: Apache-2.0
 *
 * struct records: a file of typed records that one keeper leaves to the next (keeper.journal).
 *
 *   head    magic[4], u16 version, u16 min_reader, 36 bytes boot id, padded to 48
 *   record  u16 type, u16 0, u32 length, u32 check (XXH3 of type and bytes, lower half), u32 0,
 *           bytes, padded to 8
 *
 * Native order: nothing of another boot is read. Records may grow at their end, unknown types are
 * the reader's to skip; a reader older than min_reader reads nothing. Each record is one write(2):
 * a killed writer leaves whole ones, and what does not check ends the reading.
 */
#ifndef LINK_RECORDS_H
#define LINK_RECORDS_H

#include "base/str.h"

enum { RECORDS_BOOT_ID_LEN = 36, RECORDS_LEN_MAX = 8192 /* of one record's bytes */ };

struct records {
    int fd; /* -1 = none */
    uint64_t size;
};

struct records_form {
    char magic[4];
    uint16_t version;
    uint16_t min_reader;
    char boot_id[RECORDS_BOOT_ID_LEN];
};

/* A fresh, empty file, mode 0600; one that was there is emptied. 0 or -errno. */
must_check int records_create(struct records *records, const char *path,
                              const struct records_form *form);
/* One record at the end. 0; -errno: nothing of it is left there. */
must_check int records_add(struct records *records, uint16_t type, struct str bytes);
void records_close(struct records *records);

enum { RECORDS_E_DAMAGED = 1, RECORDS_E_OTHER = 2 };

/* Hands every record to `each`, shorter ones with zeroes up to `size` behind them, longer ones cut
 * to it (a cut one cannot be checked). 0 = to the end; RECORDS_E_DAMAGED: the rest
 * is not used; RECORDS_E_OTHER: of another boot or form; -errno. Bytes are aligned to 8. Allocates
 * nothing; one thread. */
must_check int records_read(const char *path, const struct records_form *form, size_t size,
                            void (*each)(void *arg, uint16_t type, struct str bytes), void *arg);

#endif
