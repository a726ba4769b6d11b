/* SPDX-License-Identifier: Apache-2.0
 *
 * sm and rng.
 */
#include "base/sm.h"
#include "harness/test.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OPEN, HALF, SHUT, COUNT };

static const struct sm_state states[COUNT] = {
    [OPEN] = {"open", SM_TO(HALF) | SM_TO(SHUT), 1},
    [HALF] = {"half", SM_TO(OPEN) | SM_TO(SHUT), 3},
    [SHUT] = {"shut", 0, 0},
};
static const struct sm machine = {"door", states, COUNT};

TEST(moves_are_those_of_the_table)
{
    uint8_t state = OPEN;
    sm_move(&machine, &state, HALF);
    check_int(state, HALF);
    check(sm_has(&machine, state, 1) && sm_has(&machine, state, 3) && !sm_has(&machine, SHUT, 1));
    sm_move(&machine, &state, SHUT);
    for (unsigned to = 0; to < COUNT; to++) {
        check(!sm_allows(&machine, SHUT, to));
    }
    check_cstr(sm_name(&machine, state), "shut");
}

TEST(another_move_is_a_programmers_error)
{
    pid_t pid = fork();
    if (pid == 0) {
        uint8_t state = SHUT;
        (void)!freopen("/dev/null", "w", stderr);
        sm_move(&machine, &state, OPEN);
        _exit(0);
    }
    int status = 0;
    check_int(waitpid(pid, &status, 0), pid);
    check(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

TEST(names_and_drawing)
{
    struct buf out = BUF_INIT(1024);
    check_int(sm_find(&machine, STR("half")), HALF);
    check_int(sm_find(&machine, STR("hal")), -1);
    sm_dot(&machine, &out);
    check_cstr(buf_cstr(&out), "digraph door {\n  open -> half;\n  open -> shut;\n  half -> open;\n"
                               "  half -> shut;\n}\n");
    buf_fini(&out);
}

TEST(random_numbers_repeat_by_seed_and_stay_in_range)
{
    struct rng a, b;
    size_t hits[7] = {0};
    rng_init(&a, 42);
    rng_init(&b, 42);
    for (size_t i = 0; i < 70000; i++) {
        uint64_t n = rng_below(&a, 7);
        check_int(n, rng_below(&b, 7));
        check(n < 7);
        hits[n]++;
        uint64_t j = rng_jitter(&a, 1000, 20);
        check_int(j, rng_jitter(&b, 1000, 20));
        check(j >= 800 && j <= 1200);
    }
    for (size_t i = 0; i < 7; i++) {
        check(hits[i] > 9000 && hits[i] < 11000);
    }
    check_int(rng_jitter(&a, 10, 50), 10);
    rng_init(&b, 43);
    check(rng_u64(&a) != rng_u64(&b));
}
