/* SPDX-License-Identifier: Apache-2.0
 *
 * The word: state 2 bits, generation 12, probes under way 6, probes that worked 6, until (ms) 38.
 * Half-open, `until` is when places that nobody gave back are free again.
 *
 * The window: half-window number 36 bits, requests 14, failures 14. When half a window is over both
 * counts are halved, so that old requests fade; after a whole one without requests they are 0.
 */
#include "traffic/breaker.h"

#include "base/num.h"

#define TO SM_TO
static const struct sm_state states[BREAKER_STATES] = {
    [BREAKER_CLOSED] = {"closed", TO(BREAKER_OPEN), 0},
    [BREAKER_OPEN] = {"open", TO(BREAKER_HALF_OPEN), 0},
    [BREAKER_HALF_OPEN] = {"half_open",
                           TO(BREAKER_CLOSED) | TO(BREAKER_OPEN) | TO(BREAKER_HALF_OPEN), 0},
};
#undef TO
const struct sm breaker_sm = {"breaker", states, BREAKER_STATES};

enum { GENERATIONS = 1 << 12 };

/* The word, unpacked. */
struct view {
    uint8_t state;
    uint32_t generation, out, good;
    uint64_t until_ms;
};

static struct view unpack(uint64_t word)
{
    return (struct view){
        .state = (uint8_t)MIN(word & 3, (uint64_t)BREAKER_HALF_OPEN),
        .generation = (uint32_t)(word >> 2) & (GENERATIONS - 1),
        .out = (uint32_t)(word >> 14) & 63,
        .good = (uint32_t)(word >> 20) & 63,
        .until_ms = word >> 26,
    };
}

static uint64_t pack(const struct view *view)
{
    return view->state | (uint64_t)view->generation << 2 | (uint64_t)view->out << 14 |
           (uint64_t)view->good << 20 | (view->until_ms & ((UINT64_C(1) << 38) - 1)) << 26;
}

static void move(struct view *view, enum breaker_state state, uint64_t until_ms)
{
    sm_move(&breaker_sm, &view->state, state);
    view->generation = (view->generation + 1) % GENERATIONS;
    view->out = 0;
    view->good = 0;
    view->until_ms = until_ms;
}

static uint64_t load(const uint64_t *word)
{
    return __atomic_load_n(word, __ATOMIC_ACQUIRE);
}

/* Fails if another thread was faster: then the caller looks anew. */
static bool swap(uint64_t *word, uint64_t *before, uint64_t after)
{
    return __atomic_compare_exchange_n(word, before, after, false, __ATOMIC_ACQ_REL,
                                       __ATOMIC_ACQUIRE);
}

static uint64_t ms_of(int64_t ns)
{
    return (uint64_t)MAX(ns, 0) / NS_PER_MS;
}

/* --- the word --- */

/* The word as it is when one more has been admitted. False: none may be. */
static bool admitted(struct view *view, const struct breaker_spec *spec, uint64_t now_ms)
{
    if (view->state == BREAKER_CLOSED) {
        return true;
    }
    /* A shorter open_ms of a new configuration acts on a breaker that is open already. */
    view->until_ms = MIN(view->until_ms, now_ms + spec->open_ms);
    if (now_ms >= view->until_ms &&
        (view->state == BREAKER_OPEN || view->out + view->good >= spec->probes)) {
        move(view, BREAKER_HALF_OPEN, now_ms + spec->open_ms);
    }
    if (view->state == BREAKER_OPEN || view->out + view->good >= spec->probes) {
        return false;
    }
    view->out++;
    return true;
}

bool breaker_admit(struct breaker *breaker, const struct breaker_spec *spec, int64_t now_ns,
                   uint32_t *ret_ticket)
{
    uint64_t before = load(&breaker->word);
    for (;;) {
        struct view view = unpack(before);
        bool passes = admitted(&view, spec, ms_of(now_ns));
        uint64_t after = pack(&view);
        *ret_ticket = view.generation;
        if (after == before || swap(&breaker->word, &before, after)) {
            return passes;
        }
    }
}

/* A report of a half-open breaker's own generation. */
static void probe_reported(struct view *view, const struct breaker_spec *spec,
                           enum breaker_result result, uint64_t now_ms)
{
    view->out -= view->out > 0;
    if (result == BREAKER_FAILED) {
        move(view, BREAKER_OPEN, now_ms + spec->open_ms);
    } else if (result == BREAKER_WORKED && ++view->good >= spec->probes) {
        move(view, BREAKER_CLOSED, 0);
    }
}

/* --- the window --- */

/* Counts one request. True: the share of failures is too large. */
static bool window_add(struct breaker *breaker, const struct breaker_spec *spec, bool failed,
                       uint64_t now_ms)
{
    uint64_t before = __atomic_load_n(&breaker->window, __ATOMIC_RELAXED);
    for (;;) {
        uint64_t half = spec->window_ms / 2;
        uint64_t number = now_ms / MAX(half, UINT64_C(1)) & ((UINT64_C(1) << 36) - 1);
        uint64_t gone = (number - (before >> 28)) & ((UINT64_C(1) << 36) - 1);
        uint64_t total = before >> 14 & BREAKER_COUNT_MAX;
        uint64_t bad = before & BREAKER_COUNT_MAX;
        if (gone >= UINT64_C(1) << 35) { /* another thread's clock is a little ahead */
            number = before >> 28;
            gone = 0;
        }
        bool fade = gone == 1 || total == BREAKER_COUNT_MAX;
        total = gone > 1 ? 0 : total >> fade;
        bad = gone > 1 ? 0 : bad >> fade;
        total++;
        bad += failed;
        if (swap(&breaker->window, &before, number << 28 | total << 14 | bad)) {
            return total >= spec->minimum && bad * 1000 >= total * spec->failures_permille;
        }
    }
}

static bool too_many(struct breaker *breaker, const struct breaker_spec *spec, bool failed,
                     uint64_t now_ms)
{
    bool share = spec->failures_permille > 0 && window_add(breaker, spec, failed, now_ms);
    if (!failed) {
        if (__atomic_load_n(&breaker->streak, __ATOMIC_RELAXED) != 0) {
            __atomic_store_n(&breaker->streak, 0, __ATOMIC_RELAXED);
        }
        return false;
    }
    uint32_t streak = __atomic_add_fetch(&breaker->streak, 1, __ATOMIC_RELAXED);
    return share || (spec->consecutive > 0 && streak >= spec->consecutive);
}

static void forget_failures(struct breaker *breaker)
{
    __atomic_store_n(&breaker->window, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&breaker->streak, 0, __ATOMIC_RELAXED);
}

bool breaker_report(struct breaker *breaker, const struct breaker_spec *spec, uint32_t ticket,
                    enum breaker_result result, int64_t now_ns)
{
    uint64_t before = load(&breaker->word);
    struct view view = unpack(before);
    bool open = view.generation == ticket && view.state == BREAKER_CLOSED &&
                result != BREAKER_NOTHING &&
                too_many(breaker, spec, result == BREAKER_FAILED, ms_of(now_ns));
    for (;;) {
        view = unpack(before);
        uint8_t from = view.state;
        if (view.generation != ticket || from == BREAKER_OPEN ||
            (from == BREAKER_CLOSED && !open)) {
            return false;
        }
        if (from == BREAKER_CLOSED) {
            move(&view, BREAKER_OPEN, ms_of(now_ns) + spec->open_ms);
        } else {
            probe_reported(&view, spec, result, ms_of(now_ns));
        }
        if (!swap(&breaker->word, &before, pack(&view))) {
            continue;
        }
        if (view.state == from) {
            return false;
        }
        forget_failures(breaker);
        if (view.state == BREAKER_OPEN) {
            __atomic_fetch_add(&breaker->opened, 1, __ATOMIC_RELAXED);
        }
        return true;
    }
}

enum breaker_state breaker_look(const struct breaker *breaker, int64_t *ret_until_ns)
{
    struct view view = unpack(load(&breaker->word));
    *ret_until_ns = view.state == BREAKER_OPEN ? (int64_t)view.until_ms * NS_PER_MS : 0;
    return (enum breaker_state)view.state;
}

uint32_t breaker_retry_after_s(const struct breaker *breaker, int64_t now_ns)
{
    int64_t until_ns;
    (void)breaker_look(breaker, &until_ns);
    int64_t left_s = (until_ns - now_ns + NS_PER_S - 1) / NS_PER_S;
    return (uint32_t)MIN(MAX(left_s, (int64_t)1), (int64_t)3600);
}
