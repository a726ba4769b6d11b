/* SPDX-License-Identifier: Apache-2.0
 *
 * struct segment_stream: an append-only log of records on disk: one folder per stream with a `head`
 * file that grows and sealed, compressed files that never change.
 *
 *   1. Times are strictly increasing within a stream (the appender's caller sees to it).
 *   2. Each record says how far its source was read (`offset`), so the log itself says where to go
 *      on: a crash between append and anything else neither loses nor doubles a record.
 *   3. A record counts once all its bytes and its checksum are in the file; a torn tail is cut at
 *      open.
 *   4. A sealed file is complete before it has its name, and the head is removed after that; a
 *      reader that meets both drops the copies by their time.
 *
 * Writers: one thread. Readers (segment_reader) work on the files alone, on any thread, without the
 * writer's struct. Formats: segment_format.h. A full disk: segment_append says -ENOSPC and leaves
 * the file as it was; nothing is kept in memory, so nothing can get lost.
 */
#ifndef STORE_SEGMENT_H
#define STORE_SEGMENT_H

#include "base/buf.h"

enum {
    SEGMENT_RECORD_MAX = 64 * 1024,     /* bytes of one record */
    SEGMENT_BATCH_MAX = 1024 * 1024,    /* bytes of one append */
    SEGMENT_HEAD_MAX = 4 * 1024 * 1024, /* beyond, the head is sealed */
    SEGMENT_BLOCK_RAW = 256 * 1024,     /* bytes of records compressed together */
};

/* Borrowed by segment_append; of a reader, valid until its next call. */
struct segment_record {
    int64_t time;    /* wall clock, ns */
    uint64_t offset; /* of the source, behind this record */
    uint64_t source; /* which source: a file that began again has another one */
    uint8_t flags;   /* the caller's */
    struct str bytes;
};

/* ---- Writing ---- */
struct segment_stream {
    char *folder;
    int fd; /* of the head; -1 = not open */
    uint64_t head_len;
    uint64_t synced_len;   /* of the head: on disk for sure */
    uint64_t sealed_bytes; /* of all sealed files */
    int64_t first_time;    /* oldest record; 0 = there is none */
    int64_t head_time;     /* first record of the head; 0 = it is empty */
    int64_t last_time;     /* the next record must be later; kept when all records were trimmed */
    uint64_t offset;       /* of the last record: where the source is read on */
    uint64_t source;
    uint64_t synced_offset; /* as above, of the last record that is on disk for sure */
    uint64_t synced_source;
    uint64_t cut_bytes; /* torn tail found at open */
    uint64_t seal_at;   /* private: a sealing failed; tried again from this head_len on */
};
#define SEGMENT_STREAM_INIT ((struct segment_stream){.fd = -1})

/* Opens or creates the folder, cuts a torn tail, finishes an interrupted sealing. One writer: who
 * opens a folder twice damages it, so a role does this under its lock. 0 or -errno: nothing is
 * open. */
must_check int segment_open(struct segment_stream *stream, const char *folder);
void segment_close(struct segment_stream *stream);
/* Writes all records or none (-ENOSPC, -EIO …), to the kernel: they survive a kill; segment_sync
 * makes them survive a power cut. Times must grow; at most SEGMENT_BATCH_MAX bytes. Seals a full
 * head first. */
must_check int segment_append(struct segment_stream *stream, const struct segment_record *records,
                              size_t count);
must_check int segment_sync(struct segment_stream *stream);
/* Is what is appended to still the head in the folder? False when somebody removed the folder: all
 * that was appended since is in a file without a name; open it anew. Asks the disk. */
bool segment_is_there(const struct segment_stream *stream);
/* Compresses the head into a sealed file (also a small one) and starts another. Blocks for as long
 * as compressing and syncing SEGMENT_HEAD_MAX bytes takes. 0 (also when it is empty) or -errno:
 * then the head goes on. */
must_check int segment_seal(struct segment_stream *stream);
/* Removes the oldest sealed files until at most `max_bytes` of them are left, and those that ended
 * before `min_time`. What was freed is added to *ret_freed. */
must_check int segment_trim(struct segment_stream *stream, uint64_t max_bytes, int64_t min_time,
                            uint64_t *ret_freed);

/* ---- Reading ---- */
struct segment_query {
    int64_t from;          /* time >= from */
    int64_t to;            /* time < to; INT64_MAX = no end */
    struct str text;       /* records that hold these bytes; empty = all */
    bool ignore_case;      /* of ASCII letters */
    bool backward;         /* newest first */
    const bool *cancelled; /* looked at between blocks; NULL = it cannot be */
};

struct segment_reader;
/* Starts reading a stream; a folder that does not exist reads as empty. What is there now is seen,
 * what is appended later is not; files that are trimmed meanwhile are passed over. The query's text
 * is copied, `cancelled` must stay. One file is open at a time, besides the head. 0 or -errno. */
must_check int segment_reader_new(const char *folder, const struct segment_query *query,
                                  struct segment_reader **ret);
void segment_reader_free(struct segment_reader *reader);
/* 0 and the next record (valid until the next call); SEGMENT_E_END; -ECANCELED; -errno. A damaged
 * block is skipped and counted, never returned. */
enum { SEGMENT_E_END = 1 };
must_check int segment_reader_next(struct segment_reader *reader, struct segment_record *ret);
uint64_t segment_reader_scanned(const struct segment_reader *reader);
uint64_t segment_reader_damaged(const struct segment_reader *reader);

#endif
