/* SPDX-License-Identifier: Apache-2.0
 *
 * The ring's memory:
 *
 *   0     u64 magic, u32 capacity, u32 record size, u64 epoch            written once
 *   64    u64 head, u64 dropped                                          the producer's line
 *   128   u64 tail, u32 waiting                                          the consumer's line
 *   192   `capacity` records of RING_RECORD_SIZE bytes
 *
 * The producer reads `tail` only when its copy says "full", the consumer reads `head` once a call:
 * their cache lines travel seldom. Neither believes the other: a tail the producer cannot
 * understand counts as full, a head the consumer cannot understand makes it start again at the
 * head, and bytes are checked after they are copied.
 */
#include "link/ring.h"

#include "link/counters_probe.h"

#define RING_MAGIC UINT64_C(0x31474e49524d) /* "MRING1" */
enum { CAPACITY_MAX = 1 << 20 };

struct ring_header {
    uint64_t magic;
    uint32_t capacity, record_size;
    uint64_t epoch;
    uint64_t unused0[5];
    uint64_t head, dropped;
    uint64_t unused1[6];
    uint64_t tail;
    uint32_t waiting, unused2;
    uint64_t unused3[6];
};

_Static_assert(sizeof(struct ring_header) == 192, "the header's layout is fixed");
_Static_assert(sizeof(struct ring_record) == RING_RECORD_SIZE, "the record's size is fixed");

size_t ring_size(uint32_t capacity)
{
    return sizeof(struct ring_header) + (size_t)capacity * RING_RECORD_SIZE;
}

void ring_format(void *memory, uint32_t capacity, uint64_t epoch)
{
    ensure(capacity > 0 && capacity <= CAPACITY_MAX && (capacity & (capacity - 1)) == 0);
    struct ring_header *header = memory;
    header->capacity = capacity;
    header->record_size = RING_RECORD_SIZE;
    header->epoch = epoch;
    header->magic = RING_MAGIC;
}

int ring_open(void *memory, size_t size, struct ring *ret)
{
    struct ring_header *header = memory;
    if (size < sizeof(*header) || header->magic != RING_MAGIC ||
        header->record_size != RING_RECORD_SIZE) {
        return -EINVAL;
    }
    uint32_t capacity = header->capacity;
    if (capacity == 0 || capacity > CAPACITY_MAX || (capacity & (capacity - 1)) ||
        ring_size(capacity) > size) {
        return -EINVAL;
    }
    *ret = (struct ring){
        .header = header,
        .records = (struct ring_record *)(void *)(header + 1),
        .mask = capacity - 1,
        .position = __atomic_load_n(&header->tail, __ATOMIC_ACQUIRE),
        .head = __atomic_load_n(&header->head, __ATOMIC_ACQUIRE),
    };
    return 0;
}

uint64_t ring_epoch(const struct ring *ring)
{
    return ring->header->epoch;
}

uint64_t ring_dropped(const struct ring *ring)
{
    return __atomic_load_n(&ring->header->dropped, __ATOMIC_RELAXED);
}

struct ring_record *ring_next(struct ring *ring)
{
    if (unlikely(ring->head - ring->position > ring->mask)) {
        ring->position = __atomic_load_n(&ring->header->tail, __ATOMIC_ACQUIRE);
        if (ring->head - ring->position > ring->mask) {
            counters_add(&ring->header->dropped, 1);
            return NULL;
        }
    }
    return &ring->records[ring->head & ring->mask];
}

bool ring_has_two(struct ring *ring)
{
    /* Not by adding to `head`: a tail that is nonsense may lie in front of it. */
    if (ring->head - ring->position >= ring->mask) {
        ring->position = __atomic_load_n(&ring->header->tail, __ATOMIC_ACQUIRE);
    }
    return ring->head - ring->position < ring->mask;
}

void ring_publish(struct ring *ring)
{
    ring->head++;
    __atomic_store_n(&ring->header->head, ring->head, __ATOMIC_RELEASE);
}

bool ring_should_wake(struct ring *ring)
{
    /* Orders "published" before "is anyone waiting", as ring_sleep orders the two the other way
     * round. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!__atomic_load_n(&ring->header->waiting, __ATOMIC_RELAXED)) {
        return false;
    }
    __atomic_store_n(&ring->header->waiting, 0, __ATOMIC_RELAXED);
    return true;
}

void ring_seek(struct ring *ring, uint64_t sequence)
{
    uint64_t head = __atomic_load_n(&ring->header->head, __ATOMIC_ACQUIRE);
    uint64_t tail = __atomic_load_n(&ring->header->tail, __ATOMIC_RELAXED);
    if (head - tail > (uint64_t)ring->mask + 1) {
        tail = head;
    }
    ring->position = sequence > tail && sequence <= head ? sequence : tail;
    ring_commit(ring);
}

static bool access_ok(const struct ring_access *access)
{
    return access->path_len + access->host_len <= RING_PATH_MAX && access->status < 600 &&
           access->client_family <= 6 && access->method < RING_METHODS &&
           access->request_id_len <= RING_REQUEST_ID_MAX && access->path_len <= RING_PATH_MAX;
}

static bool probe_ok(const struct ring_probe *probe)
{
    return probe->status <= COUNTERS_PROBE_FAILING && probe->body_len <= RING_BODY_MAX &&
           probe->http_status < 1000;
}

static bool more_ok(const struct ring_more *more)
{
    return more->host_len + more->agent_len + more->referer_len <= RING_MORE_MAX;
}

static bool record_ok(struct ring_record *record)
{
    switch (record->kind) {
    case RING_ACCESS:
        return access_ok(&record->access);
    case RING_PROBE:
        return probe_ok(&record->probe);
    case RING_MORE:
        return more_ok(&record->more);
    default:
        return false;
    }
}

int ring_read(struct ring *ring, struct ring_record *ret, uint64_t *ret_sequence)
{
    uint64_t head = __atomic_load_n(&ring->header->head, __ATOMIC_ACQUIRE);
    if (ring->position == head) {
        return RING_E_EMPTY;
    }
    if (head - ring->position > (uint64_t)ring->mask + 1) {
        ring->position = head; /* nonsense: what lies between is lost */
        return RING_E_BAD;
    }
    *ret = ring->records[ring->position & ring->mask];
    *ret_sequence = ring->position++;
    return record_ok(ret) ? 0 : RING_E_BAD;
}

void ring_commit(struct ring *ring)
{
    __atomic_store_n(&ring->header->tail, ring->position, __ATOMIC_RELEASE);
}

void ring_commit_to(struct ring *ring, uint64_t sequence)
{
    uint64_t tail = __atomic_load_n(&ring->header->tail, __ATOMIC_RELAXED);
    if (sequence > tail && sequence <= ring->position) {
        __atomic_store_n(&ring->header->tail, sequence, __ATOMIC_RELEASE);
    }
}

bool ring_sleep(struct ring *ring)
{
    __atomic_store_n(&ring->header->waiting, 1, __ATOMIC_RELAXED);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return __atomic_load_n(&ring->header->head, __ATOMIC_ACQUIRE) == ring->position;
}

const char *ring_method_name(uint8_t method)
{
    static const char *const names[RING_METHODS] = {
        "OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "CONNECT", "TRACE",
    };
    return method < RING_METHODS ? names[method] : names[0];
}

const char *ring_code_name(unsigned code)
{
    static const char *const names[RING_CODES] = {
        [RING_CODE_METHOD_NOT_ALLOWED] = "edge.method-not-allowed",
        [RING_CODE_BODY_TOO_LARGE] = "edge.body-too-large",
        [RING_CODE_TARGET_TOO_LONG] = "edge.target-too-long",
        [RING_CODE_HEAD_TOO_LARGE] = "edge.head-too-large",
        [RING_CODE_UNAVAILABLE] = "edge.unavailable",
        [RING_CODE_BAD_REQUEST] = "edge.bad-request",
        [RING_CODE_ERROR] = "edge.error",
        [RING_CODE_NO_ROUTE] = "edge.no-route",
        [RING_CODE_NO_CLIENT_CERTIFICATE] = "edge.no-client-certificate",
        [RING_CODE_REDIRECT] = "edge.redirect",
        [RING_CODE_NO_ENDPOINT] = "edge.no-endpoint",
        [RING_CODE_STARTING] = "edge.starting",
        [RING_CODE_STOPPED] = "edge.stopped",
        [RING_CODE_CRASHED] = "edge.crashed",
        [RING_CODE_BREAKER_OPEN] = "edge.breaker-open",
        [RING_CODE_OVERLOADED] = "edge.overloaded",
        [RING_CODE_FALLBACK] = "edge.fallback",
        [RING_CODE_TIMEOUT] = "edge.timeout",
        [RING_CODE_REFUSED] = "edge.refused",
        [RING_CODE_BAD_ANSWER] = "edge.bad-answer",
        [RING_CODE_OUT_OF_MEMORY] = "edge.out-of-memory",
        [RING_CODE_OUT_OF_DESCRIPTORS] = "edge.out-of-descriptors",
        [RING_CODE_BROKEN] = "edge.broken",
        [RING_CODE_REQUEST_TIMEOUT] = "edge.request-timeout",
    };
    return code < RING_CODES ? names[code] : NULL;
}
