/* SPDX-License-Identifier: Apache-2.0
 *
 * RUN/keeper.journal: what the next keeper must know to adopt everything, also when every role died
 * at once.
 *
 *   head    "MUKJ", u16 version, u16 min_reader, 36 bytes boot id, padded to 48
 *   record  u16 type, u16 0, u32 length, u32 check (XXH3 of type and bytes, lower half), u32 0, bytes, padded to 8
 *
 * A later record of the same name replaces the earlier one; unknown types are skipped; records may
 * grow at their end. A reader older than `min_reader` begins anew. It lives in memory (RUN is a
 * tmpfs) and says nothing after a reboot, so it is never synced. Written with one write(2) each: a
 * killed keeper leaves whole records, and what does not check ends the reading. Where it cannot be
 * written (a full disk) the old file stays whole, and a fresh one takes its place as soon as it can
 * be written.
 */
#include "base/map.h"
#include "base/num.h"
#include "keeper/private.h"
#include "os/file.h"

#define JOURNAL_RETRY_NS NS_PER_S

enum { JOURNAL_VERSION = 1, JOURNAL_REWRITE = 16 * 1024 * 1024 };
enum journal_type { JOURNAL_WARD = 1, JOURNAL_FORGET, JOURNAL_ROLE, JOURNAL_CGROUP, JOURNAL_LAST };

struct journal_head {
    char magic[4];
    uint16_t version;
    uint16_t min_reader;
    char boot_id[PROC_BOOT_ID_LEN];
    char padding[4];
};
_Static_assert(sizeof(struct journal_head) == 48, "as documented");

struct journal_record {
    uint16_t type;
    uint16_t reserved;
    uint32_t len;
    uint32_t check;
    uint32_t reserved2;
};

struct journal_ward {
    struct proc_id proc;
    struct proc_exit exit;
    uint64_t spec_hash;
    uint64_t output_max;
    uint64_t trimmed[2];
    uint16_t ports[KEEPER_PORTS_MAX];
    uint8_t running, empty, oom, killing;
    char id[KEEPER_NAME_MAX + 1];
    char cgroup[CGROUP_NAME_MAX + 1];
    char output[2][ORDER_PATH_MAX];
};

struct journal_role {
    uint32_t role;
    struct proc_id proc;
    uint64_t restarts;
};

union journal_payload {
    struct journal_ward ward;
    struct journal_role role;
    struct cgroup_root cgroups;
    char id[KEEPER_NAME_MAX + 1];
};

static uint32_t journal_check(uint16_t type, struct str bytes)
{
    return (uint32_t)map_hash(type, bytes);
}

/* One record at the end of `fd`, at *size, which grows by it. 0 or -errno, and then a part of it
 * may lie there. */
static int journal_write(int fd, enum journal_type type, struct str bytes, uint64_t *size)
{
    static struct {
        struct journal_record record;
        char bytes[ALIGN_UP(sizeof(union journal_payload), 8)];
    } out; /* large; one thread */
    ensure(bytes.len <= sizeof(out.bytes));
    memset(&out, 0, sizeof(out));
    out.record.type = (uint16_t)type;
    out.record.len = (uint32_t)bytes.len;
    out.record.check = journal_check((uint16_t)type, bytes);
    memcpy(out.bytes, bytes.p, bytes.len);
    size_t len = sizeof(out.record) + ALIGN_UP(bytes.len, 8);
    int result = file_write(fd, &out, len);
    *size += result == 0 ? len : 0;
    return result;
}

/* Nothing is appended any more: a whole new file is due. */
static void journal_fail(struct keeper *keeper, int error)
{
    if (!keeper->journal_behind) {
        keeper_log(keeper, "keeper.journal in %s cannot be written: %s; tried again every second",
                   keeper->run_dir, strerror(-error));
    }
    keeper->journal_behind = true;
    loop_timer_after(&keeper->loop, &keeper->journal_timer, JOURNAL_RETRY_NS);
}

/* Appends, or starts a fresh file when this one has grown large. */
static void journal_add(struct keeper *keeper, enum journal_type type, struct str bytes)
{
    if (keeper->journal_behind || keeper->journal_fd < 0) {
        return; /* the fresh file will have it */
    }
    if (keeper->journal_size > JOURNAL_REWRITE) {
        journal_rewrite(keeper);
        return; /* it has what this record says */
    }
    int result = journal_write(keeper->journal_fd, type, bytes, &keeper->journal_size);
    if (result < 0) {
        /* A torn record would end the reading before what is written after it. */
        (void)!file_truncate(keeper->journal_fd, keeper->journal_size);
        journal_fail(keeper, result);
    }
}

static void journal_ward_fill(const struct ward *ward, struct journal_ward *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->proc = ward->proc;
    ret->exit = ward->exit;
    ret->spec_hash = ward->spec_hash;
    ret->output_max = ward->output_max;
    memcpy(ret->trimmed, ward->trimmed, sizeof(ret->trimmed));
    memcpy(ret->ports, ward->ports, sizeof(ret->ports));
    ret->running = ward->running;
    ret->empty = ward->empty;
    ret->oom = ward->oom;
    ret->killing = ward->killing;
    memcpy(ret->id, ward->id, sizeof(ret->id));
    memcpy(ret->cgroup, ward->cgroup, sizeof(ret->cgroup));
    memcpy(ret->output, ward->output, sizeof(ret->output));
}

static struct str journal_ward_bytes(const struct ward *ward)
{
    static struct journal_ward out; /* large; one thread */
    journal_ward_fill(ward, &out);
    return str_make((const char *)&out, sizeof(out));
}

static struct str journal_role_bytes(const struct role_slot *slot)
{
    static struct journal_role out;
    memset(&out, 0, sizeof(out));
    out.role = slot->role;
    out.proc = slot->proc;
    out.restarts = slot->restarts;
    return str_make((const char *)&out, sizeof(out));
}

void journal_ward(struct keeper *keeper, const struct ward *ward)
{
    journal_add(keeper, JOURNAL_WARD, journal_ward_bytes(ward));
}

void journal_forget(struct keeper *keeper, const struct ward *ward)
{
    journal_add(keeper, JOURNAL_FORGET, str_from(ward->id));
}

void journal_role(struct keeper *keeper, const struct role_slot *slot)
{
    journal_add(keeper, JOURNAL_ROLE, journal_role_bytes(slot));
}

static int journal_write_all(const struct keeper *keeper, int fd, uint64_t *size)
{
    struct journal_head head = {.version = JOURNAL_VERSION, .min_reader = JOURNAL_VERSION};
    memcpy(head.magic, "MUKJ", 4);
    memcpy(head.boot_id, keeper->boot_id, sizeof(head.boot_id));
    *size = sizeof(head);
    int result = file_write(fd, &head, sizeof(head));
    if (result == 0) {
        struct str cgroups = str_make((const char *)&keeper->cgroups, sizeof(keeper->cgroups));
        result = journal_write(fd, JOURNAL_CGROUP, cgroups, size);
    }
    for (enum keeper_role role = KEEPER_ROLE_CORE; result == 0 && role <= KEEPER_ROLE_EDGE;
         role++) {
        if (keeper->roles[role].proc.pid > 0) {
            result =
                journal_write(fd, JOURNAL_ROLE, journal_role_bytes(&keeper->roles[role]), size);
        }
    }
    for (size_t i = 0; result == 0 && i < keeper->ward_top; i++) {
        if (keeper->wards[i].used) {
            result = journal_write(fd, JOURNAL_WARD, journal_ward_bytes(&keeper->wards[i]), size);
        }
    }
    return result;
}

void journal_rewrite(struct keeper *keeper)
{
    char path[KEEPER_PATH_MAX];
    char fresh[KEEPER_PATH_MAX];
    keeper_run_path(keeper, "keeper.journal", path);
    keeper_run_path(keeper, "keeper.journal.new", fresh);
    int fd = -1;
    uint64_t size = 0;
    unsigned flags = FILE_WRITE | FILE_APPEND | FILE_CREATE | FILE_TRUNCATE | FILE_NOFOLLOW;
    int result = file_open(fresh, flags, 0600, &fd);
    if (result == 0) {
        result = journal_write_all(keeper, fd, &size);
    }
    if (result == 0) {
        result = file_rename(fresh, path);
    }
    if (result < 0) { /* the old one stays as it is */
        file_close(&fd);
        (void)!file_unlink(fresh);
        journal_fail(keeper, result);
        return;
    }
    if (keeper->journal_behind) {
        keeper_log(keeper, "keeper.journal is whole again");
    }
    keeper->journal_behind = false;
    loop_timer_cancel(&keeper->loop, &keeper->journal_timer);
    file_close(&keeper->journal_fd);
    keeper->journal_fd = fd;
    keeper->journal_size = size;
}

void journal_retry(struct timer *timer, int64_t now_ns)
{
    journal_rewrite(container_of(timer, struct keeper, journal_timer));
}

/* --- reading: the file is another process's work, so everything is checked --- */

static bool journal_text_ok(const char *text, size_t size)
{
    return memchr(text, '\0', size) != NULL;
}

static void journal_read_ward(struct keeper *keeper, const struct journal_ward *in)
{
    if (!journal_text_ok(in->id, sizeof(in->id)) || !in->id[0] ||
        !journal_text_ok(in->cgroup, sizeof(in->cgroup)) ||
        !journal_text_ok(in->output[0], ORDER_PATH_MAX) ||
        !journal_text_ok(in->output[1], ORDER_PATH_MAX)) {
        return;
    }
    struct str id = str_from(in->id);
    struct ward *ward = ward_find(keeper, id);
    ward = ward ? ward : ward_new(keeper, id);
    if (!ward) {
        return;
    }
    ward->proc = in->proc;
    ward->exit = in->exit;
    ward->spec_hash = in->spec_hash;
    ward->output_max = in->output_max;
    memcpy(ward->trimmed, in->trimmed, sizeof(ward->trimmed));
    memcpy(ward->ports, in->ports, sizeof(ward->ports));
    ward->running = in->running;
    ward->empty = in->empty;
    ward->oom = in->oom;
    ward->killing = in->killing;
    memcpy(ward->cgroup, in->cgroup, sizeof(ward->cgroup));
    memcpy(ward->output, in->output, sizeof(ward->output));
}

static void journal_read(struct keeper *keeper, uint16_t type, union journal_payload *in)
{
    switch (type) {
    case JOURNAL_WARD:
        journal_read_ward(keeper, &in->ward);
        break;
    case JOURNAL_FORGET:
        if (journal_text_ok(in->id, sizeof(in->id))) {
            struct ward *ward = ward_find(keeper, str_from(in->id));
            if (ward) {
                ward->used = false;
            }
        }
        break;
    case JOURNAL_ROLE:
        if (in->role.role == KEEPER_ROLE_CORE || in->role.role == KEEPER_ROLE_EDGE) {
            keeper->roles[in->role.role].proc = in->role.proc;
            keeper->roles[in->role.role].restarts = in->role.restarts;
        }
        break;
    case JOURNAL_CGROUP:
        if (in->cgroups.rung <= CGROUP_SYSTEMD &&
            journal_text_ok(in->cgroups.path, CGROUP_PATH_MAX)) {
            keeper->cgroups = in->cgroups;
            for (size_t i = 0; i < CGROUP_V1_COUNT; i++) {
                keeper->cgroups.v1[i][CGROUP_PATH_MAX - 1] = '\0';
            }
        }
        break;
    default:
        break; /* a newer keeper's */
    }
}

void journal_load(struct keeper *keeper)
{
    static union journal_payload payload;
    char path[KEEPER_PATH_MAX];
    keeper_run_path(keeper, "keeper.journal", path);
    int fd = -1;
    struct journal_head head;
    if (file_open(path, FILE_READ | FILE_NOFOLLOW, 0, &fd) < 0) {
        return;
    }
    uint64_t at = sizeof(head);
    bool ours = file_pread(fd, &head, sizeof(head), 0) == sizeof(head) &&
                memcmp(head.magic, "MUKJ", 4) == 0 && head.min_reader <= JOURNAL_VERSION &&
                memcmp(head.boot_id, keeper->boot_id, sizeof(head.boot_id)) == 0;
    struct journal_record record;
    while (ours && file_pread(fd, &record, sizeof(record), at) == sizeof(record)) {
        memset(&payload, 0, sizeof(payload));
        size_t len = MIN((size_t)record.len, sizeof(payload)); /* a newer one may be longer */
        if (file_pread(fd, &payload, len, at + sizeof(record)) != (int64_t)len) {
            break;
        }
        bool whole = len == record.len;
        if (whole && journal_check(record.type, str_make((char *)&payload, len)) != record.check) {
            keeper_log(keeper, "journal: damaged at byte %llu: the rest is not used",
                       (unsigned long long)at);
            break;
        }
        if (record.type != JOURNAL_FORGET || len < sizeof(payload.id)) {
            journal_read(keeper, record.type, &payload);
        }
        at += sizeof(record) + ALIGN_UP((uint64_t)record.len, 8);
    }
    file_close(&fd);
}
