#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Turns a folder of web assets into a C file for src/face/assets.h.

    script/embed.py DIST OUT.c [--depfile OUT.d]

Each file is kept as brotli and gzip when that makes it smaller by 5 % or more, else as it is. The output
depends on the contents only (no times, sorted paths), so that builds are reproducible. A file whose name holds a
hash (app-3f2a81bc.js, app.3F2A81BC.css) is marked immutable.
"""
import argparse
import gzip
import hashlib
import pathlib
import re

import brotli

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".map": "application/json",
    ".webmanifest": "application/manifest+json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
    ".woff2": "font/woff2",
    ".txt": "text/plain; charset=utf-8",
}
HASHED = re.compile(r"[.-][0-9A-Za-z_]{8,}\.[a-z0-9]+$")


def array(name: str, data: bytes) -> str:
    lines = []
    for at in range(0, len(data), 24):
        lines.append(",".join(str(b) for b in data[at : at + 24]))
    return f"static const unsigned char {name}[] = {{\n" + ",\n".join(lines) + "};\n"


def slice_of(name: str, data: bytes | None) -> str:
    return f"{{(const char *){name}, {len(data)}}}" if data is not None else "{0, 0}"


def embed(index: int, path: str, data: bytes) -> tuple[str, str]:
    """The arrays and the table row of one file."""
    worth = len(data) * 95 // 100
    packed = gzip.compress(data, 9, mtime=0)
    small = brotli.compress(data, quality=11)
    variants = {
        "gzip": packed if len(packed) <= worth else None,
        "br": small if len(small) <= worth else None,
    }
    variants["identity"] = data if variants["gzip"] is None else None
    arrays = "".join(array(f"f{index}_{k}", v) for k, v in sorted(variants.items()) if v)
    kind = TYPES.get(pathlib.PurePosixPath(path).suffix, "application/octet-stream")
    etag = hashlib.sha256(data).hexdigest()[:20]
    row = (
        f'    {{.path = "{path}", .type = "{kind}", .etag = "\\"{etag}\\"",\n'
        f"     .identity = {slice_of(f'f{index}_identity', variants['identity'])},\n"
        f"     .gzip = {slice_of(f'f{index}_gzip', variants['gzip'])}, .br = {slice_of(f'f{index}_br', variants['br'])},\n"
        f"     .identity_size = {len(data)}, .immutable = {'true' if HASHED.search(path) else 'false'}}},\n"
    )
    return arrays, row


def main() -> None:
    args = argparse.ArgumentParser()
    args.add_argument("dist", type=pathlib.Path)
    args.add_argument("out", type=pathlib.Path)
    args.add_argument("--depfile", type=pathlib.Path)
    opts = args.parse_args()
    files = sorted((p for p in opts.dist.rglob("*") if p.is_file()), key=lambda p: p.relative_to(opts.dist).as_posix())
    parts = [embed(i, "/" + p.relative_to(opts.dist).as_posix(), p.read_bytes()) for i, p in enumerate(files)]
    if not parts:
        raise SystemExit(f"embed: {opts.dist} holds no files")
    text = "/* Made by script/embed.py. */\n" + '#include "face/assets.h"\n\n' + "".join(a for a, _ in parts)
    text += "const struct asset asset_table[] = {\n" + "".join(r for _, r in parts) + "};\n"
    text += f"const size_t asset_count = {len(parts)};\n"
    opts.out.write_text(text)
    if opts.depfile:
        opts.depfile.write_text(f"{opts.out}: " + " ".join(str(p) for p in files) + "\n")


if __name__ == "__main__":
    main()
