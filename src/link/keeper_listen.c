/* SPDX-License-Identifier: Apache-2.0 */
#include "link/keeper_listen.h"

struct str keeper_listen_name(struct str address, struct sock_addr *ret,
                              char space[KEEPER_NAME_MAX + 1])
{
    struct buf name = {.p = space, .cap = KEEPER_NAME_MAX, .max = KEEPER_NAME_MAX, .fixed = true};
    buf_add_cstr(&name, "listen:");
    if (sock_addr_parse(address, ret) < 0) {
        return STR_NONE;
    }
    sock_addr_format(&name, ret);
    return buf_error(&name) == 0 ? buf_str(&name) : STR_NONE;
}

int keeper_listen_open(struct keeper_msg *msg, const struct sock_addr *addr, int *ret_fd)
{
    struct sock_listen_opts opts = {.replace = true};
    int result = sock_listen(addr, &opts, ret_fd);
    if (result < 0) {
        struct problem problem;
        sock_listen_problem(&problem, addr, result);
        str_copy(msg->text, sizeof(msg->text), str_from(problem.what));
    }
    return result;
}
