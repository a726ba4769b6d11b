/* SPDX-License-Identifier: Apache-2.0 */
#include "core/instance.h"

#include "harness/test.h"
#include "os/file.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[64], file[96];
static struct instance instance;
static struct problem problem;

static void begin(void)
{
    snprintf(folder, sizeof(folder), "/tmp/muelle-instance-XXXXXX");
    check(mkdtemp(folder) != NULL);
    snprintf(file, sizeof(file), "%s/instance.json", folder);
    instance = (struct instance){0};
    problem = (struct problem){0};
}

static void end(void)
{
    (void)!unlink(file);
    (void)!rmdir(folder);
}

static void put(const char *text)
{
    check_int(file_replace(file, str_from(text), 0600), 0);
}

TEST(an_instance_keeps_its_name)
{
    begin();
    check_int(instance_open(&instance, folder, &problem), 0);
    struct instance again = {0};
    check_int(instance_open(&again, folder, &problem), 0);
    check_str(str_from(again.uuid), str_from(instance.uuid));
    check_str(str_from(again.id), str_skip(str_from(instance.uuid), UUID_TEXT_LEN - 12));
    struct stat stat_of;
    check_int(stat(file, &stat_of), 0);
    check_int(stat_of.st_mode & 0777, 0600);
    end();
}

TEST(a_damaged_file_is_refused_and_left_alone)
{
    static const char *const damaged[] = {
        "", "{", "[1]", "{\"uuid\":\"short\"}", "{\"id\":\"x\"}", "{\"uuid\":17}"};
    begin();
    for (size_t i = 0; i < ARRAY_LEN(damaged); i++) {
        put(damaged[i]);
        check_int(instance_open(&instance, folder, &problem), -EBADMSG);
        check_str(str_from(problem.where), str_from(file));
        struct buf text = BUF_INIT(KIB);
        check_int(file_read_all(file, KIB, &text), 0);
        check_str(buf_str(&text), str_from(damaged[i]));
        buf_fini(&text);
    }
    end();
}

TEST(an_id_becomes_part_of_paths_whatever_the_file_says)
{
    begin();
    put("{\"id\":\"../../etc/ab\",\"uuid\":\"01234567-89ab-cdef-0123-456789abcdef\"}");
    check_int(instance_open(&instance, folder, &problem), 0);
    check_str(str_from(instance.id), STR("------e-c-ab"));
    put("{\"x\":{\"id\":\"no\"},\"uuid\":\"01234567-89ab-cdef-0123-456789abcdef\"}");
    check_int(instance_open(&instance, folder, &problem), 0);
    check_str(str_from(instance.id), STR("456789abcdef"));
    end();
}

TEST(a_folder_that_cannot_be_one_is_said_with_its_path)
{
    char path[512];
    begin();
    check_int(instance_open(&instance, "relative", &problem), -ENAMETOOLONG);
    check_str(str_from(problem.code), STR("state.unusable"));
    memset(path, 'x', sizeof(path) - 1);
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    check_int(instance_open(&instance, path, &problem), -ENAMETOOLONG);
    put("a file");
    check_int(instance_open(&instance, file, &problem), -ENOTDIR);
    check_str(str_from(problem.where), str_from(file));
    check_int(unlink(file), 0);
    check_int(mkdir(file, 0700), 0); /* where the file should be */
    check(instance_open(&instance, folder, &problem) < 0);
    check_str(str_from(problem.where), str_from(file));
    check_int(rmdir(file), 0);
    end();
}
