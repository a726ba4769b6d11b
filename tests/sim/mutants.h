/* SPDX-License-Identifier: Apache-2.0
 *
 * Which planted bug is active; see mutants.def and src/core/mutate.h.
 */
#ifndef SIM_MUTANTS_H
#define SIM_MUTANTS_H

#define MUTANT(name, seeds, what) MUTANT_##name,
enum mutant {
    MUTANT_NONE,
#include "sim/mutants.def"
    MUTANT_COUNT,
};
#undef MUTANT

extern enum mutant mutant_active;

struct mutant_row {
    const char *name;
    unsigned seeds;
    const char *what;
};
extern const struct mutant_row mutant_rows[MUTANT_COUNT]; /* [MUTANT_NONE] is empty */

#endif
