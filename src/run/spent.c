/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference held here is meant to be the last one, which is the one that costs. When it is not
 * (a replica was started with that file and runs on, two reloads came at once), somebody else frees
 * the configuration on the loop: slower, never wrong, since references are counted atomically.
 */
#include "run/spent.h"

#include "run/model.h"

void spent_put(struct spent *spent, struct project_spec *spec)
{
    project_spec_unref(spent->spec);
    spent->spec = spec;
}

static void free_it(struct work *work)
{
    struct spent *spent = container_of(work, struct spent, work);
    project_spec_unref(spent->freeing);
    spent->freeing = NULL;
}

static void freed(struct work *work)
{
    container_of(work, struct spent, work)->busy = false;
}

void spent_free(struct spent *spent, struct run *run)
{
    if (!spent->spec || spent->busy) {
        return;
    }
    spent->work.run = free_it;
    spent->work.done = freed;
    spent->busy = true;
    spent->freeing = spent->spec;
    spent->spec = NULL;
    if (worker_submit(run->core->workers, &spent->work) < 0) {
        free_it(&spent->work);
        freed(&spent->work);
    }
}

void spent_fini(struct spent *spent)
{
    project_spec_unref(spent->freeing);
    project_spec_unref(spent->spec);
    spent->freeing = spent->spec = NULL;
}
