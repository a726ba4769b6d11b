/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/libs.h"

static int load(enum lib lib, const char *name, void **slot, struct problem *problem)
{
    const struct lib_symbol symbols[] = {{name, slot}, {NULL, NULL}};
    return libs_load(lib, symbols, problem);
}

TEST(a_library_gives_its_functions_and_names_what_it_lacks)
{
    struct problem problem;
    void *slot = NULL;
    if (load(LIB_SYSTEMD, "sd_bus_new", &slot, &problem) < 0) {
        test_skip("libsystemd is not installed");
    }
    check(slot != NULL);
    check_int(load(LIB_SYSTEMD, "sd_bus_not_yet", &slot, &problem), -ENOENT);
    check_cstr(problem.code, "library.old");
    check(str_find(str_from(problem.what), STR("sd_bus_not_yet")) >= 0);
}

/* One of them is not on this machine, most likely. */
TEST(a_library_that_is_not_installed_is_named_with_its_package)
{
    bool found = false;
    for (unsigned lib = 0; lib < LIB_COUNT; lib++) {
        struct problem problem;
        void *slot = NULL;
        check_int(load((enum lib)lib, "no_such_function", &slot, &problem), -ENOENT);
        bool missing = str_is(str_from(problem.code), "library.missing");
        check(missing || str_is(str_from(problem.code), "library.old"));
        check(str_find(str_from(problem.hint), STR("lib")) >= 0);
        found |= missing;
    }
    if (!found) {
        test_skip("all of them are installed");
    }
}
