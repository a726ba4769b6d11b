/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading logs. All on the core's loop; files are read on a worker; answers come through the loop.
 *
 * Every line of an instance has a time of its own: lines get theirs when muelle reads them,
 * strictly increasing over all streams. So a line's time is its identity, its place in the order,
 * and the cursor that continues behind it; no line ever appears in front of a cursor that was
 * handed out.
 *
 * Following is reading on: a follower gets pages, asks for the next one when it has room, and is
 * woken when there is more. It needs no queue and loses nothing, however slow it is (until the byte
 * budget removes the oldest, which is shown as a line of its own).
 */
#ifndef SEE_LOGS_H
#define SEE_LOGS_H

#include "base/json.h"
#include "base/list.h"
#include "base/problem.h"

struct see;

/* The pseudo service whose lines are the project's access log; its messages are JSON objects. */
#define LOGS_ACCESS_SERVICE "edge"
/* The project of requests that no route took. */
#define LOGS_NO_PROJECT "_gateway"

enum logs_stream { LOGS_STDOUT, LOGS_STDERR, LOGS_ACCESS, LOGS_STREAMS };
enum { LOGS_ALL_STREAMS = -1 };

enum logs_flag {
    LOGS_PART = 1,   /* the line goes on in the next record: it was longer than 64 KiB */
    LOGS_NO_EOL = 2, /* the writer ended without a newline */
    LOGS_NOTICE = 4, /* muelle's own words inside a stream: a gap, a truncated file */
};

enum { LOGS_LIMIT_MAX = 10000, LOGS_PAGE_BYTES_MAX = 4 * 1024 * 1024, LOGS_SERVICES_MAX = 32 };

/* Which lines. Empty slices and 0 = no condition. Texts are copied by the calls below. */
struct logs_query {
    struct str tenant;          /* empty = "default" */
    struct str project;         /* empty = all projects of the tenant */
    const struct str *services; /* names; none = all, without the access log */
    size_t service_count;
    uint32_t replica;
    int stream;       /* enum logs_stream or LOGS_ALL_STREAMS */
    int64_t since_ns; /* time >= since */
    int64_t until_ns; /* time < until */
    int64_t after;    /* cursor: time > after */
    struct str text;  /* lines that hold these bytes */
    bool unrouted;    /* with the access log: requests that no project's route took, too */
    bool ignore_case; /* of ASCII letters */
    bool newest;      /* the last `limit` lines that match instead of the first */
    uint32_t limit;   /* 0 = 100 */
};

struct logs_line {
    int64_t wall_ns;
    struct str project;
    struct str service;
    uint32_t replica;   /* 0 for the access log */
    uint8_t stream;     /* enum logs_stream */
    uint8_t flags;      /* enum logs_flag bits */
    uint64_t offset;    /* bytes the service had written when the line ended */
    struct str message; /* without the newline; any bytes: json_str makes valid JSON of them */
};

/* Lines in ascending order; valid during the call. */
struct logs_page {
    const struct logs_line *lines;
    size_t count;
    int64_t after; /* continue behind the last line (or behind what was searched in vain) */
    bool more;     /* there are further lines that match right now */
    uint64_t bytes_scanned;
};

/* error: 0, or why there is no page: -ENOMEM, -EIO and others of the disk, -ENOBUFS. The page is
 * valid during the call; with an error it is empty and its `after` is that of the query. The
 * callback may ask again, cancel and unfollow. */
typedef void logs_done_fn(void *arg, int error, const struct logs_page *page);

/* Reads one page. 0 or -errno (-ENOBUFS: too many queries wait, -EMSGSIZE: its texts are too long);
 * `done` comes once if it was 0, from the loop, after all queries that were asked before. */
must_check int logs_read(struct see *see, const struct logs_query *query, logs_done_fn *done,
                         void *arg);
/* The owner of `arg` goes away: its callbacks will not be called. */
void logs_cancel(struct see *see, const void *arg);

struct logs_follower;
/* Starts with the newest `limit` lines (limit 0: none; or, with `after` set, with all that is
 * behind it), then goes on as lines are written. `page` is called with one page at a time, of at
 * most about LOGS_FOLLOW_BYTES of messages; the next one comes after logs_follow_more. NULL when
 * memory is out or LOGS_FOLLOWERS_MAX follow. */
enum { LOGS_FOLLOWERS_MAX = 256, LOGS_FOLLOW_LIMIT = 1000, LOGS_FOLLOW_BYTES = 128 * 1024 };
struct logs_follower *logs_follow(struct see *see, const struct logs_query *query,
                                  logs_done_fn *page, void *arg);
/* The consumer has room for another page. May be called inside `page`. */
void logs_follow_more(struct logs_follower *follower);
void logs_unfollow(struct logs_follower *follower);

/* The line as the API has it (schema_log_line); notices are of the stream "system". */
void logs_line_json(struct json_writer *json, const struct logs_line *line);
const char *logs_stream_name(uint8_t stream);

#endif
