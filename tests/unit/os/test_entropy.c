/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/tty.h"
#include <pty.h>
#include <sys/ioctl.h>
#include <unistd.h>

TEST(bytes_seeds_and_ids_are_not_the_same_twice)
{
    uint8_t one[600] = {0}, two[600] = {0};
    char first[UUID_TEXT_LEN + 1], second[UUID_TEXT_LEN + 1];
    check_int(entropy_fill(one, sizeof(one)), 0);
    check_int(entropy_fill(two, sizeof(two)), 0);
    check(memcmp(one, two, sizeof(one)) != 0);
    check(memcmp(one + 500, (uint8_t[100]){0}, 100) != 0); /* filled to its end */
    check(entropy_seed() != entropy_seed());
    check_int(entropy_uuid(first), 0);
    check_int(entropy_uuid(second), 0);
    check_int(strlen(first), UUID_TEXT_LEN);
    check(strcmp(first, second) != 0);
}

TEST(a_terminal_is_known_with_its_size)
{
    unsigned columns = 0, rows = 0;
    int ends[2], master, slave;
    check_int(file_pipe(ends), 0);
    check(!tty_is(ends[0]) && !tty_size(ends[0], &columns, &rows));
    if (openpty(&master, &slave, NULL, NULL, &(struct winsize){.ws_row = 24, .ws_col = 80}) < 0) {
        test_skip("no pseudo-terminals here");
    }
    check(tty_is(slave) && tty_size(slave, &columns, &rows));
    check_int(columns, 80);
    check_int(rows, 24);
    file_close(&ends[0]);
    file_close(&ends[1]);
    file_close(&master);
    file_close(&slave);
}
