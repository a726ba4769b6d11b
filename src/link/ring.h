/* SPDX-License-Identifier: Apache-2.0
 *
 * Records from one edge thread to the core: a single-producer single-consumer ring of fixed binary
 * records in keeper-held shared memory. The producer never waits: a full ring drops the record and
 * counts it. The consumer copies a record first and checks the copy then (the edge's bytes are
 * hostile to it).
 *
 * Sequences are 64-bit and count records ever written; `head` = next to write, `tail` = next to
 * read. The consumer moves `tail` (ring_commit) after what it read is stored, and stores the ring's
 * `epoch` and sequence with the data: read again after a crash, a record is recognised by its
 * sequence.
 *
 * Waking: the consumer sets `waiting` before it sleeps; the producer, once per loop turn, clears it
 * and rings the bell if it was set. So a busy consumer is never rung and an idle edge costs
 * nothing.
 */
#ifndef LINK_RING_H
#define LINK_RING_H

#include "base/str.h"

enum {
    RING_RECORD_SIZE = 256,
    RING_CAPACITY_DEFAULT = 8192,
    RING_PATH_MAX = 112,
    RING_REQUEST_ID_MAX = 36,
    RING_BODY_MAX = 96,
};

enum ring_kind { RING_ACCESS = 1, RING_PROBE = 2, RING_KINDS };
enum {
    RING_FLAG_HTTP10 = 1,
    RING_FLAG_TUNNEL = 2,         /* 101 or tcp: bytes are those of the tunnel */
    RING_FLAG_CLIENT_ABORT = 4,   /* the client left before the end */
    RING_FLAG_UPSTREAM_ABORT = 8, /* the upstream broke off inside its answer */
    RING_FLAG_HELD = 16,          /* waited for an endpoint */
    RING_FLAG_LOCAL = 32,         /* the edge answered by itself */
    RING_FLAG_PATH_CUT = 64,      /* the path did not fit */
    RING_FLAG_ADMIN = 128,
    RING_FLAG_TCP = 256, /* a tcp listener's connection: no status */
};
/* Index into ring_method_name; 0 = another one. */
enum ring_method {
    RING_METHOD_OTHER,
    RING_GET,
    RING_HEAD,
    RING_POST,
    RING_PUT,
    RING_DELETE,
    RING_PATCH,
    RING_OPTIONS,
    RING_CONNECT,
    RING_TRACE,
    RING_METHODS
};

struct ring_access {
    int64_t at_wall_ns;                                             /* first byte of the request */
    uint32_t total_us, head_us, wait_us, connect_us, first_byte_us; /* whole; and its phases */
    uint16_t status;                                                /* 0: none was sent */
    uint16_t flags;
    uint64_t route, service, endpoint; /* stable ids; 0 = none */
    uint64_t bytes_in, bytes_out;      /* bodies */
    uint8_t client[16];                /* IPv6, or IPv4 in its first four bytes */
    uint16_t client_port;
    uint8_t client_family; /* 4, 6; 0 = unix */
    uint8_t method;        /* enum ring_method */
    uint8_t retries, request_id_len;
    uint16_t path_len;
    char request_id[RING_REQUEST_ID_MAX];
    char path[RING_PATH_MAX];
    uint16_t close_code; /* of a WebSocket whose frames were read; 0 = not known */
};
struct ring_probe {
    int64_t at_wall_ns;
    uint64_t service, endpoint;
    uint32_t latency_us, failures_in_row;
    uint16_t http_status;
    uint8_t status; /* enum counters_probe_status */
    uint8_t body_len;
    int32_t error; /* errno, 0 = none */
    char body[RING_BODY_MAX];
};
struct ring_record {
    uint16_t kind; /* enum ring_kind */
    uint16_t reserved[3];
    union {
        struct ring_access access;
        struct ring_probe probe;
        uint8_t bytes[RING_RECORD_SIZE - 8];
    };
};

struct ring {
    struct ring_header *header; /* private layout */
    struct ring_record *records;
    uint32_t mask;
    uint64_t position; /* producer: cached tail; consumer: next to read (>= tail) */
    uint64_t head;     /* producer's own copy */
};

/* `capacity` is a power of two, at most 2^20. */
size_t ring_size(uint32_t capacity);
/* Formats zeroed memory (64-aligned); `epoch` names this ring for ever (random). */
void ring_format(void *memory, uint32_t capacity, uint64_t epoch);
/* 0 or -EINVAL. Both sides. */
must_check int ring_open(void *memory, size_t size, struct ring *ret);
uint64_t ring_epoch(const struct ring *ring);
uint64_t ring_dropped(const struct ring *ring);

/* --- producer --- */
/* The next record to fill in place, NULL (and counted) when the ring is full; then ring_publish. */
struct ring_record *ring_next(struct ring *ring);
void ring_publish(struct ring *ring);
/* Once per loop turn in which something was published: true = ring the consumer's bell. */
bool ring_should_wake(struct ring *ring);

/* --- consumer --- */
/* Starts behind what was stored: `sequence` of the same epoch, else 0. */
void ring_seek(struct ring *ring, uint64_t sequence);
/* Copies the next record and checks it. 0 and its sequence; RING_E_EMPTY; RING_E_BAD: skipped,
 * count it. */
enum { RING_E_EMPTY = 1, RING_E_BAD = 2 };
must_check int ring_read(struct ring *ring, struct ring_record *ret, uint64_t *ret_sequence);
/* Everything read so far is stored: its places may be written again. */
void ring_commit(struct ring *ring);
/* Everything in front of `sequence` is stored; no further than what was read. */
void ring_commit_to(struct ring *ring, uint64_t sequence);
/* Before sleeping: asks for the bell. False: records are there already, read on. */
bool ring_sleep(struct ring *ring);

const char *ring_method_name(uint8_t method);

#endif
