/* SPDX-License-Identifier: Apache-2.0
 *
 * The first step of a connection of an sni listener. See hello.c.
 */
#ifndef EDGE_HELLO_H
#define EDGE_HELLO_H

#include "edge/stream_private.h"

/* Of STREAM_HELLO: reads the ClientHello and finds its service; then it is a tcp tunnel. */
must_check bool hello_run(struct stream *stream);

#endif
