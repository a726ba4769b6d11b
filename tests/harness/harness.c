/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77, TEST_SECONDS_MAX = 120 };

extern const struct test __start_muelle_tests[];
extern const struct test __stop_muelle_tests[];

static struct rng generator;
static uint64_t seed;

static noreturn_fn void fail(void)
{
    printf("# seed: TEST_SEED=%llu\n", (unsigned long long)seed);
    fflush(stdout);
    _exit(1);
}

void test_check(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        printf("# %s:%d: does not hold: %s\n", file, line, what);
        fail();
    }
}

void test_check_int(long long got, long long want, const char *what, const char *file, int line)
{
    if (got != want) {
        printf("# %s:%d: %s is %lld, expected %lld\n", file, line, what, got, want);
        fail();
    }
}

void test_check_str(struct str got, struct str want, const char *what, const char *file, int line)
{
    if (!str_eq(got, want)) {
        printf("# %s:%d: %s is\n#   '" STR_FMT "', expected\n#   '" STR_FMT "'\n", file, line, what,
               STR_ARG(got), STR_ARG(want));
        fail();
    }
}

void test_skip(const char *reason)
{
    printf("# skip: %s\n", reason);
    fflush(stdout);
    _exit(EXIT_SKIPPED);
}

struct rng *test_rng(void)
{
    return &generator;
}

static uint64_t from_env(const char *name, uint64_t usual)
{
    uint64_t n;
    const char *value = getenv(name);
    return value && num_parse_u64(str_from(value), &n) == 0 ? n : usual;
}

size_t test_rounds(size_t usual)
{
    return (size_t)from_env("TEST_ROUNDS", usual);
}

static bool wanted(const struct test *test, int argc, char **argv)
{
    bool any = false;
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] == '-') {
            continue;
        }
        any = true;
        if (strstr(test->name, argv[i])) {
            return true;
        }
    }
    return !any;
}

/* Exit status of the test: 0, EXIT_SKIPPED, or a failure. */
static int run_forked(const struct test *test)
{
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        (void)alarm(TEST_SECONDS_MAX);
        test->run();
        fflush(stdout);
        exit(0); /* not _exit: the leak checker runs here */
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) < 0) {
        return 1;
    }
    if (WIFSIGNALED(status)) {
        printf("# killed by signal %d (%s)\n", WTERMSIG(status), strsignal(WTERMSIG(status)));
        return 1;
    }
    return WEXITSTATUS(status);
}

int main(int argc, char **argv)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    bool no_fork = argc > 1 && strcmp(argv[1], "--no-fork") == 0;
    size_t count = (size_t)(__stop_muelle_tests - __start_muelle_tests);
    int failed = 0;
    int number = 0;
    seed = from_env("TEST_SEED", (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec);
    for (size_t i = 0; i < count; i++) {
        const struct test *test = &__start_muelle_tests[i];
        if (!wanted(test, argc, argv)) {
            continue;
        }
        rng_init(&generator, seed);
        int status = 0;
        if (no_fork) {
            test->run();
        } else {
            status = run_forked(test);
        }
        bool ok = status == 0 || status == EXIT_SKIPPED;
        failed += !ok;
        printf("%s %d - %s%s\n", ok ? "ok" : "not ok", ++number, test->name,
               status == EXIT_SKIPPED ? " # SKIP" : "");
    }
    printf("1..%d\n", number);
    return failed ? 1 : 0;
}
