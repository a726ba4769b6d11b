/* SPDX-License-Identifier: Apache-2.0
 *
 * Endpoints of projects: list, one, apply, reload, down, configuration.
 *
 * Apply takes paths, not texts: files include and extend others, watch their folder and are read
 * again by a reload, so the core must be able to read them itself. The caller's environment comes
 * along, since `${NAME}` means the caller's. All paths are absolute: the core has another working
 * folder.
 *
 * Apply, reload and down are asynchronous: the file is read on a worker, the answer comes when the
 * change is on disk (202 for down: it has begun, the project is gone when all has stopped). A file
 * with mistakes answers 422 with all of them, and nothing was changed.
 *
 *   dry_run       the plan, and nothing is changed
 *   name          that project, whatever the files say; with If-Match its generation is compared
 *   profiles, env_files, environment, working_dir, strict: as on the command line
 */
#include "base/num.h"
#include "face/api_handlers.h"
#include "face/api_util.h"
#include "run/run.h"
#include "schema/resource.h"
#include "schema/status_more.h"

/* ---- reading ---- */

void handle_projects(struct exchange *x)
{
    struct project_status *projects = NULL;
    size_t count = 0;
    int r = run_projects(api_run(x), &x->ctx, &x->arena, &projects, &count);
    struct page page;

    if (r) {
        api_answer_run(x, r, "project");
        return;
    }
    page = api_page(x, count);
    struct json_writer w = exchange_list_begin(x);
    for (size_t i = page.from; i < page.to; i++) {
        schema_encode_json(&schema_project, &projects[i], 0, &w);
    }
    exchange_list_end(x, &w, api_page_cursor(x, page));
}

/* By search in a list that is made for it: an instance has a handful of projects. */
const struct project_status *api_find_project(struct exchange *x, struct str name)
{
    struct project_status *projects = NULL;
    size_t count = 0;

    if (run_projects(api_run(x), &x->ctx, &x->arena, &projects, &count) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        if (str_eq(projects[i].name, name)) {
            return &projects[i];
        }
    }
    return NULL;
}

bool api_need_project(struct exchange *x, const struct project_status **ret)
{
    *ret = api_find_project(x, x->params[0]);
    if (!*ret) {
        exchange_refuse(x, 404, "project.unknown", "there is no project '" STR_FMT "'",
                        STR_ARG(x->params[0]));
        return false;
    }
    return true;
}

void handle_project(struct exchange *x)
{
    const struct project_status *project;

    if (!api_need_project(x, &project)) {
        return;
    }
    struct json_writer w = JSON_WRITER(&x->out);
    schema_encode_json(&schema_project, project, SCHEMA_ENCODE_DETAIL, &w);
    exchange_answer_json(x, project->generation);
}

/* Secrets hidden, always: who may read them reads the files. */
void handle_config(struct exchange *x)
{
    int r = run_config(api_run(x), &x->ctx, x->params[0], true, &x->out);

    if (r) {
        api_answer_run(x, r, "project");
        return;
    }
    exchange_answer_json(x, -1);
}

/* ---- apply and reload ---- */

/* As problem documents, so that a client shows mistakes and advice by the same code. */
static void write_warnings(struct json_writer *w, const struct problem_list *warnings)
{
    json_key(w, STR("warnings"));
    json_begin_array(w);
    for (size_t i = 0; i < MIN(warnings->count, (size_t)PROBLEM_LIST_MAX); i++) {
        problem_write_json(w, &warnings->items[i], NULL, STR_NONE);
    }
    json_end_array(w);
}

/* No plan (NULL) is an empty one: nothing changes. */
static void write_plan(struct json_writer *w, const struct plan *plan)
{
    json_key(w, STR("plan"));
    json_begin_array(w);
    for (size_t i = 0; plan && i < plan->item_count; i++) {
        const struct plan_item *item = &plan->items[i];
        struct plan_step step = {
            .service = item->service,
            .action = str_from(plan_action_name(item->action)),
            .reason = item->reason,
            .restart = plan_restart_name(item),
            .changes = item->changes,
            .changes_count = item->change_count,
        };
        schema_encode_json(&schema_plan_step, &step, 0, w);
    }
    json_end_array(w);
}

/* The first problem gives the status of all: files that are wrong (422) before a disk that is full.
 */
static void on_applied(void *arg, const struct run_applied *applied)
{
    struct exchange *x = arg;

    if (applied->problems.count > 0) {
        struct problem_list *list = arena_new(&x->arena, struct problem_list);
        if (!list) {
            exchange_answer_error(x, -ENOMEM);
            return;
        }
        *list = applied->problems;
        list->items[0].status = list->items[0].status ? list->items[0].status : 422;
        exchange_answer_problems(x, list);
        return;
    }
    struct json_writer w = JSON_WRITER(&x->out);
    json_begin_object(&w);
    json_field(&w, "project", cstr, applied->project);
    json_field(&w, "generation", u64, applied->generation);
    write_plan(&w, applied->plan);
    write_warnings(&w, &applied->warnings);
    json_field(&w, "load_us", i64, applied->load_ns / NS_PER_US);
    json_field(&w, "commit_us", i64, applied->commit_ns / NS_PER_US);
    json_end_object(&w);
    exchange_answer_json(x, -1);
}

/* A list of strings of the body, in the arena. The check has let only texts pass. */
static size_t strings(struct exchange *x, const char *key, const struct str **ret)
{
    const struct jdoc *list = jdoc_get(x->json, key);
    struct str *values = list ? arena_array(&x->arena, list->count, sizeof(*values)) : NULL;
    size_t count = 0;

    *ret = values;
    if (values) {
        jdoc_each(item, list)
        {
            values[count++] = item->text;
        }
    }
    return count;
}

/* Names were checked: they can be put before a '='. */
size_t api_environment(struct exchange *x, const struct run_env **ret)
{
    const struct jdoc *map = jdoc_get(x->json, "environment");
    struct run_env *values = map ? arena_array(&x->arena, map->count, sizeof(*values)) : NULL;
    size_t count = 0;

    *ret = values;
    if (values) {
        jdoc_each(item, map)
        {
            values[count].name = item->key;
            values[count++].value = item->text;
        }
    }
    return count;
}

static bool absolute(struct exchange *x, struct str path)
{
    if (path.len > 0 && path.p[0] == '/') {
        return true;
    }
    exchange_refuse(x, 400, "request.path", "'" STR_FMT "' is no absolute path", STR_ARG(path));
    return false;
}

/* Paths come from another process with another working folder, so all must be absolute. Relative
 * ones inside the files are taken from the first file's folder unless the caller says else. */
static bool check_paths(struct exchange *x, struct run_apply *apply)
{
    if (x->arena.failed) { /* half of what was asked for is not what was asked for */
        exchange_answer_error(x, -ENOMEM);
        return false;
    }
    for (size_t i = 0; i < apply->file_count; i++) {
        if (!absolute(x, apply->files[i])) {
            return false;
        }
    }
    if (apply->working_dir.len == 0) {
        struct str first = apply->files[0];
        ptrdiff_t slash = str_rfind_char(first, '/');
        apply->working_dir = str_slice(first, 0, (size_t)MAX(slash, (ptrdiff_t)1));
    }
    return absolute(x, apply->working_dir);
}

/* If-Match counts only with a name: before the file is read nobody knows which project it is. 0 is
 * the generation of one that is not there, which no tag names. */
void handle_apply(struct exchange *x)
{
    struct run_apply apply = {
        .name = jdoc_str(x->json, "name"),
        .working_dir = jdoc_str(x->json, "working_dir"),
        .dry_run = jdoc_bool(x->json, "dry_run", false),
        .strict = jdoc_bool(x->json, "strict", false),
    };

    apply.file_count = strings(x, "files", &apply.files);
    apply.profile_count = strings(x, "profiles", &apply.profiles);
    apply.service_count = strings(x, "services", &apply.services);
    apply.env_file_count = strings(x, "env_files", &apply.env_files);
    apply.environment_count = api_environment(x, &apply.environment);
    if (!check_paths(x, &apply)) {
        return;
    }
    if (apply.name.len > 0) {
        const struct project_status *project = api_find_project(x, apply.name);
        if (!api_if_match(x, project ? project->generation : 0)) {
            return;
        }
    }
    run_apply(api_run(x), &x->ctx, &apply, on_applied, x);
}

/* The files, profiles and environment of the last apply, kept by run/: a reload knows no caller. */
void handle_reload(struct exchange *x)
{
    const struct project_status *project;

    if (api_need_project(x, &project) && api_if_match(x, project->generation)) {
        run_reload(api_run(x), &x->ctx, x->params[0], on_applied, x);
    }
}

/* ---- down ---- */

/* 202: it has begun. The project is gone when a GET says 404. */
static void on_down(void *arg, const struct problem *problem)
{
    struct exchange *x = arg;

    if (problem) {
        exchange_answer_problem(x, problem);
    } else {
        exchange_answer_empty(x, 202);
    }
}

void handle_down(struct exchange *x)
{
    const struct project_status *project;

    if (api_need_project(x, &project) && api_if_match(x, project->generation)) {
        run_down(api_run(x), &x->ctx, x->params[0], true,
                 (struct run_done){.fn = on_down, .arg = x});
    }
}
