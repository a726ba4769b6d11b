/* SPDX-License-Identifier: Apache-2.0
 *
 * The room: the two sockets, the token, start and stop.
 *
 *   RUN/core.sock    0600: the command line and other local programs of the owner; the peer's uid
 *                    counts
 *   RUN/admin.sock   0666: the edge's admin listener; what comes over it came over TCP and needs the
 *                    token. Open to all, because root's edge runs as nobody; the folder's mode
 *                    keeps others out elsewhere
 *   RUN/token        0600: 256 random bits; kept over restarts of the core, so that sessions live on
 *
 *   1. core.lock is held while the room exists (core/), so a socket file that is there belongs to a
 *      dead core and may be replaced.
 *   2. The sockets open last: until every room has started nobody can ask, and a client that finds
 *      no socket waits (session.c).
 *   3. A token file that is not ours alone (a link, readable by others, of another length) is not
 *      trusted: a new one is made, which ends all sessions.
 *
 * As it fails: no socket, no core: the keeper starts another one. As it ends: connections are
 * closed, requests under way lose theirs, reads of store and logs are cancelled before their
 * exchange is freed.
 */
#include "base/encode.h"
#include "base/num.h"
#include "face/api_server.h"
#include "face/face.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/rolelog.h"
#include "os/sock.h"
#include "see/see.h"
#include "store/store.h"

/* 43 = 32 bytes in base64url without padding (RFC 4648 §5). A turn accepts so many and no more,
 * since the loop has others to serve. */
enum { TOKEN_BYTES = 32, TOKEN_TEXT = 43, ACCEPTS_PER_TURN = 64 };

/* ---- the token ---- */

/* Only what make_token writes: a shorter one (a disk that filled up) would be easy to guess. */
static bool token_valid(struct str token)
{
    for (size_t i = 0; i < token.len; i++) {
        char c = token.p[i];
        bool fine = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                    c == '-' || c == '_';
        if (!fine) {
            return false;
        }
    }
    return token.len == TOKEN_TEXT;
}

static int make_token(struct api *api)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(ACCESS_TOKEN_MAX);
    uint8_t bytes[TOKEN_BYTES];
    int r = entropy_fill(bytes, sizeof(bytes));

    if (r < 0) {
        return r;
    }
    encode_base64url(&text, str_make((const char *)bytes, sizeof(bytes)));
    str_copy(api->token, sizeof(api->token), buf_str(&text));
    return buf_error(&text);
}

/* The file is read without following links, and only if nobody else may read it: a token that
 * another user could have put there or seen is none. */
static int load_token(struct api *api)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(ACCESS_TOKEN_MAX * 2);
    char path[SOCK_PATH_MAX];
    struct file_stat stat;
    int r;

    snprintf(path, sizeof(path), "%s/token", api->core->instance.run_dir);
    if (file_lstat(path, &stat) == 0 && stat.kind == FILE_KIND_REGULAR && (stat.mode & 077) == 0 &&
        file_read_all(path, ACCESS_TOKEN_MAX, &text) == 0 &&
        token_valid(str_trim_ws(buf_str(&text)))) {
        str_copy(api->token, sizeof(api->token), str_trim_ws(buf_str(&text)));
        return 0;
    }
    r = make_token(api);
    return r < 0 ? r : file_replace(path, str_from(api->token), 0600);
}

/* ---- listening ---- */

/* More than ACCEPTS_PER_TURN stay in the kernel's queue; the descriptor stays readable. */
static void accept_all(struct api *api, int listen_fd, bool edge)
{
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = -1;
        if (sock_accept(listen_fd, &fd, NULL) < 0) {
            return; /* no more, or no descriptors: the next turn tries again */
        }
        api_conn_accept(api, fd, edge);
    }
}

static void on_local(struct loop_fd *watch, uint32_t events)
{
    struct api *api = container_of(watch, struct api, local_watch);

    accept_all(api, api->local_fd, false);
}

static void on_edge(struct loop_fd *watch, uint32_t events)
{
    struct api *api = container_of(watch, struct api, edge_watch);

    accept_all(api, api->edge_fd, true);
}

static int listen_on(struct api *api, const char *name, struct loop_fd *watch, int *ret_fd)
{
    bool for_edge = watch == &api->edge_watch;
    struct sock_addr addr = {.family = SOCK_ADDR_UNIX};
    int r;

    snprintf(addr.path, sizeof(addr.path), "%s/%s", api->core->instance.run_dir, name);
    /* core.lock is held: a socket file that lies there is a dead core's. */
    r = sock_listen(
        &addr, &(struct sock_listen_opts){.mode = for_edge ? 0666 : 0600, .replace = true}, ret_fd);
    if (r < 0) {
        rolelog(ROLELOG_ERROR, "core", "cannot listen on %s: %s", addr.path, strerror(-r));
        return r;
    }
    return loop_fd_add(api->loop, watch, *ret_fd, LOOP_READ);
}

/* The name goes with the socket: who finds none knows that nobody listens, and does not wait. */
static void stop_listening(struct api *api, struct loop_fd *watch, int *fd, const char *name)
{
    char path[SOCK_PATH_MAX];

    if (*fd < 0) {
        return;
    }
    loop_fd_remove(api->loop, watch);
    sock_close(fd);
    snprintf(path, sizeof(path), "%s/%s", api->core->instance.run_dir, name);
    if (file_unlink(path) < 0) {
        return; /* already gone with its folder */
    }
}

/* ---- the room ---- */

/* In this order: connections first, since closing them ends streams that use the bus; then what
 * handlers still wait for, whose callbacks must not come when the exchange is gone. */
static void room_fini(void *room)
{
    struct api *api = room;

    if (!api) {
        return;
    }
    while (!list_empty(&api->conns)) {
        api_conn_close(container_of(api->conns.next, struct api_conn, node));
    }
    while (!list_empty(&api->exchanges)) {
        struct exchange *x = container_of(api->exchanges.next, struct exchange, node);
        if (api->core->store) {
            store_cancel(api->core->store, x);
        }
        logs_cancel(see_get(api->core), x);
        pss_cancel(see_get(api->core), x);
        exchange_free(x);
    }
    api_live_fini(api);
    buf_fini(&api->openapi);
    free(api);
}

static int room_init(struct core *core, void **ret_room)
{
    struct api *api = calloc(1, sizeof(*api));
    int r;

    if (!api) {
        return -ENOMEM;
    }
    api->core = core;
    api->loop = core->loop;
    api->local_fd = api->edge_fd = -1;
    api->openapi = BUF_INIT(4 * MIB);
    loop_fd_init(&api->local_watch, on_local);
    loop_fd_init(&api->edge_watch, on_edge);
    list_init(&api->conns);
    list_init(&api->exchanges);
    list_init(&api->once);
    r = load_token(api);
    r = r < 0 ? r : api_live_init(api);
    if (r < 0) {
        room_fini(api);
        return r;
    }
    *ret_room = api;
    return 0;
}

/* Last of the rooms: what can be asked for is there. */
static int room_start(void *room)
{
    struct api *api = room;
    int r = listen_on(api, "core.sock", &api->local_watch, &api->local_fd);

    return r < 0 ? r : listen_on(api, "admin.sock", &api->edge_watch, &api->edge_fd);
}

static void room_stop(void *room)
{
    struct api *api = room;

    stop_listening(api, &api->local_watch, &api->local_fd, "core.sock");
    stop_listening(api, &api->edge_watch, &api->edge_fd, "admin.sock");
}

const struct room_ops face_room = {
    .name = "face", .init = room_init, .start = room_start, .stop = room_stop, .fini = room_fini};
