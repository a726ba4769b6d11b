/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"

#include "os/file.h"
#include "see/stream.h"

#include <stdio.h>
#include <stdlib.h>

TEST(an_output_name_says_service_replica_and_stream)
{
    struct stream_id id;
    check(stream_from_output(STR("shop"), STR("web-api-12.err"), &id));
    check_cstr(id.tenant, "default");
    check_cstr(id.project, "shop");
    check_cstr(id.service, "web-api");
    check_int(id.replica, 12);
    check_int(id.stream, LOGS_STDERR);
    check(stream_from_output(STR("shop"), STR("w-1.out"), &id));
    check_int(id.stream, LOGS_STDOUT);
    static const char *const wrong[] = {"",          "web",      "web.out",
                                        "web-.out",  "-1.out",   "web-x.out",
                                        "web-1.log", "web-1out", "web-99999999999.out"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        check(!stream_from_output(STR("shop"), str_from(wrong[i]), &id));
    }
}

TEST(a_folder_is_read_back_as_it_was_made)
{
    struct stream_id id = stream_access(STR("default"), STR("shop")), back;
    char path[STREAM_PATH_MAX];
    check_int(stream_folder(&id, "/logs", path), 0);
    check_cstr(path, "/logs/default/shop/edge/0.access");
    check(stream_from_folder(str_skip(str_from(path), 6), &back));
    check(stream_eq(&id, &back));
    check(!stream_from_folder(STR("default/shop/web"), &back));
    check(!stream_from_folder(STR("default/shop/web/1.what"), &back));
    check(!stream_from_folder(STR("default/shop/web/x.stdout"), &back));
}

TEST(a_query_without_services_means_what_they_said)
{
    struct stream_id out = {"default", "shop", "web", 1, LOGS_STDOUT};
    struct stream_id access = stream_access(STR("default"), STR("shop"));
    struct str web = STR("web"), edge = STR("edge");
    struct logs_query query = {.stream = LOGS_ALL_STREAMS};
    check(stream_matches(&out, &query));
    check(!stream_matches(&access, &query));
    query.services = &web, query.service_count = 1;
    check(stream_matches(&out, &query));
    query.services = &edge;
    check(!stream_matches(&out, &query));
    check(stream_matches(&access, &query));
    query = (struct logs_query){.stream = LOGS_ACCESS};
    check(stream_matches(&access, &query));
    query = (struct logs_query){.stream = LOGS_STDERR};
    check(!stream_matches(&out, &query));
    query = (struct logs_query){.stream = LOGS_ALL_STREAMS, .replica = 2};
    check(!stream_matches(&out, &query));
    query = (struct logs_query){.stream = LOGS_ALL_STREAMS, .project = STR("other")};
    check(!stream_matches(&out, &query));
    query = (struct logs_query){.stream = LOGS_ALL_STREAMS, .tenant = STR("other")};
    check(!stream_matches(&out, &query));
    struct stream_id lost = stream_access(STR("default"), STR(LOGS_NO_PROJECT));
    query = (struct logs_query){.stream = LOGS_ACCESS, .project = STR("shop")};
    check(stream_matches(&access, &query) && !stream_matches(&lost, &query));
    query.unrouted = true;
    check(stream_matches(&access, &query) && stream_matches(&lost, &query));
    query.services = &web, query.service_count = 1;
    check(!stream_matches(&lost, &query));
}

TEST(the_catalog_finds_the_streams_on_disk)
{
    char folder[] = "/tmp/muelle-test-XXXXXX", path[STREAM_PATH_MAX];
    struct vec catalog = VEC_INIT(struct stream_id, STREAM_CATALOG_MAX);
    struct stream_id ids[] = {{"default", "shop", "web", 1, LOGS_STDOUT},
                              {"default", "shop", "web", 2, LOGS_STDERR},
                              {"default", "b", "edge", 0, LOGS_ACCESS}};
    check(mkdtemp(folder));
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        check_int(stream_folder(&ids[i], folder, path), 0);
        check_int(file_mkdir_p(path, 0700), 0);
    }
    check_int(stream_catalog_scan(&catalog, folder), 0);
    check_int(catalog.len, 3);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++) {
        check_int(stream_catalog_add(&catalog, &ids[i]), 0);
    }
    check_int(catalog.len, 3);
    check_int(file_remove_tree(folder), 0);
    vec_reset(&catalog);
    check_int(stream_catalog_scan(&catalog, folder), 0);
    check_int(catalog.len, 0);
    vec_fini(&catalog);
}
