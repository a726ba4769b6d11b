/* SPDX-License-Identifier: Apache-2.0
 *
 * A short table, searched from end to end: it is asked once per file, not once per byte. Types are
 * those of the IANA registry; text types name their charset, because browsers guess otherwise.
 */
#include "proto/mime.h"

static const struct {
    struct str extension;
    struct str type;
} types[] = {
    {STR_INIT("html"), STR_INIT("text/html; charset=utf-8")},
    {STR_INIT("htm"), STR_INIT("text/html; charset=utf-8")},
    {STR_INIT("js"), STR_INIT("text/javascript; charset=utf-8")},
    {STR_INIT("mjs"), STR_INIT("text/javascript; charset=utf-8")},
    {STR_INIT("css"), STR_INIT("text/css; charset=utf-8")},
    {STR_INIT("json"), STR_INIT("application/json")},
    {STR_INIT("map"), STR_INIT("application/json")},
    {STR_INIT("svg"), STR_INIT("image/svg+xml")},
    {STR_INIT("png"), STR_INIT("image/png")},
    {STR_INIT("jpg"), STR_INIT("image/jpeg")},
    {STR_INIT("jpeg"), STR_INIT("image/jpeg")},
    {STR_INIT("gif"), STR_INIT("image/gif")},
    {STR_INIT("webp"), STR_INIT("image/webp")},
    {STR_INIT("avif"), STR_INIT("image/avif")},
    {STR_INIT("ico"), STR_INIT("image/x-icon")},
    {STR_INIT("woff2"), STR_INIT("font/woff2")},
    {STR_INIT("woff"), STR_INIT("font/woff")},
    {STR_INIT("ttf"), STR_INIT("font/ttf")},
    {STR_INIT("txt"), STR_INIT("text/plain; charset=utf-8")},
    {STR_INIT("log"), STR_INIT("text/plain; charset=utf-8")},
    {STR_INIT("md"), STR_INIT("text/markdown; charset=utf-8")},
    {STR_INIT("csv"), STR_INIT("text/csv; charset=utf-8")},
    {STR_INIT("xml"), STR_INIT("application/xml")},
    {STR_INIT("yaml"), STR_INIT("application/yaml")},
    {STR_INIT("yml"), STR_INIT("application/yaml")},
    {STR_INIT("pdf"), STR_INIT("application/pdf")},
    {STR_INIT("wasm"), STR_INIT("application/wasm")},
    {STR_INIT("webmanifest"), STR_INIT("application/manifest+json")},
    {STR_INIT("mp4"), STR_INIT("video/mp4")},
    {STR_INIT("webm"), STR_INIT("video/webm")},
    {STR_INIT("mp3"), STR_INIT("audio/mpeg")},
    {STR_INIT("zip"), STR_INIT("application/zip")},
    {STR_INIT("gz"), STR_INIT("application/gzip")},
};

struct str mime_of_path(struct str path)
{
    ptrdiff_t slash = str_rfind_char(path, '/');
    struct str name = str_skip(path, (size_t)(slash + 1));
    ptrdiff_t dot = str_rfind_char(name, '.');
    struct str extension = dot < 0 ? STR_NONE : str_skip(name, (size_t)dot + 1);
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (str_eq_nocase(extension, types[i].extension)) {
            return types[i].type;
        }
    }
    return STR("application/octet-stream");
}

bool mime_is_compressible(struct str type)
{
    static const struct str whole[] = {
        STR_INIT("application/json"),
        STR_INIT("application/javascript"),
        STR_INIT("application/xml"),
        STR_INIT("application/yaml"),
        STR_INIT("application/wasm"),
        STR_INIT("application/x-ndjson"),
        STR_INIT("application/openmetrics-text"),
        STR_INIT("image/x-icon"),
    };
    struct str essence, parameters;
    (void)str_split(type, ';', &essence, &parameters);
    essence = str_trim(essence);
    if (str_eq_nocase(essence, STR("text/event-stream"))) {
        return false; /* each event has to leave at once */
    }
    if (str_eq_nocase(str_slice(essence, 0, 5), STR("text/")) || str_ends(essence, STR("+json")) ||
        str_ends(essence, STR("+xml"))) {
        return true;
    }
    for (size_t i = 0; i < ARRAY_LEN(whole); i++) {
        if (str_eq_nocase(essence, whole[i])) {
            return true;
        }
    }
    return false;
}
