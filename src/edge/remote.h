/* SPDX-License-Identifier: Apache-2.0
 *
 * Who asks: whoever connected, or whom a trusted proxy names.
 */
#ifndef EDGE_REMOTE_H
#define EDGE_REMOTE_H

#include "edge/stream.h"
#include "proto/forwarded.h"
#include "proto/http1_write.h"

/* The head has come from a trusted proxy: notes whom it names. */
void remote_find(struct stream *stream);
/* Does what this client says of others count? */
bool remote_trusted(const struct stream *stream);
/* What the trusted proxy told, and that proxy behind. */
struct remote_words {
    struct str addresses;   /* X-Forwarded-For */
    struct str nodes;       /* Forwarded, up to ";proto=" */
    struct str proto, host; /* host: "" if there is none */
    char memory[FORWARDED_HOPS_MAX * (IP_TEXT_MAX + 2)];
    char more[FORWARDED_HOPS_MAX * 64];
};
void remote_words(const struct stream *stream, struct str host, struct remote_words *ret);
/* Writes them as X-Forwarded-* and Forwarded. */
void remote_write(struct http1_writer *w, const struct stream *stream, struct str host);
/* Forwarded's value. */
void remote_write_forwarded(struct http1_writer *w, const struct remote_words *words);

/* The address that limits, hashes and records are about. */
static inline struct ip remote_ip(const struct stream *stream)
{
    const struct client *client = stream->client;
    return stream->remote.family ? stream->remote : ip_make(client->family, client->ip);
}

#endif
