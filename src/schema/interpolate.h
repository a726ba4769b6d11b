/* SPDX-License-Identifier: Apache-2.0
 *
 * Variables in text, as Compose has them:
 *
 *   $NAME ${NAME}              the value; unset is empty
 *   ${NAME:-text} ${NAME-text} text if unset or empty · if unset
 *   ${NAME:+text} ${NAME+text} text if set and not empty · if set; else empty
 *   ${NAME:?text} ${NAME?text} an error with that text if unset or empty · if unset
 *   $$                         a dollar sign
 *
 * The texts may hold variables themselves, INTERPOLATE_NESTING_MAX deep. Names are
 * [A-Za-z_][A-Za-z0-9_]* (POSIX); `${1}`, `${A!}` and a `$` before anything else are E_FORM. Pure;
 * no state, so one struct may be used again and again. Source: the Compose specification,
 * 12-interpolation.md.
 */
#ifndef SCHEMA_INTERPOLATE_H
#define SCHEMA_INTERPOLATE_H

#include "base/buf.h"

enum { INTERPOLATE_NESTING_MAX = 16 };

enum {
    INTERPOLATE_E_FORM = 1,     /* no reference can be read at `at` */
    INTERPOLATE_E_REQUIRED = 2, /* a `?` form without its variable */
};

struct interpolate {
    /* The value of a variable: true if it is set. It must live until interpolate_text returns. */
    bool (*get)(void *ctx, struct str name, struct str *ret_value);
    /* Optional: an unset variable without a default was used. */
    void (*unset)(void *ctx, struct str name);
    /* Optional: true for names to be left in place, as "${NAME}" whatever the form was. */
    bool (*keep)(void *ctx, struct str name);
    void *ctx;
    /* After an error: */
    size_t at;         /* offset of the `$` in the outermost text */
    struct str name;   /* E_REQUIRED */
    struct str reason; /* E_REQUIRED: the text behind `?`, not expanded */
    bool kept;         /* after success: a name was left in place */
};

/* Appends the expansion of `text` to `out`. 0 or INTERPOLATE_E_…; the buffer's own error is sticky.
 */
must_check int interpolate_text(struct interpolate *in, struct str text, struct buf *out);

#endif
