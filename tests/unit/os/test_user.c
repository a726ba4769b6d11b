/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/user.h"
#include <sys/prctl.h>
#include <unistd.h>

static struct user find(const char *spec)
{
    struct user user;
    struct problem problem;
    check_int(user_find(str_from(spec), &user, &problem), 0);
    return user;
}

TEST(users_are_found_by_name_and_by_number)
{
    struct user root = find("root");
    check_int(root.uid, 0);
    check_int(root.gid, 0);
    check_cstr(root.name, "root");
    check_cstr(root.home, "/root");
    struct user daemon = find("daemon");
    check(daemon.uid != 0 && daemon.group_count >= 1);
    struct user again = find("1");
    check_int(again.uid, 1);
    check_cstr(again.name, "daemon");
}

TEST(a_number_that_no_entry_has_is_a_user_all_the_same)
{
    struct user user = find("54321");
    check_int(user.uid, 54321);
    check_int(user.gid, 0);
    check_cstr(user.name, "");
    user = find("54321:12345");
    check_int(user.gid, 12345);
    check_int(user.group_count, 1);
    check_int(user.groups[0], 12345);
}

TEST(a_group_behind_the_colon_takes_the_place_of_the_users_groups)
{
    struct user user = find("daemon:adm");
    check(user.gid != find("daemon").gid);
    check_int(user.group_count, 1);
    check_int(user.groups[0], user.gid);
    check_int(find("daemon:").gid, find("daemon").gid);
}

TEST(who_is_not_there_is_named)
{
    struct user user;
    struct problem problem;
    check_int(user_find(STR("nobody-here"), &user, &problem), -ENOENT);
    check_cstr(problem.code, "user.unknown");
    check(str_find(str_from(problem.what), STR("nobody-here")) >= 0);
    check_int(user_find(STR("root:no-group"), &user, &problem), -ENOENT);
    check_cstr(problem.code, "user.unknown-group");
    check_int(user_find(STR("4294967296"), &user, &problem), -ENOENT);
}

TEST(an_uid_has_a_name_or_is_its_number)
{
    char text[64];
    user_name(0, text, sizeof(text));
    check_cstr(text, "root");
    user_name(54321, text, sizeof(text));
    check_cstr(text, "54321");
    check_int(user_own_uid(), geteuid());
    check_int(user_own_gid(), getegid());
}

TEST(becoming_a_user_cannot_be_undone)
{
    struct user nobody = find("nobody");
    if (geteuid() != 0) {
        check_int(user_become(&nobody), -EPERM);
        return;
    }
    check_int(user_may_write("/etc/passwd"), 0);
    user_forbid_dump();
    check_int(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), 0);
    check_int(user_become(&nobody), 0);
    check_int(getuid(), nobody.uid);
    check_int(getgid(), nobody.gid);
    check_int(user_may_write("/etc/passwd"), -EACCES);
    check_int(user_may_write("/etc/."), -EACCES);
    check_int(user_may_write("/etc/no/such"), -ENOENT);
    check_int(user_may_write("/tmp/."), 0);
    check(setuid(0) < 0 && setgid(0) < 0);
    check_int(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
    _exit(0); /* the leak checker needs ptrace, which is gone now */
}
