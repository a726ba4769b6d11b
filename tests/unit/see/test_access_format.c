/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rng.h"
#include "harness/test.h"
#include "see/access_format.h"

#include <stdio.h>

static struct access_entry entry_of(const char *path, const char *host)
{
    struct access_entry entry = {
        .access =
            {
                .at_wall_ns = INT64_C(1795262405) * 1000000000,
                .total_us = 1500,
                .status = 404,
                .method = RING_GET,
                .client = {10, 0, 0, 7},
                .client_family = 4,
                .client_port = 4711,
                .bytes_out = 12,
            },
    };
    struct ring_access *access = &entry.access;
    access->path_len = (uint16_t)snprintf(access->path, sizeof(access->path), "%s%s", path, host) -
                       (uint16_t)strlen(host);
    access->host_len = (uint8_t)strlen(host);
    return entry;
}

static void add_more(struct access_entry *entry, const char *host, const char *agent,
                     const char *referer)
{
    struct ring_more *more = &entry->more;
    (void)snprintf(more->text, sizeof(more->text), "%s%s%s", host, agent, referer);
    more->host_len = (uint8_t)strlen(host);
    more->agent_len = (uint8_t)strlen(agent);
    more->referer_len = (uint8_t)strlen(referer);
    entry->has_more = true;
}

static void check_line(const char *setting, const struct access_entry *entry, const char *want)
{
    struct names names = NAMES_INIT;
    struct access_format format;
    struct buf out = BUF_INIT(4096);
    access_format_read(&format, str_from(setting));
    access_format_line(&out, &format, entry, &names);
    check_str(buf_str(&out), str_from(want));
    buf_fini(&out);
    names_fini(&names);
}

TEST(the_common_format_is_that_of_other_servers)
{
    struct access_entry entry = entry_of("/a", "shop.example");
    check_line("common\n/x\n", &entry,
               "10.0.0.7 - - [21/Nov/2026:12:00:05 +0000] \"GET /a HTTP/1.1\" 404 12");
    entry.access.layers = RING_HTTP2;
    check_line("common\n\n", &entry,
               "10.0.0.7 - - [21/Nov/2026:12:00:05 +0000] \"GET /a HTTP/2.0\" 404 12");
}

TEST(the_combined_format_has_referer_and_user_agent)
{
    struct access_entry entry = entry_of("/a", "");
    check_line("combined\n/x\n", &entry,
               "10.0.0.7 - - [21/Nov/2026:12:00:05 +0000] \"GET /a HTTP/1.1\" 404 12 \"-\" \"-\"");
    add_more(&entry, "h", "curl/7", "http://b/");
    check_line("combined\n/x\n", &entry,
               "10.0.0.7 - - [21/Nov/2026:12:00:05 +0000] \"GET /a HTTP/1.1\" 404 12 "
               "\"http://b/\" \"curl/7\"");
}

TEST(a_client_ends_no_line_and_no_field)
{
    struct access_entry entry = entry_of("/\"\n\\", "");
    add_more(&entry, "", "a\" 200\r\n\x7f\xc3", "");
    check_line("combined\n/x\n", &entry,
               "10.0.0.7 - - [21/Nov/2026:12:00:05 +0000] \"GET /\\x22\\x0A\\x5C HTTP/1.1\" 404 12 "
               "\"-\" \"a\\x22 200\\x0D\\x0A\\x7F\\xC3\"");
}

TEST(a_json_line_has_the_members_asked_for_in_their_order)
{
    struct access_entry entry = entry_of("/a", "shop.example");
    add_more(&entry, "", "curl/7", "");
    check_line(
        "json\n\nstatus,host,user_agent,path,status,nothing", &entry,
        "{\"status\":404,\"host\":\"shop.example\",\"user_agent\":\"curl/7\",\"path\":\"/a\"}");
    entry.access.layers = RING_TLS_13 | RING_TLS_RESUMED | RING_UPSTREAM_HTTP2;
    entry.access.close_code = 1 + 14;
    check_line("json\n\nprotocol,upstream_protocol,tls,grpc_status,client,client_port", &entry,
               "{\"protocol\":\"HTTP/1.1\",\"upstream_protocol\":\"HTTP/"
               "2.0\",\"tls\":\"TLSv1.3\",\"tls_resumed\":true,\"grpc_status\":14,"
               "\"client\":\"10.0.0.7\",\"client_port\":4711}");
}

TEST(a_host_that_did_not_fit_is_taken_from_the_second_record)
{
    struct access_entry entry = entry_of("/a", "");
    check_line("json\n\nhost,path", &entry, "{\"path\":\"/a\"}");
    add_more(&entry, "long.example", "agent", "");
    check_line("json\n\nhost,path", &entry, "{\"host\":\"long.example\",\"path\":\"/a\"}");
}

/* What a snapshot says is checked where it is read; here any text becomes some format. */
TEST(any_setting_is_one)
{
    for (size_t round = test_rounds(2000); round > 0; round--) {
        char text[1200];
        size_t len = rng_below(test_rng(), sizeof(text));
        struct access_format format;
        for (size_t i = 0; i < len; i++) {
            text[i] = "json\n,/\nstatus,path"[rng_below(test_rng(), 19)];
        }
        access_format_read(&format, str_make(text, len));
        check(format.format <= ACCESS_OFF && format.count > 0 && format.count <= ACCESS_FIELDS);
    }
}

TEST(a_connection_has_no_method_and_no_status_in_any_format)
{
    struct access_entry entry = entry_of("db.example h2", "");
    entry.access.flags = RING_FLAG_TCP;
    entry.access.status = 0;
    check_line("common\n/x\n", &entry,
               "10.0.0.7 - - [21/Nov/2026:12:00:05 +0000] \"TCP db.example h2 -\" - 12");
    entry.access.path_len = 0;
    check_line("common\n/x\n", &entry,
               "10.0.0.7 - - [21/Nov/2026:12:00:05 +0000] \"TCP - -\" - 12");
}

TEST(an_address_is_written_as_everywhere_else)
{
    struct access_entry entry = entry_of("/", "");
    const uint8_t address[16] = {0x20, 1, 0xd, 0xb8, [15] = 1};
    entry.access.client_family = 6;
    memcpy(entry.access.client, address, sizeof(address));
    check_line("json\n\nclient", &entry, "{\"client\":\"2001:db8::1\"}");
}

TEST(an_answer_of_the_gateway_has_the_code_of_its_problem)
{
    struct access_entry entry = entry_of("/", "");
    entry.code = RING_CODE_BREAKER_OPEN;
    check_line("json\n\ncode,status", &entry, "{\"status\":404}");
    entry.access.flags = RING_FLAG_LOCAL;
    check_line("json\n\ncode,status", &entry, "{\"code\":\"edge.breaker-open\",\"status\":404}");
    entry.code = RING_CODES; /* of a newer edge */
    check_line("json\n\ncode,status", &entry, "{\"status\":404}");
    for (unsigned code = 1; code < RING_CODES; code++) {
        check(str_starts(str_from(ring_code_name(code)), STR("edge.")));
    }
}

TEST(a_connection_has_nothing_that_only_requests_have)
{
    struct access_entry entry = entry_of("", "db.example");
    entry.access.flags = RING_FLAG_TCP;
    check_line("json\n\nmethod,host,path,status,bytes_out,protocol,request_id", &entry,
               "{\"host\":\"db.example\",\"bytes_out\":12,\"protocol\":\"TCP\"}");
}
