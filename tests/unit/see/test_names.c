/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "link/snapshot.h"
#include "see/names.h"

static void build(struct buf *out, uint64_t sequence, struct str replica)
{
    struct snapshot_builder builder;
    buf_reset(out);
    snapshot_builder_init(&builder);
    snapshot_builder_service(&builder, &(struct snapshot_service){.id = 1,
                                                                  .tenant = STR("default"),
                                                                  .project = STR("shop"),
                                                                  .name = STR("web")});
    snapshot_builder_endpoint(
        &builder,
        &(struct snapshot_endpoint){
            .id = 2, .service = 1, .address = STR("127.0.0.1:1"), .replica = replica, .weight = 1});
    snapshot_builder_route(
        &builder, &(struct snapshot_route){
                      .id = 3, .service = 1, .host = STR("shop.localhost"), .path = STR("/api")});
    check_int(snapshot_builder_finish(&builder, sequence, 0, out), 0);
    snapshot_builder_fini(&builder);
}

TEST(ids_get_the_names_of_the_snapshot)
{
    struct names names = NAMES_INIT;
    struct buf blob = BUF_INIT(MIB);
    build(&blob, 1, STR("web-1"));
    check_int(names_read(&names, buf_str(&blob)), 0);
    check_str(names_get(&names, 1)->service, STR("web"));
    check_str(names_get(&names, 2)->replica, STR("web-1"));
    check_int(names_get(&names, 2)->number, 1);
    check_str(names_get(&names, 3)->path, STR("/api"));
    check_str(names_get(&names, 3)->project, STR("shop"));
    check(!names_get(&names, 4));
    build(&blob, 2, STR("web-12"));
    check_int(names_read(&names, buf_str(&blob)), 0);
    check_int(names_get(&names, 2)->number, 12);
    check_int(names.sequence, 2);
    blob.p[40] ^= 1; /* what is damaged is refused; what is known stays */
    check(names_read(&names, str_make(blob.p, 30)) < 0);
    check_int(names_get(&names, 2)->number, 12);
    names_fini(&names);
    buf_fini(&blob);
}

TEST(replicas_that_came_by_a_delta_are_known_by_their_id)
{
    struct names names = NAMES_INIT;
    struct str t = STR("default"), p = STR("shop"), s = STR("web");
    check_int(names_add_replica(&names, t, p, s, 3), 0);
    check_int(names_add_replica(&names, t, p, s, 3), 0);
    check_str(names_get(&names, link_id(t, p, s, STR("3")))->replica, STR("web-3"));
    check_int(names_get(&names, link_id(t, p, s, STR("3.b")))->number, 3);
    check_int(names.by_id.len, 2);
    names_fini(&names);
}

/* Memory for names is bounded: when half of it is used by names of old, all begins anew with what
 * there is. */
TEST(names_of_old_make_room_when_half_of_the_memory_is_used)
{
    struct names names = NAMES_INIT;
    struct buf blob = BUF_INIT(MIB);
    struct str t = STR("default"), p = STR("shop"), s = STR("old");
    names.arena.max = 64 * KIB;
    for (uint32_t i = 1; names.arena.used <= names.arena.max / 2; i++) {
        check_int(names_add_replica(&names, t, p, s, i), 0);
    }
    uint64_t old = link_id(t, p, s, STR("1"));
    check(names_get(&names, old));
    build(&blob, 7, STR("web-1"));
    check_int(names_read(&names, buf_str(&blob)), 0);
    check(!names_get(&names, old));
    check_str(names_get(&names, 2)->replica, STR("web-1"));
    check_int(names.by_id.len, 3);
    names_fini(&names);
    buf_fini(&blob);
}

TEST(a_snapshot_for_which_memory_is_out_is_not_taken_for_known)
{
    struct names names = NAMES_INIT;
    struct buf blob = BUF_INIT(MIB);
    names.arena.max = 16;
    build(&blob, 1, STR("web-1"));
    check_int(names_read(&names, buf_str(&blob)), -ENOMEM);
    check_int(names.sequence, 0);
    names.arena.max = MIB;
    check_int(names_read(&names, buf_str(&blob)), 0);
    check_int(names.sequence, 1);
    check_str(names_get(&names, 2)->replica, STR("web-1"));
    names_fini(&names);
    buf_fini(&blob);
}
