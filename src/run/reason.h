/* SPDX-License-Identifier: Apache-2.0
 *
 * Why something ended or does not start, in a sentence that a person understands. Pure.
 */
#ifndef RUN_REASON_H
#define RUN_REASON_H

#include "base/buf.h"

enum { REASON_MAX = 320, REASON_LINE_MAX = 160 };

struct reason_exit {
    bool known; /* false: it ended, nobody knows how */
    bool signaled;
    bool core_dumped;
    bool oom;             /* the kernel took it for lack of memory */
    bool asked;           /* we were stopping it */
    struct str ailment;   /* we stopped it because of this: what its health check said */
    int64_t overdue_ns;   /* > 0: it was killed because it took longer than this to stop */
    int code;             /* exit code or signal number */
    int64_t lived_ns;     /* < 0 = unknown */
    struct str last_line; /* of its output; empty = none */
};

/* "exited 1 after 3 s, last line: …", "killed: out of memory", "killed by signal 11 (segmentation
 * fault)" … */
void reason_exit(struct buf *out, const struct reason_exit *exit);

struct reason_spawn {
    int error;       /* -errno */
    struct str step; /* what failed, in the keeper's words: "execute", "change folder" … */
    struct str program;
    struct str path; /* its PATH */
    struct str cwd;
    struct str user;
};

/* "could not start: command not found: nodee (looked in /usr/bin:/bin)" … */
void reason_spawn(struct buf *out, const struct reason_spawn *spawn);
/* "segmentation fault"; NULL for signals without a usual name. */
const char *reason_signal_name(int signum);
/* The last line with something on it, without control characters; a slice of `tail` cleaned in
 * place. */
struct str reason_last_line(char *tail, size_t len);
/* "3 s", "250 ms", "2 h 5 min". */
void reason_duration(struct buf *out, int64_t ns);

#endif
