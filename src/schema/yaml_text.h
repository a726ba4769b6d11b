/* SPDX-License-Identifier: Apache-2.0
 *
 * Quoted YAML scalars (YAML 1.2 §7.3) from the bytes between their quotes. Private to schema/.
 */
#ifndef SCHEMA_YAML_TEXT_H
#define SCHEMA_YAML_TEXT_H

#include "base/buf.h"

/* '…': two quotes are one; lines are folded. */
void yaml_text_single(struct str raw, struct buf *out);
/* "…": escapes; lines are folded. NULL, or what is wrong (an escape that is none, or that gives a NUL or
 * half of a surrogate pair). */
const char *yaml_text_double(struct str raw, struct buf *out);

#endif
