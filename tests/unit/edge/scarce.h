/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out in the edge (inside.h): each allocation of its own asks `scarce` whether it
 * fails. The linker puts scarce.c's functions in front of those that allocate (--wrap).
 */
#ifndef TESTS_EDGE_SCARCE_H
#define TESTS_EDGE_SCARCE_H

#include <stdbool.h>

extern bool (*scarce)(void); /* NULL: none fails */

#endif
