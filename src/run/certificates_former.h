/* SPDX-License-Identifier: Apache-2.0
 *
 * What the gateway has of a project's certificates when a core starts: that of files which are of
 * no use by now serves on. Private to run/. Secret: keys are in it.
 */
#ifndef RUN_CERTIFICATES_FORMER_H
#define RUN_CERTIFICATES_FORMER_H

#include "os/shm.h"
#include "run/certificates.h"

struct certificates_former {
    struct shm memory; /* where the texts lie */
    struct arena arena;
    struct certificates_kept kept;
};

/* Of the snapshot that the keeper holds, as the last core published it; nothing where there is
 * none, or no memory. `spec` is the project's. */
void certificates_former_open(struct certificates_former *former, const struct run *run,
                              const struct project *project, const struct project_spec *spec);
void certificates_former_close(struct certificates_former *former);

#endif
