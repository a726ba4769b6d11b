/* SPDX-License-Identifier: Apache-2.0
 *
 * C structs to JSON, cells and SQL by their tables.
 */
#include "harness/test.h"
#include "schema/resource.h"
#include "schema/status_more.h"

#include <math.h>

static struct str encode(struct buf *out, const struct schema_table *table, const void *object,
                         unsigned flags)
{
    struct json_writer w = JSON_WRITER(out);
    buf_reset(out);
    schema_encode_json(table, object, flags, &w);
    check_int(buf_error(out), 0);
    return buf_str(out);
}

TEST(a_replica_that_runs)
{
    struct buf out = BUF_INIT(MIB);
    struct replica_status r = {.tenant = STR("default"),
                               .project = STR("p"),
                               .service = STR("web"),
                               .replica = 1,
                               .state = REPLICA_RUNNING,
                               .health = HEALTH_HEALTHY,
                               .pid = 42,
                               .port = 20001,
                               .started_at_ns = 1000000000,
                               .cpu_percent = 1.5,
                               .memory_bytes = 4096,
                               .probe = {200, STR("ok"), 2000000000}};
    check_str(
        encode(&out, &schema_replica, &r, 0),
        STR("{\"tenant\":\"default\",\"project\":\"p\",\"service\":\"web\",\"replica\":1,"
            "\"state\":\"running\",\"health\":\"healthy\",\"pid\":42,\"port\":20001,\"restarts\":0,"
            "\"started_at\":\"1970-01-01T00:00:01.000000Z\",\"exit\":null,\"retry_at\":null,"
            "\"reason\":null,"
            "\"cpu_percent\":1.5,\"memory_bytes\":4096,\"probe\":{\"status\":200,\"body\":\"ok\","
            "\"time\":\"1970-01-01T00:00:02.000000Z\"}}"));
    buf_fini(&out);
}

TEST(what_is_unknown_is_null)
{
    struct buf out = BUF_INIT(MIB);
    struct replica_status r = {.state = REPLICA_CRASHED, .exited = true, .cpu_percent = NAN};
    check_str(
        encode(&out, &schema_replica, &r, 0),
        STR("{\"tenant\":null,\"project\":null,\"service\":null,\"replica\":0,\"state\":"
            "\"crashed\","
            "\"health\":\"none\",\"pid\":null,\"port\":null,\"restarts\":0,\"started_at\":null,"
            "\"exit\":0,\"retry_at\":null,\"reason\":null,\"cpu_percent\":null,\"memory_bytes\":"
            "null,\"probe\":"
            "null}"));
    r.state = 99;
    check(str_find(encode(&out, &schema_replica, &r, 0), STR("\"state\":null")) > 0);
    buf_fini(&out);
}

TEST(lists_and_details)
{
    struct buf out = BUF_INIT(MIB);
    struct port_status port = {STR("127.0.0.1:5"), 5, 0, STR("tcp")};
    struct str urls[] = {STR("a"), STR("b")};
    struct service_status s = {.name = STR("s"),
                               .ports = &port,
                               .ports_count = 1,
                               .urls = urls,
                               .urls_count = 2,
                               .spec = STR("{\"x\":1}")};
    struct str text = encode(&out, &schema_service, &s, 0);
    check(str_find(text,
                   STR("\"ports\":[{\"address\":\"127.0.0.1:5\",\"published\":5,\"target\":null")) >
          0);
    check(str_find(text, STR("\"urls\":[\"a\",\"b\"],\"depends_on\":[]")) > 0);
    check(str_find(text,
                   STR("\"replicas\":{\"desired\":0,\"configured\":0,\"running\":0,\"ready\":0}")) >
          0);
    check(str_find(text, STR("\"spec\"")) < 0);
    check(str_find(encode(&out, &schema_service, &s, SCHEMA_ENCODE_DETAIL),
                   STR("\"spec\":{\"x\":1}}")) > 0);
    buf_fini(&out);
}

static struct str cell(struct buf *out, const struct schema_table *table, const char *name,
                       const void *object)
{
    buf_reset(out);
    schema_encode_cell(schema_field_find(table, str_from(name)), object, INT64_C(100000000000),
                       out);
    return buf_str(out);
}

TEST(cells_are_for_people)
{
    struct buf out = BUF_INIT(1000);
    struct replica_status r = {.state = REPLICA_RUNNING,
                               .started_at_ns = INT64_C(88000000000),
                               .cpu_percent = 12.34,
                               .memory_bytes = 1400000};
    check_str(cell(&out, &schema_replica, "state", &r), STR("running"));
    check_str(cell(&out, &schema_replica, "started_at", &r), STR("12 s"));
    check_str(cell(&out, &schema_replica, "cpu_percent", &r), STR("12.3%"));
    check_str(cell(&out, &schema_replica, "memory_bytes", &r), STR("1.4 MB"));
    check_str(cell(&out, &schema_replica, "pid", &r), STR("-"));
    check_str(cell(&out, &schema_replica, "exit", &r), STR("-"));
    const struct schema_field *fields[32];
    check_int(schema_columns(&schema_replica, fields, 32), 12);
    check_cstr(fields[0]->column, "SERVICE");
    check_int(schema_columns(&schema_replica, fields, 2), 12);
    buf_fini(&out);
}

TEST(sql_columns_of_events)
{
    struct buf out = BUF_INIT(4096);
    schema_sql_columns(&schema_event, &out);
    check_str(
        buf_str(&out),
        STR("seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, "
            "severity INTEGER NOT NULL, tenant TEXT NOT NULL, project TEXT, service TEXT, "
            "replica INTEGER, actor TEXT NOT NULL, cause TEXT, message TEXT NOT NULL, data TEXT"));
    buf_fini(&out);
}

TEST(every_row_of_every_resource_is_described_in_both_languages)
{
    for (size_t i = 0; schema_resources[i]; i++) {
        const struct schema_table *table = schema_resources[i];
        check(table->en && table->es);
        for (size_t k = 0; k < table->count; k++) {
            check(table->fields[k].en && table->fields[k].es);
            check(schema_field_find(table, str_from(table->fields[k].name)) == &table->fields[k]);
        }
    }
}

TEST(a_name_is_found_whole_or_not_at_all)
{
    const struct schema_table *table = &schema_problem;
    struct str name = str_from(table->fields[0].name);
    char longer[64] = {0};
    check(name.len + 2 < sizeof(longer));
    memcpy(longer, name.p, name.len);
    check(schema_field_find(table, (struct str){longer, name.len}) == &table->fields[0]);
    check(!schema_field_find(table, (struct str){longer, name.len + 1}));
    check(!schema_field_find(table, (struct str){longer, name.len + 2}));
    check(!schema_field_find(table, (struct str){longer, name.len - 1}));
    check(!schema_field_find(table, STR("")));
    check(!schema_field_find(NULL, name));
}

TEST(derived_schemas_are_json)
{
    struct buf out = BUF_INIT(4 * MIB);
    struct json_writer w = JSON_WRITER(&out);
    json_begin_object(&w);
    schema_openapi_schemas(&w);
    json_end_object(&w);
    struct json_reader r = JSON_READER(buf_str(&out));
    check_int(json_skip(&r, json_next(&r)), 0);
    check_int(json_next(&r), JSON_DONE);
    buf_reset(&out);
    schema_config_json_schema(&out);
    r = JSON_READER(buf_str(&out));
    check_int(json_skip(&r, json_next(&r)), 0);
    check_int(json_next(&r), JSON_DONE);
    buf_fini(&out);
}
