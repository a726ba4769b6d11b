/* SPDX-License-Identifier: Apache-2.0
 *
 * From method and path to an endpoint, on a table of its own.
 */
#include "face/api_route.h"
#include "harness/test.h"

static void handler(struct exchange *x)
{
}

#define ROW(m, p)                                                                                  \
    {                                                                                              \
        .method = (m), .path = (p), .id = (p), .handle = handler                                   \
    }
const struct endpoint api_endpoints[] = {
    ROW(HTTP_GET, "/api/v1/projects"),
    ROW(HTTP_POST, "/api/v1/projects"),
    ROW(HTTP_GET, "/api/v1/projects/{project}"),
    ROW(HTTP_DELETE, "/api/v1/projects/{project}"),
    ROW(HTTP_POST, "/api/v1/projects/{project}/services/{service}/scale"),
    ROW(HTTP_GET, "/healthz"),
};
const size_t api_endpoint_count = 6;

static struct arena arena = {.max = 1 << 20};

static struct route_match route(enum http_method method, const char *path)
{
    struct route_match match;

    check_int(api_route(method, str_from(path), &arena, &match), 0);
    return match;
}

TEST(every_row_is_found_by_its_own_path)
{
    check(route(HTTP_GET, "/api/v1/projects").endpoint == &api_endpoints[0]);
    check(route(HTTP_POST, "/api/v1/projects").endpoint == &api_endpoints[1]);
    check(route(HTTP_GET, "/healthz").endpoint == &api_endpoints[5]);
}

TEST(head_is_get)
{
    check(route(HTTP_HEAD, "/healthz").endpoint == &api_endpoints[5]);
}

TEST(parameters_are_decoded_segments)
{
    struct route_match match = route(HTTP_POST, "/api/v1/projects/sh%6fp/services/a%2Fb/scale");

    check(match.endpoint == &api_endpoints[4]);
    check_str(match.params[0], STR("shop"));
    check_str(match.params[1], STR("a/b"));
}

TEST(an_empty_parameter_matches_nothing)
{
    check(route(HTTP_GET, "/api/v1/projects/").endpoint == NULL);
    check_int(route(HTTP_GET, "/api/v1/projects/").allow, 0);
    check(route(HTTP_GET, "/api/v1/projects//").endpoint == NULL);
}

TEST(a_wrong_method_names_the_right_ones)
{
    cleanup(buf_fini) struct buf allow = BUF_INIT(128);
    struct route_match match = route(HTTP_PUT, "/api/v1/projects/shop");

    check(match.endpoint == NULL);
    api_route_allow(match.allow, &allow);
    check_str(buf_str(&allow), STR("GET, HEAD, DELETE"));
}

TEST(strange_paths_match_nothing)
{
    check_int(route(HTTP_GET, "*").allow, 0);
    check_int(route(HTTP_GET, "").allow, 0);
    check_int(route(HTTP_GET, "/").allow, 0);
    check_int(route(HTTP_GET, "/a/b/c/d/e/f/g/h/i/j/k/l/m/n").allow, 0);
    check_int(route(HTTP_GET, "/api/v1/projects/x/y").allow, 0);
}

TEST(broken_escapes_are_an_error)
{
    struct route_match match;

    check_int(api_route(HTTP_GET, STR("/api/v1/projects/%zz"), &arena, &match), -EINVAL);
    check_int(api_route(HTTP_GET, STR("/api/v1/projects/%00"), &arena, &match), -EINVAL);
    check_int(api_route(HTTP_GET, STR("/api/v1/projects/%4"), &arena, &match), -EINVAL);
}
