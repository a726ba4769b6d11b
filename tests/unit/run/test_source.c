/* SPDX-License-Identifier: Apache-2.0
 *
 * What the store holds about a project: decode(encode(x)) = x, and nothing that is damaged gets
 * through.
 */
#include "run/source.h"

#include "harness/test.h"

#include <stdio.h>

static struct str random_text(struct arena *arena, struct rng *rng, size_t most)
{
    size_t len = rng_below(rng, most + 1);
    char *p = arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        p[i] = rng_chance(rng, 200) ? "\"\\\n\t{}[]"[rng_below(rng, 8)]
                                    : (char)(' ' + rng_below(rng, 95));
    }
    return str_make(p, len);
}

static struct source *random_source(struct rng *rng)
{
    struct source *s = source_new();
    s->name = random_text(&s->arena, rng, 10);
    s->working_dir = random_text(&s->arena, rng, 40);
    s->strict = rng_chance(rng, 500);
    s->file_count = 1 + rng_below(rng, 4);
    s->files = arena_array(&s->arena, s->file_count, sizeof(*s->files));
    s->profile_count = rng_below(rng, 3);
    s->profiles = arena_array(&s->arena, s->profile_count + 1, sizeof(*s->profiles));
    s->env_file_count = rng_below(rng, 3);
    s->env_files = arena_array(&s->arena, s->env_file_count + 1, sizeof(*s->env_files));
    for (size_t i = 0; i < s->env_file_count; i++) {
        s->env_files[i] = random_text(&s->arena, rng, 20);
    }
    s->environment_count = rng_below(rng, 20);
    s->environment = arena_array(&s->arena, s->environment_count + 1, sizeof(*s->environment));
    for (size_t i = 0; i < s->file_count; i++) {
        s->files[i] = random_text(&s->arena, rng, 30);
        struct source_file *file = vec_add(&s->read);
        *file =
            (struct source_file){.path = s->files[i], .content = random_text(&s->arena, rng, 300)};
        file->error = rng_chance(rng, 200) ? -ENOENT : 0;
        if (file->content.len > 3) {
            memset(arena_cstr(&s->arena, file->content), 0, 1); /* any byte may stand in a file */
        }
    }
    for (size_t i = 0; i < s->profile_count; i++) {
        s->profiles[i] = random_text(&s->arena, rng, 8);
    }
    for (size_t i = 0; i < s->environment_count; i++) {
        s->environment[i] =
            (struct spec_pair){random_text(&s->arena, rng, 12), random_text(&s->arena, rng, 60)};
    }
    return s;
}

static void check_same(const struct source *a, const struct source *b)
{
    check_str(b->name, a->name);
    check_str(b->working_dir, a->working_dir);
    check_int(b->strict, a->strict);
    check_int((long long)b->file_count, (long long)a->file_count);
    check_int((long long)b->profile_count, (long long)a->profile_count);
    check_int((long long)b->env_file_count, (long long)a->env_file_count);
    for (size_t i = 0; i < a->env_file_count; i++) {
        check_str(b->env_files[i], a->env_files[i]);
    }
    check_int((long long)b->environment_count, (long long)a->environment_count);
    check_int((long long)b->read.len, (long long)a->read.len);
    for (size_t i = 0; i < a->file_count; i++) {
        check_str(b->files[i], a->files[i]);
    }
    for (size_t i = 0; i < a->profile_count; i++) {
        check_str(b->profiles[i], a->profiles[i]);
    }
    for (size_t i = 0; i < a->environment_count; i++) {
        check_str(b->environment[i].name, a->environment[i].name);
        check_str(b->environment[i].value, a->environment[i].value);
    }
    for (size_t i = 0; i < a->read.len; i++) {
        const struct source_file *x = vec_at(&a->read, struct source_file, i);
        const struct source_file *y = vec_at(&b->read, struct source_file, i);
        check_str(y->path, x->path);
        check_str(y->content, x->content);
        check_int(y->error, x->error);
    }
}

TEST(decoding_gives_back_what_was_encoded)
{
    struct rng *rng = test_rng();
    for (size_t round = 0; round < test_rounds(300); round++) {
        struct source *source = random_source(rng), *back = NULL;
        struct buf text = BUF_INIT(MIB);
        source_encode(source, &text);
        check_int(buf_error(&text), 0);
        check_int(source_decode(buf_str(&text), &back), 0);
        check_same(source, back);
        source_unref(back);
        source_unref(source);
        buf_fini(&text);
    }
}

TEST(a_cut_text_is_refused_at_every_length)
{
    struct source *source = random_source(test_rng()), *back = NULL;
    struct buf text = BUF_INIT(MIB);
    source_encode(source, &text);
    for (size_t len = 0; len < text.len; len++) {
        check(source_decode(str_make(text.p, len), &back) < 0);
    }
    source_unref(source);
    buf_fini(&text);
}

TEST(a_copy_for_a_reload_has_what_was_asked_and_not_what_was_read)
{
    struct source *source = random_source(test_rng());
    struct source *copy = source_again(source);
    check_int((long long)copy->read.len, 0);
    check_int((long long)copy->file_count, (long long)source->file_count);
    check_str(copy->files[0], source->files[0]);
    source_unref(source);
    check(copy->files[0].len <= 30); /* its texts are its own */
    source_unref(copy);
}
