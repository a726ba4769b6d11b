/* SPDX-License-Identifier: Apache-2.0
 *
 * `gateway.sockmap`: asks the keeper for the short way to services (os/sockmap.h), again whenever
 * there is another keeper, and says once why it cannot be had. The edge takes it when it is there
 * and the snapshot says so; without it all goes by TCP.
 */
#ifndef CORE_SOCKMAP_H
#define CORE_SOCKMAP_H

#include "base/def.h"

struct core;
struct core_sockmap;

must_check int core_sockmap_new(struct core *core, struct core_sockmap **ret);
void core_sockmap_free(struct core_sockmap *sockmap);
/* What the files say. */
void core_sockmap_want(struct core *core, bool wanted);
/* A keeper is there (again). */
void core_sockmap_ready(struct core *core);
/* "off", "on", "asked for", or the reason why there is none. */
const char *core_sockmap_state(const struct core *core);

#endif
