/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables: those of the project (.env, --env-file) for interpolation, and those of services
 * (env_file, values taken from the caller).
 *
 * Who wins, first to last (Compose's order): the caller's environment → --env-file or .env for
 * `${NAME}`; `environment` → the last env_file → the ones before for a service. Within a file a
 * later entry replaces an earlier one and may refer to it.
 *
 * As it fails: a file that is not there is an error unless it may be missing (.env, `required:
 * false`); a line that cannot be read ends its file; the entries before it count, since all
 * mistakes of one run are wanted.
 */
#include "base/utf8.h"
#include "schema/decode.h"
#include "schema/envfile.h"
#include "schema/stages.h"
#include "schema/table.h"

enum { ENV_FILE_MAX = 1 << 20 };

enum variables_flag {
    VARIABLES_OPTIONAL = 1 << 0, /* it may be missing */
    VARIABLES_RAW = 1 << 1,      /* see envfile.h */
};

struct lookup {
    struct schema_pass *pass;
    const struct value *entries; /* of the file so far: they come second */
};

static bool get_variable(void *ctx, struct str name, struct str *ret_value)
{
    struct lookup *lookup = ctx;
    const struct spec_pair *pair = pass_env(lookup->pass, name);
    const struct value_member *entry = value_member(lookup->entries, name);
    if (!pair && (!entry || entry->value->kind != VALUE_SCALAR)) {
        return false;
    }
    /* The caller before the file, also here: else `A=1 muelle up` would not reach B=${A} of .env.
     */
    *ret_value = pair ? pair->value : entry->value->text;
    return true;
}

static void parse_entries(struct schema_pass *pass, uint16_t file, struct envfile reader,
                          struct value *into)
{
    struct lookup lookup = {pass, into};
    struct interpolate vars = {.get = get_variable, .ctx = &lookup};
    struct buf value = BUF_INIT(ENV_FILE_MAX);
    int r;
    while ((r = envfile_next(&reader, &vars, &value)) > 0 && !pass->error && !pass->too_large) {
        struct value_at at = {.file = file, .line = reader.line, .column = 1};
        struct value *entry = pass_value(pass, reader.has_value ? VALUE_SCALAR : VALUE_NULL, at);
        entry->quoted = true;
        entry->text = reader.has_value ? pass_str(pass, buf_str(&value)) : STR("");
        pass_put(pass, into, pass_str(pass, reader.name), entry);
    }
    if (r < 0 && buf_error(&value) == -ENOMEM) {
        pass->error = -ENOMEM;
    } else if (r < 0) {
        struct value_at at = {.file = file, .line = reader.line, .column = 1};
        struct problem *problem = pass_problem(pass, at, "env-file.syntax", "%s", reader.error);
        problem_expected(problem, "NAME=value, NAME='value' or NAME=\"value\"");
    }
    buf_fini(&value);
}

/* Reads a file of variables into `into` (a map of texts); later entries win. */
static void read_variables(struct schema_pass *pass, struct str path, unsigned flags,
                           struct value_at at, struct value *into)
{
    struct buf text = BUF_INIT(ENV_FILE_MAX);
    const struct schema_reader *reader = &pass->options->reader;
    int r = reader->read(reader->ctx, path, &text);
    if (r == 0) {
        struct str kept = pass_without_mark(pass_take(pass, &text));
        int file = pass_file(pass, path, path);
        if (file >= 0 && pass_check_text(pass, (uint16_t)file, kept)) {
            struct envfile envfile = ENVFILE(kept);
            envfile.raw = flags & VARIABLES_RAW;
            parse_entries(pass, (uint16_t)file, envfile, into);
        }
        return;
    }
    buf_fini(&text);
    if (r == -ENOMEM) {
        pass->error = r;
    } else if (!(flags & VARIABLES_OPTIONAL) || r != -ENOENT) {
        struct problem *problem = pass_unreadable(pass, at, path, r, ENV_FILE_MAX);
        problem_hint(problem, "a file of variables: NAME=value on each line");
    }
}

static bool add_variable(struct schema_pass *pass, struct str name, struct str value)
{
    struct spec_pair *pair = pass_alloc(pass, 1, sizeof(*pair));
    if (!pair) {
        return false;
    }
    *pair = (struct spec_pair){name, value};
    return pass_set_env(pass, pair);
}

void environment_load(struct schema_pass *pass, struct str path, bool required, struct value_at at)
{
    struct value *entries = pass_value(pass, VALUE_MAP, at);
    read_variables(pass, path, required ? 0 : VARIABLES_OPTIONAL, at, entries);
    value_each(m, entries)
    {
        if (m->value->kind == VALUE_SCALAR && !pass_env(pass, m->key) &&
            !add_variable(pass, m->key, m->value->text)) {
            return;
        }
    }
}

/* A value that is null is taken from the caller. */
static void take_from_caller(struct schema_pass *pass, struct value *environment)
{
    value_each(m, environment)
    {
        const struct spec_pair *pair = m->value->kind == VALUE_NULL ? pass_env(pass, m->key) : NULL;
        if (pair) {
            m->value->kind = VALUE_SCALAR;
            m->value->text = pair->value;
            m->value->quoted = true;
        }
    }
}

static void read_entry(struct schema_pass *pass, const struct value *entry, struct value *entries)
{
    const struct value *path = value_get(entry, "path"), *format = value_get(entry, "format");
    if (!decode_check(pass, &table_env_file, entry)) {
        return;
    }
    unsigned flags = decode_truth(value_get(entry, "required"), true) ? 0 : VARIABLES_OPTIONAL;
    if (value_is_set(format) && str_is(format->text, "raw")) {
        flags |= VARIABLES_RAW;
    } else if (value_is_set(format)) {
        struct problem *problem =
            pass_problem(pass, format->at, "config.bad-value", "'format' cannot be '" STR_FMT "'",
                         STR_ARG(utf8_cut(format->text, 80)));
        problem_expected(problem, "raw, or nothing for the usual form");
    }
    read_variables(pass, path->text, flags, path->at, entries);
}

static void resolve_service(struct schema_pass *pass, struct value *service)
{
    /* Taken out: what is rendered and hashed is what the files held, not their names. So a change
     * in a file of variables restarts the services that read it. */
    struct value *files = value_take(service, "env_file");
    struct value *environment = value_get(service, "environment");
    if (value_is_set(files) && files->kind != VALUE_LIST) {
        pass_problem(pass, files->at, "config.bad-value",
                     "'env_file' takes a file or a list of files");
        return;
    }
    if (value_is_set(files) && files->count) {
        struct value *entries = pass_value(pass, VALUE_MAP, files->at);
        value_each(m, files)
        {
            read_entry(pass, m->value, entries);
        }
        if (environment && environment->kind == VALUE_MAP) {
            value_each(m, environment)
            {
                pass_put(pass, entries, m->key, m->value);
            }
        }
        if (entries->count) {
            pass_put(pass, service, STR("environment"), entries);
            environment = entries;
        }
    }
    if (environment && environment->kind == VALUE_MAP) {
        take_from_caller(pass, environment);
    }
}

void environment_resolve(struct schema_pass *pass, struct value *root)
{
    struct value *services = value_get(root, "services");
    if (!services) {
        return;
    }
    value_each(m, services)
    {
        if (m->value->kind == VALUE_MAP) {
            resolve_service(pass, m->value);
        }
    }
}
