/* SPDX-License-Identifier: Apache-2.0
 *
 * As it will be opened: the file itself where there is one, else a new one in its folder. Asked
 * with the rights of who checks, who is named: the core of his own instance has the same, that of
 * another's may well be able to.
 */
#include "run/log_file.h"

#include "os/file.h"
#include "os/user.h"
#include "schema/load.h"

#include <stdlib.h>

enum doubt { DOUBT_NONE, DOUBT_IS_FOLDER, DOUBT_FILE, DOUBT_NO_FOLDER, DOUBT_FOLDER };

static const char *const hints[] = {
    [DOUBT_IS_FOLDER] = "name a file in it",
    [DOUBT_FILE] = "give the user that runs muelle the right to write it",
    [DOUBT_NO_FOLDER] = "make the folder",
    [DOUBT_FOLDER] = "give the user that runs muelle the right to make files in it",
};

static enum doubt doubt_folder(struct str path, int *ret_error)
{
    size_t len = (size_t)(str_rfind_char(path, '/') + 1);
    struct buf folder = BUF_INIT(4096);
    struct file_stat stat;
    buf_printf(&folder, STR_FMT ".", STR_ARG(str_slice(path, 0, len)));
    *ret_error = buf_error(&folder);
    *ret_error = *ret_error < 0 ? *ret_error : file_stat(buf_cstr(&folder), &stat);
    enum doubt doubt = *ret_error < 0 ? DOUBT_NO_FOLDER : DOUBT_FOLDER;
    *ret_error = *ret_error < 0 ? *ret_error : user_may_write(buf_cstr(&folder));
    buf_fini(&folder);
    return *ret_error < 0 ? doubt : DOUBT_NONE;
}

static enum doubt find_doubt(const char *path, int *ret_error)
{
    struct file_stat stat;
    *ret_error = file_stat(path, &stat);
    if (*ret_error == 0 && stat.kind == FILE_KIND_DIRECTORY) {
        *ret_error = -EISDIR;
        return DOUBT_IS_FOLDER;
    }
    if (*ret_error == 0) {
        *ret_error = user_may_write(path);
        return *ret_error < 0 ? DOUBT_FILE : DOUBT_NONE;
    }
    return doubt_folder(str_from(path), ret_error);
}

int log_file_doubt(const struct project_spec *spec, struct problem_list *notices)
{
    const struct access_log_spec *log = &spec->gateway.access_log;
    bool none = log->format == ACCESS_OFF || log->file.len == 0 || log->file.p[0] != '/';
    int error = 0;
    if (none) {
        return 0;
    }
    char *path = str_dup(log->file);
    enum doubt doubt = path ? find_doubt(path, &error) : DOUBT_NONE;
    bool known = path != NULL;
    free(path);
    if (!known || doubt == DOUBT_NONE) {
        return known ? 0 : -ENOMEM;
    }
    struct problem *problem = problem_list_add(notices);
    char user[64];
    user_name(user_own_uid(), user, sizeof(user));
    problem_set(problem, "log.file", "user %s cannot write the access log to " STR_FMT ": %s", user,
                STR_ARG(log->file), strerror(-error));
    problem->status = 200;
    (void)schema_where(spec, problem, "/gateway/access_log/file");
    problem_hint(problem, "%s; until then 'muelle logs edge' has its lines", hints[doubt]);
    return 0;
}
