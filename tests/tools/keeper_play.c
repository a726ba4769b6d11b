/* SPDX-License-Identifier: Apache-2.0
 *
 * A muelle whose core and edge do nothing but talk to the real keeper: for
 * tests/integration/test_keeper.py.
 *
 *   keeper_play keeper …        the real keeper, as in muelle
 *   keeper_play core|edge …     a role that obeys RUN/play-ROLE.sock (datagrams, words separated by 0x1f), answers
 *                               the sender, and writes what it hears into RUN/play-ROLE.log
 *   keeper_play start RUN STATE ID    keeper_start, prints the pid
 *   keeper_play probe RUN             keeper_probe
 *   keeper_play shutdown RUN 0|1      keeper_shutdown
 */
#include "base/num.h"
#include "keeper/keeper.h"
#include "link/keeper_guard.h"
#include "link/keeper_start.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/lock.h"
#include "os/shm.h"
#include "os/user.h"
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { WORDS_MAX = 64, PENDING_MAX = 1024 };

struct pending {
    struct keeper_request request;
    bool used;
    struct sockaddr_un from;
    socklen_t from_len;
};

static struct play {
    struct loop loop;
    struct keeper_client client;
    struct loop_fd socket;
    int log;
    const char *role;
    const char *run_dir;
    struct pending pending[PENDING_MAX];
} play;

static void note(const char *fmt, ...) printf_like(1, 2);
static void note(const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(text, sizeof(text) - 1, fmt, args);
    va_end(args);
    text[len++] = '\n';
    (void)!file_write(play.log, text, (size_t)len);
}

static void on_ready(struct keeper_client *client)
{
    note("ready %d", client->keeper_pid);
}

static void on_lost(struct keeper_client *client)
{
    note("lost");
}

static void note_child(const char *what, const struct keeper_child *child)
{
    note("%s " STR_FMT " pid=%d running=%d empty=%d oom=%d known=%d signaled=%d code=%d hash=%llu "
         "port=%u trimmed=%llu",
         what, STR_ARG(child->id), child->proc.pid, child->running, child->empty, child->oom,
         child->exit.known, child->exit.signaled, child->exit.code,
         (unsigned long long)child->spec_hash, child->ports[0],
         (unsigned long long)child->trimmed[0]);
}

static void on_child(struct keeper_client *client, const struct keeper_child *child)
{
    note_child("child", child);
}

static void on_exited(struct keeper_client *client, const struct keeper_child *child)
{
    note_child("exited", child);
}

static void on_empty(struct keeper_client *client, const struct keeper_child *child)
{
    note_child("empty", child);
}

static void on_kept(struct keeper_client *client, struct str name, int fd)
{
    note("kept " STR_FMT, STR_ARG(name));
}

static void on_role(struct keeper_client *client, const struct keeper_role_status *status)
{
    note("role %d up=%d pid=%d restarts=%llu", status->role, status->up, status->pid,
         (unsigned long long)status->restarts);
}

static const struct keeper_client_ops ops = {
    .ready = on_ready,
    .lost = on_lost,
    .child = on_child,
    .exited = on_exited,
    .empty = on_empty,
    .kept = on_kept,
    .role = on_role,
};

static void reply(const struct sockaddr_un *to, socklen_t len, const char *fmt, ...)
    printf_like(3, 4);
static void reply(const struct sockaddr_un *to, socklen_t len, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)!sendto(play.socket.fd, text, (size_t)n, 0, (const struct sockaddr *)to, len);
}

static void on_answer(struct keeper_request *request, int error, const struct keeper_msg *msg,
                      int *fd)
{
    struct pending *pending = container_of(request, struct pending, request);
    char text[64] = "";
    if (*fd >= 0 && msg->type == KEEPER_GET) {
        int64_t n = file_pread(*fd, text, sizeof(text) - 1, 0);
        text[MAX(n, 0)] = '\0';
    }
    reply(&pending->from, pending->from_len, "%d %llu %d %s%s", error, (unsigned long long)msg->a,
          *fd >= 0, text, msg->text);
    pending->used = false;
}

static struct pending *pending_new(void)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        if (!play.pending[i].used) {
            play.pending[i] = (struct pending){.used = true, .request = {.answered = on_answer}};
            return &play.pending[i];
        }
    }
    return NULL;
}

static uint64_t number(const char *word)
{
    uint64_t value = 0;
    (void)!num_parse_u64(str_from(word), &value);
    return value;
}

/* spawn ID STDOUT STDERR LISTEN PORT ARGV… ("-" = none) */
static void do_spawn(struct keeper_request *request, const char **words, size_t count)
{
    static const char *env[] = {"PATH=/usr/local/bin:/usr/bin:/bin", "LC_ALL=C", NULL};
    struct order order = ORDER_INIT;
    order.id = words[1];
    order.output[0] = strcmp(words[2], "-") ? words[2] : NULL;
    order.output[1] = strcmp(words[3], "-") ? words[3] : NULL;
    if (strcmp(words[4], "-")) {
        order.listen[order.listen_count++] = words[4];
        order.listen_env = true;
    }
    order.ports[0] = (uint16_t)number(words[5]);
    order.spec_hash = 4711;
    order.output_max = 256 * 1024;
    words[count] = NULL;
    order.argv = words + 6;
    order.envp = env;
    keeper_client_spawn(&play.client, request, &order);
}

static void do_keep(struct keeper_request *request, const char **words, size_t count)
{
    int fd = -1;
    (void)!shm_create_sealed(words[1], str_from(words[2]), &fd);
    keeper_client_keep(&play.client, request, str_from(words[1]), fd);
    file_close(&fd);
}

static void do_listen(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_listen(&play.client, request, str_from(words[1]));
}

static void do_get(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_get(&play.client, request, str_from(words[1]));
}

static void do_signal(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_signal(&play.client, request, str_from(words[1]), (int)number(words[2]),
                         number(words[3]) == 1);
}

static void do_kill(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_kill_tree(&play.client, request, str_from(words[1]));
}

static void do_forget(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_forget(&play.client, request, str_from(words[1]));
}

static void do_reexec(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_reexec(&play.client, request, str_from(words[1]));
}

static void do_restart(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_role_restart(&play.client, request, (enum keeper_role)number(words[1]));
}

static void do_shutdown(struct keeper_request *request, const char **words, size_t count)
{
    keeper_client_shutdown(&play.client, request, number(words[1]) == 1);
}

static const struct {
    const char *name;
    size_t words;
    void (*run)(struct keeper_request *request, const char **words, size_t count);
} commands[] = {
    {"spawn", 7, do_spawn},       {"keep", 3, do_keep},     {"listen", 2, do_listen},
    {"get", 2, do_get},           {"signal", 4, do_signal}, {"kill", 2, do_kill},
    {"forget", 2, do_forget},     {"reexec", 2, do_reexec}, {"restart", 2, do_restart},
    {"shutdown", 2, do_shutdown},
};

static void obey(const char **words, size_t count, const struct sockaddr_un *from, socklen_t len)
{
    if (strcmp(words[0], "held") == 0 && count == 2) { /* our own copy, without asking */
        reply(from, len, "%d", keeper_client_fd(&play.client, str_from(words[1])) >= 0);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        struct pending *pending;
        if (strcmp(words[0], commands[i].name) == 0 && count >= commands[i].words &&
            (pending = pending_new())) {
            pending->from = *from;
            pending->from_len = len;
            commands[i].run(&pending->request, words, count);
            return;
        }
    }
    reply(from, len, "what?");
}

static void on_datagram(struct loop_fd *watch, uint32_t events)
{
    static char text[65536];
    struct sockaddr_un from;
    socklen_t len = sizeof(from);
    ssize_t n =
        recvfrom(watch->fd, text, sizeof(text) - 1, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
    if (n <= 0) {
        return;
    }
    text[n] = '\0';
    const char *words[WORDS_MAX + 1] = {text};
    size_t count = 1;
    for (ssize_t i = 0; i < n && count < WORDS_MAX; i++) {
        if (text[i] == '\x1f') {
            text[i] = '\0';
            words[count++] = text + i + 1;
        }
    }
    obey(words, count, &from, len);
}

static int open_socket(void)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    snprintf(addr.sun_path, sizeof(addr.sun_path), "%.80s/play-%.8s.sock", play.run_dir, play.role);
    unlink(addr.sun_path);
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
        return -errno;
    }
    loop_fd_init(&play.socket, on_datagram);
    return loop_fd_add(&play.loop, &play.socket, fd, LOOP_READ);
}

static int role_main(int argc, char **argv)
{
    const char *state_dir = "";
    const char *id = "";
    play.role = argv[0];
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--run-dir") == 0) {
            play.run_dir = argv[i + 1];
        } else if (strcmp(argv[i], "--state-dir") == 0) {
            state_dir = argv[i + 1];
        } else if (strcmp(argv[i], "--id") == 0) {
            id = argv[i + 1];
        }
    }
    char path[256];
    struct lock lock = LOCK_INIT;
    int holder;
    snprintf(path, sizeof(path), "%s/%s.lock", play.run_dir, play.role);
    if (lock_take(&lock, path, &holder) != 0) {
        return 3;
    }
    snprintf(path, sizeof(path), "%s/play-%s.log", play.run_dir, play.role);
    if (file_open(path, FILE_WRITE | FILE_APPEND | FILE_CREATE, 0600, &play.log) < 0) {
        return 4;
    }
    proc_title_set("muelle: %s %s", play.role, id);
    struct keeper_client_opts opts = {
        .role = strcmp(play.role, "core") == 0 ? KEEPER_ROLE_CORE : KEEPER_ROLE_EDGE,
        .run_dir = play.run_dir,
        .state_dir = state_dir,
        .id = id,
        .channel_fd = keeper_client_channel_from_env(),
        .revive = true,
        .ops = &ops,
    };
    if (loop_init(&play.loop, entropy_seed()) < 0 ||
        keeper_client_init(&play.client, &play.loop, &opts) < 0 || open_socket() < 0) {
        return 5;
    }
    struct user user;
    struct problem problem;
    const char *name = getenv("PLAY_EDGE_USER");
    if (name && opts.role == KEEPER_ROLE_EDGE &&
        (user_find(str_from(name), &user, &problem) < 0 || keeper_client_guard(&play.client) < 0 ||
         user_become(&user) < 0)) {
        return 6;
    }
    note("start %d", proc_own_pid());
    return loop_run(&play.loop) < 0;
}

static int start_main(int argc, char **argv)
{
    struct keeper_start start = {.run_dir = argv[1], .state_dir = argv[2], .id = argv[3]};
    struct problem problem = {0};
    int pid = 0;
    int result = keeper_start(&start, &pid, &problem);
    printf("%d %d %s\n", result, pid, problem.what);
    return result < 0;
}

int main(int argc, char **argv)
{
    proc_limits_save();
    proc_title_init(argc, argv);
    if (argc >= 2 && strcmp(argv[1], "keeper") == 0) {
        return keeper_main(argc - 1, argv + 1);
    }
    if (argc >= 2 && (strcmp(argv[1], "core") == 0 || strcmp(argv[1], "edge") == 0)) {
        return role_main(argc - 1, argv + 1);
    }
    if (argc >= 2 && strcmp(argv[1], "guard") == 0) {
        return keeper_guard_main(argc - 1, argv + 1);
    }
    if (argc == 5 && strcmp(argv[1], "start") == 0) {
        return start_main(argc - 1, argv + 1);
    }
    if (argc == 3 && strcmp(argv[1], "probe") == 0) {
        printf("%d\n", keeper_probe(argv[2]));
        return 0;
    }
    if (argc == 4 && strcmp(argv[1], "shutdown") == 0) {
        printf("%d\n", keeper_shutdown(argv[2], argv[3][0] == '1', 20 * NS_PER_S));
        return 0;
    }
    return 2;
}
