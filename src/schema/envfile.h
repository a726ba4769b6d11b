/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of variables (.env, env_file, --env-file), as Compose reads them:
 *
 *   NAME=value            surrounding space trimmed; " #" starts a comment; variables are expanded
 *   NAME='value'          taken as it is; may run over lines
 *   NAME="value"          \n \r \t \" \\ \$ resolved, variables expanded; may run over lines
 *   NAME: value           the same as with "="
 *   NAME                  without a value: the caller's own variable of that name, if it is set
 *   export NAME=value     the word is passed over
 *   # comment
 *
 * A raw file has lines NAME=value whose value is the rest of the line.
 */
#ifndef SCHEMA_ENVFILE_H
#define SCHEMA_ENVFILE_H

#include "schema/interpolate.h"

struct envfile {
    struct str text; /* borrowed; names point into it */
    size_t at;       /* the cursor */
    uint32_t line;   /* of the entry or error at hand, from 1 */
    bool raw;        /* values are what stands behind "=": no quotes, comments, variables */
    /* The entry read last: */
    struct str name;
    bool has_value;    /* false: "NAME" alone, the caller's own variable is meant */
    const char *error; /* after -1: what is wrong */
};

#define ENVFILE(slice) ((struct envfile){.text = (slice), .line = 1})

/* Reads the next entry, its value appended to `value` (emptied first). 1 = an entry, 0 = the end,
 * -1 = an error (`error`, `line`); reading cannot go on then. `vars` expands variables. A value is
 * whole or an error: -1 with value's own error (-ENOBUFS, -ENOMEM) when it did not fit. */
must_check int envfile_next(struct envfile *file, struct interpolate *vars, struct buf *value);

#endif
