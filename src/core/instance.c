/* SPDX-License-Identifier: Apache-2.0 */
#include "core/instance.h"

#include "base/json.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/user.h"

#include <stdio.h>

enum { FILE_MAX = 4096, TRIES = 3 };

/* The value of a string member of the top object; STR_NONE if there is none. */
static struct str member(struct str text, const char *name)
{
    struct json_reader r = JSON_READER(text);
    if (json_next(&r) != JSON_OBJECT) {
        return STR_NONE;
    }
    enum json_type type;
    while ((type = json_next(&r)) == JSON_KEY) {
        bool wanted = str_is(r.token, name);
        type = json_next(&r);
        if (wanted) {
            return type == JSON_STRING ? r.token : STR_NONE;
        }
        if (json_skip(&r, type) < 0) {
            break;
        }
    }
    return STR_NONE;
}

static int parse(struct instance *instance, struct str text, const char *path,
                 struct problem *problem)
{
    struct str uuid = member(text, "uuid");
    if (uuid.len != UUID_TEXT_LEN) {
        problem_set(problem, "state.damaged", "the file that names the instance is damaged");
        problem_where(problem, "%s", path);
        problem_expected(problem, "a JSON object with a \"uuid\"");
        problem_hint(problem, "restore it from a backup, or remove the folder to start anew");
        return -EBADMSG;
    }
    str_copy(instance->uuid, sizeof(instance->uuid), uuid);
    /* The end of a UUIDv7 is random; its beginning is the time, equal for all made in one minute.
     */
    struct str id = member(text, "id");
    str_copy(instance->id, sizeof(instance->id),
             id.len == INSTANCE_ID_LEN ? id : str_skip(uuid, UUID_TEXT_LEN - INSTANCE_ID_LEN));
    for (size_t i = 0; i < INSTANCE_ID_LEN; i++) {
        char c = instance->id[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-')) {
            instance->id[i] = '-'; /* it becomes part of paths */
        }
    }
    return 0;
}

static int create(const char *path)
{
    char uuid[UUID_TEXT_LEN + 1];
    int r = entropy_uuid(uuid);
    if (r < 0) {
        return r;
    }
    struct buf text = BUF_INIT(FILE_MAX);
    struct json_writer w = JSON_WRITER(&text);
    json_begin_object(&w);
    json_field(&w, "id", str, str_make(uuid + UUID_TEXT_LEN - INSTANCE_ID_LEN, INSTANCE_ID_LEN));
    json_field(&w, "uuid", cstr, uuid);
    json_field(&w, "version", cstr, MUELLE_VERSION);
    json_end_object(&w);
    buf_add_char(&text, '\n');
    int fd = -1;
    r = buf_error(&text);
    if (r == 0) {
        r = file_open(path, FILE_WRITE | FILE_CREATE | FILE_EXCLUSIVE, 0600, &fd);
    }
    if (r == 0) {
        r = file_write(fd, text.p, text.len);
    }
    if (r == 0) {
        r = file_sync(fd);
    }
    if (r < 0 && fd >= 0) {
        (void)!file_unlink(
            path); /* half a name is worse than none: the next start would refuse it */
    }
    file_close(&fd);
    buf_fini(&text);
    return r == 0 ? file_sync_dir_of(path) : r;
}

static int read_or_create(struct instance *instance, const char *path, struct problem *problem)
{
    int r = -ENOENT;
    for (int i = 0; i < TRIES; i++) {
        struct buf text = BUF_INIT(FILE_MAX);
        r = file_read_all(path, FILE_MAX, &text);
        if (r == 0) {
            r = parse(instance, buf_str(&text), path, problem);
            buf_fini(&text);
            return r;
        }
        buf_fini(&text);
        if (r != -ENOENT) {
            break;
        }
        r = create(path);
        if (r < 0 && r != -EEXIST) {
            break;
        }
    }
    problem_set(problem, "state.unusable", "the state folder cannot be used: %s", strerror(-r));
    problem_where(problem, "%s", path);
    return r;
}

int instance_open(struct instance *instance, const char *state_dir, struct problem *problem)
{
    char path[sizeof(instance->state_dir) + 16];
    struct file_system system = {0};
    instance->owner = user_own_uid();
    str_copy(instance->version, sizeof(instance->version), STR(MUELLE_VERSION));
    if (state_dir[0] != '/' ||
        !str_copy(instance->state_dir, sizeof(instance->state_dir), str_from(state_dir))) {
        problem_set(problem, "state.unusable",
                    "the path of the state folder is relative or too long");
        problem_where(problem, "%s", state_dir);
        return -ENAMETOOLONG;
    }
    int r = file_mkdir_p(state_dir, 0700);
    if (r == 0) {
        r = file_system_of(state_dir, &system);
    }
    if (r < 0) {
        problem_set(problem, "state.unusable", "the state folder cannot be used: %s", strerror(-r));
        problem_where(problem, "%s", state_dir);
        return r;
    }
    if (system.network) {
        problem_set(problem, "state.network", "the state folder lies on a network file system (%s)",
                    system.name);
        problem_where(problem, "%s", state_dir);
        problem_hint(problem, "name a local folder with --state-dir");
        return -EXDEV;
    }
    snprintf(path, sizeof(path), "%s/instance.json", state_dir);
    return read_or_create(instance, path, problem);
}
