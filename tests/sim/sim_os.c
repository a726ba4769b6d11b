/* SPDX-License-Identifier: Apache-2.0
 *
 * The headers of os/ on the simulated machine: what the core calls of them, and no more.
 * Descriptors are numbers into a table of ours; shared memory is heap memory that all of them
 * share; files are a list in memory.
 */
#include "link/keeper_client.h"
#include "os/cgroup.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/lease.h"
#include "os/proc.h"
#include "os/proc_info.h"
#include "os/shm.h"
#include "os/sock.h"
#include "os/thread.h"
#include "os/user.h"
#include "os/watch.h"
#include "os/worker.h"
#include "sim/sim.h"
#include "store/executor.h"

#include <stdlib.h>

enum { FDS_MAX = 4096, FD_FIRST = 1000, OBJECTS_MAX = 8192, FILES_MAX = 64, WATCHES_MAX = 8 };

/* --- descriptors --- */

enum object_kind { OBJECT_NONE, OBJECT_MEMORY, OBJECT_BELL, OBJECT_FILE };

struct object {
    enum object_kind kind;
    unsigned refs; /* descriptors and mappings */
    uint8_t *p;
    size_t size;
    uint64_t rings;
    unsigned file;
};

static struct object objects[OBJECTS_MAX];
static struct object *fds[FDS_MAX];

static struct object *object_new(enum object_kind kind)
{
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        if (objects[i].kind == OBJECT_NONE) {
            objects[i] = (struct object){.kind = kind};
            return &objects[i];
        }
    }
    ensure(!"simulated objects leak");
    return NULL;
}

static void object_unref(struct object *object)
{
    if (--object->refs == 0) {
        free(object->p);
        *object = (struct object){.kind = OBJECT_NONE};
    }
}

static int fd_new(struct object *object)
{
    for (int i = 0; i < FDS_MAX; i++) {
        if (!fds[i]) {
            fds[i] = object;
            object->refs++;
            return FD_FIRST + i;
        }
    }
    ensure(!"simulated descriptors leak");
    return -1;
}

static struct object *fd_get(int fd)
{
    ensure(fd >= FD_FIRST && fd < FD_FIRST + FDS_MAX && fds[fd - FD_FIRST]);
    return fds[fd - FD_FIRST];
}

int sim_fd_dup(int fd)
{
    return fd_new(fd_get(fd));
}

int file_dup(int fd, int *ret_fd)
{
    *ret_fd = sim_fd_dup(fd);
    return 0;
}

void file_close(int *fd)
{
    if (*fd >= FD_FIRST) {
        struct object *object = fd_get(*fd);
        fds[*fd - FD_FIRST] = NULL;
        object_unref(object);
    }
    *fd = -1;
}

void sock_close(int *fd)
{
    file_close(fd);
}

/* --- shared memory and bells --- */

int shm_create(const char *name, size_t size, int *ret_fd)
{
    struct object *object = object_new(OBJECT_MEMORY);
    object->p = aligned_alloc(64, ALIGN_UP(MAX(size, 64), 64));
    ensure(object->p);
    memset(object->p, 0, size < MIB ? size : 0);
    if (size >= MIB) {
        free(object->p);
        object->p = NULL;
        void *big = NULL;
        /* Large and mostly untouched: fresh pages from the system are zero already. */
        big = calloc(1, size + 64);
        ensure(big);
        object->p = big;
        ensure(((uintptr_t)object->p & 15) == 0);
    }
    object->size = size;
    *ret_fd = fd_new(object);
    return 0;
}

int shm_create_sealed(const char *name, struct str content, int *ret_fd)
{
    int r = shm_create(name, content.len, ret_fd);
    memcpy(fd_get(*ret_fd)->p, content.p, content.len);
    return r;
}

int shm_check(int fd, unsigned seals)
{
    return 0;
}

int shm_map(struct shm *shm, int fd, bool writable)
{
    struct object *object = fd_get(fd);
    object->refs++;
    *shm = (struct shm){object->p, object->size};
    return 0;
}

void shm_unmap(struct shm *shm)
{
    for (size_t i = 0; shm->p && i < OBJECTS_MAX; i++) {
        if (objects[i].kind == OBJECT_MEMORY && objects[i].p == shm->p) {
            object_unref(&objects[i]);
            break;
        }
    }
    *shm = (struct shm){NULL, 0};
}

int shm_bell_create(int *ret_fd)
{
    *ret_fd = fd_new(object_new(OBJECT_BELL));
    return 0;
}

void shm_bell_ring(int fd)
{
    struct object *bell = fd_get(fd);
    int edge = sim_kept_fd("bell:edge");
    bell->rings++;
    if (edge >= 0 && fd_get(edge) == bell) {
        sim_edge_bell();
    }
}

uint64_t shm_bell_clear(int fd)
{
    uint64_t rings = fd_get(fd)->rings;
    fd_get(fd)->rings = 0;
    return rings;
}

/* --- the loop --- */

static struct {
    struct loop *loop;
    struct loop_fd *watch;
} watches[WATCHES_MAX];

int loop_init(struct loop *loop, uint64_t seed)
{
    *loop = (struct loop){.now_ns = sim.now, .wall_ns = SIM_WALL + sim.now};
    rng_init(&loop->rng, seed);
    wheel_init(&loop->wheel, sim.now);
    list_init(&loop->tasks);
    list_init(&loop->signals);
    return 0;
}

void loop_fini(struct loop *loop)
{
}

void loop_stop(struct loop *loop)
{
    loop->stopping = true;
}

int loop_fd_add(struct loop *loop, struct loop_fd *watch, int fd, uint32_t events)
{
    for (size_t i = 0; i < WATCHES_MAX; i++) {
        if (!watches[i].watch) {
            watch->fd = fd;
            watch->events = events;
            watches[i].loop = loop;
            watches[i].watch = watch;
            return 0;
        }
    }
    return -ENOSPC;
}

void loop_fd_remove(struct loop *loop, struct loop_fd *watch)
{
    for (size_t i = 0; i < WATCHES_MAX; i++) {
        if (watches[i].watch == watch) {
            watches[i].watch = NULL;
        }
    }
    watch->fd = -1;
}

static bool run_tasks(struct loop *loop)
{
    struct list batch = LIST_INIT(batch);
    list_splice_back(&batch, &loop->tasks);
    bool any = false;
    struct list *node;
    while ((node = list_pop_front(&batch))) {
        any = true;
        struct loop_task *task = list_entry(node, struct loop_task, node);
        task->run(task);
    }
    return any;
}

bool sim_loop_turn(struct loop *loop)
{
    bool any = false;
    loop->now_ns = sim.now;
    loop->wall_ns = SIM_WALL + sim.now;
    for (size_t i = 0; i < WATCHES_MAX; i++) {
        struct loop_fd *watch = watches[i].watch;
        if (watch && watches[i].loop == loop && fd_get(watch->fd)->rings > 0) {
            any = true;
            watch->ready(watch, LOOP_READ);
        }
    }
    any = wheel_run(&loop->wheel, sim.now) > 0 || any;
    return run_tasks(loop) || any;
}

/* --- workers --- */

static void work_run(void *arg)
{
    struct work *work = arg;
    work->run(work);
    work->done(work);
    sim_core_turn();
}

int worker_pool_init(struct worker_pool *pool, struct loop *loop, unsigned threads,
                     size_t queue_max)
{
    return 0;
}

void worker_pool_fini(struct worker_pool *pool)
{
}

int worker_submit(struct worker_pool *pool, struct work *work)
{
    sim_after(SIM_CORE, sim_between(100 * SIM_US, 20 * SIM_MS), work_run, work);
    return 0;
}

bool worker_cancel(struct worker_pool *pool, struct work *work)
{
    return false;
}

/* --- the store's lanes --- */

static struct store_job *jobs[STORE_LANES];

static void job_done(void *arg)
{
    struct store_job **lane = arg;
    struct store_job *job = *lane;
    if (job) {
        *lane = NULL;
        job->done(job);
        sim_core_turn();
    }
}

static void job_run(void *arg)
{
    struct store_job **lane = arg;
    if (*lane) {
        (*lane)->run(*lane);
        sim_after(SIM_CORE, sim_between(10 * SIM_US, 2 * SIM_MS), job_done, lane);
    }
}

static int executor_submit(struct store_executor *executor, enum store_lane lane,
                           struct store_job *job)
{
    ensure(!jobs[lane]);
    jobs[lane] = job;
    int64_t slow = sim_chance(sim.busy_per_mille) ? 800 * SIM_MS : 10 * SIM_MS;
    sim_after(SIM_CORE, sim_between(50 * SIM_US, slow), job_run, &jobs[lane]);
    return 0;
}

static void executor_stop(struct store_executor *executor)
{
    sim_executor_reset();
}

void sim_executor_reset(void)
{
    memset(jobs, 0, sizeof(jobs));
}

struct store_executor *sim_executor(void)
{
    static struct store_executor executor = {.submit = executor_submit, .stop = executor_stop};
    return &executor;
}

/* --- files --- */

struct sim_file {
    char path[256];
    struct buf data;
    bool used;
};

static struct sim_file files[FILES_MAX];

static struct sim_file *file_find(const char *path)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        if (files[i].used && strcmp(files[i].path, path) == 0) {
            return &files[i];
        }
    }
    return NULL;
}

static struct sim_file *file_make(const char *path)
{
    struct sim_file *file = file_find(path);
    for (size_t i = 0; !file && i < FILES_MAX; i++) {
        if (!files[i].used) {
            file = &files[i];
            file->used = true;
            file->data = BUF_INIT(MIB);
            str_copy(file->path, sizeof(file->path), str_from(path));
        }
    }
    ensure(file);
    return file;
}

void sim_file_put(const char *path, struct str content)
{
    struct sim_file *file = file_make(path);
    buf_reset(&file->data);
    buf_add(&file->data, content);
}

int file_open(const char *path, unsigned flags, uint32_t mode, int *ret_fd)
{
    struct sim_file *file = file_find(path);
    if (file && flags & FILE_EXCLUSIVE) {
        return -EEXIST;
    }
    if (!file && !(flags & FILE_CREATE)) {
        return -ENOENT;
    }
    file = file ? file : file_make(path);
    struct object *object = object_new(OBJECT_FILE);
    object->file = (unsigned)(file - files);
    *ret_fd = fd_new(object);
    return 0;
}

int file_write(int fd, const void *p, size_t len)
{
    buf_add_mem(&files[fd_get(fd)->file].data, p, len);
    return 0;
}

int64_t file_pread(int fd, void *p, size_t len, uint64_t offset)
{
    struct str rest = str_skip(buf_str(&files[fd_get(fd)->file].data), offset);
    size_t n = MIN(len, rest.len);
    memcpy(p, rest.p ? rest.p : "", n);
    return (int64_t)n;
}

int file_sync(int fd)
{
    return 0;
}

int file_sync_dir_of(const char *path)
{
    return 0;
}

int file_fstat(int fd, struct file_stat *ret)
{
    *ret = (struct file_stat){.size = files[fd_get(fd)->file].data.len};
    return 0;
}

int file_stat(const char *path, struct file_stat *ret)
{
    struct sim_file *file = file_find(path);
    bool folder = strcmp(path, "/cfg") == 0 || strcmp(path, "/state") == 0;
    *ret = (struct file_stat){.size = file ? file->data.len : 0,
                              .kind = folder ? FILE_KIND_DIRECTORY : FILE_KIND_REGULAR};
    return folder || file ? 0 : -ENOENT;
}

int lease_open(const char *path, unsigned flags, uint32_t mode, int *ret_fd)
{
    return file_open(path, flags, mode, ret_fd);
}

int file_reserve(int fd, uint64_t offset, uint64_t len)
{
    return 0; /* nothing of the core needs the room in this world */
}

int file_unlink(const char *path)
{
    struct sim_file *file = file_find(path);
    if (file) {
        buf_fini(&file->data);
        *file = (struct sim_file){.used = false};
    }
    return file ? 0 : -ENOENT;
}

int file_mkdir_p(const char *path, uint32_t mode)
{
    return 0;
}

/* No file of this world changes by itself. */
int watcher_init(struct watcher *watcher, struct loop *loop, size_t dirs_max,
                 void (*changed)(struct watcher *watcher, const struct watch_batch *))
{
    *watcher = (struct watcher){.loop = loop, .changed_fn = changed};
    return 0;
}

int watcher_add(struct watcher *watcher, const char *folder)
{
    return 0;
}

void watcher_fini(struct watcher *watcher)
{
}

/* Folders and owners are all as they should be. */
int file_mkdir(const char *path, uint32_t mode)
{
    return 0;
}

int file_remove_tree(const char *path)
{
    return -ENOENT;
}

int file_chmod(const char *path, uint32_t mode)
{
    return 0;
}

int file_chown(const char *path, uint32_t uid, uint32_t gid)
{
    return 0;
}

int file_read_all(const char *path, size_t max, struct buf *out)
{
    struct sim_file *file = file_find(path);
    if (file) {
        buf_add(out, buf_str(&file->data));
    }
    return file ? buf_error(out) : -ENOENT;
}

int file_replace(const char *path, struct str content, uint32_t mode)
{
    struct sim_file *file = file_find(path);
    file = file ? file : file_make(path);
    file->data.len = 0;
    buf_add(&file->data, content);
    return buf_error(&file->data);
}

/* Nobody measures in this world. */
int proc_stat(int pid, struct proc_stat *ret)
{
    return -ESRCH;
}

int cgroup_stats(const struct cgroup_root *root, struct str name, struct cgroup_stats *ret)
{
    return -ENOENT;
}

int keeper_client_cgroups(const struct keeper_client *client, struct cgroup_root *ret)
{
    return -ENOENT;
}

int file_read_regular(const char *path, size_t max, struct buf *out)
{
    return file_read_all(path, max, out);
}

int file_system_of(const char *path, struct file_system *ret)
{
    *ret = (struct file_system){.free_bytes = GIB, .total_bytes = GIB};
    return 0;
}

/* --- sockets --- */

int sock_probe_bind(const struct sock_addr *addr)
{
    return sim_port_in_use(addr->port) ? -EADDRINUSE : 0;
}

int sock_find_owner(const struct sock_addr *addr, struct sock_owner *ret)
{
    return -ENOENT;
}

/* Few ports, so that a mistake shows soon. */
int sock_pick_port(struct rng *rng, uint16_t from, uint16_t to, uint16_t *ret_port)
{
    for (int i = 0; i < 1000; i++) {
        uint16_t port = (uint16_t)(from + rng_below(rng, 60));
        if (!sim_port_in_use(port)) {
            *ret_port = port;
            return 0;
        }
    }
    return -EADDRINUSE;
}

/* --- the rest --- */

int64_t clock_mono_ns(void)
{
    return sim.now;
}

int64_t clock_wall_ns(void)
{
    return SIM_WALL + sim.now;
}

int entropy_fill(void *bytes, size_t len)
{
    uint8_t *p = bytes;
    for (size_t i = 0; i < len; i++) {
        p[i] = (uint8_t)rng_below(&sim.rng, 256);
    }
    return 0;
}

uint64_t entropy_seed(void)
{
    return rng_u64(&sim.rng);
}

int entropy_uuid(char ret[UUID_TEXT_LEN + 1])
{
    uint8_t random[10];
    int r = entropy_fill(random, sizeof(random));
    uuid_v7((SIM_WALL + sim.now) / SIM_MS, random, ret);
    return r;
}

int proc_own_pid(void)
{
    return 2;
}

int proc_find_program(struct str name, const char *path_env, struct str cwd, struct buf *out)
{
    return 0;
}

unsigned thread_cpus(void)
{
    return 1;
}

uint32_t user_own_uid(void)
{
    return 1000;
}

int user_find(struct str spec, struct user *ret, struct problem *problem)
{
    return -ENOENT;
}

void user_name(uint32_t uid, char *ret, size_t size)
{
    snprintf(ret, size, "%u", (unsigned)uid);
}

int user_may_write(const char *path)
{
    return 0;
}

/* --- life of the simulation --- */

void sim_os_core_died(void)
{
    /* Descriptors of a process die with it; ours are not told apart by owner, so they stay until
     * the run ends. */
    memset(watches, 0, sizeof(watches));
}

void sim_os_init(void)
{
    sim_os_fini();
}

void sim_os_fini(void)
{
    for (size_t i = 0; i < OBJECTS_MAX; i++) {
        free(objects[i].p);
        objects[i] = (struct object){.kind = OBJECT_NONE};
    }
    memset(fds, 0, sizeof(fds));
    memset(watches, 0, sizeof(watches));
    for (size_t i = 0; i < FILES_MAX; i++) {
        buf_fini(&files[i].data);
        files[i] = (struct sim_file){.used = false};
    }
}
