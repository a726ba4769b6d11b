/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding embedded files: the table is sorted by path (bytes), so a binary search does. Sorted by
 * script/embed.py; tests/unit/face/test_assets.c would notice if it were not.
 */
#include "face/assets.h"

const struct asset *asset_find(struct str path)
{
    size_t low = 0;
    size_t high = asset_count;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = str_cmp(path, str_from(asset_table[mid].path));
        if (order == 0) {
            return &asset_table[mid];
        }
        if (order < 0) {
            high = mid;
        } else {
            low = mid + 1;
        }
    }
    return NULL;
}

const struct asset *asset_for_page(struct str path)
{
    const struct asset *asset = asset_find(path);
    ptrdiff_t slash = str_rfind_char(path, '/');

    if (asset) {
        return asset;
    }
    /* A name with a dot is a file that is not there: answering it with a page would hide the
     * mistake. */
    if (slash < 0 || str_find_char(str_skip(path, (size_t)slash), '.') >= 0 ||
        str_starts(path, STR("/api/"))) {
        return NULL;
    }
    return asset_find(STR("/index.html"));
}
