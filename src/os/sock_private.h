/* SPDX-License-Identifier: Apache-2.0
 *
 * Between sock.c, sock_addr.c, sock_diag.c and chan.c: addresses as the kernel wants them. Headers
 * above show no system types, so that the simulator can be built without a kernel's idea of a
 * socket.
 */
#ifndef OS_SOCK_PRIVATE_H
#define OS_SOCK_PRIVATE_H

#include "os/sock.h"
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

struct sock_os_addr {
    union {
        struct sockaddr any;
        struct sockaddr_in ip4;
        struct sockaddr_in6 ip6;
        struct sockaddr_un un;
        uint8_t space[128];
    };
    socklen_t len;
};

/* 0; -EINVAL without a family; -ENAMETOOLONG. */
must_check int sock_addr_to_os(const struct sock_addr *addr, struct sock_os_addr *ret);
void sock_addr_from_os(const struct sock_os_addr *os, struct sock_addr *ret);
bool sock_addr_is_any(const struct sock_addr *addr);

#endif
