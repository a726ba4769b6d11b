/* SPDX-License-Identifier: Apache-2.0
 *
 * Spawn orders: packing and reading. See order.h for the format.
 *
 * Invariant of the reader: nothing of the bytes is believed before it is checked against their
 * length, so that neither a damaged nor a hostile order makes the keeper read beside them.
 */
#include "link/order.h"
#include "os/file.h"
#include "os/shm.h"

#define ORDER_MAGIC UINT32_C(0x4452554d) /* "MURD" */

enum order_tag {
    ORDER_TAG_ID = 1,
    ORDER_TAG_ARG,
    ORDER_TAG_ENV,
    ORDER_TAG_CWD,
    ORDER_TAG_CGROUP,
    ORDER_TAG_STDOUT,
    ORDER_TAG_STDERR,
    ORDER_TAG_STDIN,
    ORDER_TAG_LISTEN,
    ORDER_TAG_FIXED,
    ORDER_TAG_GROUPS,
    ORDER_TAG_RLIMITS,
    ORDER_TAG_OPTIONAL = 0x8000,
};

struct order_head {
    uint32_t magic;
    uint16_t version;
    uint16_t reserved;
    uint32_t count;
    uint32_t size; /* with this head */
};

struct order_record {
    uint16_t tag;
    uint16_t reserved;
    uint32_t len;
};

enum {
    ORDER_SET_USER = 1,
    ORDER_SET_UMASK = 2,
    ORDER_SET_OOM = 4,
    ORDER_LISTEN_ENV = 8,
    ORDER_LISTEN_BLOCKING = 16,
    ORDER_OWN_TERMINAL = 32
};

struct order_fixed {
    struct order_limits limits;
    uint64_t spec_hash;
    uint64_t output_max;
    uint32_t uid, gid;
    uint32_t umask;
    int32_t oom_score_adj;
    uint16_t ports[ORDER_PORTS_MAX];
    uint32_t flags;
    int32_t nice;
};

static void order_add(struct buf *out, uint32_t *count, enum order_tag tag, struct str bytes)
{
    static const char zeros[8];
    struct order_record record = {.tag = (uint16_t)tag, .len = (uint32_t)bytes.len};
    buf_add_mem(out, &record, sizeof(record));
    buf_add(out, bytes);
    buf_add_mem(out, zeros, ALIGN_UP(bytes.len, 8) - bytes.len);
    (*count)++;
}

/* A string with its NUL; nothing for NULL. */
static void order_add_text(struct buf *out, uint32_t *count, enum order_tag tag, const char *text)
{
    if (text) {
        order_add(out, count, tag, str_make(text, strlen(text) + 1));
    }
}

static size_t order_list_len(const char *const *list)
{
    size_t count = 0;
    while (list && list[count]) {
        count++;
    }
    return count;
}

static bool order_path_fits(const char *path)
{
    return !path || strlen(path) < ORDER_PATH_MAX;
}

static bool order_complete(const struct order *order)
{
    size_t args = order_list_len(order->argv);
    size_t envs = order_list_len(order->envp);
    return order->id && order->id[0] && args > 0 && args <= ORDER_ARGS_MAX &&
           envs <= ORDER_ARGS_MAX && order->listen_count <= ORDER_LISTEN_MAX &&
           order->group_count <= ORDER_GROUPS_MAX && order->rlimit_count <= ORDER_RLIMITS_MAX &&
           order_path_fits(order->output[0]) && order_path_fits(order->output[1]);
}

static struct order_fixed order_fixed_of(const struct order *order)
{
    struct order_fixed fixed = {
        .limits = order->limits,
        .spec_hash = order->spec_hash,
        .output_max = order->output_max,
        .uid = order->uid,
        .gid = order->gid,
        .umask = order->umask,
        .oom_score_adj = order->oom_score_adj,
        .nice = order->nice,
        .flags = (order->set_user ? ORDER_SET_USER : 0u) |
                 (order->set_umask ? ORDER_SET_UMASK : 0u) |
                 (order->set_oom_score ? ORDER_SET_OOM : 0u) |
                 (order->listen_env ? ORDER_LISTEN_ENV : 0u) |
                 (order->listen_blocking ? ORDER_LISTEN_BLOCKING : 0u) |
                 (order->own_terminal ? ORDER_OWN_TERMINAL : 0u),
    };
    memcpy(fixed.ports, order->ports, sizeof(fixed.ports));
    return fixed;
}

int order_pack(const struct order *order, struct buf *out)
{
    if (!order_complete(order)) {
        return -EINVAL;
    }
    size_t start = out->len;
    uint32_t count = 0;
    struct order_head head = {.magic = ORDER_MAGIC, .version = ORDER_VERSION};
    buf_add_mem(out, &head, sizeof(head));
    order_add_text(out, &count, ORDER_TAG_ID, order->id);
    for (const char **arg = order->argv; *arg; arg++) {
        order_add_text(out, &count, ORDER_TAG_ARG, *arg);
    }
    for (const char **env = order->envp; env && *env; env++) {
        order_add_text(out, &count, ORDER_TAG_ENV, *env);
    }
    order_add_text(out, &count, ORDER_TAG_CWD, order->cwd);
    order_add_text(out, &count, ORDER_TAG_CGROUP, order->cgroup);
    order_add_text(out, &count, ORDER_TAG_STDOUT, order->output[0]);
    order_add_text(out, &count, ORDER_TAG_STDERR, order->output[1]);
    order_add_text(out, &count, ORDER_TAG_STDIN, order->stdin_path);
    for (unsigned i = 0; i < order->listen_count; i++) {
        order_add_text(out, &count, ORDER_TAG_LISTEN, order->listen[i]);
    }
    struct order_fixed fixed = order_fixed_of(order);
    order_add(out, &count, ORDER_TAG_FIXED, str_make((const char *)&fixed, sizeof(fixed)));
    order_add(out, &count, ORDER_TAG_GROUPS,
              str_make((const char *)order->groups, order->group_count * sizeof(uint32_t)));
    order_add(
        out, &count, ORDER_TAG_RLIMITS,
        str_make((const char *)order->rlimits, order->rlimit_count * sizeof(struct order_rlimit)));
    if (buf_error(out)) {
        return buf_error(out) == -ENOBUFS ? -E2BIG : buf_error(out);
    }
    head.count = count;
    head.size = (uint32_t)(out->len - start);
    memcpy(out->p + start, &head, sizeof(head));
    return 0;
}

int order_seal(const struct order *order, int *ret_fd)
{
    struct buf bytes = BUF_INIT(ORDER_SIZE_MAX);
    int result = order_pack(order, &bytes);
    if (result == 0) {
        result = shm_create_sealed("muelle-order", buf_str(&bytes), ret_fd);
    }
    buf_fini(&bytes);
    return result;
}

struct order_reader {
    struct order *order;
    const char **args;
    const char **envs;
    size_t arg_count;
    size_t env_count;
    bool fixed;
};

/* The bytes as a C string: one NUL, at their end. NULL otherwise. */
static const char *order_text(struct str bytes)
{
    if (bytes.len == 0 || memchr(bytes.p, '\0', bytes.len) != bytes.p + bytes.len - 1) {
        return NULL;
    }
    return bytes.p;
}

static bool order_take_text(struct str bytes, const char **slot)
{
    const char *text = order_text(bytes);
    if (!text || *slot) {
        return false; /* twice is as wrong as damaged */
    }
    *slot = text;
    return true;
}

static bool order_take_item(struct str bytes, const char **list, size_t *count, size_t max)
{
    const char *text = order_text(bytes);
    if (!text || *count >= max) {
        return false;
    }
    list[(*count)++] = text;
    return true;
}

static bool order_take_fixed(struct order_reader *reader, struct str bytes)
{
    struct order_fixed fixed;
    if (reader->fixed || bytes.len != sizeof(fixed)) {
        return false;
    }
    memcpy(&fixed, bytes.p, sizeof(fixed));
    struct order *order = reader->order;
    order->limits = fixed.limits;
    order->spec_hash = fixed.spec_hash;
    order->output_max = fixed.output_max;
    order->uid = fixed.uid;
    order->gid = fixed.gid;
    order->umask = fixed.umask & 0777;
    order->oom_score_adj = fixed.oom_score_adj;
    order->nice = fixed.nice;
    memcpy(order->ports, fixed.ports, sizeof(order->ports));
    order->set_user = fixed.flags & ORDER_SET_USER;
    order->set_umask = fixed.flags & ORDER_SET_UMASK;
    order->set_oom_score = fixed.flags & ORDER_SET_OOM;
    order->listen_env = fixed.flags & ORDER_LISTEN_ENV;
    order->listen_blocking = fixed.flags & ORDER_LISTEN_BLOCKING;
    order->own_terminal = fixed.flags & ORDER_OWN_TERMINAL;
    reader->fixed = true;
    return order->oom_score_adj >= -1000 && order->oom_score_adj <= 1000 && order->nice >= -20 &&
           order->nice <= 19;
}

static bool order_take_array(struct str bytes, void *items, size_t item_size, unsigned *ret_count,
                             size_t max)
{
    if (bytes.len % item_size != 0 || bytes.len / item_size > max) {
        return false;
    }
    if (bytes.len > 0) {
        memcpy(items, bytes.p, bytes.len);
    }
    *ret_count = (unsigned)(bytes.len / item_size);
    return true;
}

static bool order_take(struct order_reader *reader, uint16_t tag, struct str bytes)
{
    struct order *order = reader->order;
    size_t listen_count = order->listen_count;
    bool ok;
    switch (tag) {
    case ORDER_TAG_ID:
        return order_take_text(bytes, &order->id);
    case ORDER_TAG_ARG:
        return order_take_item(bytes, reader->args, &reader->arg_count, ORDER_ARGS_MAX);
    case ORDER_TAG_ENV:
        return order_take_item(bytes, reader->envs, &reader->env_count, ORDER_ARGS_MAX);
    case ORDER_TAG_CWD:
        return order_take_text(bytes, &order->cwd);
    case ORDER_TAG_CGROUP:
        return order_take_text(bytes, &order->cgroup);
    case ORDER_TAG_STDOUT:
        return order_take_text(bytes, &order->output[0]) && order_path_fits(order->output[0]);
    case ORDER_TAG_STDERR:
        return order_take_text(bytes, &order->output[1]) && order_path_fits(order->output[1]);
    case ORDER_TAG_STDIN:
        return order_take_text(bytes, &order->stdin_path);
    case ORDER_TAG_LISTEN:
        ok = order_take_item(bytes, order->listen, &listen_count, ORDER_LISTEN_MAX);
        order->listen_count = (unsigned)listen_count;
        return ok;
    case ORDER_TAG_FIXED:
        return order_take_fixed(reader, bytes);
    case ORDER_TAG_GROUPS:
        return order_take_array(bytes, order->groups, sizeof(order->groups[0]), &order->group_count,
                                ORDER_GROUPS_MAX);
    case ORDER_TAG_RLIMITS:
        return order_take_array(bytes, order->rlimits, sizeof(order->rlimits[0]),
                                &order->rlimit_count, ORDER_RLIMITS_MAX);
    default:
        return tag >= ORDER_TAG_OPTIONAL;
    }
}

int order_unpack(struct str bytes, const char **space, struct order *ret)
{
    *ret = (struct order)ORDER_INIT;
    struct order_reader reader = {.order = ret, .args = space, .envs = space + ORDER_ARGS_MAX + 1};
    struct order_head head;
    if (bytes.len < sizeof(head) || bytes.len > ORDER_SIZE_MAX) {
        return -EBADMSG;
    }
    memcpy(&head, bytes.p, sizeof(head));
    if (head.magic != ORDER_MAGIC || head.version != ORDER_VERSION || head.size != bytes.len) {
        return -EBADMSG;
    }
    struct str rest = str_skip(bytes, sizeof(head));
    for (uint32_t i = 0; i < head.count; i++) {
        struct order_record record;
        if (rest.len < sizeof(record)) {
            return -EBADMSG;
        }
        memcpy(&record, rest.p, sizeof(record));
        rest = str_skip(rest, sizeof(record));
        if (record.len > rest.len || ALIGN_UP(record.len, 8) > rest.len) {
            return -EBADMSG;
        }
        if (!order_take(&reader, record.tag, str_slice(rest, 0, record.len))) {
            return -EBADMSG;
        }
        rest = str_skip(rest, ALIGN_UP(record.len, 8));
    }
    if (rest.len > 0 || !ret->id || !ret->id[0] || reader.arg_count == 0 || !reader.fixed) {
        return -EBADMSG;
    }
    reader.args[reader.arg_count] = NULL;
    reader.envs[reader.env_count] = NULL;
    ret->argv = reader.args;
    ret->envp = reader.envs;
    return 0;
}

int order_receive(int fd, struct order_space *space)
{
    int result = shm_check(fd, SHM_SEAL_SIZE | SHM_SEAL_WRITE);
    if (result < 0) {
        return result;
    }
    int64_t len = file_pread(fd, space->bytes, sizeof(space->bytes), 0);
    return len < 0
               ? (int)len
               : order_unpack(str_make(space->bytes, (size_t)len), space->pointers, &space->order);
}
