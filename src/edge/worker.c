/* SPDX-License-Identifier: Apache-2.0
 *
 * What all of a thread's parts may ask of it, and what other threads may.
 *
 * 1. What comes from other threads comes by mailbox or as bits of `todo`; nothing else is shared.
 * 2. A connection is given to another thread only if that one `serves`; it looks for gifts before
 *    it ends.
 */
#include "edge/worker.h"

#include "edge/edge_private.h"
#include "edge/worker_life.h"
#include "os/entropy.h"

#include <stdlib.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

void generation_unref(struct generation *generation)
{
    ensure(generation->refs > 0);
    if (--generation->refs == 0) {
        config_unref(generation->config);
        free(generation);
    }
}

void worker_ring_written(struct worker *worker)
{
    worker->ring_written = true;
    loop_defer(&worker->loop, &worker->turn_end);
}

/* --- connections from other workers --- */

enum { BUSIER = 4 }; /* connections more than the least busy one before any is given away */

struct worker *worker_least_busy(struct worker *worker)
{
    struct worker *least = worker;
    uint64_t fewest = UINT64_MAX;
    for (unsigned i = 0; i < worker->edge->thread_count; i++) {
        struct worker *other = &worker->edge->workers[i];
        uint64_t count = __atomic_load_n(&other->stats->connections, __ATOMIC_RELAXED) +
                         atomic_load_explicit(&other->gifts, memory_order_relaxed);
        if (count < fewest && atomic_load(&other->serves)) {
            fewest = count;
            least = other;
        }
    }
    return worker->client_count > fewest + BUSIER ? least : worker;
}

int worker_give_client(struct worker *to, int fd, const struct sock_addr *peer,
                       struct client_source source)
{
    struct worker_gift *gift = malloc(sizeof(*gift));
    if (!gift) {
        return -ENOMEM;
    }
    *gift = (struct worker_gift){.fd = fd, .peer = *peer, .source = source};
    atomic_fetch_add(&to->gifts, 1);
    if (!atomic_load(&to->serves)) { /* it began to stop; behind this point it waits for us */
        atomic_fetch_sub(&to->gifts, 1);
        free(gift);
        return -ECANCELED;
    }
    mailbox_post(&to->mailbox, &gift->mail);
    return 0;
}

void worker_notify(struct worker *worker, unsigned todo)
{
    if (atomic_fetch_or(&worker->todo, todo) == 0) {
        mailbox_post(&worker->mailbox, &worker->mail);
    }
}

void worker_give_config(struct worker *worker, struct config *config)
{
    struct config *older = atomic_exchange(&worker->next_config, config_ref(config));
    config_unref(older);
    worker_notify(worker, WORKER_CONFIG);
}

/* --- identity of requests --- */

static void fill_ids(struct worker *worker)
{
    if (entropy_fill(worker->ids, sizeof(worker->ids)) < 0) {
        for (size_t i = 0; i < sizeof(worker->ids); i++) {
            worker->ids[i] = (uint8_t)rng_u64(&worker->loop.rng);
        }
    }
    worker->ids_left = WORKER_IDS;
}

#ifdef __SSE2__
/* The digits of sixteen nibbles, one in each byte. */
static __m128i digits_of(__m128i nibbles)
{
    __m128i letters = _mm_cmpgt_epi8(nibbles, _mm_set1_epi8(9));
    letters = _mm_and_si128(letters, _mm_set1_epi8('a' - '0' - 10));
    return _mm_add_epi8(_mm_add_epi8(nibbles, _mm_set1_epi8('0')), letters);
}

/* Sixteen bytes as 32 digits, all at once. */
static void put_hex16(char to[32], const uint8_t from[16])
{
    __m128i v = _mm_loadu_si128((const __m128i *)(const void *)from);
    __m128i mask = _mm_set1_epi8(15);
    __m128i high = _mm_and_si128(_mm_srli_epi16(v, 4), mask), low = _mm_and_si128(v, mask);
    __m128i *out = (__m128i *)(void *)to;
    _mm_storeu_si128(out, digits_of(_mm_unpacklo_epi8(high, low)));
    _mm_storeu_si128(out + 1, digits_of(_mm_unpackhi_epi8(high, low)));
}
#else
/* The eight nibbles of `n` spread over eight bytes, as digits: all at once, without a table. */
static void put_hex(char *to, uint32_t n)
{
    uint64_t x = n;
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    /* 10…15 carry into bit 4 when 6 is added: those get 'a' - '0' - 10 more. */
    uint64_t letters = ((x + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
    x += UINT64_C(0x3030303030303030) + letters * ('a' - '0' - 10);
    memcpy(to, &x, sizeof(x));
}
#endif

void worker_request_id(struct worker *worker, char ret[32])
{
    if (unlikely(worker->ids_left == 0)) {
        fill_ids(worker);
    }
    const uint8_t *id = worker->ids + 16 * (size_t)--worker->ids_left;
#ifdef __SSE2__
    put_hex16(ret, id);
#else
    for (size_t i = 0; i < 4; i++) {
        uint32_t n;
        memcpy(&n, id + 4 * i, sizeof(n));
        put_hex(ret + 8 * i, n);
    }
#endif
}

int worker_run(struct worker *worker)
{
    return loop_run(&worker->loop);
}
