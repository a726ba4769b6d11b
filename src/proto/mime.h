/* SPDX-License-Identifier: Apache-2.0
 *
 * Media types of files, by extension: the few that a dashboard and a static site need. Content is
 * never looked at: guessing is how an uploaded picture becomes a script (X-Content-Type-Options).
 */
#ifndef PROTO_MIME_H
#define PROTO_MIME_H

#include "base/str.h"

/* "text/html; charset=utf-8" for "x/index.html"; "application/octet-stream" when it is not known.
 */
struct str mime_of_path(struct str path);
/* Text-like, so that compressing pays; parameters of the type do not matter. Not event streams,
 * whose events must not wait for a block to fill. */
bool mime_is_compressible(struct str type);

#endif
