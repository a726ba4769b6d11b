/* SPDX-License-Identifier: Apache-2.0 */
#include "run/certificates_former.h"

#include "core/core.h"
#include "core/edge.h"
#include "run/listen.h"
#include "run/model.h"

enum { FORMER_MEMORY = 16 << 20 };

static void find_items(struct certificates_former *former, const struct snapshot *snapshot)
{
    struct snapshot_certificate *items =
        arena_array(&former->arena, snapshot->certificates + 1U, sizeof(*items));
    for (uint32_t i = 0; items && i < snapshot->certificates; i++) {
        items[i] = snapshot_certificate_at(snapshot, i);
    }
    former->kept.items = items;
    former->kept.count = items ? snapshot->certificates : 0;
}

/* All listeners of a project have the same ones. */
static void find_client_ca(struct certificates_former *former, const struct snapshot *snapshot,
                           const struct project_spec *spec)
{
    char address[SOCK_ADDR_TEXT_MAX];
    for (size_t i = 0; i < spec->gateway.listens_count; i++) {
        if (!listen_address(&spec->gateway.listens[i], address, sizeof(address))) {
            continue;
        }
        for (uint32_t k = 0; k < snapshot->listeners; k++) {
            struct snapshot_listener listener = snapshot_listener_at(snapshot, k);
            if (str_is(listener.address, address) && listener.tls.client_ca.len > 0) {
                former->kept.client_ca = listener.tls.client_ca;
                return;
            }
        }
    }
}

static void find_services(struct certificates_former *former, const struct snapshot *snapshot,
                          const struct project *project, const struct project_spec *spec)
{
    struct snapshot_upstream_tls *services =
        arena_array(&former->arena, spec->services_count + 1, sizeof(*services));
    if (!services) {
        return;
    }
    former->kept.services = services;
    former->kept.service_count = spec->services_count;
    for (uint32_t k = 0; k < snapshot->services; k++) {
        struct snapshot_service one = snapshot_service_at(snapshot, k);
        if (!one.tls.on || !str_is(one.tenant, project->tenant) ||
            !str_is(one.project, project->name)) {
            continue;
        }
        const struct service_spec *service = project_spec_service(spec, one.name);
        if (service) {
            services[service - spec->services] = one.tls;
        }
    }
}

void certificates_former_open(struct certificates_former *former, const struct run *run,
                              const struct project *project, const struct project_spec *spec)
{
    struct snapshot snapshot;
    *former = (struct certificates_former){.arena = ARENA_INIT(FORMER_MEMORY)};
    if (edge_link_former(run->core->edge, &former->memory, &snapshot) == 0) {
        find_items(former, &snapshot);
        find_client_ca(former, &snapshot, spec);
        find_services(former, &snapshot, project, spec);
    }
}

void certificates_former_close(struct certificates_former *former)
{
    arena_fini(&former->arena);
    shm_unmap(&former->memory);
}
