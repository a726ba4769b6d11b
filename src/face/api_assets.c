/* SPDX-License-Identifier: Apache-2.0
 *
 * The dashboard's files (assets.h) over HTTP: pre-compressed, with entity tags; those whose name
 * holds their hash for a year, the pages not at all. No principal is needed: there is nothing
 * secret in them, and the page that asks for the token must be seen without one.
 *
 * The same tag for all codings of a file: they are one representation to us, and Vary tells caches
 * apart.
 *
 *   header                       why
 *   ETag, Vary                   304 for what the browser has; one entry per coding in caches
 *   Cache-Control                names with a hash never change; pages are asked for each time
 *   Content-Security-Policy      nothing is loaded, run or framed but what is embedded here
 *   Referrer-Policy              paths of the dashboard are nobody's business
 *   Cross-Origin-Opener-Policy   a page that opened us gets no handle on our window
 *   X-Frame-Options              for browsers that know no frame-ancestors
 */
#include "face/api_handlers.h"
#include "face/api_server.h"
#include "face/assets.h"
#include "proto/accept.h"
#include <zlib.h>

/* The dashboard is one origin with its API and needs nothing else: no frames, no foreign or
 * inline script or style. */
#define POLICY                                                                                     \
    "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "                 \
    "frame-ancestors 'none'"

/* For a client that accepts no coding of ours. */
static int inflate_asset(const struct asset *asset, struct buf *out)
{
    char *to = buf_reserve(out, asset->identity_size);
    z_stream z = {0};
    int r;

    if (!to || inflateInit2(&z, 16 + MAX_WBITS) != Z_OK) {
        return -ENOMEM;
    }
    z.next_in = (Bytef *)(uintptr_t)asset->gzip.p;
    z.avail_in = (uInt)asset->gzip.len;
    z.next_out = (Bytef *)(void *)to;
    z.avail_out = asset->identity_size;
    r = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    if (r != Z_STREAM_END) {
        return -EIO;
    }
    buf_commit(out, z.total_out);
    return 0;
}

/* The server's order of preference, not the client's weights: br is smaller wherever it is taken.
 */
static int add_content(struct exchange *x, const struct asset *asset)
{
    struct str codings = http1_get(&x->head, HTTP_H_ACCEPT_ENCODING);

    if (asset->br.p && accept_encoding(codings, STR("br")) > 0) {
        exchange_header(x, STR("Content-Encoding"), STR("br"));
        buf_add(&x->out, asset->br);
    } else if (asset->gzip.p && accept_encoding(codings, STR("gzip")) > 0) {
        exchange_header(x, STR("Content-Encoding"), STR("gzip"));
        buf_add(&x->out, asset->gzip);
    } else if (asset->identity.p) {
        buf_add(&x->out, asset->identity);
    } else {
        return inflate_asset(asset, &x->out);
    }
    return 0;
}

bool handle_asset(struct exchange *x)
{
    const struct asset *asset = asset_for_page(x->path);
    int r;

    if (!asset) {
        return false;
    }
    exchange_header(x, STR("ETag"), str_from(asset->etag));
    exchange_header(x, STR("Vary"), STR("Accept-Encoding"));
    exchange_header(x, STR("Cache-Control"),
                    asset->immutable ? STR("public, max-age=31536000, immutable")
                                     : STR("no-cache"));
    exchange_header(x, STR("Content-Security-Policy"), STR(POLICY));
    exchange_header(x, STR("Referrer-Policy"), STR("no-referrer"));
    exchange_header(x, STR("Cross-Origin-Opener-Policy"), STR("same-origin"));
    exchange_header(x, STR("X-Frame-Options"), STR("DENY"));
    if (exchange_has_tag(x, str_from(asset->etag))) {
        exchange_answer_empty(x, 304);
        return true;
    }
    r = add_content(x, asset);
    if (r < 0) {
        exchange_answer_error(x, r);
        return true;
    }
    exchange_answer(x, 200, asset->type);
    return true;
}
