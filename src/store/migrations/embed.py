#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Turns migrations/NNNN_name.sql into a C table. usage: embed.py OUT.c FILE.sql..."""
import pathlib
import re
import sys

out, files = sys.argv[1], [pathlib.Path(name) for name in sys.argv[2:]]
lines = ['#pragma GCC diagnostic ignored "-Woverlength-strings"', '#include "store/migrations.h"', "const struct migration migrations[] = {"]
for number, path in enumerate(files, 1):
    match = re.fullmatch(r"(\d{4})_([a-z0-9_]+)\.sql", path.name)
    if not match or int(match[1]) != number:
        sys.exit(f"{path}: expected {number:04}_name.sql: migrations have no gaps")
    lines.append('    {"%s",' % match[2])
    for line in path.read_text(encoding="ascii").splitlines():
        text = line.replace("\\", "\\\\").replace('"', '\\"')
        lines.append(f'     "{text}\\n"')
    lines.append("    },")
lines += ["};", "const size_t migration_count = sizeof(migrations) / sizeof(migrations[0]);"]
pathlib.Path(out).write_text("\n".join(lines) + "\n", encoding="ascii")
