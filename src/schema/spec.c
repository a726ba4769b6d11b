/* SPDX-License-Identifier: Apache-2.0
 *
 * Counting, looking up and expanding specs. Building them is decode.c's business.
 *
 * The arena that holds a project_spec holds the struct itself too, so the last unref moves the
 * arena out before it frees it.
 *
 * Expanding is the second half of interpolation: what interpolate_tree left in place as ${PORT} is
 * known when a replica starts. It knows no defaults and no errors: a name that is not given stays
 * as it is, since a command may mean a variable of its own shell.
 */
#include "schema/spec.h"

#include "base/arena.h"

struct project_spec *project_spec_ref(struct project_spec *spec)
{
    /* Whoever takes a reference holds one, so the count cannot be falling to 0 meanwhile. */
    ensure(__atomic_add_fetch(&spec->refs, 1, __ATOMIC_RELAXED) > 1);
    return spec;
}

void project_spec_unref(struct project_spec *spec)
{
    if (!spec || __atomic_sub_fetch(&spec->refs, 1, __ATOMIC_ACQ_REL) > 0) {
        return;
    }
    struct arena *arena = spec->arena;
    arena_fini(arena);
    free(arena);
}

/* By search: a project has some ten services, and those with thousands index them themselves. */
const struct service_spec *project_spec_service(const struct project_spec *spec, struct str name)
{
    for (size_t i = 0; i < spec->services_count; i++) {
        if (str_eq(spec->services[i].name, name)) {
            return &spec->services[i];
        }
    }
    return NULL;
}

/* The names that run/env.c gives each replica; a new one must stand in both. */
bool spec_is_replica_name(struct str name)
{
    static const struct str names[] = {STR_INIT("PORT"),           STR_INIT("HOST"),
                                       STR_INIT("MUELLE_PROJECT"), STR_INIT("MUELLE_SERVICE"),
                                       STR_INIT("MUELLE_REPLICA"), STR_INIT("MUELLE_INSTANCE"),
                                       STR_INIT("MUELLE_ID")};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(name, names[i])) {
            return true;
        }
    }
    return false;
}

static bool is_name_char(char c, bool first)
{
    return c == '_' || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (!first && c >= '0' && c <= '9');
}

/* The reference that `text` begins with: its whole length, 0 if it is none. */
static size_t reference_at(struct str text, struct str *ret_name)
{
    size_t at = 1;
    bool braced = text.len > 1 && text.p[1] == '{';
    at += braced;
    size_t start = at;
    while (at < text.len && is_name_char(text.p[at], at == start)) {
        at++;
    }
    *ret_name = str_slice(text, start, at);
    if (at == start || (braced && (at >= text.len || text.p[at] != '}'))) {
        return 0;
    }
    return at + braced;
}

void spec_expand(struct str text, const struct spec_pair *values, size_t count, struct buf *out)
{
    ptrdiff_t dollar;
    while ((dollar = str_find_char(text, '$')) >= 0) {
        buf_add(out, str_slice(text, 0, (size_t)dollar));
        text = str_skip(text, (size_t)dollar);
        struct str name;
        size_t len = reference_at(text, &name);
        const struct spec_pair *found = NULL;
        for (size_t i = 0; len && i < count && !found; i++) {
            found = str_eq(values[i].name, name) ? &values[i] : NULL;
        }
        len = found ? len : 1;
        buf_add(out, found ? found->value : str_slice(text, 0, 1));
        text = str_skip(text, len);
    }
    buf_add(out, text);
}
