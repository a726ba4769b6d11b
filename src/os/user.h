/* SPDX-License-Identifier: Apache-2.0
 *
 * Users: names to numbers, who we are, giving rights away.
 *
 * Looking up a user may ask a directory service over the network (nsswitch.conf(5)), so user_find
 * and user_name belong on a worker; the numbers are what is stored and handed on. Of more than
 * USER_GROUPS_MAX groups the first ones count, as with NFS: what the others would open stays
 * closed.
 */
#ifndef OS_USER_H
#define OS_USER_H

#include "base/problem.h"

enum { USER_GROUPS_MAX = 64 };

struct user {
    uint32_t uid;
    uint32_t gid;
    uint32_t groups[USER_GROUPS_MAX];
    unsigned group_count;
    char home[256];
    char name[64];
};

uint32_t user_own_uid(void);
uint32_t user_own_gid(void);
/* "name", "name:group", "1000", "1000:1000" as in Compose. Reads the user database: may block, so
 * on a worker. 0; -ENOENT with the problem filled (which name is unknown). */
must_check int user_find(struct str spec, struct user *ret, struct problem *problem);
/* The name of a uid, or its number, NUL-terminated. */
void user_name(uint32_t uid, char *ret, size_t size);
/* May this process write to that file; of a folder with "/." behind it: make files in it? 0 or
 * -errno. */
must_check int user_may_write(const char *path);
/* Irrevocably becomes that user: groups, gid, uid, no new privileges, no capabilities. 0 or -errno.
 */
must_check int user_become(const struct user *user);
/* Marks the process as not dumpable (no ptrace by the same uid, no core file with secrets). */
void user_forbid_dump(void);

#endif
