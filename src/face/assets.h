/* SPDX-License-Identifier: Apache-2.0
 *
 * The dashboard inside the binary. script/embed.py turns ui/dist/ into a C file that defines
 * asset_table (sorted by path) and asset_count; ui/meson.build compiles it into a library that the
 * executable links. Compressed once, when muelle is built: serving a file is a search and a
 * pointer.
 *
 * A client that accepts neither encoding gets the bytes inflated from `gzip` (rare: curl).
 *
 *   /index.html                 pages; asked for each time, by their tag
 *   /assets/NAME-HASH.js, .css  never change: immutable
 *   fonts, images               kept as they are: they are compressed already
 */
#ifndef FACE_ASSETS_H
#define FACE_ASSETS_H

#include "base/str.h"

struct asset {
    const char *path;       /* "/index.html", "/assets/app-3f2a81bc.js" */
    const char *type;       /* media type with its charset */
    const char *etag;       /* strong, quoted: hash of the identity bytes */
    struct str identity;    /* p == NULL when it is only kept compressed */
    struct str gzip;        /* p == NULL when compression gains nothing (images, fonts) */
    struct str br;          /* the same */
    uint32_t identity_size; /* bytes when inflated */
    bool immutable;         /* its name holds its hash: cache for a year */
};

extern const struct asset asset_table[];
extern const size_t asset_count;

/* The asset at exactly `path`, or NULL. */
const struct asset *asset_find(struct str path);
/* What GET `path` shows: the asset; "/index.html" for "/" and for pages that the dashboard routes
 * itself (no dot in the last segment, not below /api/); else NULL. */
const struct asset *asset_for_page(struct str path);

#endif
