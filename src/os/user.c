/* SPDX-License-Identifier: Apache-2.0
 *
 * Users: see user.h.
 *
 * Giving rights away goes from what needs them most to what needs them least: groups, group, user,
 * then "no new privileges" (a set-user-id program gives none back) and an empty set of
 * capabilities. How it fails: -errno at the first step that does; the caller must not go on as if
 * it were somebody else, so user_become is followed by nothing but an exit then.
 */
#include "os/user.h"
#include "base/num.h"
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { USER_SPACE = 16 * 1024 };

uint32_t user_own_uid(void)
{
    return geteuid();
}

uint32_t user_own_gid(void)
{
    return getegid();
}

static bool user_number(struct str text, uint32_t *ret)
{
    uint64_t value;
    if (num_parse_u64(text, &value) < 0 || value >= UINT32_MAX) {
        return false;
    }
    *ret = (uint32_t)value;
    return true;
}

static void user_fill(const struct passwd *entry, struct user *ret)
{
    ret->uid = entry->pw_uid;
    ret->gid = entry->pw_gid;
    str_copy(ret->home, sizeof(ret->home), str_from(entry->pw_dir));
    str_copy(ret->name, sizeof(ret->name), str_from(entry->pw_name));
    gid_t groups[USER_GROUPS_MAX];
    int count = USER_GROUPS_MAX;
    if (getgrouplist(entry->pw_name, entry->pw_gid, groups, &count) < 0) {
        count = USER_GROUPS_MAX; /* filled as far as it goes */
    }
    ret->group_count = (unsigned)count;
    for (int i = 0; i < count; i++) {
        ret->groups[i] = groups[i];
    }
}

static int user_find_group(struct str name, struct user *ret, struct problem *problem)
{
    char text[64];
    char space[USER_SPACE];
    struct group entry;
    struct group *found = NULL;
    uint32_t number;
    if (user_number(name, &number)) {
        ret->gid = number;
    } else if (str_copy(text, sizeof(text), name) &&
               getgrnam_r(text, &entry, space, sizeof(space), &found) == 0 && found) {
        ret->gid = found->gr_gid;
    } else {
        problem_set(problem, "user.unknown-group", "group '" STR_FMT "' does not exist",
                    STR_ARG(name));
        return -ENOENT;
    }
    /* A group that was named stands for all: as in Compose and Docker. */
    ret->groups[0] = ret->gid;
    ret->group_count = 1;
    return 0;
}

int user_find(struct str spec, struct user *ret, struct problem *problem)
{
    *ret = (struct user){0};
    struct str name;
    struct str group;
    bool with_group = str_split(spec, ':', &name, &group);
    char text[64];
    char space[USER_SPACE];
    struct passwd entry;
    struct passwd *found = NULL;
    uint32_t number;
    if (user_number(name, &number)) {
        ret->uid = number;
        /* A number without an entry is fine, as in containers: its group is 0 then, as Docker has
         * it. */
        if (getpwuid_r(number, &entry, space, sizeof(space), &found) == 0 && found) {
            user_fill(found, ret);
        }
    } else if (str_copy(text, sizeof(text), name) &&
               getpwnam_r(text, &entry, space, sizeof(space), &found) == 0 && found) {
        user_fill(found, ret);
    } else {
        problem_set(problem, "user.unknown", "user '" STR_FMT "' does not exist", STR_ARG(name));
        return -ENOENT;
    }
    return with_group && group.len > 0 ? user_find_group(group, ret, problem) : 0;
}

void user_name(uint32_t uid, char *ret, size_t size)
{
    char space[USER_SPACE];
    struct passwd entry;
    struct passwd *found = NULL;
    if (getpwuid_r(uid, &entry, space, sizeof(space), &found) == 0 && found) {
        str_copy(ret, size, str_from(found->pw_name));
    } else {
        snprintf(ret, size, "%u", uid);
    }
}

int user_may_write(const char *path)
{
    return faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) < 0 ? -errno : 0;
}

/* Also for a process that is not root and "becomes" itself: then setgroups is refused (EPERM), and
 * the caller must not call it. */
int user_become(const struct user *user)
{
    gid_t groups[USER_GROUPS_MAX];
    for (unsigned i = 0; i < user->group_count; i++) {
        groups[i] = user->groups[i];
    }
    /* libc's functions, not raw calls: they change every thread. */
    if (setgroups(user->group_count, groups) < 0 ||
        setresgid(user->gid, user->gid, user->gid) < 0 ||
        setresuid(user->uid, user->uid, user->uid) < 0) {
        return -errno;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return -errno;
    }
    /* Leaving uid 0 cleared them, but not when the uid was never 0 or keepcaps was set. */
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct none[2] = {0};
    return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

void user_forbid_dump(void)
{
    prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}
