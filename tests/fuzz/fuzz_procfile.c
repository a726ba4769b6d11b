/* SPDX-License-Identifier: Apache-2.0
 *
 * Procfiles, with the .env beside them: a project of what each line says.
 */
#include "fuzz_schema.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str input = str_make((const char *)data, size);
    struct fuzz_files files = {
        .paths = {STR("/p/Procfile"), STR("/p/.env"), STR("/p/a"), STR("/p/b")}};
    fuzz_cut(&files, input);
    static const struct str name = STR_INIT("Procfile");
    struct project_spec *spec = fuzz_load(&files, &name, 1, false);
    for (size_t i = 0; spec && i < spec->services_count; i++) {
        const struct service_spec *s = &spec->services[i];
        fuzz_check(s->kind == SERVICE_PROCESS && s->argv_count == 3 &&
                   str_is(s->argv[0], "/bin/sh"));
        /* The shell gets what stands in the file, byte for byte. */
        fuzz_check(str_find(files.texts[0], s->argv[2]) >= 0);
    }
    fuzz_round_trip(spec);
    return 0;
}
