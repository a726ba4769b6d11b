/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables over a whole document. Values are expanded, keys are not (as in Compose).
 *
 * In the command, environment and health check of a process, the names that exist per replica
 * (PORT, HOST, MUELLE_…) stay in place: their values are known only when a replica starts
 * (spec_expand). A service is taken for a process here when its own map has neither image nor
 * build: `extends` and merging come later, and a base that is a container expands its own file.
 *
 * Runs before short forms become long ones, since a variable may hold a whole short form
 * ("${BIND}:8080:80"). As it fails: a bad reference leaves the text as it is and is said with the
 * place of its `$`; an unset variable is a notice, once a name; a text that grows beyond
 * VALUE_FILE_MAX is a problem and not a lack of memory.
 */
#include "schema/interpolate.h"
#include "schema/stages.h"

struct tree_walk {
    struct schema_pass *pass;
    struct value_at at;
    bool keep; /* inside of a key whose replica names stay */
};

static bool get_variable(void *ctx, struct str name, struct str *ret_value)
{
    struct tree_walk *walk = ctx;
    const struct spec_pair *pair = pass_env(walk->pass, name);
    if (pair) {
        *ret_value = pair->value;
    }
    return pair != NULL;
}

static void on_unset(void *ctx, struct str name)
{
    struct tree_walk *walk = ctx;
    if (map_get(&walk->pass->unset_said, name) ||
        map_put(&walk->pass->unset_said, name, walk->pass)) {
        return;
    }
    struct problem *notice = pass_notice(
        walk->pass, walk->at, false, "config.unset-variable",
        "the variable " STR_FMT " is not set: empty text takes its place", STR_ARG(name));
    problem_hint(notice, "set it, or write ${" STR_FMT ":-default}", STR_ARG(name));
}

static bool keep_variable(void *ctx, struct str name)
{
    return ((struct tree_walk *)ctx)->keep && spec_is_replica_name(name);
}

/* The place of a `$` in a scalar; exact for text that stands on one line without escapes. */
static struct value_at place_of(const struct value *v, size_t offset)
{
    struct value_at at = v->at;
    if (str_find_char(v->text, '\n') < 0) {
        at.column = (uint16_t)MIN(at.column + offset + v->quoted, UINT16_MAX);
    }
    return at;
}

static void expand_scalar(struct tree_walk *walk, struct value *v)
{
    struct interpolate in = {
        .get = get_variable, .unset = on_unset, .keep = keep_variable, .ctx = walk};
    struct buf out = BUF_INIT(VALUE_FILE_MAX);
    walk->at = v->at;
    int r = interpolate_text(&in, v->text, &out);
    if (r == INTERPOLATE_E_FORM) {
        struct problem *problem =
            pass_problem(walk->pass, place_of(v, in.at), "config.bad-variable",
                         "this is no variable reference: '" STR_FMT "'",
                         STR_ARG(str_slice(v->text, in.at, in.at + 40)));
        problem_expected(problem,
                         "$NAME, ${NAME}, ${NAME:-default}, ${NAME:?error} or ${NAME:+text}");
        problem_hint(problem, "write $$ for a plain dollar sign");
    } else if (r == INTERPOLATE_E_REQUIRED) {
        struct problem *problem =
            pass_problem(walk->pass, place_of(v, in.at), "config.required-variable",
                         "the variable " STR_FMT " must be set: " STR_FMT, STR_ARG(in.name),
                         STR_ARG(in.reason.len ? in.reason : STR("the file requires it")));
        problem_hint(problem, "set it in the environment or in a .env file");
    }
    if (!r && buf_error(&out) == -ENOBUFS) {
        struct problem *problem =
            pass_problem(walk->pass, v->at, "config.too-large",
                         "with its variables this text grows beyond %d MiB", VALUE_FILE_MAX >> 20);
        problem_hint(problem, "look for a long variable that is used many times");
        r = INTERPOLATE_E_FORM;
    }
    if (r) {
        buf_fini(&out);
        return;
    }
    v->replica = in.kept;
    v->text = pass_take(walk->pass, &out);
    v->quoted |= v->text.len == 0;
}

static void walk_value(struct tree_walk *walk, struct value *v)
{
    if (v->kind == VALUE_SCALAR && str_find_char(v->text, '$') >= 0) {
        expand_scalar(walk, v);
    }
    value_each(m, v)
    {
        walk_value(walk, m->value);
    }
}

static bool holds_replica_names(struct str key)
{
    static const char *const keys[] = {"command", "entrypoint", "environment", "healthcheck"};
    for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
        if (str_is(key, keys[i])) {
            return true;
        }
    }
    return false;
}

static void walk_service(struct tree_walk *walk, struct value *service)
{
    bool is_process = !value_get(service, "image") && !value_get(service, "build");
    value_each(m, service)
    {
        walk->keep = is_process && holds_replica_names(m->key);
        walk_value(walk, m->value);
    }
    walk->keep = false;
}

void interpolate_tree(struct schema_pass *pass, struct value *root)
{
    struct tree_walk walk = {.pass = pass};
    value_each(m, root)
    {
        if (!str_is(m->key, "services") || m->value->kind != VALUE_MAP) {
            walk_value(&walk, m->value);
            continue;
        }
        value_each(service, m->value)
        {
            walk_service(&walk, service->value);
        }
    }
}
