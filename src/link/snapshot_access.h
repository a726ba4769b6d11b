/* SPDX-License-Identifier: Apache-2.0
 *
 * What a snapshot says of the records of a service's requests.
 */
#ifndef LINK_SNAPSHOT_ACCESS_H
#define LINK_SNAPSHOT_ACCESS_H

#include "base/str.h"

struct snapshot_access {
    struct str format; /* how the core writes the log (see/access_format.h); "" = as usual */
    uint32_t skip;     /* so many of 65,536 good answers leave no record; more: none does */
    bool more;         /* user agents and referers are wanted */
};

#endif
