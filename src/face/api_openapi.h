/* SPDX-License-Identifier: Apache-2.0
 *
 * The OpenAPI 3.1 document, derived from the endpoint table and the schema tables; and
 * docs/api.md from the same. Pure; the buffer's error is sticky and is the caller's to look at.
 */
#ifndef FACE_API_OPENAPI_H
#define FACE_API_OPENAPI_H

#include "base/buf.h"

void api_openapi_write(struct buf *out);
/* docs/api.md. */
void api_openapi_markdown(struct buf *out);

#endif
