#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# usage: build.sh SOURCE_DIR WORK_DIR OUT.c OUT.d     (called by meson.build)
#
# Installs what package-lock.json names (only when it changed), builds the dashboard into WORK_DIR/dist
# and embeds it. Build folders share node_modules, so its installation holds a lock.
set -eu
ui=$1 work=$2 out=$3 dep=$4
mkdir -p "$work"

(
    flock 9
    mark=$ui/node_modules/.muelle-lock
    if ! cmp -s "$ui/package-lock.json" "$mark"; then
        npm --prefix "$ui" ci --no-fund --no-audit --prefer-offline >"$work/npm.log" 2>&1 || {
            tail -n 20 "$work/npm.log" >&2
            echo "dashboard: npm ci failed; run 'npm ci' in ui/ to see why" >&2
            exit 1
        }
        cp "$ui/package-lock.json" "$mark"
    fi
) 9<"$ui/package.json"

node "$ui/build.mjs" --out "$work/dist" >&2
/usr/bin/python3 "$ui/../script/embed.py" "$work/dist" "$out"
# Rebuilt when any source of the dashboard changes, also when one is added (folders are inputs too).
{
    printf '%s:' "$out"
    find "$ui/src" \( -type f -o -type d \) -print | while read -r path; do printf ' %s' "$path"; done
    echo
} >"$dep"
