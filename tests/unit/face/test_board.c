/* SPDX-License-Identifier: Apache-2.0
 *
 * The board: when `up --wait` may say ready, and when it has to give up.
 */
#include "base/num.h"
#include "face/board.h"
#include "harness/test.h"

static struct board board;

static bool feed(const char *name, const char *data, int64_t now_ns)
{
    struct client_event event = {.name = str_from(name), .data = str_from(data)};

    return board_feed(&board, &event, now_ns, NULL);
}

#define SERVICE(name, state, desired, ready)                                                       \
    "{\"project\":\"p\",\"name\":\"" name "\",\"state\":\"" state "\",\"reason\":\"because\","     \
    "\"replicas\":{\"desired\":" #desired ",\"running\":0,\"ready\":" #ready "},\"restarts\":1,"   \
    "\"urls\":[\"http://a.localhost:8080\"]}"

TEST(ready_means_every_replica_of_every_service)
{
    board_init(&board, STR("p"));
    check(feed("service", SERVICE("web", "running", 2, 1), 1));
    check(feed("service", SERVICE("job", "completed", 1, 0), 1));
    check(!board_ready(&board));
    check(feed("service", SERVICE("web", "running", 2, 2), 2));
    check(!board_ready(&board)); /* others may still come */
    check(!feed("ping", "{}", 3));
    check(board_ready(&board));
    check(feed("service", SERVICE("db", "starting", 1, 0), 4));
    check(!board_ready(&board));
    board_fini(&board);
}

TEST(stopped_on_purpose_is_not_waited_for)
{
    board_init(&board, STR("p"));
    feed("service", SERVICE("web", "stopped", 0, 0), 1);
    feed("ping", "{}", 1);
    check(board_ready(&board));
    board_fini(&board);
}

TEST(other_projects_are_not_ours)
{
    board_init(&board, STR("q"));
    check(!feed("service", SERVICE("web", "starting", 1, 0), 1));
    feed("ping", "{}", 1);
    check(board_ready(&board));
    board_fini(&board);
}

TEST(one_crash_is_not_the_end_but_a_loop_is)
{
    board_init(&board, STR("p"));
    for (int i = 0; i < 3; i++) {
        feed("service", SERVICE("web", "crashed", 1, 0), 10 * i + 1);
        check(board_hopeless(&board, 10 * i + 2, NS_PER_S) == (i == 2));
        feed("service", SERVICE("web", "starting", 1, 0), 10 * i + 3);
    }
    feed("service", SERVICE("web", "running", 1, 1), 40);
    check(!board_hopeless(&board, 41, NS_PER_S));
    board_fini(&board);
}

TEST(what_stays_crashed_is_given_up_with_those_who_wait_for_it)
{
    board_init(&board, STR("p"));
    feed("service", SERVICE("db", "crashed", 1, 0), 1);
    feed("service", SERVICE("web", "pending", 1, 0), 1);
    check(!board_hopeless(&board, NS_PER_S / 2, NS_PER_S));
    check(board_hopeless(&board, 2 * NS_PER_S, NS_PER_S));
    feed("service", SERVICE("other", "starting", 1, 0), 1);
    check(!board_hopeless(&board, 2 * NS_PER_S, NS_PER_S));
    board_fini(&board);
}

TEST(removal_of_a_service_and_of_the_project)
{
    board_init(&board, STR("p"));
    feed("service", SERVICE("a", "running", 1, 1), 1);
    feed("service", SERVICE("b", "starting", 1, 0), 1);
    check(!feed("removed", "{\"project\":\"p\",\"service\":\"b\",\"replica\":2}", 1));
    check(feed("removed", "{\"project\":\"p\",\"service\":\"b\"}", 1));
    check_int(board.count, 1);
    check(feed("removed", "{\"project\":\"p\"}", 1));
    check(board.removed);
    board_fini(&board);
}

TEST(rubbish_changes_nothing)
{
    board_init(&board, STR("p"));
    check(!feed("service", "{", 1));
    check(!feed("service", "[]", 1));
    check(!feed("unheard-of", "{\"project\":\"p\"}", 1));
    check_int(board.count, 0);
    board_fini(&board);
}

static void feed_many(size_t count)
{
    for (size_t i = 0; i < count; i++) {
        char text[256];
        snprintf(text, sizeof(text),
                 "{\"project\":\"p\",\"name\":\"s%zu\",\"state\":\"running\","
                 "\"replicas\":{\"desired\":1,\"ready\":1}}",
                 i);
        feed("service", text, 1);
    }
    feed("ping", "{}", 1);
}

/* It held 1,024: the next doubling was beyond the bound, and `up --wait` said ready without the
 * others. */
TEST(the_board_holds_what_it_says_and_is_not_ready_beyond)
{
    board_init(&board, STR("p"));
    feed_many(BOARD_SERVICES_MAX);
    check_int(board.count, BOARD_SERVICES_MAX);
    check(board_ready(&board));
    feed_many(BOARD_SERVICES_MAX + 1);
    check_int(board.count, BOARD_SERVICES_MAX);
    check(!board_ready(&board));
    board_fini(&board);
}
