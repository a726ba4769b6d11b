/* SPDX-License-Identifier: Apache-2.0
 *
 * Trailers stay trailers: they go on behind the last chunk when the other side gets chunks too.
 */
#ifndef EDGE_TRAILERS_H
#define EDGE_TRAILERS_H

#include "edge/stream.h"
#include "proto/http1_write.h"

/* A chunked body begins behind `head`: its trailers are to be kept, if the other side can be sent
 * any. Also once more. */
void trailers_begin(struct stream *stream, enum stream_direction direction,
                    const struct http1_head *head);
/* Some come. Without memory for them they are dropped, as if the sender had left them out. */
void trailers_give_room(struct stream *stream, enum stream_direction direction);
/* The Trailer fields of a head whose body goes on in chunks: what will come behind it. */
void trailers_write_names(struct http1_writer *w, const struct http1_head *head);

#endif
