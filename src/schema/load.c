/* SPDX-License-Identifier: Apache-2.0
 *
 * From files to a project_spec: the stages in their order.
 *
 *   each file:  read → parse → x-muelle → variables → long forms → include → extends
 *   then:       merge left to right → name → profiles → variables of services → check and decode
 *               → verify → order and hashes
 *
 *   1. A stage that finds mistakes says them and goes on with what is left, so that one run shows
 *      as many as possible; but what is not even YAML ends its file, and no project_spec comes of
 *      any problem.
 *   2. The order is not free: variables before long forms (a variable may hold a short form), long
 *      forms before merging (equal things have equal shapes), merging before profiles, everything
 *      before hashes.
 *   3. What is hashed and rendered is the tree after all stages. So a change of files that leads to
 *      the same tree is no change, and no service is touched for a comment or another order of
 *      keys.
 *   4. Nothing of the spec points into the caller's memory: all was copied to the arena, which the
 *      last project_spec_unref frees.
 *
 * As it fails: problems (SCHEMA_E_INVALID), or memory (-ENOMEM; problems said until then are taken
 * back, since a stage without memory may have missed what is there).
 */
#include "schema/load.h"

#include "base/num.h"
#include "base/utf8.h"

#include "schema/decode.h"
#include "schema/resource.h"
#include "schema/stages.h"
#include "schema/table.h"

/* By its name, as foreman and Heroku know it: "Procfile", "Procfile.dev", "x.procfile". */
static bool is_procfile(struct str path)
{
    ptrdiff_t slash = str_rfind_char(path, '/');
    return str_starts(str_skip(path, (size_t)(slash + 1)), STR("Procfile")) ||
           str_ends(path, STR(".procfile"));
}

/* `asked_at`: where the file is named; nowhere (line 0) for those that the caller named. */
static void say_unreadable(struct schema_pass *pass, const struct pass_file *file,
                           struct value_at asked_at, int error)
{
    struct problem *problem = pass_unreadable(pass, asked_at, file->path, error, VALUE_FILE_MAX);
    if (!asked_at.line) {
        problem_where(problem, STR_FMT, STR_ARG(file->shown));
    } else if (error == -ENOENT) {
        problem_hint(problem, "the path is taken from the folder of the file that names it");
    }
}

static struct value *parse_document(struct schema_pass *pass, uint16_t file, struct str text)
{
    size_t problems = pass->problems->count;
    struct value *root = NULL;
    if (pass_check_text(pass, file, text)) {
        root = is_procfile(pass->files[file].path) ? procfile_parse(pass, file, text)
                                                   : yaml_parse(pass, file, text);
    }
    if (!root) {
        return NULL;
    }
    root->kind = root->kind == VALUE_NULL ? VALUE_MAP : root->kind; /* an empty document */
    if (root->kind != VALUE_MAP) {
        struct problem *problem =
            pass_problem(pass, root->at, "config.not-a-map", "the file holds no map");
        problem_expected(problem, "keys such as services: and gateway:");
    }
    return pass->problems->count == problems && !pass->error ? root : NULL;
}

/* NULL when it said a problem or memory is out. The text goes when the tree stands: all strings
 * were copied to the arena. */
static struct value *read_document(struct schema_pass *pass, struct str path, struct str shown,
                                   struct value_at asked_at)
{
    struct buf text = BUF_INIT(VALUE_FILE_MAX);
    struct value *root = NULL;
    const struct schema_reader *reader = &pass->options->reader;
    int r = reader->read(reader->ctx, path, &text);
    if (r == -ENOMEM) {
        pass->error = r;
    } else if (r) {
        say_unreadable(pass, &(struct pass_file){shown, path}, asked_at, r);
    } else {
        int file = pass_file(pass, shown, path);
        root = file < 0 ? NULL
                        : parse_document(pass, (uint16_t)file, pass_without_mark(buf_str(&text)));
    }
    buf_fini(&text);
    return root;
}

/* One file, so that what is relative (paths, includes, extends) is taken from its own folder. */
static struct value *prepare(struct schema_pass *pass, struct value *root, struct str path,
                             struct str base_dir, unsigned depth)
{
    struct str outer = pass->base_dir;
    struct pass_open open = {path, pass->open};
    pass->base_dir = base_dir;
    pass->open = &open;
    merge_own_keys(pass, root);
    interpolate_tree(pass, root);
    normalise_tree(pass, root);
    include_files(pass, root, depth);
    extend_services(pass, root, path, depth);
    pass->base_dir = outer;
    pass->open = open.outer;
    return root;
}

struct value *load_file(struct schema_pass *pass, struct str path, struct str base_dir,
                        struct value_at asked_at, unsigned depth)
{
    if (depth > PASS_CHAIN_MAX) {
        pass_problem(pass, asked_at, "config.too-deep",
                     "more than %d files lead from one to the next", PASS_CHAIN_MAX);
        return NULL;
    }
    struct value *root = read_document(pass, path, path, asked_at);
    return root ? prepare(pass, root, path, base_dir, depth) : NULL;
}

/* ------------------------------------------------------------------ the project's name and folder
 */

/* What Compose makes of a folder's name: lower case, without what has no place in a host name. */
static struct str usable_name(struct schema_pass *pass, struct str name)
{
    struct buf out = BUF_INIT(64);
    for (size_t i = 0; i < name.len && out.len < 63; i++) {
        char c = name.p[i];
        c = c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
        bool word = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (word || (out.len && (c == '-' || c == '_'))) {
            buf_add_char(&out, c);
        }
    }
    return out.len || buf_error(&out) ? pass_take(pass, &out) : STR("default");
}

static void choose_name(struct schema_pass *pass, const struct value *root)
{
    const struct spec_pair *from_env = pass_env(pass, STR("COMPOSE_PROJECT_NAME"));
    const struct value *name = value_get(root, "name");
    /* Compose's order: the option, the environment, the file, the folder. A name that was written
     * and cannot be used is an error; one that was derived is made to fit. */
    struct str wanted = pass->options->project_name;
    struct value_at at = {0};
    if (!wanted.len && from_env) {
        wanted = from_env->value;
    }
    if (!wanted.len && value_is_set(name) && name->kind == VALUE_SCALAR) {
        wanted = name->text;
        at = name->at;
    }
    if (!wanted.len) {
        ptrdiff_t slash = str_rfind_char(pass->work_dir, '/');
        pass->project_name = usable_name(pass, str_skip(pass->work_dir, (size_t)(slash + 1)));
        return;
    }
    pass->project_name = usable_name(pass, wanted);
    if (pass->error == 0 && !str_eq(pass->project_name, wanted)) {
        struct problem *problem = pass_problem(pass, at, "config.bad-name",
                                               "'" STR_FMT "' cannot be the name of a project",
                                               STR_ARG(utf8_cut(wanted, 80)));
        problem_expected(problem,
                         "1 to 63 lower case letters, digits, '-' or '_', a letter or digit first");
        problem_hint(problem, "for example '" STR_FMT "'", STR_ARG(pass->project_name));
    }
}

/* ------------------------------------------------------------------ the whole */

/* The caller first, then files: pass_set_env replaces, environment_load does not. */
static bool start_environment(struct schema_pass *pass)
{
    const struct schema_load_options *options = pass->options;
    for (size_t i = 0; i < options->environment_count; i++) {
        const struct spec_pair *given = &options->environment[i];
        struct spec_pair *pair = pass_alloc(pass, 1, sizeof(*pair));
        if (!pair) {
            return false;
        }
        *pair = (struct spec_pair){pass_str(pass, given->name), pass_str(pass, given->value)};
        if (!pass_set_env(pass, pair)) {
            return false;
        }
    }
    struct value_at nowhere = {0};
    for (size_t i = 0; i < options->env_files_count; i++) {
        environment_load(pass, pass_path(pass, options->working_dir, options->env_files[i]), true,
                         nowhere);
    }
    if (options->env_files_count == 0) {
        environment_load(pass, pass_path(pass, pass->work_dir, STR(".env")), false, nowhere);
    }
    return !pass->error;
}

static struct value *load_all(struct schema_pass *pass)
{
    const struct schema_load_options *options = pass->options;
    struct value *root = NULL;
    for (size_t i = 0; i < options->files_count; i++) {
        struct str shown = pass_str(pass, options->files[i]);
        struct str path = pass_path(pass, options->working_dir, options->files[i]);
        struct value *next = read_document(pass, path, shown, (struct value_at){0});
        if (next) {
            next = prepare(pass, next, path, pass->work_dir, 0);
        }
        if (root && next) {
            merge_tree(pass, root, next);
        }
        root = root ? root : next;
    }
    return root;
}

static void fill_files(struct schema_pass *pass, struct project_spec *spec)
{
    struct str *files = pass_alloc(pass, pass->files_count, sizeof(*files));
    for (size_t i = 0; files && i < pass->files_count; i++) {
        files[i] = pass->files[i].path;
    }
    spec->files = files;
    spec->files_count = files ? pass->files_count : 0;
    spec->name = pass->project_name;
    spec->working_dir = pass->work_dir;
}

/* Services and their documents are in different orders by now (the tree is sorted): met by name. */
static void hash_services(struct schema_pass *pass, struct project_spec *spec,
                          const struct value *values)
{
    struct map index = MAP_INIT(VALUE_NODES_MAX);
    struct service_spec *services = (struct service_spec *)(uintptr_t)spec->services;
    for (size_t i = 0; i < spec->services_count; i++) {
        pass->error = map_put(&index, services[i].name, &services[i]) ? -ENOMEM : pass->error;
    }
    for (size_t i = 0; values && i < values->count; i++) {
        struct service_spec *service = map_get(&index, values->members[i].key);
        if (service) {
            /* Two things that no row holds: what kind of service it is, and the folder that an
             * absent `working_dir` means. */
            uint64_t seed = map_hash(service->kind == SERVICE_PROCESS, service->working_dir);
            service->spec_hash =
                canonical_restart_hash(&table_service, values->members[i].value, seed);
            const struct value *routes = value_get(values->members[i].value, "routes");
            service->routes_hash = routes ? value_hash(0, routes) : 0;
            service->traffic_tree = value_get(values->members[i].value, "traffic");
        }
    }
    map_fini(&index);
}

/* A PORT written into `environment` is what the program will listen on, so it is the service's
 * port. */
static void take_ports(struct project_spec *spec)
{
    struct service_spec *services = (struct service_spec *)(uintptr_t)spec->services;
    for (size_t i = 0; i < spec->services_count; i++) {
        struct service_spec *service = &services[i];
        for (size_t k = 0; service->port == 0 && k < service->environment_count; k++) {
            uint64_t port;
            if (str_is(service->environment[k].name, "PORT") &&
                num_parse_u64(service->environment[k].value, &port) == 0 && port > 0 &&
                port <= UINT16_MAX) {
                service->port = (int64_t)port;
            }
        }
    }
}

static void fill_hashes(struct schema_pass *pass, struct project_spec *spec, struct value *root)
{
    canonicalise(&schema_config, root);
    hash_services(pass, spec, value_get(root, "services"));
    spec->tree = root;
    spec->gateway.tree = value_get(root, "gateway");
    spec->content_hash = value_hash(map_hash(0, spec->name), root);
}

/* What has no meaning once all is merged: the old `version`, and the file's own x-… (anchors). */
static void drop_foreign(struct schema_pass *pass, struct value *root)
{
    const struct value *version = value_take(root, "version");
    if (value_is_set(version)) {
        struct problem *notice = pass_notice(pass, version->at, false, "config.obsolete",
                                             "'version' has no meaning any more");
        problem_hint(notice, "remove it");
    }
    for (size_t i = 0; root->kind == VALUE_MAP && i < root->count;) {
        if (str_starts(root->members[i].key, STR("x-"))) {
            value_remove(root, i);
        } else {
            i++;
        }
    }
}

static struct project_spec *build(struct schema_pass *pass)
{
    struct project_spec *spec = pass_alloc(pass, 1, sizeof(*spec));
    if (!spec || !start_environment(pass)) {
        return NULL;
    }
    struct value *root = load_all(pass);
    if (!root || pass->error || pass->too_large) {
        return NULL;
    }
    choose_name(pass, root);
    drop_foreign(pass, root);
    profiles_apply(pass, root);
    environment_resolve(pass, root);
    decode_table(pass, &schema_config, root, spec);
    take_ports(spec);
    if (!value_is_set(value_get(root, "services")) && !pass->problems->count) {
        struct problem *problem =
            pass_problem(pass, root->at, "config.no-services", "there is nothing to run");
        problem_expected(problem, "a map 'services' with at least one service");
    }
    if (!pass->problems->count && !pass->error) {
        verify_project(pass, root, spec);
    }
    if (pass->problems->count || pass->error) {
        return NULL;
    }
    /* The name that counts becomes part of the tree: rendering it anywhere gives the same project.
     */
    const struct value *name = value_get(root, "name"); /* its place, if it has one, stays */
    struct value_at name_at = value_is_set(name) ? name->at : (struct value_at){0};
    pass_put(pass, root, STR("name"), pass_scalar(pass, pass->project_name, name_at));
    fill_files(pass, spec);
    fill_hashes(pass, spec, root);
    return pass->error ? NULL : spec;
}

int schema_load(const struct schema_load_options *options, struct problem_list *problems,
                struct problem_list *notices, struct project_spec **ret_spec)
{
    ensure(options->files_count > 0 && str_starts(options->working_dir, STR("/")));
    *ret_spec = NULL;
    struct arena *arena = malloc(sizeof(*arena));
    struct schema_pass *pass = calloc(1, sizeof(*pass));
    if (!arena || !pass) {
        free(arena);
        free(pass);
        return -ENOMEM;
    }
    *arena = ARENA_INIT(PASS_ARENA_MAX);
    pass->arena = arena;
    pass->options = options;
    pass->problems = problems;
    pass->notices = notices;
    pass->env = MAP_INIT(PASS_ENV_MAX);
    pass->unset_said = MAP_INIT(PASS_ENV_MAX);
    pass->noticed = MAP_INIT(PASS_ENV_MAX);
    pass->work_dir = pass_dir(pass_path(pass, options->working_dir, options->files[0]));
    size_t before = problems->count, noticed = notices ? notices->count : 0;
    struct project_spec *spec = build(pass);
    if (pass->error) {
        problems->count = before; /* what was missed for want of memory is no mistake of the file */
    }
    problem_list_sort(problems, before); /* stages find them in an order of their own */
    if (notices) {
        problem_list_sort(notices, noticed);
    }
    int r = pass->error ? pass->error : spec ? 0 : SCHEMA_E_INVALID;
    map_fini(&pass->env);
    map_fini(&pass->unset_said);
    map_fini(&pass->noticed);
    free(pass);
    if (r) {
        arena_fini(arena);
        free(arena);
        return r;
    }
    spec->arena = arena;
    spec->refs = 1;
    *ret_spec = spec;
    return 0;
}
