/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "os/clock.h"
#include "os/mailbox.h"
#include "os/thread.h"
#include "os/worker.h"

enum { SENDERS = 4, MAILS = 5000 };

struct letter {
    struct mail mail;
    unsigned sender;
    unsigned number;
};
struct sender {
    struct thread thread;
    struct letter letters[MAILS];
};
static struct sender senders[SENDERS];
static struct loop loop;
static struct mailbox box;
static unsigned received[SENDERS];
static unsigned total;

static void on_letter(struct mailbox *from, struct mail *mail)
{
    struct letter *letter = container_of(mail, struct letter, mail);
    check_int(letter->number, received[letter->sender]);
    received[letter->sender]++;
    if (++total == SENDERS * MAILS) {
        loop_stop(&loop);
    }
}

static void send_letters(struct thread *thread)
{
    struct sender *sender = container_of(thread, struct sender, thread);
    for (unsigned i = 0; i < MAILS; i++) {
        sender->letters[i].number = i;
        sender->letters[i].sender = (unsigned)(sender - senders);
        mailbox_post(&box, &sender->letters[i].mail);
    }
}

TEST(mails_of_many_threads_arrive_all_and_in_order_per_sender)
{
    check_int(loop_init(&loop, 1), 0);
    check_int(mailbox_init(&box, &loop, on_letter), 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        check_int(thread_start(&senders[i].thread, "sender", send_letters), 0);
    }
    check_int(loop_run(&loop), 0);
    for (unsigned i = 0; i < SENDERS; i++) {
        thread_join(&senders[i].thread);
    }
    check_int(total, SENDERS * MAILS);
    mailbox_fini(&box);
    loop_fini(&loop);
}

struct job {
    struct work work;
    bool ran;
    bool done;
};
static void end_box(struct mailbox *from, struct mail *mail)
{
    total++;
    mailbox_fini(from);
}

TEST(a_mailbox_that_ends_while_it_delivers_drops_the_rest)
{
    struct mail mails[3];
    total = 0;
    check_int(loop_init(&loop, 1), 0);
    check_int(mailbox_init(&box, &loop, end_box), 0);
    for (size_t i = 0; i < ARRAY_LEN(mails); i++) {
        mailbox_post(&box, &mails[i]);
    }
    check_int(loop_turn(&loop, 0), 0);
    check_int(total, 1);
    loop_fini(&loop);
}

static struct worker_pool pool;
static unsigned done_count;
static unsigned done_wanted;

static void job_run(struct work *work)
{
    struct job *job = container_of(work, struct job, work);
    job->ran = true;
}

static void job_done(struct work *work)
{
    struct job *job = container_of(work, struct job, work);
    check(job->ran && !job->done);
    job->done = true;
    if (++done_count == done_wanted) {
        loop_stop(&loop);
    }
}

TEST(each_work_runs_once_and_is_done_on_the_loop)
{
    static struct job jobs[100];
    done_wanted = ARRAY_LEN(jobs);
    check_int(loop_init(&loop, 1), 0);
    check_int(worker_pool_init(&pool, &loop, 3, ARRAY_LEN(jobs)), 0);
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++) {
        jobs[i].work = (struct work){.run = job_run, .done = job_done};
        check_int(worker_submit(&pool, &jobs[i].work), 0);
    }
    struct job extra = {.work = {.run = job_run, .done = job_done}};
    check_int(worker_submit(&pool, &extra.work), -ENOBUFS);
    check_int(loop_run(&loop), 0);
    check_int(done_count, ARRAY_LEN(jobs));
    check_int(pool.pending, 0);
    worker_pool_fini(&pool);
    loop_fini(&loop);
}

static _Atomic bool gate_reached, gate_open;

static void gate_run(struct work *work)
{
    gate_reached = true;
    while (!gate_open) {
        clock_sleep_ns(NS_PER_MS);
    }
    job_run(work);
}

TEST(a_waiting_work_can_be_cancelled_a_running_one_cannot)
{
    struct job slow = {.work = {.run = gate_run, .done = job_done}};
    struct job waiting = {.work = {.run = job_run, .done = job_done}};
    done_wanted = 1;
    check_int(loop_init(&loop, 1), 0);
    check_int(worker_pool_init(&pool, &loop, 1, 8), 0);
    check_int(worker_submit(&pool, &slow.work), 0);
    while (!gate_reached) {
        clock_sleep_ns(NS_PER_MS);
    }
    check_int(worker_submit(&pool, &waiting.work), 0);
    check(worker_cancel(&pool, &waiting.work));
    check(!worker_cancel(&pool, &slow.work));
    gate_open = true;
    check_int(loop_run(&loop), 0);
    check(slow.done && !waiting.ran);
    worker_pool_fini(&pool);
    loop_fini(&loop);
}
