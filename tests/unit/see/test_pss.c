/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading PSS beside the other work of the room's pool. Two functions are put in front of the real
 * ones by the linker (meson.build): which processes there are, and reading one, which may last.
 */
#include "harness/test.h"

#include "base/num.h"
#include "os/loop.h"
#include "os/proc_info.h"
#include "see/metrics_private.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

enum { ASKED = 4 };

static struct loop loop;
static struct see see;
static atomic_bool hold;
static atomic_int reading, reading_max;
static unsigned answers, works_done;

int __wrap_metrics_pids(const struct metrics *metrics, const struct bus_id *id, int *pids,
                        size_t max, size_t *ret_count);
int __wrap_metrics_pids(const struct metrics *metrics, const struct bus_id *id, int *pids,
                        size_t max, size_t *ret_count)
{
    pids[0] = 1;
    *ret_count = 1;
    return 0;
}

int __wrap_proc_pss(int pid, uint64_t *ret_bytes);
int __wrap_proc_pss(int pid, uint64_t *ret_bytes)
{
    int now = ++reading;
    reading_max = MAX(reading_max, now);
    while (hold) {
        usleep(1000);
    }
    reading--;
    *ret_bytes = 4096;
    return 0;
}

static void set_up(void)
{
    answers = works_done = 0;
    reading_max = 0;
    hold = true;
    check_int(loop_init(&loop, 1), 0);
    see = (struct see){.core = NULL};
    list_init(&see.pss);
    check_int(worker_pool_init(&see.pool, &loop, SEE_WORKS, SEE_WORKS), 0);
}

static void tear_down(void)
{
    hold = false;
    worker_pool_fini(&see.pool);
    pss_fini(&see);
    loop_fini(&loop);
}

static void on_pss(void *arg, int error, const struct pss *pss)
{
    check_int(error, 0);
    check_int(pss->bytes, 4096);
    answers++;
}

static void run_nothing(struct work *work)
{
}

static void count_work(struct work *work)
{
    works_done++;
}

#define turn_until(done)                                                                           \
    do {                                                                                           \
        for (int turn = 0; turn < 3000 && !(done); turn++) {                                       \
            check_int(loop_turn(&loop, 10 * NS_PER_MS), 0);                                        \
        }                                                                                          \
        check(done);                                                                               \
    } while (0)

TEST(slow_readings_keep_neither_the_tail_nor_a_query_waiting)
{
    const struct bus_id id = bus_id_make(STR("default"), STR("shop"), STR("web"), 0);
    struct work works[2]; /* a pass of the tail and a query */
    set_up();
    for (int i = 0; i < ASKED; i++) {
        check_int(pss_read(&see, &id, on_pss, NULL), 0);
    }
    check_int(pss_read(&see, &id, on_pss, NULL), -ENOBUFS);
    turn_until(reading == 1);
    for (size_t i = 0; i < ARRAY_LEN(works); i++) {
        works[i] = (struct work){.run = run_nothing, .done = count_work};
        check_int(worker_submit(&see.pool, &works[i]), 0);
    }
    turn_until(works_done == 2);
    check_int(answers, 0);
    hold = false;
    turn_until(answers == ASKED);
    check_int(reading_max, 1);
    tear_down();
}

TEST(an_owner_that_went_away_is_not_called)
{
    const struct bus_id id = bus_id_make(STR("default"), STR("shop"), STR("web"), 0);
    int owner;
    set_up();
    check_int(pss_read(&see, &id, on_pss, &owner), 0);
    check_int(pss_read(&see, &id, on_pss, NULL), 0);
    pss_cancel(&see, &owner);
    hold = false;
    turn_until(answers == 1 && list_empty(&see.pss));
    tear_down();
}
