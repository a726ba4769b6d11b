/* SPDX-License-Identifier: Apache-2.0
 *
 * What fuzz targets share. A target is one function, called with each input; it crashes
 * (fuzz_check) when a property does not hold. Two mains can be linked to it: libFuzzer's, and
 * replay.c.
 */
#ifndef TESTS_FUZZ_H
#define TESTS_FUZZ_H

#include "base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define fuzz_check(cond) ensure(cond)

/* Takes the first byte off the input: for choices. 0 when there is none. */
static inline unsigned fuzz_byte(struct str *in)
{
    unsigned c = in->len ? (unsigned char)in->p[0] : 0;
    *in = str_skip(*in, 1);
    return c;
}

/* In memory of its own, whose ends the sanitizer guards; free(3) it. */
static inline char *fuzz_copy(struct str s)
{
    char *copy = malloc(s.len ? s.len : 1);
    fuzz_check(copy != NULL);
    memcpy(copy, s.len ? s.p : "", s.len);
    return copy;
}

#endif
