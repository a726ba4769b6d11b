/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out: every allocation of a load fails once. The answer is -ENOMEM, or the
 * project if that allocation was not needed; nothing crashes and nothing is kept.
 *
 * The linker puts the functions below in front of malloc, calloc and realloc (--wrap).
 */
#include "load_helper.h"

static size_t made, fail_at;

static bool fails(void)
{
    return ++made == fail_at;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *p, size_t size);

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_calloc(count, size);
}

void *__wrap_realloc(void *p, size_t size)
{
    return fails() ? NULL : __real_realloc(p, size);
}

static struct memory_file files[] = {
    {"/p/muelle.yaml",
     "include: [b.yaml]\n"
     "gateway: {listen: ['http://:80', {address: 'tcp://:5', service: a}]}\n"
     "services:\n"
     "  a: {extends: c, command: 'a ${X} $PORT', env_file: e.env, environment: [A=1],\n"
     "      routes: [{host: H}], ports: ['5000-5002'], depends_on: [c], labels: {a: b},\n"
     "      ulimits: {nofile: 3}, success_exit_codes: [3], develop: {watch: [{path: x, action: "
     "sync}]}}\n"
     "  c: {command: [c], volumes: ['./x:/y'], healthcheck: {test: x}}\n"
     "x-a: &a {b: [c, d]}\nx-b: {<<: *a}\n"},
    {"/p/b.yaml", "services: {d: {image: i, networks: [n]}}\nnetworks: {n: }\n"},
    {"/p/e.env", "E='x'\nF=\"$X\"\n"},
    {"/p/.env", "G=h\n"},
    {NULL, NULL}};

static size_t load_failing(size_t n)
{
    static struct loaded l;
    struct schema_load_options options = {0};
    made = 0;
    fail_at = n;
    load_with(&l, files, &options);
    fail_at = 0;
    if (l.r == 0) {
        struct buf out = BUF_INIT(MIB);
        schema_render_yaml(l.spec, 0, &out);
        check_int(buf_error(&out), 0);
        check_int(l.spec->services_count, 3);
        buf_fini(&out);
    }
    if (l.r > 0) {
        printf("# allocation %zu: %s\n", n, l.problems.items[0].what);
    }
    check(l.r == 0 || l.r == -ENOMEM);
    project_spec_unref(l.spec);
    return made;
}

TEST(each_allocation_may_fail)
{
    size_t total = load_failing(0);
    check(total > 20);
    for (size_t n = 1; n <= total; n++) {
        (void)load_failing(n);
    }
}

TEST(a_failed_rendering_says_so)
{
    static struct loaded l;
    struct schema_load_options options = {0};
    fail_at = 0;
    load_with(&l, files, &options);
    for (size_t n = 1; n < 20; n++) {
        struct buf out = BUF_INIT(MIB);
        made = 0;
        fail_at = n;
        schema_render_yaml(l.spec, 0, &out);
        fail_at = 0;
        check(buf_error(&out) == -ENOMEM || made < n);
        buf_fini(&out);
    }
    project_spec_unref(l.spec);
}
