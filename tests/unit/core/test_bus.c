/* SPDX-License-Identifier: Apache-2.0 */
#include "core/bus.h"
#include "core/event.h"

#include "harness/test.h"
#include "os/loop.h"

#include <stdio.h>
#include <stdlib.h>

static struct loop loop;
static struct bus *bus;

struct listener {
    struct bus_subscriber subscriber;
    unsigned counts[BUS_TOPIC_COUNT];
    uint32_t last_replica;
    bool leaves;
};

static void notify(struct bus_subscriber *subscriber, const struct bus_message *message)
{
    struct listener *listener = container_of(subscriber, struct listener, subscriber);
    listener->counts[message->topic]++;
    listener->last_replica = message->id.replica;
    if (listener->leaves) {
        bus_unsubscribe(subscriber);
    }
}

static void listen_to(struct listener *listener, uint32_t topics)
{
    *listener = (struct listener){.subscriber = {.topics = topics, .notify = notify}};
    bus_subscribe(bus, &listener->subscriber);
}

static void begin(void)
{
    check_int(loop_init(&loop, 1), 0);
    check_int(bus_new(&loop, &bus), 0);
}

static void turn(void)
{
    check_int(loop_turn(&loop, 0), 0);
}

static void end(void)
{
    bus_free(bus);
    loop_fini(&loop);
}

static void publish(enum bus_topic topic, uint32_t replica)
{
    bus_publish(bus, &(struct bus_message){
                         .topic = topic, .id = bus_id_make(STR("t"), STR("p"), STR("s"), replica)});
}

TEST(news_comes_through_the_loop_to_those_who_want_it)
{
    struct listener all, some;
    begin();
    listen_to(&all, BUS_ALL);
    listen_to(&some, BUS_BIT(BUS_SERVICE_CHANGED));
    publish(BUS_REPLICA_CHANGED, 1);
    publish(BUS_SERVICE_CHANGED, 0);
    check_int(all.counts[BUS_REPLICA_CHANGED], 0);
    turn();
    check_int(all.counts[BUS_REPLICA_CHANGED], 1);
    check_int(all.counts[BUS_SERVICE_CHANGED], 1);
    check_int(some.counts[BUS_REPLICA_CHANGED], 0);
    check_int(some.counts[BUS_SERVICE_CHANGED], 1);
    end();
}

TEST(equal_changes_that_wait_are_one)
{
    struct listener all;
    begin();
    listen_to(&all, BUS_ALL);
    for (int i = 0; i < 100; i++) {
        publish(BUS_REPLICA_CHANGED, 1);
        publish(BUS_REPLICA_CHANGED, 2);
    }
    turn();
    check_int(all.counts[BUS_REPLICA_CHANGED], 2);
    end();
}

TEST(a_change_behind_a_removal_is_not_merged_into_one_before_it)
{
    struct listener all;
    begin();
    listen_to(&all, BUS_ALL);
    publish(BUS_REPLICA_CHANGED, 1);
    publish(BUS_REPLICA_REMOVED, 1);
    publish(BUS_REPLICA_CHANGED, 1);
    turn();
    check_int(all.counts[BUS_REPLICA_CHANGED], 2);
    end();
}

TEST(a_flood_becomes_one_resync)
{
    struct listener all;
    begin();
    listen_to(&all, BUS_BIT(BUS_REPLICA_CHANGED));
    for (uint32_t i = 1; i <= 10000; i++) {
        publish(BUS_REPLICA_CHANGED, i);
    }
    turn();
    check_int(all.counts[BUS_RESYNC], 1);
    check_int(all.counts[BUS_REPLICA_CHANGED], 0);
    publish(BUS_REPLICA_CHANGED, 3);
    turn();
    check_int(all.counts[BUS_REPLICA_CHANGED], 1);
    end();
}

TEST(a_listener_may_leave_while_it_is_told)
{
    struct listener first, second;
    begin();
    listen_to(&first, BUS_ALL);
    listen_to(&second, BUS_ALL);
    first.leaves = true;
    publish(BUS_REPLICA_CHANGED, 1);
    publish(BUS_REPLICA_CHANGED, 2);
    turn();
    check_int(first.counts[BUS_REPLICA_CHANGED], 1);
    check_int(second.counts[BUS_REPLICA_CHANGED], 2);
    end();
}

TEST(events_that_nobody_hears_are_freed)
{
    begin();
    for (int i = 0; i < 3; i++) {
        struct event *event = calloc(1, sizeof(*event));
        bus_publish(bus, &(struct bus_message){.topic = BUS_EVENT, .event = event});
    }
    turn();
    struct event *event = calloc(1, sizeof(*event));
    bus_publish(bus, &(struct bus_message){.topic = BUS_EVENT, .event = event});
    end();
}
