/* SPDX-License-Identifier: Apache-2.0
 *
 * The life of one replica: each story by name, then a random walk against a model of the process
 * that checks the invariants of run/replica.h after every step.
 */
#include "run/replica.h"

#include "harness/test.h"

#define MS(n) ((n)*NS_PER_MS)
#define S(n)  ((n)*NS_PER_S)

struct world {
    struct replica_sm r;
    struct replica_policy policy;
    struct rng rng;
    int64_t now;
    uint32_t did;
};

static struct world world_make(uint8_t restart)
{
    struct world w = {.policy = replica_policy_default, .now = S(1000)};
    w.policy.restart = restart;
    rng_init(&w.rng, 7);
    replica_init(&w.r);
    return w;
}

static uint32_t feed(struct world *w, uint8_t kind, bool success)
{
    w->did =
        replica_step(&w->r, &w->policy, (struct replica_input){kind, success}, w->now, &w->rng);
    return w->did;
}

static void wait_deadline(struct world *w)
{
    check(w->r.deadline_ns != INT64_MAX);
    w->now = MAX(w->now, w->r.deadline_ns);
    feed(w, REPLICA_IN_TIME, false);
}

static void bring_up(struct world *w)
{
    check(feed(w, REPLICA_IN_RUN, false) & REPLICA_DO_SPAWN);
    feed(w, REPLICA_IN_STARTED, false);
    wait_deadline(w);
    check_int(w->r.state, REPLICA_RUNNING);
    check(w->did & REPLICA_DO_PUBLISH);
}

static void die(struct world *w, bool success)
{
    feed(w, REPLICA_IN_EXITED, success);
    uint32_t did = w->did;
    feed(w, REPLICA_IN_EMPTY, false);
    w->did |= did;
}

TEST(ready_when_alive_for_a_moment_without_a_probe)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    bring_up(&w);
    check_int(w.r.deadline_ns, INT64_MAX);
}

TEST(ready_only_by_its_probe_when_it_has_one)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    w.policy.probed = true;
    feed(&w, REPLICA_IN_RUN, false);
    feed(&w, REPLICA_IN_STARTED, false);
    check_int(w.r.deadline_ns, INT64_MAX);
    check_int(w.r.state, REPLICA_STARTING);
    check(feed(&w, REPLICA_IN_HEALTHY, false) & REPLICA_DO_PUBLISH);
    check_int(w.r.state, REPLICA_RUNNING);
}

TEST(first_crash_restarts_at_once_then_backs_off)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    bring_up(&w);
    die(&w, false);
    check(w.did & REPLICA_DO_SPAWN);
    check(w.did & REPLICA_DO_UNPUBLISH);
    check_int(w.r.restarts, 1);
    int64_t expected = MS(100);
    for (int i = 0; i < 12; i++) {
        feed(&w, REPLICA_IN_STARTED, false);
        die(&w, false);
        check_int(w.r.state, REPLICA_CRASHED);
        int64_t delay = w.r.retry_ns - w.now;
        check(delay >= expected * 79 / 100 && delay <= expected * 121 / 100);
        expected = MIN(expected * 2, S(30));
        wait_deadline(&w);
        check(w.did & REPLICA_DO_SPAWN);
    }
    check_int(w.r.restarts, 13);
}

TEST(a_long_life_forgets_failures)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    bring_up(&w);
    die(&w, false);
    feed(&w, REPLICA_IN_STARTED, false);
    wait_deadline(&w);
    w.now += S(61);
    die(&w, false);
    check(w.did & REPLICA_DO_SPAWN);
}

TEST(nothing_is_started_before_the_old_tree_is_gone)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    bring_up(&w);
    check(feed(&w, REPLICA_IN_EXITED, false) & REPLICA_DO_KILL);
    check(!(w.did & REPLICA_DO_SPAWN));
    wait_deadline(&w);
    check(w.did & REPLICA_DO_KILL);
    check(!(w.did & REPLICA_DO_SPAWN));
    check(feed(&w, REPLICA_IN_EMPTY, false) & REPLICA_DO_SPAWN);
}

TEST(restart_no_completes_on_success_and_stays_crashed_on_failure)
{
    struct world w = world_make(REPLICA_RESTART_NO);
    bring_up(&w);
    die(&w, true);
    check_int(w.r.state, REPLICA_COMPLETED);
    check_int(w.r.deadline_ns, INT64_MAX);
    w = world_make(REPLICA_RESTART_NO);
    bring_up(&w);
    die(&w, false);
    check_int(w.r.state, REPLICA_CRASHED);
    check_int(w.r.deadline_ns, INT64_MAX);
    feed(&w, REPLICA_IN_RUN, false);
    check_int(w.r.state, REPLICA_CRASHED);
}

TEST(on_failure_gives_up_after_its_retries)
{
    struct world w = world_make(REPLICA_RESTART_ON_FAILURE);
    w.policy.retries_max = 2;
    bring_up(&w);
    die(&w, false);
    check(w.did & REPLICA_DO_SPAWN);
    feed(&w, REPLICA_IN_STARTED, false);
    die(&w, false);
    wait_deadline(&w);
    feed(&w, REPLICA_IN_STARTED, false);
    die(&w, false);
    check_int(w.r.state, REPLICA_CRASHED);
    check_int(w.r.deadline_ns, INT64_MAX);
    check(feed(&w, REPLICA_IN_RESTART, false) & REPLICA_DO_SPAWN);
    check_int(w.r.failures, 0);
}

TEST(stop_leaves_the_gateway_drains_signals_kills_and_waits)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    bring_up(&w);
    feed(&w, REPLICA_IN_STOP, false);
    check(w.did & REPLICA_DO_UNPUBLISH);
    check(!(w.did & REPLICA_DO_SIGNAL));
    check_int(w.r.deadline_ns, w.now + S(5));
    check(feed(&w, REPLICA_IN_DRAINED, false) & REPLICA_DO_SIGNAL);
    check_int(w.r.deadline_ns, w.now + S(10));
    wait_deadline(&w);
    check(w.did & REPLICA_DO_KILL);
    wait_deadline(&w);
    check(w.did & REPLICA_DO_KILL);
    feed(&w, REPLICA_IN_EXITED, false);
    check_int(w.r.state, REPLICA_STOPPING);
    feed(&w, REPLICA_IN_EMPTY, false);
    check_int(w.r.state, REPLICA_STOPPED);
}

TEST(stop_during_the_spawn_signals_when_the_child_is_there)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    feed(&w, REPLICA_IN_RUN, false);
    check(!(feed(&w, REPLICA_IN_STOP, false) & REPLICA_DO_SIGNAL));
    check(feed(&w, REPLICA_IN_STARTED, false) & REPLICA_DO_SIGNAL);
    die(&w, true);
    check_int(w.r.state, REPLICA_STOPPED);
}

TEST(start_asked_while_stopping_starts_after_the_stop)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    bring_up(&w);
    feed(&w, REPLICA_IN_STOP, false);
    check(!(feed(&w, REPLICA_IN_RUN, false) & REPLICA_DO_SPAWN));
    die(&w, true);
    check(w.did & REPLICA_DO_SPAWN);
    check_int(w.r.restarts, 0);
}

TEST(unhealthy_leaves_the_gateway_comes_back_or_is_restarted)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    w.policy.probed = true;
    feed(&w, REPLICA_IN_RUN, false);
    feed(&w, REPLICA_IN_STARTED, false);
    feed(&w, REPLICA_IN_HEALTHY, false);
    check(feed(&w, REPLICA_IN_UNHEALTHY, false) & REPLICA_DO_UNPUBLISH);
    check(feed(&w, REPLICA_IN_HEALTHY, false) & REPLICA_DO_PUBLISH);
    feed(&w, REPLICA_IN_UNHEALTHY, false);
    wait_deadline(&w);
    check_int(w.r.state, REPLICA_STOPPING);
    check(w.did & REPLICA_DO_SIGNAL);
    die(&w, true);
    check(w.did & REPLICA_DO_SPAWN);
    check_int(w.r.failures, 1);
    check_int(w.r.restarts, 1);
}

TEST(a_spawn_that_fails_counts_as_a_crash)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    feed(&w, REPLICA_IN_RUN, false);
    check(feed(&w, REPLICA_IN_FAILED, false) & REPLICA_DO_SPAWN);
    feed(&w, REPLICA_IN_FAILED, false);
    check_int(w.r.state, REPLICA_CRASHED);
    check(w.r.deadline_ns < INT64_MAX);
}

TEST(adoption_keeps_what_runs_and_finishes_what_was_stopping)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    check(replica_adopt(&w.r, &w.policy, REPLICA_RUNNING, w.now - S(5), w.now) &
          REPLICA_DO_PUBLISH);
    check(!(feed(&w, REPLICA_IN_RUN, false) & REPLICA_DO_SPAWN));
    replica_init(&w.r);
    uint32_t did = replica_adopt(&w.r, &w.policy, REPLICA_STOPPING, w.now - S(5), w.now);
    check(did & REPLICA_DO_SIGNAL);
    replica_init(&w.r);
    did = replica_adopt(&w.r, &w.policy, REPLICA_CRASHED, w.now - S(5), w.now);
    check_int(w.r.state, REPLICA_STARTING);
    check(!(did & REPLICA_DO_PUBLISH));
}

/* Restored in its back-off, it is asked to run at once, and waits all the same. */
TEST(a_new_core_keeps_the_back_off_of_the_one_before)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    w.r.failures = 4;
    replica_restore(&w.r, &w.policy, REPLICA_CRASHED, w.now + S(2), w.now);
    check_int(w.r.state, REPLICA_CRASHED);
    check(!(feed(&w, REPLICA_IN_RUN, false) & REPLICA_DO_SPAWN));
    check_int(w.r.deadline_ns, w.now + S(2));
    wait_deadline(&w);
    check(w.did & REPLICA_DO_SPAWN);
    check_int(w.r.restarts, 1);
    feed(&w, REPLICA_IN_STARTED, false);
    w.now += MS(100);
    die(&w, false);
    check_int(w.r.failures, 5);
    check(w.r.retry_ns - w.now > MS(600)); /* 800 ms ± 20 % */
}

TEST(what_had_given_up_stays_so_under_a_new_core)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    replica_restore(&w.r, &w.policy, REPLICA_CRASHED, INT64_MAX, w.now);
    check_int(w.r.state, REPLICA_CRASHED);
    feed(&w, REPLICA_IN_RUN, false);
    check_int(w.r.deadline_ns, INT64_MAX);
    check(feed(&w, REPLICA_IN_RESTART, false) & REPLICA_DO_SPAWN);
}

TEST(a_back_off_that_is_over_or_of_a_clock_that_was_set_does_not_hold_up)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    replica_restore(&w.r, &w.policy, REPLICA_CRASHED, w.now - S(1), w.now);
    check_int(w.r.state, REPLICA_PENDING);
    check(feed(&w, REPLICA_IN_RUN, false) & REPLICA_DO_SPAWN);
    replica_init(&w.r);
    replica_restore(&w.r, &w.policy, REPLICA_CRASHED, w.now + S(86400), w.now);
    feed(&w, REPLICA_IN_RUN, false);
    check(w.r.deadline_ns <= w.now + S(38));
}

TEST(a_crashed_one_that_was_taken_up_can_be_stopped)
{
    struct world w = world_make(REPLICA_RESTART_ALWAYS);
    replica_restore(&w.r, &w.policy, REPLICA_CRASHED, w.now + S(2), w.now);
    feed(&w, REPLICA_IN_STOP, false);
    check_int(w.r.state, REPLICA_STOPPED);
    check_int(w.r.deadline_ns, INT64_MAX);
}

/* What the keeper and the kernel would do. */
struct model {
    bool asked, alive, tree, published;
    bool signalled_while_published;
};

static void model_do(struct model *m, uint32_t did)
{
    if (did & REPLICA_DO_UNPUBLISH) {
        check(m->published);
        m->published = false;
    }
    if (did & REPLICA_DO_SIGNAL) {
        check(!m->published);
    }
    if (did & REPLICA_DO_SPAWN) {
        check(!m->asked && !m->alive && !m->tree);
        m->asked = true;
    }
    if (did & REPLICA_DO_PUBLISH) {
        check(!m->published && m->alive);
        m->published = true;
    }
}

/* An input that could really come now; REPLICA_IN_COUNT = let time pass. */
static uint8_t model_pick(struct model *m, struct rng *rng)
{
    switch (rng_below(rng, 12)) {
    case 0:
        return REPLICA_IN_STOP;
    case 1:
        return rng_chance(rng, 300) ? REPLICA_IN_RESTART : REPLICA_IN_RUN;
    case 2:
        return REPLICA_IN_RUN;
    case 3:
    case 4:
        if (m->asked) {
            m->asked = false;
            if (rng_chance(rng, 200)) {
                return REPLICA_IN_FAILED;
            }
            m->alive = m->tree = true;
            return REPLICA_IN_STARTED;
        }
        return REPLICA_IN_HEALTHY;
    case 5:
        return REPLICA_IN_UNHEALTHY;
    case 6:
    case 7:
        if (m->alive) {
            m->alive = false;
            return REPLICA_IN_EXITED;
        }
        return REPLICA_IN_DRAINED;
    case 8:
    case 9:
        if (m->tree && !m->alive) {
            m->tree = false;
            return REPLICA_IN_EMPTY;
        }
        return REPLICA_IN_HEALTHY;
    default:
        return REPLICA_IN_COUNT;
    }
}

static void model_check(const struct world *w, const struct model *m)
{
    const struct replica_sm *r = &w->r;
    check(r->alive == m->alive && r->spawning == m->asked);
    check(r->published == m->published);
    check(!m->published || r->state == REPLICA_RUNNING);
    check(r->state != REPLICA_RUNNING || m->alive);
    check(r->state != REPLICA_STOPPED || (!m->alive && !m->tree && !m->asked));
    if (m->tree && r->state != REPLICA_RUNNING && r->state != REPLICA_UNHEALTHY &&
        !(r->state == REPLICA_STARTING && w->policy.probed)) {
        check(r->deadline_ns != INT64_MAX);
    }
}

TEST(random_walk_keeps_the_invariants)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(500); round++) {
        struct world w = world_make((uint8_t)rng_below(rng, 3));
        w.policy.probed = rng_chance(rng, 500);
        w.policy.drain_ns = rng_chance(rng, 500) ? S(5) : 0;
        struct model m = {0};
        for (int i = 0; i < 200; i++) {
            uint8_t kind = model_pick(&m, rng);
            if (kind == REPLICA_IN_COUNT) {
                w.now += (int64_t)rng_below(rng, (uint64_t)S(20));
                kind = REPLICA_IN_TIME;
            }
            model_do(&m, feed(&w, kind, rng_chance(rng, 500)));
            model_check(&w, &m);
        }
    }
}
