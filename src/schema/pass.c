/* SPDX-License-Identifier: Apache-2.0
 *
 * What all stages of a load share: memory, files, variables, problems, making value trees.
 *
 * Why makers never fail: a stage is some forty places that add a node. A check at each would hide
 * what the stage does, and a forgotten one would be a crash on a machine without memory. So a maker
 * that cannot give a node gives the sink, whose members nobody sees, and the load fails at its end
 * (tests/unit/schema/test_memory.c lets each allocation fail once).
 */
#include "schema/pass.h"

#include "base/utf8.h"

#include <stdarg.h>

/* Line 0 is "no place in a file": what is missing as a whole, or came from the command line. */
static void set_where(struct schema_pass *pass, struct problem *problem, struct value_at at)
{
    if (at.line && at.file < pass->files_count) {
        problem_where(problem, STR_FMT ":%u:%u", STR_ARG(pass->files[at.file].shown), at.line,
                      at.column);
    } else if (pass->files_count) {
        problem_where(problem, STR_FMT, STR_ARG(pass->files[0].shown));
    }
}

static struct problem *say(struct schema_pass *pass, struct problem_list *list, struct value_at at,
                           const char *code, const char *what)
{
    /* Nobody collects notices: the words still need a place to be written to. */
    static _Thread_local struct problem scratch;
    struct problem *problem = list ? problem_list_add(list) : &scratch;
    problem_set(problem, code, "%s", what);
    problem->status = 422;
    set_where(pass, problem, at);
    return problem;
}

struct problem *pass_problem(struct schema_pass *pass, struct value_at at, const char *code,
                             const char *fmt, ...)
{
    char what[PROBLEM_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return say(pass, pass->problems, at, code, what);
}

struct problem *pass_notice(struct schema_pass *pass, struct value_at at, bool strict,
                            const char *code, const char *fmt, ...)
{
    bool is_problem = strict && pass->options->strict;
    char what[PROBLEM_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    return say(pass, is_problem ? pass->problems : pass->notices, at, code, what);
}

/* The arena zeroes: a struct that is not filled in is empty, not garbage. */
void *pass_alloc(struct schema_pass *pass, size_t count, size_t size)
{
    void *p = arena_array(pass->arena, count, size);
    if (!p) {
        pass->error = -ENOMEM;
    }
    return p;
}

struct str pass_str(struct schema_pass *pass, struct str s)
{
    struct str copy = arena_str(pass->arena, s);
    if (!copy.p) {
        pass->error = -ENOMEM;
        return STR("");
    }
    return copy;
}

/* By way of the heap, since the length is not known; texts made here are short. */
struct str pass_printf(struct schema_pass *pass, const char *fmt, ...)
{
    struct buf buf = BUF_INIT(VALUE_FILE_MAX);
    va_list args;
    va_start(args, fmt);
    buf_vprintf(&buf, fmt, args);
    va_end(args);
    return pass_take(pass, &buf);
}

struct str pass_take(struct schema_pass *pass, struct buf *buf)
{
    struct str copy = STR("");
    if (buf_error(buf)) {
        pass->error = -ENOMEM;
    } else {
        copy = pass_str(pass, buf_str(buf));
    }
    buf_fini(buf);
    return copy;
}

/* Appends the components of `path` to `out`, resolving "." and ".." in the text only. ".." above
 * the root stays at the root, as the kernel has it. */
static void add_components(struct buf *out, struct str path)
{
    while (path.len) {
        struct str part;
        (void)str_split(path, '/', &part, &path);
        if (part.len == 0 || str_is(part, ".")) {
            continue;
        }
        if (str_is(part, "..")) {
            ptrdiff_t slash = str_rfind_char(buf_str(out), '/');
            buf_cut(out, slash > 0 ? (size_t)slash : 0);
            continue;
        }
        buf_add_char(out, '/');
        buf_add(out, part);
    }
}

/* Textual, so ".." behind a symbolic link leads where the text says, as in Compose and in shells
 * without -P; the file may not be there yet, so asking the kernel is no way. */
struct str pass_path(struct schema_pass *pass, struct str base, struct str path)
{
    struct buf out = BUF_INIT(VALUE_FILE_MAX);
    if (str_starts(path, STR("~"))) {
        return path;
    }
    if (!str_starts(path, STR("/"))) {
        add_components(&out, base);
    }
    add_components(&out, path);
    if (out.len == 0) {
        buf_add_char(&out, '/');
    }
    return pass_take(pass, &out);
}

/* "/" for what has no folder: the path is absolute. */
struct str pass_dir(struct str path)
{
    ptrdiff_t slash = str_rfind_char(path, '/');
    return slash > 0 ? str_slice(path, 0, (size_t)slash) : STR("/");
}

/* Index 0 is the first file: problems without a place name it. */
int pass_file(struct schema_pass *pass, struct str shown, struct str path)
{
    if (pass->files_count == PASS_FILES_MAX) {
        pass_problem(pass, (struct value_at){0}, "config.too-many-files",
                     "more than %d files make up this project", PASS_FILES_MAX);
        return -1;
    }
    pass->files[pass->files_count] = (struct pass_file){shown, path};
    return (int)pass->files_count++;
}

struct str pass_without_mark(struct str text)
{
    return str_starts(text, STR("\xef\xbb\xbf")) ? str_skip(text, 3) : text;
}

struct problem *pass_unreadable(struct schema_pass *pass, struct value_at at, struct str path,
                                int error, size_t max)
{
    char why[80];
    if (error == -ENOBUFS) {
        snprintf(why, sizeof(why), "it is larger than %zu MiB", max >> 20);
    } else {
        snprintf(why, sizeof(why), "%s",
                 error == -ENOTSUP
                     ? "it is no regular file, and a reload must be able to read it again"
                     : strerror(-error));
    }
    return pass_problem(pass, at, "config.unreadable-file", "cannot read '" STR_FMT "': %s",
                        STR_ARG(path), why);
}

/* The first byte that has no place in text: not UTF-8, or a control character; the length if all is
 * fine. */
static size_t text_end(struct str text)
{
    size_t valid = utf8_valid_prefix(text);
    for (size_t i = 0; i < valid; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if ((c < 0x20 && c != '\n' && c != '\r' && c != '\t') || c == 0x7f) {
            return i;
        }
    }
    return valid;
}

/* Before any parser: libyaml would stop at such a byte with a message about its reader, and an
 * environment or a terminal would take it literally. */
bool pass_check_text(struct schema_pass *pass, uint16_t file, struct str text)
{
    size_t end = text_end(text);
    if (end == text.len) {
        return true;
    }
    struct value_at at = {.file = file, .line = 1};
    ptrdiff_t line = str_rfind_char(str_slice(text, 0, end), '\n');
    for (size_t i = 0; i < end; i++) {
        at.line += text.p[i] == '\n';
    }
    at.column = (uint16_t)MIN((size_t)((ptrdiff_t)end - line), UINT16_MAX);
    unsigned char c = (unsigned char)text.p[end];
    pass_problem(pass, at, "config.not-text",
                 c >= 0x80 ? "byte 0x%02x is not UTF-8" : "control character 0x%02x", c);
    return false;
}

const struct spec_pair *pass_env(const struct schema_pass *pass, struct str name)
{
    return map_get(&pass->env, name);
}

bool pass_set_env(struct schema_pass *pass, struct spec_pair *pair)
{
    int r = map_put(&pass->env, pair->name, pair);
    if (r == -ENOMEM) {
        pass->error = r;
    } else if (r) {
        struct problem *problem = pass_problem(pass, (struct value_at){0}, "config.too-large",
                                               "there are more than %d variables", PASS_ENV_MAX);
        problem_hint(problem, "those of the caller and of files of variables count together");
    }
    return r == 0;
}

struct value *pass_value(struct schema_pass *pass, enum value_kind kind, struct value_at at)
{
    /* Said once, at the node that was one too many: further ones would only repeat it. */
    if (pass->nodes++ == VALUE_NODES_MAX && !pass->too_large) {
        pass->too_large = true;
        struct problem *problem =
            pass_problem(pass, at, "config.too-large", "the configuration grows beyond %d values",
                         VALUE_NODES_MAX);
        problem_hint(problem, "look for an alias (*name) that repeats itself");
    }
    struct value *v = NULL;
    if (!pass->error && pass->nodes <= VALUE_NODES_MAX) {
        v = pass_alloc(pass, 1, sizeof(*v));
    }
    if (!v) {
        pass->sink = (struct value){0};
        v = &pass->sink;
    }
    v->kind = (uint8_t)kind;
    v->at = at;
    return v;
}

/* Quoted: what a stage writes is text, unless it says otherwise (numbers of ports). */
struct value *pass_scalar(struct schema_pass *pass, struct str text, struct value_at at)
{
    struct value *v = pass_value(pass, VALUE_SCALAR, at);
    v->text = text;
    v->quoted = true;
    return v;
}

struct value *pass_copy(struct schema_pass *pass, const struct value *v)
{
    struct value *copy = pass_value(pass, v->kind, v->at);
    if (copy == &pass->sink) {
        return copy;
    }
    *copy = *v;
    copy->members = NULL;
    copy->index = NULL;
    copy->count = copy->cap = 0;
    value_each(m, v)
    {
        struct value *child = pass_copy(pass, m->value);
        if (v->kind == VALUE_LIST) {
            pass_add(pass, copy, child);
        } else {
            pass_append(pass, copy, m->key, m->at, child);
        }
    }
    return copy;
}

/* A new index over what the map holds, with room for all that its members array has room for. None
 * when memory is out: then the load fails anyway, and until it does looking up is only slow. */
static void make_index(struct schema_pass *pass, struct value *map)
{
    uint32_t count = map->count;
    map->index = pass_alloc(pass, (size_t)map->cap * 2, sizeof(map->index[0]));
    for (map->count = 1; map->count <= count; map->count++) {
        value_index_last(map);
    }
    map->count = count;
}

/* Room for one more member; NULL when memory is out or an end of the link is the sink. By doubling;
 * the old array stays in the arena, which the bound on nodes makes bearable. */
static struct value_member *grow(struct schema_pass *pass, struct value *parent,
                                 const struct value *child)
{
    if (parent == &pass->sink || child == &pass->sink) {
        return NULL;
    }
    if (parent->count == parent->cap) {
        uint32_t cap = parent->cap ? parent->cap * 2 : 4;
        struct value_member *members = pass_alloc(pass, cap, sizeof(*members));
        if (!members) {
            return NULL;
        }
        if (parent->count) {
            memcpy(members, parent->members, parent->count * sizeof(*members));
        }
        parent->members = members;
        parent->cap = cap;
        if (parent->kind == VALUE_MAP && cap > VALUE_SEARCHED_MAX) {
            make_index(pass, parent);
        }
    }
    return &parent->members[parent->count++];
}

void pass_add(struct schema_pass *pass, struct value *list, struct value *item)
{
    ensure(list == &pass->sink || list->kind == VALUE_LIST);
    struct value_member *member = grow(pass, list, item);
    if (member) {
        *member = (struct value_member){.value = item, .at = item->at};
    }
}

/* A replaced value keeps its member, and with it the place of the first key. */
void pass_put(struct schema_pass *pass, struct value *map, struct str key, struct value *item)
{
    ensure(map == &pass->sink || map->kind == VALUE_MAP);
    struct value_member *member = value_member(map, key);
    if (member && item != &pass->sink) {
        member->value = item;
        return;
    }
    pass_append(pass, map, key, item->at, item);
}

void pass_append(struct schema_pass *pass, struct value *map, struct str key, struct value_at at,
                 struct value *item)
{
    ensure(map == &pass->sink || map->kind == VALUE_MAP);
    struct value_member *member = grow(pass, map, item);
    if (member) {
        *member = (struct value_member){.key = key, .value = item, .at = at};
        value_index_last(map);
    }
}
