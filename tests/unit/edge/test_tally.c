/* SPDX-License-Identifier: Apache-2.0 */
#include "edge/tally.h"
#include "harness/test.h"

#include <stdlib.h>

static struct tally *new_table(void)
{
    struct tally *tallies = calloc(TALLIES, sizeof(*tallies));
    check(tallies != NULL);
    return tallies;
}

TEST(ids_that_meet_have_numbers_of_their_own)
{
    struct tally *tallies = new_table();
    atomic_uint *numbers[50];
    for (uint64_t i = 0; i < 50; i++) {
        numbers[i] = tally_of(tallies, 7 + i * TALLIES);
        for (uint64_t k = 0; k < i; k++) {
            check(numbers[i] != numbers[k]);
        }
    }
    for (uint64_t i = 50; i > 0; i--) {
        check(tally_of(tallies, 7 + (i - 1) * TALLIES) == numbers[i - 1]);
    }
    check(tally_of(tallies, TALLIES - 1) !=
          tally_of(tallies, 2 * TALLIES - 1)); /* around the end */
    free(tallies);
}

TEST(a_full_table_gives_a_place_that_is_shared)
{
    struct tally *tallies = new_table();
    for (uint64_t id = 1; id <= 3 * TALLIES; id++) {
        atomic_uint *number = tally_of(tallies, id);
        check(number >= &tallies[0].count && number <= &tallies[TALLIES - 1].count);
        check(number == tally_of(tallies, id));
    }
    free(tallies);
}
