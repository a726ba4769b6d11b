/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "proto/openmetrics.h"

#include <math.h>

static void write_page(struct buf *out, bool old)
{
    static const double bounds[] = {0.005, 0.1, 1, 2.5};
    static const uint64_t buckets[] = {1, 0, 2, 3, 4};
    struct openmetrics om = OPENMETRICS(out, old);
    struct openmetrics_label labels[] = {{"service", STR("web")}, {"path", STR("a\\b\"c\nd\xff")}};
    openmetrics_family(&om, OPENMETRICS_COUNTER, "m_requests", NULL, "Requests\nanswered.");
    openmetrics_u64(&om, labels, 2, UINT64_MAX);
    openmetrics_family(&om, OPENMETRICS_GAUGE, "m_memory_bytes", "bytes", "Memory.");
    openmetrics_double(&om, NULL, 0, 0.1);
    openmetrics_double(&om, labels, 1, (double)NAN);
    openmetrics_family(&om, OPENMETRICS_INFO, "m_build", NULL, "Build.");
    openmetrics_u64(&om, labels, 1, 1);
    openmetrics_family(&om, OPENMETRICS_UNKNOWN, "m_x", NULL, "X.");
    openmetrics_double(&om, NULL, 0, (double)-INFINITY);
    openmetrics_family(&om, OPENMETRICS_HISTOGRAM, "m_seconds", "seconds", "Time.");
    openmetrics_histogram(&om, labels, 1,
                          &(struct openmetrics_histogram){bounds, buckets, 4, 12.5});
    openmetrics_end(&om);
}

TEST(a_page_of_openmetrics)
{
    struct buf out = BUF_INIT(8192);
    write_page(&out, false);
    check_str(buf_str(&out),
              STR("# TYPE m_requests counter\n"
                  "# HELP m_requests Requests\\nanswered.\n"
                  "m_requests_total{service=\"web\",path=\"a\\\\b\\\"c\\nd\xef\xbf\xbd\"} "
                  "18446744073709551615\n"
                  "# TYPE m_memory_bytes gauge\n"
                  "# UNIT m_memory_bytes bytes\n"
                  "# HELP m_memory_bytes Memory.\n"
                  "m_memory_bytes 0.1\n"
                  "m_memory_bytes{service=\"web\"} NaN\n"
                  "# TYPE m_build info\n"
                  "# HELP m_build Build.\n"
                  "m_build_info{service=\"web\"} 1\n"
                  "# TYPE m_x unknown\n"
                  "# HELP m_x X.\n"
                  "m_x -Inf\n"
                  "# TYPE m_seconds histogram\n"
                  "# UNIT m_seconds seconds\n"
                  "# HELP m_seconds Time.\n"
                  "m_seconds_bucket{service=\"web\",le=\"0.005\"} 1\n"
                  "m_seconds_bucket{service=\"web\",le=\"0.1\"} 1\n"
                  "m_seconds_bucket{service=\"web\",le=\"1.0\"} 3\n"
                  "m_seconds_bucket{service=\"web\",le=\"2.5\"} 6\n"
                  "m_seconds_bucket{service=\"web\",le=\"+Inf\"} 10\n"
                  "m_seconds_sum{service=\"web\"} 12.5\n"
                  "m_seconds_count{service=\"web\"} 10\n"
                  "# EOF\n"));
    buf_fini(&out);
}

TEST(the_older_format_names_samples_and_families_alike)
{
    struct buf out = BUF_INIT(8192);
    write_page(&out, true);
    check(str_find(buf_str(&out), STR("# TYPE m_requests_total counter\n")) == 0);
    check(str_find(buf_str(&out), STR("# TYPE m_build_info gauge\n")) > 0);
    check(str_find(buf_str(&out), STR("# TYPE m_x untyped\n")) > 0);
    check(str_find(buf_str(&out), STR("# UNIT")) < 0);
    check(str_find(buf_str(&out), STR("# EOF")) < 0);
    buf_fini(&out);
}

/* The grammar of each: OpenMetrics 1.0 escapes the quote in HELP, format 0.0.4 has no such
 * escape. */
TEST(a_quote_in_help_is_escaped_only_where_the_format_says_so)
{
    for (int old = 0; old < 2; old++) {
        struct buf out = BUF_INIT(4096);
        struct openmetrics om = OPENMETRICS(&out, old);
        openmetrics_family(&om, OPENMETRICS_GAUGE, "up", NULL, "say \"hi\" or \\");
        openmetrics_end(&om);
        struct str want =
            old ? STR("# HELP up say \"hi\" or \\\\\n") : STR("# HELP up say \\\"hi\\\" or \\\\\n");
        check(str_find(buf_str(&out), want) > 0);
        buf_fini(&out);
    }
}

TEST(a_full_buffer_is_an_error_and_no_crash)
{
    struct buf whole = BUF_INIT(8192);
    write_page(&whole, false);
    for (size_t max = 0; max <= whole.len; max++) {
        struct buf out = BUF_INIT(max);
        write_page(&out, false);
        check_int(buf_error(&out), max < whole.len ? -ENOBUFS : 0);
        buf_fini(&out);
    }
    buf_fini(&whole);
}

TEST(the_accept_header_picks_the_format)
{
    check(openmetrics_wants_prometheus(STR("")));
    check(!openmetrics_wants_prometheus(
        STR("application/openmetrics-text;version=1.0.0;q=0.6,text/plain;q=0.5,*/*;q=0.1")));
    check(openmetrics_wants_prometheus(STR("text/plain;version=0.0.4;q=0.6,*/*;q=0.1")));
    check(openmetrics_wants_prometheus(STR("text/plain")));
    check(openmetrics_wants_prometheus(STR("text/html,*/*;q=0.8")));
    check(str_starts(openmetrics_content_type(true), STR("text/plain; version=0.0.4")));
    check(str_starts(openmetrics_content_type(false),
                     STR("application/openmetrics-text; version=1.0.0")));
}
