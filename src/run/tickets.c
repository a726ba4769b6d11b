/* SPDX-License-Identifier: Apache-2.0
 *
 * The file is a header and TICKETS_KEPT entries of a key and the second it was made. A file that
 * cannot be read is as good as none: sessions begin anew.
 */
#include "run/tickets.h"

#include "base/num.h"
#include "core/core.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "tls/store.h"

#include <stdio.h>
#include <stdlib.h>

#define TICKETS_MAGIC UINT64_C(0x31544b4954454c4d) /* "MLETIKT1" */

struct kept {
    uint64_t magic;
    int64_t made_s[TICKETS_KEPT]; /* 0 = none */
    struct tls_ticket_key keys[TICKETS_KEPT];
};

struct tickets {
    struct run *run;
    struct timer timer;
    struct kept kept;
};

static void path_of(const struct run *run, char *ret, size_t size)
{
    (void)snprintf(ret, size, "%s/tickets", run->core->instance.state_dir);
}

static void read_file(struct tickets *tickets)
{
    char path[512];
    cleanup(buf_fini) struct buf text = BUF_INIT(sizeof(struct kept));
    path_of(tickets->run, path, sizeof(path));
    if (file_read_regular(path, sizeof(struct kept), &text) == 0 &&
        text.len == sizeof(struct kept)) {
        memcpy(&tickets->kept, text.p, sizeof(struct kept));
    }
    if (tickets->kept.magic != TICKETS_MAGIC) {
        tickets->kept = (struct kept){.magic = TICKETS_MAGIC};
    }
}

/* A new key in front. A file that cannot be written is said: sessions then end with the core. */
static void turn(struct tickets *tickets, int64_t now_s)
{
    struct kept *kept = &tickets->kept;
    struct tls_ticket_key fresh;
    char path[512];
    if (entropy_fill(&fresh, sizeof(fresh)) < 0) {
        return;
    }
    memmove(kept->keys + 1, kept->keys, sizeof(kept->keys) - sizeof(kept->keys[0]));
    memmove(kept->made_s + 1, kept->made_s, sizeof(kept->made_s) - sizeof(kept->made_s[0]));
    kept->keys[0] = fresh;
    kept->made_s[0] = now_s;
    path_of(tickets->run, path, sizeof(path));
    int r = file_replace(path, str_make((const char *)kept, sizeof(*kept)), 0600);
    if (r < 0) {
        core_log(tickets->run->core, "keys of TLS tickets cannot be kept in %s: %s", path,
                 strerror(-r));
    }
}

static void time_to_turn(struct timer *timer, int64_t now_ns)
{
    struct tickets *tickets = container_of(timer, struct tickets, timer);
    (void)now_ns;
    tickets->run->snapshot_dirty = true;
    loop_defer(tickets->run->core->loop, &tickets->run->reconcile);
}

static struct tickets *open_tickets(struct run *run)
{
    struct tickets *tickets = run->tickets;
    if (!tickets) {
        tickets = calloc(1, sizeof(*tickets));
        if (tickets) {
            tickets->run = run;
            timer_init(&tickets->timer, time_to_turn);
            read_file(tickets);
            run->tickets = tickets;
        }
    }
    return tickets;
}

struct str tickets_keys(struct run *run)
{
    struct tickets *tickets = open_tickets(run);
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    if (!tickets) {
        return STR_NONE;
    }
    struct kept *kept = &tickets->kept;
    /* A clock that went back makes a new key, too: one from the future would stay for ever. */
    if (now_s - kept->made_s[0] >= TICKETS_TURN_S || now_s < kept->made_s[0]) {
        turn(tickets, now_s);
    }
    size_t count = 0;
    while (count < TICKETS_KEPT && kept->made_s[count] != 0 &&
           now_s - kept->made_s[count] < (int64_t)TICKETS_KEPT * TICKETS_TURN_S) {
        count++;
    }
    loop_timer_after(run->core->loop, &tickets->timer,
                     (kept->made_s[0] + TICKETS_TURN_S - now_s + 1) * NS_PER_S);
    return str_make((const char *)kept->keys, count * sizeof(kept->keys[0]));
}

void tickets_fini(struct run *run)
{
    if (run->tickets) {
        loop_timer_cancel(run->core->loop, &run->tickets->timer);
        free(run->tickets);
        run->tickets = NULL;
    }
}
