/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks: whoever connected, or whom a trusted proxy names.
 */
#ifndef EDGE_REMOTE_H
#define EDGE_REMOTE_H

#include "edge/stream.h"
#include "proto/http1_write.h"

/* The head has come from a trusted proxy: notes whom it names. */
void remote_find(struct stream *stream);
/* Does what this client says of others count? */
bool remote_trusted(const struct stream *stream);
/* Writes X-Forwarded-* and Forwarded as the trusted proxy told them, and that proxy behind. */
void remote_write(struct http1_writer *w, const struct stream *stream, struct str host);

/* The address that limits, hashes and records are about. */
static inline struct ip remote_ip(const struct stream *stream)
{
    const struct client *client = stream->client;
    return stream->remote.family ? stream->remote : ip_make(client->family, client->ip);
}

#endif
