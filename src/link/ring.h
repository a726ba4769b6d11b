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

#include "link/ring_record.h"

enum { RING_CAPACITY_DEFAULT = 8192 };

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
/* Is there room for two? */
bool ring_has_two(struct ring *ring);
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

#endif
