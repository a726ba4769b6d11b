/* SPDX-License-Identifier: Apache-2.0
 *
 * Configurations: a first byte of options (strict, two -f files), then muelle.yaml, b.yaml (for
 * extends, include, a second -f), .env and e.env, cut at lines "%%".
 */
#include "fuzz_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_make((const char *)data, size);
    struct fuzz_files files = {
        .paths = {STR("/p/muelle.yaml"), STR("/p/b.yaml"), STR("/p/.env"), STR("/p/e.env")}};
    static const struct str names[] = {STR_INIT("muelle.yaml"), STR_INIT("b.yaml")};
    bool strict = size && (data[0] & 1), both = size && (data[0] & 2);
    fuzz_cut(&files, str_skip(input, 1));
    fuzz_round_trip(fuzz_load(&files, names, both ? 2 : 1, strict));
    return 0;
}
