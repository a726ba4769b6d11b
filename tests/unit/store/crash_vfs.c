/* SPDX-License-Identifier: Apache-2.0
 *
 * A disk: named files, each with the bytes that programs see and the list of writes since its last
 * sync, with what they replaced. A crash walks that list backwards and takes back what the dice
 * say.
 */
#include "crash_vfs.h"

#include "base/str.h"

#include <sqlite3.h>

enum { FILES_MAX = 16, SHM_REGIONS_MAX = 8, SECTOR = 512 };

struct write {
    struct write *older;
    size_t offset;
    size_t len;
    unsigned char *old; /* what lay there, 0 beyond the end */
    bool truncation;
};

struct disk_file {
    char name[512];
    bool exists;
    unsigned char *data;
    size_t size;
    size_t cap;
    struct write *unsynced; /* newest first */
    int shared;             /* holders of a SHARED lock or more */
    bool reserved, exclusive;
    void *shm[SHM_REGIONS_MAX];
    int shm_shared[SQLITE_SHM_NLOCK];
    bool shm_exclusive[SQLITE_SHM_NLOCK];
    int shm_users;
};

struct open_file {
    sqlite3_file base;
    struct disk_file *file;
    int lock;
    unsigned shm_shared, shm_exclusive; /* bits */
    bool shm_open, delete_on_close;
};

static struct {
    struct disk_file files[FILES_MAX];
    int64_t operations_left; /* < 0: no crash is planned */
    bool dead, full, lies;
    uint64_t syncs;
} disk;

/* One operation that changes the disk. False: the machine is dead. */
static bool alive(void)
{
    if (!disk.dead && disk.operations_left >= 0 && disk.operations_left-- == 0) {
        disk.dead = true;
    }
    return !disk.dead;
}

static void *must(void *p)
{
    ensure(p);
    return p;
}

static void forget_writes(struct disk_file *file)
{
    while (file->unsynced) {
        struct write *write = file->unsynced;
        file->unsynced = write->older;
        free(write->old);
        free(write);
    }
}

static void resize(struct disk_file *file, size_t size)
{
    if (size > file->cap) {
        file->cap = size * 2;
        file->data = must(realloc(file->data, file->cap));
    }
    if (size > file->size) {
        memset(file->data + file->size, 0, size - file->size);
    }
    file->size = size;
}

static void remember(struct disk_file *file, size_t offset, size_t len, bool truncation)
{
    struct write *write = must(calloc(1, sizeof(*write)));
    *write = (struct write){file->unsynced, offset, len, must(calloc(1, len + 1)), truncation};
    if (offset < file->size) {
        memcpy(write->old, file->data + offset, MIN(len, file->size - offset));
    }
    file->unsynced = write;
}

static struct disk_file *find(const char *name, bool create)
{
    struct disk_file *free_one = NULL;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct disk_file *file = &disk.files[i];
        if (file->exists && strcmp(file->name, name) == 0) {
            return file;
        }
        if (!file->exists && !free_one) {
            free_one = file;
        }
    }
    if (!create) {
        return NULL;
    }
    ensure(free_one);
    *free_one = (struct disk_file){.exists = true};
    ensure(strlen(name) < sizeof(free_one->name));
    (void)str_copy(free_one->name, sizeof(free_one->name), str_from(name));
    return free_one;
}

static struct open_file *open_of(sqlite3_file *base)
{
    return container_of(base, struct open_file, base);
}

static void remove_file(struct disk_file *file)
{
    forget_writes(file);
    free(file->data);
    for (int i = 0; i < SHM_REGIONS_MAX; i++) {
        free(file->shm[i]);
    }
    *file = (struct disk_file){0};
}

static int file_read(sqlite3_file *base, void *p, int len, sqlite3_int64 offset)
{
    struct disk_file *file = open_of(base)->file;
    size_t at = (size_t)offset;
    size_t have = at < file->size ? MIN((size_t)len, file->size - at) : 0;
    if (disk.dead) {
        return SQLITE_IOERR_READ;
    }
    if (have) {
        memcpy(p, file->data + at, have);
    }
    memset((char *)p + have, 0, (size_t)len - have);
    return have == (size_t)len ? SQLITE_OK : SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *p, int len, sqlite3_int64 offset)
{
    struct disk_file *file = open_of(base)->file;
    size_t end = (size_t)offset + (size_t)len;
    if (!alive()) {
        return SQLITE_IOERR_WRITE;
    }
    if (disk.full && end > file->size) {
        return SQLITE_FULL;
    }
    remember(file, (size_t)offset, (size_t)len, false);
    if (end > file->size) {
        resize(file, end);
    }
    memcpy(file->data + offset, p, (size_t)len);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct disk_file *file = open_of(base)->file;
    if (!alive()) {
        return SQLITE_IOERR_TRUNCATE;
    }
    if ((size_t)size < file->size) {
        remember(file, (size_t)size, file->size - (size_t)size, true);
        resize(file, (size_t)size);
    }
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    if (!alive()) {
        return SQLITE_IOERR_FSYNC;
    }
    disk.syncs++;
    if (!disk.lies) {
        forget_writes(open_of(base)->file);
    }
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *ret)
{
    *ret = (sqlite3_int64)open_of(base)->file->size;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct open_file *open = open_of(base);
    if (open->lock > level) {
        if (open->lock >= SQLITE_LOCK_RESERVED && level < SQLITE_LOCK_RESERVED) {
            open->file->reserved = false;
            open->file->exclusive = false;
        }
        open->file->shared -= open->lock >= SQLITE_LOCK_SHARED && level < SQLITE_LOCK_SHARED;
        open->lock = level;
    }
    return SQLITE_OK;
}

static int file_lock(sqlite3_file *base, int level)
{
    struct open_file *open = open_of(base);
    struct disk_file *file = open->file;
    if (open->lock >= level) {
        return SQLITE_OK;
    }
    if (level == SQLITE_LOCK_SHARED) {
        if (file->exclusive) {
            return SQLITE_BUSY;
        }
        file->shared++;
    } else {
        bool others = level == SQLITE_LOCK_EXCLUSIVE && file->shared > 1;
        if (others || (file->reserved && open->lock < SQLITE_LOCK_RESERVED)) {
            return SQLITE_BUSY;
        }
        file->reserved = true;
        file->exclusive = level == SQLITE_LOCK_EXCLUSIVE;
    }
    open->lock = level;
    return SQLITE_OK;
}

static int file_check_reserved(sqlite3_file *base, int *ret)
{
    *ret = open_of(base)->file->reserved;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base, (void)op, (void)arg;
    return SQLITE_NOTFOUND;
}

static int file_sector(sqlite3_file *base)
{
    (void)base;
    return SECTOR;
}

static int file_device(sqlite3_file *base)
{
    (void)base;
    return 0; /* promises nothing: writes tear and reach the disk in any order */
}

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **ret)
{
    struct open_file *open = open_of(base);
    ensure(region < SHM_REGIONS_MAX);
    if (!open->shm_open) {
        open->shm_open = true;
        open->file->shm_users++;
    }
    if (!open->file->shm[region] && extend) {
        open->file->shm[region] = must(calloc(1, (size_t)size));
    }
    *ret = open->file->shm[region];
    return SQLITE_OK;
}

static int shm_lock(sqlite3_file *base, int first, int count, int flags)
{
    struct open_file *open = open_of(base);
    struct disk_file *file = open->file;
    bool lock = flags & SQLITE_SHM_LOCK, exclusive = flags & SQLITE_SHM_EXCLUSIVE;
    for (int i = first; i < first + count && lock; i++) {
        int mine = !!(open->shm_shared & (1u << i));
        if (file->shm_exclusive[i] || (exclusive && file->shm_shared[i] > mine)) {
            return SQLITE_BUSY;
        }
    }
    for (int i = first; i < first + count; i++) {
        unsigned bit = 1u << i;
        if (exclusive) {
            file->shm_exclusive[i] = lock;
            open->shm_exclusive = lock ? open->shm_exclusive | bit : open->shm_exclusive & ~bit;
        } else if (lock != !!(open->shm_shared & bit)) {
            file->shm_shared[i] += lock ? 1 : -1;
            open->shm_shared ^= bit;
        }
    }
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
    (void)base;
}

/* The last user takes the shared memory with it, as a reboot does: it is rebuilt from the WAL. */
static int shm_unmap(sqlite3_file *base, int remove)
{
    (void)remove;
    struct open_file *open = open_of(base);
    struct disk_file *file = open->file;
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++) {
        file->shm_shared[i] -= !!(open->shm_shared & (1u << i));
        if (open->shm_exclusive & (1u << i)) {
            file->shm_exclusive[i] = false;
        }
    }
    open->shm_shared = open->shm_exclusive = 0;
    if (open->shm_open && --file->shm_users == 0) {
        for (int i = 0; i < SHM_REGIONS_MAX; i++) {
            free(file->shm[i]);
            file->shm[i] = NULL;
        }
    }
    open->shm_open = false;
    return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
    struct open_file *open = open_of(base);
    (void)shm_unmap(base, 0);
    (void)file_unlock(base, SQLITE_LOCK_NONE);
    if (open->delete_on_close) {
        remove_file(open->file);
    }
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_reserved,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_device,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags,
                    int *ret_flags)
{
    (void)vfs;
    struct open_file *open = open_of(base);
    *open = (struct open_file){0};
    struct disk_file *file = find(name ? name : "(temporary)", flags & SQLITE_OPEN_CREATE);
    if (!file || disk.dead) {
        return SQLITE_CANTOPEN;
    }
    open->base.pMethods = &methods;
    open->file = file;
    open->delete_on_close = flags & SQLITE_OPEN_DELETEONCLOSE;
    if (ret_flags) {
        *ret_flags = flags;
    }
    return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_dir)
{
    (void)vfs, (void)sync_dir;
    struct disk_file *file = find(name, false);
    if (!alive()) {
        return SQLITE_IOERR_DELETE;
    }
    if (file) {
        remove_file(file);
    }
    return file ? SQLITE_OK : SQLITE_IOERR_DELETE_NOENT;
}

static int vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *ret)
{
    (void)vfs;
    struct disk_file *file = find(name, false);
    *ret = file && (flags != SQLITE_ACCESS_EXISTS || file->size > 0);
    return SQLITE_OK;
}

static int vfs_full_path(sqlite3_vfs *vfs, const char *name, int size, char *ret)
{
    (void)vfs;
    return str_copy(ret, (size_t)size, str_from(name)) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *vfs, int len, char *ret)
{
    (void)vfs;
    memset(ret, 7, (size_t)len);
    return len;
}

static int vfs_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us; /* one thread: nobody would unlock meanwhile */
}

static int vfs_time(sqlite3_vfs *vfs, double *ret)
{
    (void)vfs;
    *ret = 2460000.5;
    return SQLITE_OK;
}

static sqlite3_vfs crash_vfs = {
    .iVersion = 1,
    .szOsFile = sizeof(struct open_file),
    .mxPathname = 500,
    .zName = CRASH_VFS_NAME,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_randomness,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
};

void crash_vfs_fini(void)
{
    for (size_t i = 0; i < FILES_MAX; i++) {
        remove_file(&disk.files[i]);
    }
    disk.operations_left = -1;
    disk.dead = disk.full = disk.lies = false;
    disk.syncs = 0;
}

void crash_vfs_init(void)
{
    crash_vfs_fini();
    ensure(sqlite3_vfs_register(&crash_vfs, 0) == SQLITE_OK);
}

void crash_vfs_die_after(int64_t operations)
{
    disk.operations_left = operations;
}

bool crash_vfs_is_dead(void)
{
    return disk.dead;
}

void crash_vfs_full(bool full)
{
    disk.full = full;
}

uint64_t crash_vfs_syncs(void)
{
    return disk.syncs;
}

void crash_vfs_lie(bool lie)
{
    disk.lies = lie;
}

/* Takes one unsynced write back: wholly, or from a sector on. */
static void take_back(struct disk_file *file, const struct write *write, struct rng *rng)
{
    size_t from = 0;
    if (!write->truncation && rng_chance(rng, 300)) {
        from = MIN(write->len, (size_t)rng_below(rng, write->len / SECTOR + 1) * SECTOR);
    }
    size_t at = write->offset + from, len = write->len - from;
    if (at + len > file->size) {
        resize(file, at + len);
    }
    memcpy(file->data + at, write->old + from, len);
}

void crash_vfs_restart(struct rng *rng)
{
    disk.dead = false;
    disk.operations_left = -1;
    for (size_t i = 0; i < FILES_MAX; i++) {
        struct disk_file *file = &disk.files[i];
        ensure(file->shared == 0 && file->shm_users == 0); /* its connections are closed */
        for (struct write *write = file->unsynced; write; write = write->older) {
            if (rng_chance(rng, 500)) {
                take_back(file, write, rng);
            }
        }
        forget_writes(file);
    }
}
