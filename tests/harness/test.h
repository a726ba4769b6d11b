/* SPDX-License-Identifier: Apache-2.0
 *
 * The unit test harness: TEST(name) { … } registers a test by linker section; the program runs each
 * in a process of its own (so that a crash or a leak of state fails one test only) and prints TAP.
 *
 *   test_x              all tests          test_x NAME…  those whose name contains NAME
 *   test_x --no-fork    in one process, for a debugger
 */
#ifndef TESTS_TEST_H
#define TESTS_TEST_H

#include "base/rng.h"
#include "base/str.h"

struct test {
    const char *name;
    void (*run)(void);
};

#define TEST(id)                                                                                   \
    static void test_##id(void);                                                                   \
    static const struct test test_entry_##id                                                       \
        __attribute__((used, section("muelle_tests"), aligned(8))) = {#id, test_##id};             \
    static void test_##id(void)

/* Each of these ends the test when it does not hold, saying where and what was found. */
#define check(cond) test_check((cond), #cond, __FILE__, __LINE__)
#define check_int(got, want)                                                                       \
    test_check_int((long long)(got), (long long)(want), #got, __FILE__, __LINE__)
#define check_str(got, want)  test_check_str((got), (want), #got, __FILE__, __LINE__)
#define check_cstr(got, want) check_str(str_from(got), str_from(want))

void test_check(bool ok, const char *what, const char *file, int line);
void test_check_int(long long got, long long want, const char *what, const char *file, int line);
void test_check_str(struct str got, struct str want, const char *what, const char *file, int line);
/* Ends the test as skipped, with the reason. */
noreturn_fn void test_skip(const char *reason);

/* For properties: a generator whose seed is printed on failure and taken from TEST_SEED when set.
 */
struct rng *test_rng(void);
/* How many rounds a property runs: TEST_ROUNDS, or `usual`. */
size_t test_rounds(size_t usual);

#endif
