/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the way from a folder to an instance: files → state folder → RUN/core.sock.
 *
 *   files   -f, else MUELLE_FILE, else the first known name here or in a folder above (as git does)
 *   STATE   --state-dir or --instance, else .muelle beside the first file, else .muelle here
 *   RUN     computed from the id in STATE/instance.json (role.h)
 *
 *   1. Nothing is guessed from what runs on the machine: the folder one stands in, or a word of the
 *      command line, names the instance.
 *   2. A core that was killed is back within moments. So connecting is tried again while the keeper
 *      lives (CORE_BACK_NS), and only then an error; a verb that has another way (status, plan)
 *      waits less.
 *   3. "Ready" is asked before anything else: a core that has just started knows no projects yet.
 *   4. A list is all its pages: a verb never works on the first hundred of something.
 *
 * As it fails, each with its own sentence: nothing runs here (3), all was killed and services may
 * live on, the state folder is gone under a living instance, the core does not answer, or says why
 * it cannot start.
 *
 *   try_connect            keeper lives   then
 *   answers                               0
 *   no, for 10 s           yes            why the core cannot start, or that it does not answer: 1
 *   no                     no             nothing runs, or all was killed (a journal is left): 3
 *   no, `quiet`                           3 without a word: the caller has another way
 */
#include "face/session.h"
#include "base/num.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/user.h"
#include "proto/uri.h"
#include "role.h"
#include "schema/spec.h"

#define CORE_BACK_NS       (10 * NS_PER_S)
#define CORE_BACK_QUIET_NS (2 * NS_PER_S) /* the caller has another way */

#define LIST_HEAD "{\"items\":["
enum { LIST_HEAD_LEN = sizeof(LIST_HEAD) - 1, CURSOR_MAX = 256 };

static const char *const file_names[] = {
    "muelle.yaml",         "muelle.yml",         "compose.yaml", "compose.yml",
    "docker-compose.yaml", "docker-compose.yml", "Procfile",
};

/* Absolute at once: the core reads them, and stands somewhere else. */
static int add_file(struct session *s, struct str path)
{
    if (s->file_count == SESSION_FILES_MAX) {
        say_error(s, "more than %d files", SESSION_FILES_MAX);
        return CLI_USAGE;
    }
    struct str kept = path.len > 0 && path.p[0] == '/'
                          ? arena_str(&s->arena, path)
                          : arena_printf(&s->arena, "%s/" STR_FMT, s->cwd, STR_ARG(path));
    if (!kept.p) {
        return CLI_FAILED;
    }
    s->files[s->file_count++] = kept;
    return 0;
}

/* Looks for a file here and in the folders above, until the root. */
static int search_files(struct session *s)
{
    char folder[SESSION_PATH_MAX];

    str_copy(folder, sizeof(folder), str_from(s->cwd));
    for (;;) {
        for (size_t i = 0; i < ARRAY_LEN(file_names); i++) {
            char path[SESSION_PATH_MAX + 32];
            struct file_stat stat;
            snprintf(path, sizeof(path), "%s/%s", str_is(STR("/"), folder) ? "" : folder,
                     file_names[i]);
            if (file_stat(path, &stat) == 0 && stat.kind == FILE_KIND_REGULAR) {
                return add_file(s, str_from(path));
            }
        }
        ptrdiff_t slash = str_rfind_char(str_from(folder), '/');
        if (slash < 0 || folder[1] == '\0') {
            return 0;
        }
        folder[slash ? slash : 1] = '\0';
    }
}

/* -f adds up in its order; MUELLE_FILE is one file, since a separator would need an escape. */
static int find_files(struct session *s)
{
    const char *path = cli_value_at(s->args, "file", 0);
    const char *fixed = getenv("MUELLE_FILE");

    for (unsigned i = 0; path; path = cli_value_at(s->args, "file", ++i)) {
        int r = add_file(s, str_from(path));
        if (r) {
            return r;
        }
    }
    if (s->file_count > 0) {
        return 0;
    }
    return fixed && *fixed ? add_file(s, str_from(fixed)) : search_files(s);
}

/* 0 or CLI_USAGE: a path that was cut would be another folder. */
static int find_state_dir(struct session *s)
{
    const char *dir = cli_value(s->args, "state-dir");
    struct str folder = str_from(s->cwd);
    int len;

    dir = dir ? dir : cli_value(s->args, "instance");
    if (dir) {
        bool absolute = dir[0] == '/';
        len = snprintf(s->state_dir, sizeof(s->state_dir), "%s%s%s", absolute ? "" : s->cwd,
                       absolute ? "" : "/", dir);
    } else {
        if (s->file_count > 0) {
            folder = str_slice(s->files[0], 0, (size_t)str_rfind_char(s->files[0], '/'));
        }
        len = snprintf(s->state_dir, sizeof(s->state_dir), STR_FMT "/.muelle", STR_ARG(folder));
    }
    if (len < 0 || (size_t)len >= sizeof(s->state_dir)) {
        say_error(s,
                  "the path of the state folder is longer than %d bytes; name a shorter one with "
                  "--state-dir",
                  SESSION_PATH_MAX - 1);
        return CLI_USAGE;
    }
    return 0;
}

int session_init(struct session *s, const struct cli_args *args)
{
    cleanup(buf_fini) struct buf cwd = BUF_INIT(SESSION_PATH_MAX - 1);
    bool no_color = cli_has(args, "no-color");
    int r;

    *s =
        (struct session){.args = args, .arena = ARENA_INIT(4 * MIB), .json = cli_has(args, "json")};
    term_init(&s->out, 1, no_color);
    term_init(&s->err, 2, no_color);
    r = loop_init(&s->loop, entropy_seed());
    if (r < 0) {
        say_error(s, "cannot make an event loop: %s", strerror(-r));
        return CLI_FAILED;
    }
    r = file_working_dir(&cwd);
    if (r < 0) {
        say_error(s, "the working folder cannot be read: %s", strerror(-r));
        return CLI_FAILED;
    }
    str_copy(s->cwd, sizeof(s->cwd), buf_str(&cwd));
    r = find_files(s);
    if (r) {
        return r;
    }
    r = find_state_dir(s);
    if (r) {
        return r;
    }
    const char *project = cli_value(args, "project");
    if (project && !str_copy(s->project, sizeof(s->project), str_from(project))) {
        say_error(s, "'%s' cannot be the name of a project: it has more than %zu bytes", project,
                  sizeof(s->project) - 1);
        return CLI_USAGE;
    }
    return 0;
}

void session_fini(struct session *s)
{
    client_free(s->client);
    loop_fini(&s->loop);
    arena_fini(&s->arena);
}

/* An orderly end removes the journal; what is killed leaves it. */
bool session_left_behind(const struct session *s)
{
    char path[SESSION_PATH_MAX];
    char run_dir[sizeof(s->run_dir)];

    if (role_find_run_dir(s->state_dir, run_dir, sizeof(run_dir)) < 0) {
        return false;
    }
    snprintf(path, sizeof(path), "%s/keeper.journal", run_dir);
    return file_exists(path);
}

/* Of somebody else: whether it runs cannot be seen. */
static bool say_foreign(const struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    cleanup(buf_fini) struct buf what = BUF_INIT(1 * KIB);
    char path[SESSION_PATH_MAX + 16];
    char owner[64];
    struct file_stat stat;

    snprintf(path, sizeof(path), "%s/instance.json", s->state_dir);
    if (file_stat(path, &stat) != -EACCES || file_stat(s->state_dir, &stat) < 0) {
        return false;
    }
    user_name(stat.uid, owner, sizeof(owner));
    buf_printf(&what, "this state folder belongs to user %s", owner);
    say_render(&s->err, buf_str(&what), str_from(s->state_dir),
               STR("ask as that user, or name another folder with --state-dir"), &out);
    term_write(&s->err, buf_str(&out));
    return true;
}

/* Two kinds of nothing: an instance that ended, and one whose processes were killed. */
static void say_not_running(const struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    if (say_foreign(s)) {
        return;
    }
    bool left = session_left_behind(s);

    say_render(&s->err,
               left ? STR("no instance is running here any more: all its processes were killed")
                    : STR("no instance is running here"),
               str_from(s->state_dir),
               left ? STR("its services may still run: 'muelle up' takes them over, 'muelle down' "
                          "stops them")
                    : STR("start it with 'muelle up', or name its folder with --state-dir"),
               &out);
    term_write(&s->err, buf_str(&out));
}

/* Asks /readyz, which needs no right and answers while the store is still being read. */
static int ask_ready(struct session *s)
{
    struct client_answer answer = {0};
    int r = client_call(s->client, &(struct client_request){.method = "GET", .target = "/readyz"},
                        &answer);

    r = r == 0 && answer.status != 200 ? -EAGAIN : r; /* it is starting */
    client_answer_fini(&answer);
    return r;
}

static int try_connect(struct session *s)
{
    char path[SESSION_PATH_MAX];
    int r = role_find_run_dir(s->state_dir, s->run_dir, sizeof(s->run_dir));

    if (r == 0 && !s->client) {
        snprintf(path, sizeof(path), "%s/core.sock", s->run_dir);
        r = client_new(&s->loop, path, &s->client);
    }
    r = r < 0 ? r : ask_ready(s);
    if (r < 0) {
        client_free(s->client); /* the next try may find another run folder */
        s->client = NULL;
    }
    return r;
}

void session_say_lost(const struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);

    say_render(
        &s->err, STR("the state folder of the running instance was removed"),
        str_from(s->state_dir),
        STR("'muelle down' ends the instance and its services, 'muelle up' starts anew then"),
        &out);
    term_write(&s->err, buf_str(&out));
}

/* Services do not need the core, which is the first thing that one wants to know then. */
static void say_core_away(const struct session *s)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    char where[SESSION_PATH_MAX + 16];

    snprintf(where, sizeof(where), "%s/muelle.log", s->state_dir);
    say_render(&s->err, STR("the instance runs but its core does not answer"), str_from(where),
               STR("services and traffic go on; 'muelle status' shows what runs"), &out);
    term_write(&s->err, buf_str(&out));
}

void session_interrupt(struct session *s)
{
    s->interrupted = true;
    client_interrupt(s->client);
}

/* A core that is replaced or was killed is back within moments, so an instance that is up gets some
 * time. As `try` at the end; the loop turns in between, so that signals are heard. */
static int try_for(struct session *s, int64_t wait_ns, int (*try)(struct session *s))
{
    int64_t end = clock_mono_ns() + wait_ns;
    int r = s->interrupted ? -EINTR : try(s);

    while (r < 0 && !s->interrupted && clock_mono_ns() < end &&
           role_instance_exists(s->state_dir)) {
        r = loop_turn(&s->loop, 10 * NS_PER_MS);
        if (r < 0) {
            return r;
        }
        r = s->interrupted ? -EINTR : try(s);
    }
    return r;
}

/* Silent: its caller says something better than "no answer". */
int session_connect_back(struct session *s)
{
    int r = try_for(s, CORE_BACK_QUIET_NS, try_connect);

    if (r == 0 && role_state_is_lost(s->state_dir)) {
        session_say_lost(s);
    }
    return r < 0 ? CLI_NOT_RUNNING : 0;
}

int session_connect(struct session *s, bool quiet)
{
    int r = try_for(s, quiet ? 0 : CORE_BACK_NS, try_connect);

    if (r == -EINTR) {
        return CLI_INTERRUPTED;
    }
    if (r == 0) {
        if (!quiet && role_state_is_lost(s->state_dir)) {
            session_say_lost(s);
        }
        return 0;
    }
    if (!quiet && role_instance_exists(s->state_dir)) {
        struct problem problem;
        if (role_core_problem(s->state_dir, &problem)) {
            say_problem(s, &problem);
        } else {
            say_core_away(s);
        }
        return CLI_FAILED;
    }
    if (!quiet) {
        say_not_running(s);
    }
    return CLI_NOT_RUNNING;
}

/* ---- requests ---- */

/* Nobody listens, after a first success: the instance ended while we worked, or its core is away.
 */
static int transport_failed(const struct session *s, int error)
{
    switch (error) {
    case -EINTR:
        return CLI_INTERRUPTED;
    case -ENOENT:
    case -ECONNREFUSED:
    case -EAGAIN: /* it was starting or stopping, until the end */
        if (role_instance_exists(s->state_dir)) {
            say_core_away(s);
            return CLI_FAILED;
        }
        say_not_running(s);
        return CLI_NOT_RUNNING;
    case -ETIMEDOUT:
        say_error(s, "the core does not answer; 'muelle status' shows what runs");
        return CLI_FAILED;
    default:
        say_error(s, "the connection to the core broke: %s", strerror(-error));
        return CLI_FAILED;
    }
}

/* Nobody has got the request, it was not looked at, or it asks only. */
static bool may_repeat(const struct client_request *request, int error)
{
    return error == -ENOENT || error == -ECONNREFUSED || error == -EAGAIN ||
           (error == -ECONNRESET && strcmp(request->method, "GET") == 0);
}

/* The core may go in the middle of a verb, too, and the next one right behind it. */
static int wait_until_ready(struct session *s, const struct client_request *request, int64_t end,
                            int error)
{
    return may_repeat(request, error) && clock_mono_ns() < end ? try_for(s, CORE_BACK_NS, ask_ready)
                                                               : error;
}

int session_follow(struct session *s, struct client *client, const struct client_request *request,
                   struct client_stream *stream, struct client_answer *ret)
{
    int64_t end = clock_mono_ns() + CORE_BACK_NS;
    int r = client_follow(client, request, stream, ret);

    while (r < 0 && (r = wait_until_ready(s, request, end, r)) == 0) {
        r = client_follow(client, request, stream, ret);
    }
    return r;
}

int session_call(struct session *s, const struct client_request *request, struct client_answer *ret)
{
    int64_t end = clock_mono_ns() + CORE_BACK_NS;
    int r = client_call(s->client, request, ret);

    while (r < 0 && (r = wait_until_ready(s, request, end, r)) == 0) {
        r = client_call(s->client, request, ret);
    }
    if (r < 0) {
        return transport_failed(s, r);
    }
    if (ret->status >= 400) {
        /* The only status that means "your file is wrong" (CLI_INVALID): scripts tell it from all
         * else.
         */
        bool invalid = ret->status == 422;
        say_answer(s, ret);
        client_answer_fini(ret);
        return invalid ? CLI_INVALID : CLI_FAILED;
    }
    return 0;
}

/* `fmt` is ours; what comes from people is encoded by the caller. */
int session_get(struct session *s, struct client_answer *ret, const char *fmt, ...)
{
    cleanup(buf_fini) struct buf target = BUF_INIT(64 * KIB);
    va_list args;

    buf_add_cstr(&target, "/api/v1/projects/");
    uri_encode(&target, str_from(s->project), false);
    va_start(args, fmt);
    buf_vprintf(&target, fmt, args);
    va_end(args);
    return session_call(s, &(struct client_request){.method = "GET", .target = buf_cstr(&target)},
                        ret);
}

/* Adds the items of a page to the list in `all`; its cursor to *ret_cursor ("" = the last one).
 * Copied as text, not as nodes: the pages' arenas go one by one. */
static void add_page(struct buf *all, const struct client_answer *page, char *ret_cursor,
                     size_t size)
{
    jdoc_each(item, jdoc_get(page->doc, "items"))
    {
        buf_add_cstr(all, all->len > LIST_HEAD_LEN ? "," : "");
        buf_add(all, item->raw);
    }
    if (!str_copy(ret_cursor, size, jdoc_str(page->doc, "next_cursor"))) {
        ret_cursor[0] = '\0';
    }
}

int session_list(struct session *s, struct client_answer *ret, const char *path)
{
    cleanup(buf_fini) struct buf all = BUF_INIT(CLIENT_BODY_MAX);
    char cursor[CURSOR_MAX] = "";
    int r;

    buf_add_cstr(&all, LIST_HEAD);
    /* The pages become one document again, so that verbs know one shape, whatever the length. */
    do {
        struct client_answer page = {0};
        r = session_get(s, &page, "%s?limit=1000%s%s", path, cursor[0] ? "&cursor=" : "", cursor);
        if (r) {
            return r;
        }
        add_page(&all, &page, cursor, sizeof(cursor));
        client_answer_fini(&page);
    } while (cursor[0]);
    buf_add_cstr(&all, "]}");
    *ret = (struct client_answer){
        .status = 200, .body = all, .arena = ARENA_INIT((size_t)CLIENT_BODY_MAX * 2)};
    all = BUF_INIT(0); /* handed over */
    r = buf_error(&ret->body);
    r = r < 0 ? r : jdoc_parse(&ret->arena, buf_str(&ret->body), &ret->doc, NULL);
    if (r < 0) {
        client_answer_fini(ret);
        say_error(s, "the list is too long: %s", strerror(-r));
        return CLI_FAILED;
    }
    return 0;
}

/* Its whole answer is fetched to know that it is there: 404 comes with the nearest name. */
bool session_split_replica(struct str word, struct str *ret_service, uint64_t *ret_replica)
{
    struct str number = STR_NONE;
    return str_split(word, '/', ret_service, &number) && ret_service->len > 0 &&
           num_parse_u64(number, ret_replica) == 0 && *ret_replica >= 1 &&
           *ret_replica <= SPEC_REPLICAS_MAX;
}

/* Some verbs take one of its replicas, these do not. */
static int say_replica(const struct session *s, struct str service, uint64_t replica)
{
    bool logs = str_is(STR("logs"), s->args->verb->name);
    if (logs) {
        say_error(s, "'logs' takes services: 'muelle logs " STR_FMT " --replica %llu'",
                  STR_ARG(service), (unsigned long long)replica);
    } else {
        say_error(s,
                  "'%s' takes services, for example '" STR_FMT
                  "'; one replica: 'exec', 'run', 'weight', 'drain', and 'logs' with --replica",
                  s->args->verb->name, STR_ARG(service));
    }
    return CLI_USAGE;
}

int session_need_word(struct session *s, const char *word)
{
    cleanup(buf_fini) struct buf path = BUF_INIT(1 * KIB);
    struct client_answer answer = {0};
    struct str service = STR_NONE;
    uint64_t replica = 0;

    if (session_split_replica(str_from(word), &service, &replica)) {
        return say_replica(s, service, replica);
    }
    uri_encode(&path, str_from(word), false);
    int r = session_get(s, &answer, "/services/%s", buf_cstr(&path));
    client_answer_fini(&answer);
    return r;
}

int session_need_words(struct session *s)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < s->args->word_count; i++) {
        r = session_need_word(s, s->args->words[i]);
    }
    return r;
}

/* ---- the project ---- */

/* The project whose first file is ours (several in one instance are told apart by where one
 * stands), else the only one; STR_NONE when that is not clear. */
static struct str pick_project(const struct session *s, const struct jdoc *items)
{
    jdoc_each(item, items)
    {
        if (s->file_count > 0 && str_eq(jdoc_str(item, "file"), s->files[0])) {
            return jdoc_str(item, "name");
        }
    }
    return items && items->count == 1 ? jdoc_str(items->first, "name") : STR_NONE;
}

/* Asked for only when it is needed: `status` and `doctor` go on without one. */
int session_need_project(struct session *s)
{
    struct client_answer answer = {0};
    int r;

    if (s->project[0]) {
        return 0;
    }
    r = session_call(s, &(struct client_request){.method = "GET", .target = "/api/v1/projects"},
                     &answer);
    if (r) {
        return r;
    }
    const struct jdoc *items = jdoc_get(answer.doc, "items");
    struct str name = pick_project(s, items);
    if (name.len == 0 && items && items->count > 0) {
        say_error(s, "several projects run here: name one with --project");
    } else if (name.len == 0) {
        say_error(s, "the instance has no project; apply a file with 'muelle up'");
    }
    str_copy(s->project, sizeof(s->project), name);
    client_answer_fini(&answer);
    return s->project[0] ? 0 : CLI_FAILED;
}

int session_open(struct session *s, const struct cli_args *args)
{
    int r = session_init(s, args);

    r = r ? r : session_connect(s, false);
    return r ? r : session_need_project(s);
}
