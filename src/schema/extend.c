/* SPDX-License-Identifier: Apache-2.0
 *
 * `extends` and `include`: services and projects from other places.
 *
 *   1. A service is extended once: `extends` is taken out of its map before the base is resolved,
 *      so a base that is met again while it is being resolved is a cycle, shown as a → b → a.
 *   2. An included project becomes part of this one; a name that both define differently is an
 *      error, since neither file can be meant to win. Equal definitions (the same file included
 *      twice) are one.
 *   3. A circle of includes is drawn from the files that are being read (pass->open). Services that
 *      extend each other over several files end at PASS_CHAIN_MAX, a tree of files at
 *      PASS_FILES_MAX.
 *   4. An included project sees its own variables (its .env or env_file) over those of this one,
 *      and nothing of them is left afterwards.
 *
 * As it goes, per file: each service with `extends` → its base, resolved first, maybe in another
 * file (load_file: read, interpolated and normalised like any) → a copy of the base with this
 * service merged over it. Depth of links lives on the C stack (struct link), which is what a cycle
 * is drawn from.
 */
#include "schema/decode.h"
#include "schema/stages.h"
#include "schema/table.h"

struct link {
    struct str path; /* the file */
    struct str service;
    const struct link *outer;
};

struct extender {
    struct schema_pass *pass;
    struct map files; /* path → root of its document */
    unsigned depth;
};

/* From the outermost to the one that closes it, as one would follow it in the files. */
static void say_cycle(struct extender *x, const struct link *link, struct value_at at)
{
    struct buf text = BUF_INIT(PROBLEM_TEXT_MAX - 1);
    const struct link *chain[PASS_CHAIN_MAX + 1];
    size_t count = 0;
    const struct link *first = link;
    for (const struct link *l = link; l && count <= PASS_CHAIN_MAX; l = l->outer) {
        chain[count++] = l;
        if (l != first && str_eq(l->path, first->path) && str_eq(l->service, first->service)) {
            break;
        }
    }
    while (count--) {
        buf_printf(&text, STR_FMT "%s", STR_ARG(chain[count]->service), count ? " → " : "");
    }
    struct problem *problem =
        pass_problem(x->pass, at, "config.extends-cycle",
                     "services extend each other in a circle: %s", buf_cstr(&text));
    problem_hint(problem, "remove one of these extends");
    buf_fini(&text);
}

static bool is_cycle(const struct link *link)
{
    for (const struct link *l = link->outer; l; l = l->outer) {
        if (str_eq(l->path, link->path) && str_eq(l->service, link->service)) {
            return true;
        }
    }
    return false;
}

static struct value *root_of(struct extender *x, struct value *here, struct str path,
                             struct str here_path, struct value_at at)
{
    /* A file that extends itself by name is the document at hand, half resolved; reading it anew
     * would never end. */
    if (!path.len || str_eq(path, here_path)) {
        return here;
    }
    struct value *root = map_get(&x->files, path);
    if (!root) {
        root = load_file(x->pass, path, pass_dir(path), at, x->depth + 1);
        if (root && map_put(&x->files, path, root)) {
            x->pass->error = -ENOMEM;
        }
    }
    return root;
}

static void resolve(struct extender *x, struct value *root, struct value *service,
                    const struct link *link);

/* The base that `extends` names, resolved itself; NULL when it said a problem. */
static const struct value *find_base(struct extender *x, struct value *root,
                                     const struct value *extends, const struct link *link)
{
    const struct value *name = value_get(extends, "service"), *file = value_get(extends, "file");
    if (!decode_check(x->pass, &table_extends, extends)) {
        return NULL;
    }
    struct str path = value_is_set(file) ? file->text : link->path;
    struct value *base_root = root_of(x, root, path, link->path, extends->at);
    if (!base_root) {
        return NULL;
    }
    struct value_member *base = value_member(value_get(base_root, "services"), name->text);
    struct link next = {path, name->text, link};
    if (is_cycle(&next)) {
        say_cycle(x, &next, name->at);
        return NULL;
    }
    if (!base || base->value->kind != VALUE_MAP) {
        struct problem *problem =
            pass_problem(x->pass, name->at, "config.undefined",
                         "there is no service '" STR_FMT "' to extend", STR_ARG(name->text));
        problem_hint(problem, "looked for it in " STR_FMT, STR_ARG(path));
        return NULL;
    }
    resolve(x, base_root, base->value, &next);
    return base->value;
}

static void resolve(struct extender *x, struct value *root, struct value *service,
                    const struct link *link)
{
    size_t length = 0;
    struct value *extends = value_get(service, "extends");
    for (const struct link *l = link; l; l = l->outer) {
        length++;
    }
    if (!value_is_set(extends)) {
        return;
    }
    if (length > PASS_CHAIN_MAX) {
        pass_problem(x->pass, extends->at, "config.too-deep",
                     "more than %d services extend each other", PASS_CHAIN_MAX);
        return;
    }
    const struct value *base = find_base(x, root, extends, link);
    (void)value_take(service, "extends");
    if (!base || x->pass->error || x->pass->too_large) {
        return;
    }
    struct value *merged = pass_copy(x->pass, base);
    struct value own = *service;
    merge_service(x->pass, merged, &own);
    /* Errors about the service as a whole name the one that was written, not its base. */
    merged->at = own.at;
    *service = *merged;
}

void extend_services(struct schema_pass *pass, struct value *root, struct str path, unsigned depth)
{
    struct extender x = {.pass = pass, .files = MAP_INIT(PASS_FILES_MAX), .depth = depth};
    struct value *services = value_get(root, "services");
    for (size_t i = 0; services && services->kind == VALUE_MAP && i < services->count; i++) {
        struct value_member *m = &services->members[i];
        struct link link = {path, m->key, NULL};
        if (m->value->kind == VALUE_MAP) {
            resolve(&x, root, m->value, &link);
        }
    }
    map_fini(&x.files);
}

/* ------------------------------------------------------------------ include */

/* Equal is not a conflict: two included projects may share a third. */
static void add_section(struct schema_pass *pass, struct value *root, const char *section,
                        const struct value *from)
{
    struct value *into = value_get(root, section);
    if (!into || into->kind != VALUE_MAP) {
        into = pass_value(pass, VALUE_MAP, from->at);
        pass_put(pass, root, str_from(section), into);
    }
    value_each(m, from)
    {
        const struct value_member *there = value_member(into, m->key);
        if (there && !value_equal(there->value, m->value)) {
            struct problem *problem = pass_problem(
                pass, there->at, "config.include-conflict",
                "'" STR_FMT "' of %s is defined by an included file too", STR_ARG(m->key), section);
            problem_hint(problem,
                         "rename one of them, or change the included one in a second -f file");
        } else if (!there) {
            pass_put(pass, into, m->key, m->value);
        }
    }
}

/* Its gateway, logging and name stay its own: an included file must not move the ports of this one.
 */
static void add_project(struct schema_pass *pass, struct value *root, const struct value *part)
{
    static const char *const sections[] = {"services", "networks", "volumes",
                                           "configs",  "secrets",  "models"};
    for (size_t i = 0; i < ARRAY_LEN(sections); i++) {
        const struct value *from = value_get(part, sections[i]);
        if (from && from->kind == VALUE_MAP) {
            add_section(pass, root, sections[i], from);
        }
    }
}

/* The variables that were there before, as a map of its own; false when memory is out. */
static bool copy_env(struct schema_pass *pass, struct map *ret)
{
    *ret = MAP_INIT(PASS_ENV_MAX);
    for (size_t i = 0; i < pass->env.len; i++) {
        if (map_put(ret, pass->env.entries[i].key, pass->env.entries[i].value)) {
            pass->error = -ENOMEM;
            map_fini(ret);
            return false;
        }
    }
    return true;
}

/* Is the file one of those that lead here? Said then. */
static bool includes_itself(struct schema_pass *pass, const struct value *path)
{
    const struct pass_open *chain[PASS_CHAIN_MAX + 1];
    size_t count = 0;
    for (const struct pass_open *o = pass->open; o && count <= PASS_CHAIN_MAX; o = o->outer) {
        chain[count++] = o;
        if (!str_eq(o->path, path->text)) {
            continue;
        }
        struct buf text = BUF_INIT(PROBLEM_TEXT_MAX - 1);
        while (count--) {
            struct str name = chain[count]->path;
            name = str_skip(name, (size_t)(str_rfind_char(name, '/') + 1));
            buf_printf(&text, STR_FMT " → ", STR_ARG(name));
        }
        buf_add(&text, str_skip(path->text, (size_t)(str_rfind_char(path->text, '/') + 1)));
        struct problem *problem =
            pass_problem(pass, path->at, "config.include-cycle",
                         "files include each other in a circle: %s", buf_cstr(&text));
        problem_hint(problem, "remove one of these includes");
        buf_fini(&text);
        return true;
    }
    return false;
}

static void include_one(struct schema_pass *pass, struct value *root, const struct value *entry,
                        unsigned depth)
{
    const struct value *paths = value_get(entry, "path"),
                       *dir = value_get(entry, "project_directory");
    const struct value *env_files = value_get(entry, "env_file");
    /* The map is copied, its pairs are shared: they are constant once they are in. */
    struct map outer = pass->env, inner;
    if (!decode_check(pass, &table_include, entry)) {
        return;
    }
    if (paths->kind != VALUE_LIST || paths->count == 0) {
        pass_problem(pass, paths->at, "config.bad-value", "'path' names no file");
        return;
    }
    const struct value *first = paths->members[0].value;
    struct str base = value_is_set(dir) ? dir->text : pass_dir(first->text);
    if (!copy_env(pass, &inner)) {
        return;
    }
    pass->env = inner;
    if (!env_files) {
        environment_load(pass, pass_path(pass, base, STR(".env")), false, entry->at);
    } else {
        value_each(m, env_files)
        {
            environment_load(pass, m->value->text, true, m->value->at);
        }
    }
    struct value *part = NULL;
    value_each(m, paths)
    {
        if (includes_itself(pass, m->value)) {
            continue;
        }
        struct value *next = load_file(pass, m->value->text, base, m->value->at, depth + 1);
        if (part && next) {
            merge_tree(pass, part, next);
        }
        part = part ? part : next;
    }
    if (part) {
        environment_resolve(pass, part); /* with the variables that this project sees */
        add_project(pass, root, part);
    }
    map_fini(&pass->env);
    pass->env = outer;
}

void include_files(struct schema_pass *pass, struct value *root, unsigned depth)
{
    struct value *include = value_take(root, "include");
    if (!value_is_set(include)) {
        return;
    }
    if (include->kind != VALUE_LIST) {
        pass_problem(pass, include->at, "config.bad-value", "'include' takes a list of files");
        return;
    }
    value_each(m, include)
    {
        include_one(pass, root, m->value, depth);
    }
}
