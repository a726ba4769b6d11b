/* SPDX-License-Identifier: Apache-2.0
 *
 * A socket to an endpoint, with the layers that its service wants.
 */
#include "edge/connect.h"

#include "edge/worker.h"

int connect_open(struct endpoint *endpoint, struct conn *conn,
                 void (*ready)(struct loop_fd *watch, uint32_t events))
{
    int fd = -1;
    int r = sock_connect(&endpoint->address, &fd);
    if (r == 0) {
        r = conn_open(conn, endpoint->service->worker, fd, ready);
    }
    if (r < 0) {
        sock_close(&fd);
        return r;
    }
    if (endpoint->address.family != SOCK_ADDR_UNIX) {
        sock_set_nodelay(fd, true);
    }
    return 0;
}
