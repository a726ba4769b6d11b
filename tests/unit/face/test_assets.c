/* SPDX-License-Identifier: Apache-2.0
 *
 * Embedded files: exact paths, the page fallback, and what must stay a 404.
 */
#include "face/assets.h"
#include "harness/test.h"

const struct asset asset_table[] = {
    {.path = "/assets/app-3f2a81bc.js", .type = "text/javascript", .immutable = true},
    {.path = "/index.html", .type = "text/html"},
    {.path = "/sw.js", .type = "text/javascript"},
};
const size_t asset_count = 3;

TEST(every_path_in_the_table_is_found)
{
    for (size_t i = 0; i < asset_count; i++) {
        check(asset_find(str_from(asset_table[i].path)) == &asset_table[i]);
    }
    check(asset_find(STR("/assets")) == NULL);
    check(asset_find(STR("/zzz")) == NULL);
    check(asset_find(STR("")) == NULL);
}

TEST(pages_of_the_dashboard_fall_back_to_the_index)
{
    check_cstr(asset_for_page(STR("/"))->path, "/index.html");
    check_cstr(asset_for_page(STR("/services/web"))->path, "/index.html");
    check_cstr(asset_for_page(STR("/sw.js"))->path, "/sw.js");
}

TEST(missing_files_and_api_paths_do_not_fall_back)
{
    check(asset_for_page(STR("/assets/old-00000000.js")) == NULL);
    check(asset_for_page(STR("/favicon.ico")) == NULL);
    check(asset_for_page(STR("/api/v1/nothing")) == NULL);
    check(asset_for_page(STR("*")) == NULL);
}
