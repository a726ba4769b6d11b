/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tail_file: one output file of a service and the segments that its lines go to. Blocks;
 * used by one thread at a time. It knows nothing of loops: tail.c says when to look.
 *
 *   1. A line is in the segments once and in order: each record carries the offset behind it, and
 *      reading goes on at the offset of the last record.
 *   2. What is freed in the file was synced in the segments before.
 *   3. What is lost (the burst limit, a service that truncates its own file, the keeper's trimming
 *      while no core lived) is said in place, as a record with LOGS_NOTICE.
 *
 *   4. An output is removed under a lease (os/lease.h): whoever opens it then has a new one.
 *   5. One whose name somebody gave to another file is read to its end, then the other one.
 *
 * A file that begins again (truncated, or another inode) has another `source`; its offsets start at
 * 0. Source = hash of inode and birth time (48 bits) and the number of truncations (16 bits): the
 *    same
 * file is known again after a restart, and a new one with a recycled inode is not taken for it.
 */
#ifndef SEE_TAIL_FILE_H
#define SEE_TAIL_FILE_H

#include "see/stream.h"
#include "store/segment.h"

enum {
    TAIL_LINE_MAX = SEGMENT_RECORD_MAX, /* a longer one is cut into parts */
    TAIL_CHUNK = 256 * 1024,
    TAIL_KEEP = 64 * 1024,       /* of the file's end, never freed */
    TAIL_HOLE_MAX = 1024 * 1024, /* freed at once */
    TAIL_RESERVE = 1024 * 1024,  /* kept writable past the end on a full disk */
    TAIL_LAST_LINE = 128,
};
#define TAIL_BURST_DEFAULT ((uint64_t)64 * 1024 * 1024)

/* Gives times: strictly increasing over all streams, never before the wall clock says so. */
struct tail_clock {
    int64_t last_ns;
    int64_t wall_ns;
};

struct tail_file {
    struct stream_id id;
    char path[STREAM_PATH_MAX];
    struct segment_stream segment;
    int fd;           /* of the output; -1 = not open */
    bool opened;      /* the segment is open and the place is known */
    bool writable;    /* holes can be punched */
    uint64_t source;  /* low 16 bits: how often it was truncated */
    uint64_t offset;  /* read up to here */
    uint64_t punched; /* [0, punched) is freed */
    uint64_t reserved;
    uint64_t burst; /* unread bytes kept at most */
};

/* What one look brought. Everything is about this look alone; the caller sums up. */
struct tail_result {
    int error;    /* 0; -ENOSPC: the log cannot be written, nothing is lost, try later; -errno */
    bool more;    /* there is more to read at once */
    bool missing; /* the output file is not there (yet) */
    uint64_t lines;
    uint64_t bytes;   /* of output, moved on by */
    uint64_t dropped; /* bytes that were lost to a limit or the keeper */
    bool truncated;   /* by the service itself */
    char last_line[TAIL_LAST_LINE];
};

/* Touches no disk: a file may be known long before it is there. */
void tail_file_init(struct tail_file *file, const struct stream_id *id, const char *path);
/* Opens the output and the segments below `logs` and finds the place where to go on. 0 (also when
 * the output is missing) or -errno. */
must_check int tail_file_open(struct tail_file *file, const char *logs, struct tail_clock *clock);
void tail_file_close(struct tail_file *file);
/* Moves at most about `budget` bytes of lines into the segments. The last writer left the file
 * `ended_at` bytes long (0 = somebody writes): a rest without newline in front of that is a line
 * too. */
void tail_file_read(struct tail_file *file, struct tail_clock *clock, uint64_t budget,
                    uint64_t ended_at, struct tail_result *ret);
/* Syncs the segments, then frees what is stored. If their folder was removed, begins another one
 * and goes back to what was synced last: read again then. 0 or -errno. */
must_check int tail_file_sync(struct tail_file *file);
/* Removes the output file if all of it was read and nobody has it open. True: it is gone. */
bool tail_file_remove(struct tail_file *file);

#endif
