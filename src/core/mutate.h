/* SPDX-License-Identifier: Apache-2.0
 *
 * MUTATE(name): a place where the simulator can plant a bug, to prove that it would find it. In
 * every other build it is the constant false, and the compiler removes the branch. The list is the
 * simulator's table of mutants (tests/sim/mutants.def); a name that is missing there does not
 * compile in its build.
 */
#ifndef CORE_MUTATE_H
#define CORE_MUTATE_H

#ifdef MUELLE_MUTANTS
#include "sim/mutants.h"
#define MUTATE(name) (mutant_active == MUTANT_##name)
#else
#define MUTATE(name) false
#endif

#endif
