/* SPDX-License-Identifier: Apache-2.0
 *
 * The snapshot: all that the edge needs to serve, as one relocatable, versioned blob. The core
 * builds it, seals it in a memfd and leaves it with the keeper; the edge maps it, and an edge that
 * was killed starts again from nothing else (plus the deltas written since: link/delta.h).
 *
 * Pure code over memory: the builder writes into a buf, the reader reads a slice. To the reader the
 * bytes are another role's: snapshot_open checks every offset, index and enum once, and refuses
 * what it does not understand; after that no read can leave the blob. The memory must not change
 * meanwhile (sealed memfd).
 */
#ifndef LINK_SNAPSHOT_H
#define LINK_SNAPSHOT_H

#include "base/buf.h"
#include "base/vec.h"
#include "link/snapshot_types.h"
#include "os/sock.h"

/* --- building (core) --- */
struct snapshot_builder {
    struct vec listeners, services, endpoints, routes, certificates, policies;
    struct buf text;
    struct snapshot_gateway gateway;
    uint32_t instance_offset, instance_len; /* private */
    uint32_t tickets_offset, tickets_len;   /* private */
    uint32_t geo_offset, geo_len;           /* private */
    uint32_t trusted_offset, trusted_len;   /* private */
    int error;                              /* sticky: the first add that failed */
};
void snapshot_builder_init(struct snapshot_builder *builder);
void snapshot_builder_fini(struct snapshot_builder *builder);
/* All copy their texts. Order does not matter: references are checked at the end. */
void snapshot_builder_gateway(struct snapshot_builder *builder,
                              const struct snapshot_gateway *gateway);
void snapshot_builder_listener(struct snapshot_builder *builder,
                               const struct snapshot_listener *listener);
void snapshot_builder_service(struct snapshot_builder *builder,
                              const struct snapshot_service *service);
void snapshot_builder_endpoint(struct snapshot_builder *builder,
                               const struct snapshot_endpoint *endpoint);
void snapshot_builder_route(struct snapshot_builder *builder, const struct snapshot_route *route);
void snapshot_builder_certificate(struct snapshot_builder *builder,
                                  const struct snapshot_certificate *certificate);
/* The same for two builders that say the same of gateway, listeners, services (but for their
 * states), policies and certificates, if neither has got endpoints or routes yet: those, and the
 * states, may come by deltas instead. Never 0. */
uint64_t snapshot_builder_digest(const struct snapshot_builder *builder);
/* Appends the blob to `out` (a buf born with SNAPSHOT_BLOB_MAX or less). `sequence` grows with each
 * snapshot; `delta_base`: deltas up to this sequence are already in it. 0; -EINVAL (unknown
 * reference, doubled id, bad text), -ENOBUFS (too many), -ENOMEM. */
must_check int snapshot_builder_finish(struct snapshot_builder *builder, uint64_t sequence,
                                       uint64_t delta_base, struct buf *out);

/* --- reading (edge) --- */
struct snapshot {
    struct str blob;
    uint64_t sequence, delta_base;
    uint32_t listeners, services, endpoints, routes, certificates, policies; /* counts */
    uint32_t sections[8];                                                    /* private: offsets */
    uint32_t text_offset, text_len;                                          /* private */
};
/* 0, or -EINVAL: not a snapshot this program understands, or damaged. The blob must be 8-aligned
 * and outlive `ret` and every text read from it. */
must_check int snapshot_open(struct str blob, struct snapshot *ret);
/* What the header says of its sequence, before anything is checked; 0: it is no snapshot. */
uint64_t snapshot_peek_sequence(struct str blob);
struct snapshot_gateway snapshot_gateway_get(const struct snapshot *snapshot);
struct snapshot_listener snapshot_listener_at(const struct snapshot *snapshot, uint32_t i);
/* Does the sealed snapshot in that memfd name a listener with that address? Maps it meanwhile. */
bool snapshot_fd_has_listener(int fd, const struct sock_addr *addr);
/* What a weight of an endpoint or delta means: 0 … SNAPSHOT_WEIGHT_MAX. */
uint32_t snapshot_weight(uint32_t said);
struct snapshot_service snapshot_service_at(const struct snapshot *snapshot, uint32_t i);
/* By service.policy_index. */
struct snapshot_policy snapshot_policy_at(const struct snapshot *snapshot, uint32_t policy_index);
struct snapshot_endpoint snapshot_endpoint_at(const struct snapshot *snapshot, uint32_t i);
struct snapshot_route snapshot_route_at(const struct snapshot *snapshot, uint32_t i);
struct snapshot_certificate snapshot_certificate_at(const struct snapshot *snapshot, uint32_t i);

#endif
