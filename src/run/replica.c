/* SPDX-License-Identifier: Apache-2.0
 *
 * One function per input kind, in a table; each moves the machine by the few helpers at the top.
 * The helpers are the only places that order a spawn, a signal or a kill, so the invariants of
 * replica.h are kept there.
 */
#include "run/replica.h"

#include "core/mutate.h"

enum { PHASE_NONE, PHASE_DRAIN, PHASE_GRACE, PHASE_KILL };

#define KILL_AGAIN_NS NS_PER_S
#define ADOPTABLE                                                                                  \
    (SM_TO(REPLICA_STARTING) | SM_TO(REPLICA_RUNNING) | SM_TO(REPLICA_UNHEALTHY) |                 \
     SM_TO(REPLICA_STOPPING))
#define ENDED (SM_TO(REPLICA_CRASHED) | SM_TO(REPLICA_COMPLETED) | SM_TO(REPLICA_STOPPING))

static const struct sm_state states[REPLICA_STATE_COUNT] = {
    [REPLICA_PENDING] = {"pending",
                         ADOPTABLE | SM_TO(REPLICA_STOPPED) | SM_TO(REPLICA_CRASHED) |
                             SM_TO(REPLICA_COMPLETED),
                         0},
    [REPLICA_STARTING] = {"starting", ENDED | SM_TO(REPLICA_RUNNING) | SM_TO(REPLICA_UNHEALTHY),
                          REPLICA_FLAG_LIVE},
    [REPLICA_RUNNING] = {"running", ENDED | SM_TO(REPLICA_UNHEALTHY),
                         REPLICA_FLAG_LIVE | REPLICA_FLAG_READY},
    [REPLICA_UNHEALTHY] = {"unhealthy", ENDED | SM_TO(REPLICA_RUNNING), REPLICA_FLAG_LIVE},
    [REPLICA_STOPPING] = {"stopping",
                          SM_TO(REPLICA_STOPPED) | SM_TO(REPLICA_STARTING) | SM_TO(REPLICA_CRASHED),
                          REPLICA_FLAG_LIVE},
    [REPLICA_STOPPED] = {"stopped", SM_TO(REPLICA_STARTING), REPLICA_FLAG_FINAL},
    [REPLICA_CRASHED] = {"crashed",
                         SM_TO(REPLICA_STARTING) | SM_TO(REPLICA_STOPPING) | SM_TO(REPLICA_STOPPED),
                         REPLICA_FLAG_FINAL},
    [REPLICA_COMPLETED] = {"completed",
                           SM_TO(REPLICA_STARTING) | SM_TO(REPLICA_STOPPING) |
                               SM_TO(REPLICA_STOPPED),
                           REPLICA_FLAG_FINAL},
};
const struct sm replica_machine = {"replica", states, REPLICA_STATE_COUNT};

const struct replica_policy replica_policy_default = {
    .restart = REPLICA_RESTART_ALWAYS,
    .backoff_initial_ns = 100 * NS_PER_MS,
    .backoff_max_ns = 30 * NS_PER_S,
    .backoff_factor = 2,
    .backoff_reset_ns = 60 * NS_PER_S,
    .drain_ns = 5 * NS_PER_S,
    .grace_ns = 10 * NS_PER_S,
    .alive_ns = 30 * NS_PER_MS,
    .unhealthy_ns = 10 * NS_PER_S,
};

/* What a step works on: the machine and what came in. */
struct step {
    struct replica_sm *r;
    const struct replica_policy *policy;
    struct replica_input input;
    int64_t now;
    struct rng *rng;
    uint32_t actions;
};

void replica_init(struct replica_sm *r)
{
    *r = (struct replica_sm){.state = REPLICA_PENDING, .deadline_ns = INT64_MAX};
}

int64_t replica_backoff(const struct replica_policy *policy, uint32_t failures)
{
    if (failures == 0 || MUTATE(lost_backoff)) {
        return 0;
    }
    int64_t delay = policy->backoff_initial_ns;
    for (uint32_t i = 1; i < failures && delay < policy->backoff_max_ns; i++) {
        delay =
            (int64_t)MIN((double)delay * policy->backoff_factor, (double)policy->backoff_max_ns);
    }
    return MIN(delay, policy->backoff_max_ns);
}

static void move(struct step *s, enum replica_state to)
{
    sm_move(&replica_machine, &s->r->state, to);
    s->actions |= REPLICA_DO_SAVE;
}

static void unpublish(struct step *s)
{
    if (s->r->published) {
        s->r->published = false;
        s->actions |= REPLICA_DO_UNPUBLISH;
    }
}

static void publish(struct step *s)
{
    move(s, REPLICA_RUNNING);
    s->r->deadline_ns = INT64_MAX;
    s->r->published = true;
    s->actions |= REPLICA_DO_PUBLISH | (MUTATE(double_start) ? REPLICA_DO_SPAWN : 0);
}

static void spawn(struct step *s)
{
    struct replica_sm *r = s->r;
    ensure(replica_gone(r) || MUTATE(double_start) || MUTATE(restart_before_empty));
    move(s, REPLICA_STARTING);
    r->phase = PHASE_NONE;
    r->spawning = true;
    r->ailing = false;
    r->deadline_ns = INT64_MAX;
    s->actions |= REPLICA_DO_SPAWN;
}

static void kill_tree(struct step *s)
{
    s->r->phase = PHASE_KILL;
    s->r->deadline_ns = s->now + KILL_AGAIN_NS;
    s->actions |= REPLICA_DO_KILL;
}

static void grace(struct step *s)
{
    struct replica_sm *r = s->r;
    r->phase = PHASE_GRACE;
    r->deadline_ns = MUTATE(no_stop_deadline) ? INT64_MAX : s->now + s->policy->grace_ns;
    /* A spawn that is not answered yet cannot be signalled: STARTED will come here again. */
    if (!r->spawning) {
        s->actions |= REPLICA_DO_SIGNAL;
    }
}

/* Leave the gateway, drain, signal, grace, kill: each stage is entered by the end of the one
 * before. */
static void begin_stop(struct step *s)
{
    struct replica_sm *r = s->r;
    bool drains = r->published && s->policy->drain_ns > 0;
    if (!MUTATE(signal_before_unpublish)) {
        unpublish(s);
    }
    move(s, REPLICA_STOPPING);
    if (drains) {
        r->phase = PHASE_DRAIN;
        r->deadline_ns = s->now + s->policy->drain_ns;
    } else {
        grace(s);
    }
}

/* A life ended against our will: start again by policy, at once or later, or give up. */
static void failed(struct step *s, bool success)
{
    struct replica_sm *r = s->r;
    const struct replica_policy *policy = s->policy;
    bool again = policy->restart == REPLICA_RESTART_ALWAYS ||
                 (policy->restart == REPLICA_RESTART_ON_FAILURE && !success);
    if (r->started_ns && s->now - r->started_ns >= policy->backoff_reset_ns) {
        r->failures = 0;
    }
    r->started_ns = 0;
    r->retry_ns = INT64_MAX;
    if (!again && success) {
        move(s, REPLICA_COMPLETED);
        return;
    }
    move(s, REPLICA_CRASHED);
    if (!again || (policy->retries_max > 0 && r->failures >= policy->retries_max) ||
        MUTATE(never_restart)) {
        return;
    }
    int64_t delay = replica_backoff(policy, r->failures);
    if (delay > 0) {
        delay = (int64_t)rng_jitter(s->rng, (uint64_t)delay, 20);
    }
    r->failures++;
    r->retry_ns = s->now + delay;
}

static void restart_now(struct step *s)
{
    s->r->restarts++;
    spawn(s);
}

/* A life is over and counted. Start again if it is time; else wait for it, or for the tree to be
 * gone. */
static void after_life(struct step *s)
{
    struct replica_sm *r = s->r;
    if (!replica_gone(r)) {
        r->deadline_ns = s->now + KILL_AGAIN_NS;
    } else if (r->state == REPLICA_CRASHED && r->retry_ns <= s->now) {
        restart_now(s);
    } else {
        r->deadline_ns = r->state == REPLICA_CRASHED ? r->retry_ns : INT64_MAX;
    }
}

/* Nothing is left of a replica that was being stopped. */
static void stop_done(struct step *s)
{
    struct replica_sm *r = s->r;
    r->phase = PHASE_NONE;
    if (r->want_run && r->ailing) {
        failed(s, false);
        after_life(s);
    } else if (r->want_run) {
        spawn(s);
    } else {
        move(s, REPLICA_STOPPED);
        r->started_ns = 0;
        r->deadline_ns = INT64_MAX;
    }
}

/* Something ended; when nothing is left any more, the machine goes on. */
static void maybe_gone(struct step *s)
{
    struct replica_sm *r = s->r;
    if (r->state == REPLICA_CRASHED || r->state == REPLICA_COMPLETED) {
        after_life(s);
    } else if (r->state == REPLICA_STOPPING && replica_gone(r)) {
        stop_done(s);
    }
}

static void on_run(struct step *s)
{
    struct replica_sm *r = s->r;
    r->want_run = true;
    if (r->state == REPLICA_PENDING || (r->state == REPLICA_STOPPED && replica_gone(r))) {
        spawn(s);
    } else if (r->state == REPLICA_CRASHED && replica_gone(r)) {
        r->deadline_ns = r->retry_ns; /* taken up in its back-off */
    }
}

static void on_stop(struct step *s)
{
    struct replica_sm *r = s->r;
    r->want_run = false;
    r->ailing = false;
    switch (r->state) {
    case REPLICA_STARTING:
    case REPLICA_RUNNING:
    case REPLICA_UNHEALTHY:
        begin_stop(s);
        break;
    case REPLICA_CRASHED:
    case REPLICA_COMPLETED:
        if (replica_gone(r)) {
            move(s, REPLICA_STOPPED);
            r->deadline_ns = INT64_MAX;
        } else {
            move(s, REPLICA_STOPPING);
            kill_tree(s);
        }
        break;
    case REPLICA_PENDING:
        move(s, REPLICA_STOPPED);
        break;
    default:
        break;
    }
}

static void on_restart(struct step *s)
{
    struct replica_sm *r = s->r;
    on_stop(s);
    r->want_run = true;
    r->failures = 0;
    if (r->state == REPLICA_STOPPED) {
        spawn(s);
    }
}

static void on_started(struct step *s)
{
    struct replica_sm *r = s->r;
    if (!r->spawning) {
        return; /* an answer from before a crash of ours; adoption has told us already */
    }
    r->spawning = false;
    r->alive = true;
    r->populated = true;
    r->started_ns = s->now;
    s->actions |= REPLICA_DO_SAVE;
    if (r->state == REPLICA_STOPPING) {
        grace(s);
    } else if (!s->policy->probed) {
        r->deadline_ns = s->now + s->policy->alive_ns;
    }
}

static void on_failed(struct step *s)
{
    struct replica_sm *r = s->r;
    if (!r->spawning) {
        return;
    }
    r->spawning = false;
    if (r->state == REPLICA_STARTING) {
        failed(s, false);
    }
    maybe_gone(s);
}

static void on_exited(struct step *s)
{
    struct replica_sm *r = s->r;
    if (!r->alive || MUTATE(forgotten_exit)) {
        return;
    }
    r->alive = false;
    if (MUTATE(restart_before_empty)) {
        r->populated = false;
    }
    if (r->state != REPLICA_STOPPING) {
        /* What it left behind would hold its port and its files. */
        if (!MUTATE(leave_orphans)) {
            s->actions |= REPLICA_DO_KILL;
        }
        unpublish(s);
        failed(s, s->input.success);
    }
    maybe_gone(s);
}

static void on_empty(struct step *s)
{
    if (s->r->alive) {
        return; /* the main process is in the tree: its exit comes first */
    }
    s->r->populated = false;
    maybe_gone(s);
}

static void on_healthy(struct step *s)
{
    struct replica_sm *r = s->r;
    if (r->alive && (r->state == REPLICA_STARTING || r->state == REPLICA_UNHEALTHY)) {
        publish(s);
    }
}

static void on_unhealthy(struct step *s)
{
    struct replica_sm *r = s->r;
    if (!r->alive || (r->state != REPLICA_STARTING && r->state != REPLICA_RUNNING)) {
        return;
    }
    unpublish(s);
    move(s, REPLICA_UNHEALTHY);
    r->deadline_ns =
        s->policy->restart == REPLICA_RESTART_NO ? INT64_MAX : s->now + s->policy->unhealthy_ns;
}

static void on_drained(struct step *s)
{
    if (s->r->state == REPLICA_STOPPING && s->r->phase == PHASE_DRAIN) {
        grace(s);
    }
}

static void on_time_stopping(struct step *s)
{
    if (s->r->phase == PHASE_DRAIN) {
        grace(s);
    } else if (s->r->spawning) {
        s->r->deadline_ns = s->now + KILL_AGAIN_NS; /* the answer decides */
    } else if (MUTATE(stop_without_kill)) {
        s->r->deadline_ns = INT64_MAX;
    } else {
        kill_tree(s);
    }
}

static void on_time(struct step *s)
{
    struct replica_sm *r = s->r;
    if (s->now < r->deadline_ns) {
        return;
    }
    switch (r->state) {
    case REPLICA_STARTING:
        r->deadline_ns = INT64_MAX;
        if (r->alive && !s->policy->probed) {
            publish(s);
        }
        break;
    case REPLICA_UNHEALTHY:
        r->ailing = true;
        begin_stop(s);
        break;
    case REPLICA_STOPPING:
        on_time_stopping(s);
        break;
    case REPLICA_CRASHED:
    case REPLICA_COMPLETED:
        if (!replica_gone(r) && !MUTATE(leave_orphans)) {
            s->actions |= REPLICA_DO_KILL;
        }
        after_life(s);
        break;
    default:
        r->deadline_ns = INT64_MAX;
        break;
    }
}

static void (*const inputs[REPLICA_IN_COUNT])(struct step *) = {
    [REPLICA_IN_RUN] = on_run,
    [REPLICA_IN_STOP] = on_stop,
    [REPLICA_IN_RESTART] = on_restart,
    [REPLICA_IN_STARTED] = on_started,
    [REPLICA_IN_FAILED] = on_failed,
    [REPLICA_IN_EXITED] = on_exited,
    [REPLICA_IN_EMPTY] = on_empty,
    [REPLICA_IN_HEALTHY] = on_healthy,
    [REPLICA_IN_UNHEALTHY] = on_unhealthy,
    [REPLICA_IN_DRAINED] = on_drained,
    [REPLICA_IN_TIME] = on_time,
};

uint32_t replica_step(struct replica_sm *r, const struct replica_policy *policy,
                      struct replica_input input, int64_t now_ns, struct rng *rng)
{
    ensure(input.kind < REPLICA_IN_COUNT);
    struct step s = {r, policy, input, now_ns, rng, 0};
    inputs[input.kind](&s);
    return s.actions;
}

/* The stored state may be older than the child (the save was not committed when the core died): a
 * living child whose stored state says that none lives is one that was being started. */
uint32_t replica_adopt(struct replica_sm *r, const struct replica_policy *policy, uint8_t state,
                       int64_t started_ns, int64_t now_ns)
{
    struct step s = {r, policy, {REPLICA_IN_STARTED, false}, now_ns, NULL, 0};
    ensure(r->state == REPLICA_PENDING);
    r->want_run = true;
    r->alive = true;
    r->populated = true;
    r->started_ns = started_ns;
    switch (state) {
    case REPLICA_RUNNING:
        publish(&s);
        break;
    case REPLICA_UNHEALTHY:
        move(&s, REPLICA_UNHEALTHY);
        r->deadline_ns =
            policy->restart == REPLICA_RESTART_NO ? INT64_MAX : now_ns + policy->unhealthy_ns;
        break;
    case REPLICA_STOPPING:
        r->want_run = false;
        move(&s, REPLICA_STOPPING);
        grace(&s);
        break;
    default:
        move(&s, REPLICA_STARTING);
        r->deadline_ns = policy->probed ? INT64_MAX : now_ns + policy->alive_ns;
        break;
    }
    return s.actions;
}

/* A row from before a power cut, or a clock that was set: no wait is longer than the policy's. */
static int64_t retry_bounded(const struct replica_policy *policy, int64_t retry_ns, int64_t now_ns)
{
    int64_t longest = policy->backoff_max_ns + policy->backoff_max_ns / 4;
    return retry_ns == INT64_MAX ? INT64_MAX : MIN(retry_ns, now_ns + longest);
}

void replica_restore(struct replica_sm *r, const struct replica_policy *policy, uint8_t state,
                     int64_t retry_ns, int64_t now_ns)
{
    ensure(r->state == REPLICA_PENDING);
    bool gave_up = state == REPLICA_CRASHED &&
                   (policy->restart == REPLICA_RESTART_NO || retry_ns == INT64_MAX);
    bool waits = state == REPLICA_CRASHED && retry_ns > now_ns && !MUTATE(forgotten_backoff);
    r->retry_ns = INT64_MAX;
    if (state == REPLICA_COMPLETED || gave_up) {
        sm_move(&replica_machine, &r->state, state);
        r->want_run = true;
    } else if (waits) {
        sm_move(&replica_machine, &r->state, state);
        r->retry_ns = retry_bounded(policy, retry_ns, now_ns);
    } else if (state == REPLICA_STOPPED) {
        sm_move(&replica_machine, &r->state, state);
    }
}
