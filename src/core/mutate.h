/* SPDX-License-Identifier: Apache-2.0
 *
 * MUTATE(name): a place where the simulator can plant a bug, to prove that it would find it. In
 * every other build it is constant and false, and the compiler removes the branch; a comparison
 * too, so that coverage counts a function of both builds as one. The list is the simulator's table
 * of mutants (tests/sim/mutants.def); a name that is missing there does not compile in its build.
 */
#ifndef CORE_MUTATE_H
#define CORE_MUTATE_H

#ifdef MUELLE_MUTANTS
#include "sim/mutants.h"
#define MUTATE(name) (mutant_active == MUTANT_##name)
#else
#define MUTATE(name) (0 == 1)
#endif

#endif
