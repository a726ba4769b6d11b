/* SPDX-License-Identifier: Apache-2.0
 *
 * The real edge without keeper and core, for tests and benchmarks: sockets are opened here, shared
 * memory is made here, the snapshot is built from a text file, commands come by standard input.
 *
 *   edge_driver FILE [--no-reader] [--suspend]
 *
 * Lines of FILE (words by spaces; KEY=VALUE options in any order):
 *   gateway [threads=N] [expose_replica=1] [trusted_proxies=NET,NET] [connections_max=N]
 *   [head_ms=N]
 *           [keepalive_ms=N] [body_rate=N] [read_rate=N] [address_connections=N] [address_rate=N]
 *           [glitches_max=N] [geo=FILE]
 *   service NAME [protocol=h2c] [balance=WORD] [hash=WORD] [hash_name=X] [hash_bound=N]
 *   [sticky=COOKIE]
 *           [sticky_max_age=S] [panic=PERCENT] [state=starting|stopped|crashed] [connect_ms=N]
 *   [first_byte_ms=N]
 *           [idle_ms=N] [tunnel_idle_ms=N] [stream_ms=N] [hold_ms=N] [retries=N] [body_size=N]
 *           [connections_max=N] [probe=http:/path|grpc:NAME|tcp] [probe_interval_ms=N]
 *           [probe_timeout_ms=N] [probe_retries=N]
 *           [retry_… breaker_… and so on: the numbers of struct snapshot_policy]
 *           [fallback_service=NAME] [fallback_body=WORD] [mirror_service=NAME] [retry_header=NAME]
 *           [queue_header=NAME]
 *   endpoint SERVICE REPLICA ADDRESS [state=starting|draining] [weight=N|none] [group=N]
 *           [place=LATITUDE,LONGITUDE] [sticky=TEXT]
 *   route SERVICE HOST PATH [strip=1] [connect=1] [frames=1] [message_max=N] [ping_ms=N]
 *         [tunnel_ms=N] [tunnels_max=N]     HOST * = any
 *   listen http|tcp|admin ADDRESS [SERVICE] [proxy_protocol=1]
 *
 * Commands: the same `endpoint` and `service NAME state=…` lines as deltas; `remove SERVICE
 * REPLICA`; `probe SERVICE REPLICA`; `load SERVICE REPLICA used=PER_MILLE`; `reload` (the file
 * again, as a new snapshot); `stats`; `records`; `probes`; `policy
 * SERVICE [REPLICA]`; `quit [MS]`. Each answers by one line of
 * JSON; "ready" is printed when the edge runs.
 */
#include "base/json.h"
#include "base/num.h"
#include "edge/config.h"
#include "edge/edge.h"
#include "link/counters_policy.h"
#include "link/counters_probe.h"
#include "link/delta.h"
#include "link/loads.h"
#include "link/ring.h"
#include "link/snapshot.h"
#include "os/clock.h"
#include "os/entropy.h"
#include "os/file.h"
#include "os/loop.h"
#include "os/shm.h"
#include "os/sock.h"
#include "suspend_filter.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { WORDS_MAX = 48, RECORDS_KEPT = 20000, LINE_MAX_ = 4096 };

/* What the reader, a process of its own so that the edge stays as it is, shares with us. */
struct journal {
    uint64_t count, bad;
    uint64_t shown; /* by `records` */
    struct ring_record records[RECORDS_KEPT];
};

struct driver {
    const char *path;
    struct edge *edge;
    struct edge_opts opts;
    struct edge_memory memory;
    unsigned threads;
    struct shm deltas, counters_shm, rings_shm[COUNTERS_THREADS_MAX];
    struct delta_log log;
    struct counters counters;
    struct ring rings[COUNTERS_THREADS_MAX];
    uint64_t sequence;
    struct journal *journal;
    struct loop_fd input;
    char line[LINE_MAX_];
    size_t line_len;
};

static struct driver driver;

static void die(const char *what, int error)
{
    fprintf(stderr, "edge_driver: %s: %s\n", what, strerror(error < 0 ? -error : error));
    exit(1);
}

static void must(int r, const char *what)
{
    if (r < 0) {
        die(what, r);
    }
}

/* --- words --- */

struct words {
    struct str at[WORDS_MAX];
    size_t count;
};

static struct words split(struct str line)
{
    struct words words = {0};
    struct str head;
    while (line.len > 0 && words.count < WORDS_MAX) {
        str_split(line, ' ', &head, &line);
        head = str_trim_ws(head);
        if (head.len > 0) {
            words.at[words.count++] = head;
        }
    }
    return words;
}

static struct str option(const struct words *words, const char *name)
{
    for (size_t i = 1; i < words->count; i++) {
        struct str key;
        struct str value;
        if (str_split(words->at[i], '=', &key, &value) && str_is(key, name)) {
            return value;
        }
    }
    return STR_NONE;
}

static uint64_t number(const struct words *words, const char *name)
{
    uint64_t n = 0;
    struct str value = option(words, name);
    if (value.len && num_parse_u64(value, &n) < 0) {
        die(name, EINVAL);
    }
    return n;
}

static uint32_t number32(const struct words *words, const char *name)
{
    return (uint32_t)number(words, name);
}

static uint64_t service_id(struct str name)
{
    return link_id(STR("default"), STR("test"), name, STR_NONE);
}

static uint64_t endpoint_id(struct str service, struct str replica)
{
    return link_id(STR("default"), STR("test"), service, replica);
}

/* --- the file --- */

static enum snapshot_service_state service_state(struct str text)
{
    return str_is(text, "starting")  ? SNAPSHOT_SERVICE_STARTING
           : str_is(text, "stopped") ? SNAPSHOT_SERVICE_STOPPED
           : str_is(text, "crashed") ? SNAPSHOT_SERVICE_CRASHED
           : str_is(text, "drained") ? SNAPSHOT_SERVICE_DRAINED
           : str_is(text, "scaled")  ? SNAPSHOT_SERVICE_SCALED_TO_0
                                     : SNAPSHOT_SERVICE_RUNNING;
}

static enum snapshot_endpoint_state endpoint_state(struct str text)
{
    return str_is(text, "starting")   ? SNAPSHOT_ENDPOINT_STARTING
           : str_is(text, "draining") ? SNAPSHOT_ENDPOINT_DRAINING
                                      : SNAPSHOT_ENDPOINT_READY;
}

static const char *const balances[] = {"round_robin", "least_conn", "random", "power_of_two",
                                       "least_load",  "hash",       "nearest"};
static const char *const hashes[] = {"ip", "header", "cookie", "query", "path", "", ""};

static unsigned word_of(struct str text, const char *const *words)
{
    unsigned i = 0;
    while (text.len && i < SNAPSHOT_BALANCES - 1 && !str_is(text, words[i])) {
        i++;
    }
    return i;
}

/* place=52.5,13.4 group=1 sticky=TEXT */
static struct snapshot_seat seat_of(const struct words *w)
{
    struct snapshot_seat seat = {.group = number32(w, "group")};
    struct str place = option(w, "place"), first, second;
    double latitude, longitude;
    str_copy(seat.sticky, sizeof(seat.sticky), option(w, "sticky"));
    if (str_split(place, ',', &first, &second) && num_parse_double(first, &latitude) == 0 &&
        num_parse_double(second, &longitude) == 0) {
        seat.located = 1;
        seat.latitude = (int32_t)(latitude * SNAPSHOT_MICRO);
        seat.longitude = (int32_t)(longitude * SNAPSHOT_MICRO);
    }
    return seat;
}

static uint32_t weight_of(const struct words *w)
{
    return str_is(option(w, "weight"), "none") ? SNAPSHOT_WEIGHT_NONE : number32(w, "weight");
}

#define NUMBER(member)                                                                             \
    {                                                                                              \
#member, offsetof(struct snapshot_policy, member)                                          \
    }
static const struct {
    const char *name;
    size_t offset;
} policy_numbers[] = {
    NUMBER(total_ms),
    NUMBER(queue_ms),
    NUMBER(retry_when),
    NUMBER(retry_methods),
    NUMBER(retry_backoff_ms),
    NUMBER(retry_share_permille),
    NUMBER(retry_minimum),
    NUMBER(retry_window_ms),
    NUMBER(hedge_after_ms),
    NUMBER(hedge_percentile),
    NUMBER(hedge_share_permille),
    NUMBER(breaker_requests),
    NUMBER(breaker_pending),
    NUMBER(breaker_consecutive),
    NUMBER(breaker_failures_permille),
    NUMBER(breaker_minimum),
    NUMBER(breaker_window_ms),
    NUMBER(breaker_open_ms),
    NUMBER(breaker_probes),
    NUMBER(outlier_consecutive),
    NUMBER(outlier_success_permille),
    NUMBER(outlier_latency_permille),
    NUMBER(outlier_minimum),
    NUMBER(outlier_interval_ms),
    NUMBER(outlier_ejection_ms),
    NUMBER(outlier_ejection_max_ms),
    NUMBER(outlier_share_permille),
    NUMBER(slow_start_ms),
    NUMBER(queue_length),
    NUMBER(queue_target_ms),
    NUMBER(queue_interval_ms),
    NUMBER(concurrency_kind),
    NUMBER(concurrency_initial),
    NUMBER(concurrency_least),
    NUMBER(concurrency_most),
    NUMBER(concurrency_tolerance_permille),
    NUMBER(concurrency_late_ms),
    NUMBER(fallback_status),
    NUMBER(mirror_permille),
    NUMBER(retry_buffer),
    NUMBER(breaker_connections),
};

/* A part is on when one of its numbers, or its service or text, is named. */
static bool read_policy(const struct words *w, struct snapshot_policy *policy)
{
    static const char *const parts[] = {"retry_",       "hedge_",      "breaker_",
                                        "outlier_",     "slow_start_", "queue_",
                                        "concurrency_", "fallback_",   "mirror_"};
    for (size_t i = 0; i < ARRAY_LEN(policy_numbers); i++) {
        uint32_t n = number32(w, policy_numbers[i].name);
        memcpy((char *)policy + policy_numbers[i].offset, &n, sizeof(n));
    }
    for (size_t i = 2; i < w->count; i++) {
        for (size_t part = 0; part < ARRAY_LEN(parts); part++) {
            bool named = str_starts(w->at[i], str_from(parts[part]));
            policy->parts |= named ? 1U << part : 0;
        }
    }
    struct str fallback = option(w, "fallback_service");
    struct str mirror = option(w, "mirror_service");
    policy->fallback_service = fallback.len ? service_id(fallback) : 0;
    policy->mirror_service = mirror.len ? service_id(mirror) : 0;
    policy->fallback_body = option(w, "fallback_body");
    policy->fallback_type = STR("text/plain");
    policy->retry_header = option(w, "retry_header");
    policy->queue_header = option(w, "queue_header");
    return policy->parts || policy->total_ms;
}

static void add_service(struct snapshot_builder *builder, const struct words *w)
{
    struct snapshot_policy policy = {0};
    struct str probe = option(w, "probe");
    struct str kind;
    struct str path = STR_NONE;
    str_split(probe, ':', &kind, &path);
    struct snapshot_service service = {
        .id = service_id(w->at[1]),
        .tenant = STR("default"),
        .project = STR("test"),
        .name = w->at[1],
        .balance = (enum snapshot_balance)word_of(option(w, "balance"), balances),
        .state = service_state(option(w, "state")),
        .protocol = str_is(option(w, "protocol"), "h2c") ? SNAPSHOT_PROTOCOL_HTTP2
                                                         : SNAPSHOT_PROTOCOL_HTTP1,
        .connect_ms = number32(w, "connect_ms"),
        .first_byte_ms = number32(w, "first_byte_ms"),
        .idle_ms = number32(w, "idle_ms"),
        .tunnel_idle_ms = number32(w, "tunnel_idle_ms"),
        .stream_ms = number32(w, "stream_ms"),
        .hold_ms = number32(w, "hold_ms"),
        .retries = number32(w, "retries"),
        .body_size = number(w, "body_size"),
        .connections_max = number32(w, "connections_max"),
        .probe =
            {
                .kind = str_is(kind, "http")   ? SNAPSHOT_PROBE_HTTP
                        : str_is(kind, "grpc") ? SNAPSHOT_PROBE_GRPC
                        : str_is(kind, "tcp")  ? SNAPSHOT_PROBE_TCP
                                               : SNAPSHOT_PROBE_NONE,
                .path = path,
                .interval_ms = number32(w, "probe_interval_ms"),
                .timeout_ms = number32(w, "probe_timeout_ms"),
                .retries = number32(w, "probe_retries"),
            },
        .spread =
            {
                .hash = (enum snapshot_hash)word_of(option(w, "hash"), hashes),
                .hash_name = option(w, "hash_name"),
                .hash_bound = number32(w, "hash_bound"),
                .sticky = option(w, "sticky"),
                .sticky_max_age = number32(w, "sticky_max_age"),
                .panic = number32(w, "panic"),
            },
    };
    service.policy = read_policy(w, &policy) ? &policy : NULL;
    snapshot_builder_service(builder, &service);
}

static void add_endpoint(struct snapshot_builder *builder, const struct words *w)
{
    struct snapshot_endpoint endpoint = {
        .id = endpoint_id(w->at[1], w->at[2]),
        .service = service_id(w->at[1]),
        .replica = w->at[2],
        .address = w->at[3],
        .state = endpoint_state(option(w, "state")),
        .weight = weight_of(w),
        .seat = seat_of(w),
    };
    snapshot_builder_endpoint(builder, &endpoint);
}

static void add_route(struct snapshot_builder *builder, const struct words *w)
{
    struct snapshot_route route = {
        .id = link_id(STR("route"), w->at[1], w->at[2], w->at[3]),
        .service = service_id(w->at[1]),
        .host = w->at[2],
        .path = w->at[3],
        .flags = (number(w, "strip") ? SNAPSHOT_ROUTE_STRIP_PREFIX : 0U) |
                 (number(w, "connect") ? SNAPSHOT_ROUTE_CONNECT : 0U) |
                 (number(w, "frames") ? SNAPSHOT_ROUTE_CHECK_FRAMES : 0U),
        .tunnel =
            {
                .message_max = number(w, "message_max"),
                .ping_ms = number32(w, "ping_ms"),
                .idle_ms = number32(w, "tunnel_ms"),
                .connections_max = number32(w, "tunnels_max"),
            },
    };
    snapshot_builder_route(builder, &route);
}

static void add_listener(struct snapshot_builder *builder, const struct words *w)
{
    struct snapshot_listener listener = {
        .id = link_id(STR("listen"), w->at[1], w->at[2], STR_NONE),
        .kind = str_is(w->at[1], "tcp")     ? SNAPSHOT_TCP
                : str_is(w->at[1], "admin") ? SNAPSHOT_ADMIN
                                            : SNAPSHOT_HTTP,
        .address = w->at[2],
        .service = w->count > 3 && str_find_char(w->at[3], '=') < 0 ? service_id(w->at[3]) : 0,
        .proxy_protocol = number(w, "proxy_protocol") != 0,
    };
    snapshot_builder_listener(builder, &listener);
}

/* Commas become spaces. */
static struct str with_spaces(struct str text, char memory[512])
{
    for (size_t i = 0; i < MIN(text.len, (size_t)512); i++) {
        memory[i] = text.p[i] == ',' ? ' ' : text.p[i];
    }
    return str_make(memory, MIN(text.len, (size_t)512));
}

static void add_line(struct snapshot_builder *builder, const struct words *w)
{
    if (w->count == 0 || w->at[0].p[0] == '#') {
        return;
    }
    if (str_is(w->at[0], "gateway")) {
        char networks[512];
        struct snapshot_gateway gateway = {
            .threads = number32(w, "threads"),
            .expose_replica = number(w, "expose_replica") != 0,
            .trusted_proxies = with_spaces(option(w, "trusted_proxies"), networks),
            .body_rate = number32(w, "body_rate"),
            .read_rate = number32(w, "read_rate"),
            .address_connections = number32(w, "address_connections"),
            .address_rate = number32(w, "address_rate"),
            .glitches_max = number32(w, "glitches_max"),
            .connections_max = number32(w, "connections_max"),
            .head_ms = number32(w, "head_ms"),
            .keepalive_ms = number32(w, "keepalive_ms"),
            .http2_streams = number32(w, "http2_streams"),
            .http2_window = number32(w, "http2_window"),
            .http2_session_window = number32(w, "http2_session_window"),
            .http2_glitches = number32(w, "http2_glitches"),
            .instance = STR("driver"),
            .geo = option(w, "geo"),
        };
        snapshot_builder_gateway(builder, &gateway);
        driver.threads = driver.edge ? driver.threads : gateway.threads;
    } else if (str_is(w->at[0], "service") && w->count >= 2) {
        add_service(builder, w);
    } else if (str_is(w->at[0], "endpoint") && w->count >= 4) {
        add_endpoint(builder, w);
    } else if (str_is(w->at[0], "route") && w->count >= 4) {
        add_route(builder, w);
    } else if (str_is(w->at[0], "listen") && w->count >= 3) {
        add_listener(builder, w);
    } else {
        die("a line of the file is not understood", EINVAL);
    }
}

static int build(void)
{
    struct buf text = BUF_INIT(64 * MIB);
    struct buf blob = BUF_INIT(SNAPSHOT_BLOB_MAX);
    struct snapshot_builder builder;
    int fd = -1;
    must(file_read_all(driver.path, 64 * MIB, &text), driver.path);
    snapshot_builder_init(&builder);
    struct str rest = buf_str(&text);
    struct str line;
    while (rest.len > 0) {
        str_split(rest, '\n', &line, &rest);
        struct words words = split(line);
        add_line(&builder, &words);
    }
    must(snapshot_builder_finish(&builder, ++driver.sequence, delta_log_head(&driver.log), &blob),
         "the snapshot");
    must(shm_create_sealed("snapshot", buf_str(&blob), &fd), "memfd");
    delta_log_set_base(&driver.log, delta_log_head(&driver.log));
    snapshot_builder_fini(&builder);
    buf_fini(&blob);
    buf_fini(&text);
    return fd;
}

/* --- records --- */

static void take(const struct ring_record *record)
{
    struct journal *journal = driver.journal;
    journal->records[journal->count % RECORDS_KEPT] = *record;
    __atomic_store_n(&journal->count, journal->count + 1, __ATOMIC_RELEASE);
}

static void read_ring(struct ring *ring)
{
    struct ring_record record;
    uint64_t sequence;
    int r;
    while ((r = ring_read(ring, &record, &sequence)) != RING_E_EMPTY) {
        if (r == 0) {
            take(&record);
        } else {
            driver.journal->bad++;
        }
    }
    ring_commit(ring);
}

/* Ends with its parent. */
static noreturn_fn void read_rings(int parent)
{
    while (getppid() == parent) {
        for (unsigned i = 0; i < COUNTERS_THREADS_MAX; i++) {
            read_ring(&driver.rings[i]);
        }
        clock_sleep_ns(2 * NS_PER_MS);
    }
    _exit(0);
}

static uint64_t records_taken(void)
{
    return __atomic_load_n(&driver.journal->count, __ATOMIC_ACQUIRE);
}

static void print(struct buf *out)
{
    buf_add_char(out, '\n');
    must(file_write(STDOUT_FILENO, out->p, out->len), "standard output");
    buf_fini(out);
}

static void write_access(struct json_writer *json, const struct ring_access *access)
{
    json_begin_object(json);
    json_field(json, "status", u64, access->status);
    json_field(json, "method", cstr, ring_method_name(access->method));
    json_field(json, "path", str, str_make(access->path, access->path_len));
    json_field(json, "host", str, str_make(access->path + access->path_len, access->host_len));
    json_field(json, "request_id", str, str_make(access->request_id, access->request_id_len));
    json_field(json, "flags", u64, access->flags);
    json_field(json, "layers", u64, access->layers);
    json_field(json, "close_code", u64, access->close_code);
    json_field(json, "retries", u64, access->retries);
    json_field(json, "bytes_in", u64, access->bytes_in);
    json_field(json, "bytes_out", u64, access->bytes_out);
    json_field(json, "total_us", u64, access->total_us);
    json_field(json, "wait_us", u64, access->wait_us);
    json_field(json, "endpoint", u64, access->endpoint);
    json_field(json, "family", u64, access->client_family);
    json_end_object(json);
}

static void do_records(void)
{
    struct buf out = BUF_INIT(64 * MIB);
    struct json_writer json = JSON_WRITER(&out);
    clock_sleep_ns(8 * NS_PER_MS);
    uint64_t count = records_taken();
    uint64_t from = MAX(driver.journal->shown, count > RECORDS_KEPT ? count - RECORDS_KEPT : 0);
    json_begin_array(&json);
    for (uint64_t i = from; i < count; i++) {
        const struct ring_record *record = &driver.journal->records[i % RECORDS_KEPT];
        if (record->kind == RING_ACCESS) {
            write_access(&json, &record->access);
        }
    }
    json_end_array(&json);
    driver.journal->shown = count;
    print(&out);
}

static void write_cells(struct json_writer *json)
{
    struct counters_cell sum = {0};
    for (unsigned t = 0; t < COUNTERS_THREADS_MAX; t++) {
        for (uint32_t i = 0; i < counters_cells_used(&driver.counters, t); i++) {
            struct counters_cell cell;
            if (counters_cell_read(&driver.counters, t, i, &cell)) {
                sum.requests += cell.requests;
                sum.in_flight += cell.in_flight;
                sum.retries += cell.retries;
                sum.errors += cell.errors;
                sum.unbalanced += cell.unbalanced;
                sum.connects += cell.connects;
                for (unsigned s = 0; s < 6; s++) {
                    sum.status[s] += cell.status[s];
                }
            }
        }
    }
    json_field(json, "cell_requests", u64, sum.requests);
    json_field(json, "in_flight", u64, sum.in_flight);
    json_field(json, "retries", u64, sum.retries);
    json_field(json, "errors", u64, sum.errors);
    json_field(json, "connects", u64, sum.connects);
    json_field(json, "unbalanced", u64, sum.unbalanced);
    json_field(json, "status_2xx", u64, sum.status[2]);
    json_field(json, "status_5xx", u64, sum.status[5]);
}

static void do_stats(void)
{
    struct buf out = BUF_INIT(MIB);
    struct json_writer json = JSON_WRITER(&out);
    struct counters_thread sum = {0};
    for (unsigned t = 0; t < COUNTERS_THREADS_MAX; t++) {
        struct counters_thread stats = counters_thread_read(&driver.counters, t);
        const uint64_t *from = (const uint64_t *)&stats;
        uint64_t *to = (uint64_t *)&sum;
        for (size_t i = 0; i < sizeof(stats) / sizeof(uint64_t); i++) {
            to[i] += from[i];
        }
    }
    json_begin_object(&json);
    json_field(&json, "requests", u64, sum.requests);
    json_field(&json, "connections", u64, sum.connections);
    json_field(&json, "accepted", u64, sum.accepted);
    json_field(&json, "bad_requests", u64, sum.bad_requests);
    json_field(&json, "no_endpoint", u64, sum.no_endpoint);
    json_field(&json, "held", u64, sum.held);
    json_field(&json, "timeouts", u64, sum.timeouts);
    json_field(&json, "tunnels", u64, sum.tunnels);
    json_field(&json, "dropped", u64, sum.ring_dropped);
    json_field(&json, "upstream_connections", u64, sum.upstream_connections);
    json_field(&json, "limit_address_connections", u64, sum.limit_address_connections);
    json_field(&json, "limit_address_rate", u64, sum.limit_address_rate);
    json_field(&json, "limit_body_rate", u64, sum.limit_body_rate);
    json_field(&json, "limit_read_rate", u64, sum.limit_read_rate);
    json_field(&json, "limit_glitches", u64, sum.limit_glitches);
    json_field(&json, "glitches", u64, sum.glitches);
    json_field(&json, "bad_announcements", u64, sum.bad_announcements);
    json_field(&json, "tls_failed", u64, sum.tls_failed);
    json_field(&json, "snapshots", u64, sum.snapshots);
    json_key(&json, STR("by_thread"));
    json_begin_array(&json);
    for (unsigned t = 0; t < COUNTERS_THREADS_MAX; t++) {
        json_u64(&json, counters_thread_read(&driver.counters, t).connections);
    }
    json_end_array(&json);
    write_cells(&json);
    json_field(&json, "records", u64, records_taken());
    json_field(&json, "bad_records", u64, driver.journal->bad);
    json_end_object(&json);
    print(&out);
}

static void answer(const char *text)
{
    struct buf out = BUF_INIT(KIB);
    buf_add_cstr(&out, text);
    print(&out);
}

/* policy SERVICE [REPLICA]: what the edge shares about it. */
static void do_policy(const struct words *w)
{
    struct counters_policy policy = {0};
    uint64_t id = w->count > 2 ? endpoint_id(w->at[1], w->at[2]) : service_id(w->at[1]);
    char text[256];
    (void)counters_policy_read(&driver.counters, id, &policy);
    snprintf(text, sizeof(text),
             "{\"state\":%u,\"reason\":%u,\"times\":%llu,\"refused\":%llu,\"in_flight\":%u,"
             "\"connections\":%u,\"limit\":%u,\"not_mirrored\":%llu,"
             "\"until\":%lld}",
             policy.state, policy.reason, (unsigned long long)policy.times,
             (unsigned long long)policy.refused, counters_policy_in_flight(&policy),
             counters_policy_connections(&policy), counters_policy_limit(&driver.counters, &policy),
             (unsigned long long)policy.not_mirrored, (long long)policy.until_wall_ns);
    answer(text);
}

static void do_probes(void)
{
    struct buf out = BUF_INIT(MIB);
    struct json_writer json = JSON_WRITER(&out);
    json_begin_array(&json);
    for (uint32_t i = 0; i < COUNTERS_PROBES_MAX; i++) {
        struct counters_probe probe;
        if (counters_probe_read(&driver.counters, i, &probe)) {
            json_begin_object(&json);
            json_field(&json, "endpoint", u64, probe.endpoint);
            json_field(&json, "status", u64, probe.status);
            json_field(&json, "runs", u64, probe.runs);
            json_field(&json, "http_status", u64, probe.http_status);
            json_field(&json, "error", u64, probe.error);
            json_field(&json, "body", str, str_make(probe.body, probe.body_len));
            json_end_object(&json);
        }
    }
    json_end_array(&json);
    print(&out);
}

/* --- commands --- */

static void send_delta(struct delta *delta)
{
    must(delta_log_append(&driver.log, delta), "delta");
    edge_deltas(driver.edge);
    answer("{}");
}

static void do_endpoint(const struct words *w)
{
    struct delta delta = {
        .kind = DELTA_ENDPOINT_SET,
        .service = service_id(w->at[1]),
        .endpoint = endpoint_id(w->at[1], w->at[2]),
        .endpoint_state = endpoint_state(option(w, "state")),
        .weight = weight_of(w),
        .seat = seat_of(w),
    };
    str_copy(delta.replica, sizeof(delta.replica), w->at[2]);
    str_copy(delta.address, sizeof(delta.address), w->at[3]);
    send_delta(&delta);
}

static void do_command(const struct words *w)
{
    struct str verb = w->count ? w->at[0] : STR_NONE;
    if (str_is(verb, "endpoint") && w->count >= 4) {
        do_endpoint(w);
    } else if (str_is(verb, "remove") && w->count >= 3) {
        send_delta(&(struct delta){.kind = DELTA_ENDPOINT_REMOVE,
                                   .endpoint = endpoint_id(w->at[1], w->at[2])});
    } else if (str_is(verb, "probe") && w->count >= 3) {
        send_delta(
            &(struct delta){.kind = DELTA_PROBE_NOW, .endpoint = endpoint_id(w->at[1], w->at[2])});
    } else if (str_is(verb, "service") && w->count >= 3) {
        send_delta(&(struct delta){.kind = DELTA_SERVICE_STATE,
                                   .service = service_id(w->at[1]),
                                   .service_state = service_state(option(w, "state"))});
    } else if (str_is(verb, "load") && w->count >= 4) {
        loads_set(driver.log.loads, endpoint_id(w->at[1], w->at[2]), number32(w, "used"),
                  clock_mono_ns());
        answer("{}");
    } else if (str_is(verb, "reload")) {
        int fd = build();
        must(edge_apply(driver.edge, fd), "apply");
        sock_close(&fd);
        answer("{}");
    } else if (str_is(verb, "stats")) {
        do_stats();
    } else if (str_is(verb, "records")) {
        do_records();
    } else if (str_is(verb, "probes")) {
        do_probes();
    } else if (str_is(verb, "policy") && w->count >= 2) {
        do_policy(w);
    } else if (str_is(verb, "quit")) {
        uint64_t ms = 500;
        (void)(w->count >= 2 && num_parse_u64(w->at[1], &ms));
        edge_stop(driver.edge, (unsigned)ms);
    } else {
        answer("{\"error\":\"what?\"}");
    }
}

static void input_ready(struct loop_fd *watch, uint32_t events)
{
    (void)events;
    int64_t n = file_read(watch->fd, driver.line + driver.line_len, LINE_MAX_ - driver.line_len);
    if (n == -EAGAIN) {
        return;
    }
    if (n <= 0) {
        loop_fd_remove(edge_loop(driver.edge), watch);
        edge_stop(driver.edge, 0);
        return;
    }
    driver.line_len += (size_t)n;
    struct str rest = str_make(driver.line, driver.line_len);
    struct str line;
    struct str next;
    while (str_split(rest, '\n', &line, &next)) {
        struct words words = split(line);
        do_command(&words);
        rest = next;
    }
    memmove(driver.line, rest.p, rest.len);
    driver.line_len = rest.len;
}

/* --- the edge's owner --- */

static void open_listener(void *context, struct str address)
{
    struct sock_addr addr;
    int fd = -1;
    (void)context;
    must(sock_addr_parse(address, &addr), "address");
    must(sock_listen(&addr, &(struct sock_listen_opts){0}, &fd), "listen");
    edge_listening(driver.edge, address, fd);
}

static void close_listener(void *context, struct str address)
{
    (void)context;
    (void)address;
}

static void snapshot_wanted(void *context)
{
    (void)context;
}

static void make_memory(void)
{
    struct edge_memory *memory = &driver.memory;
    size_t size = counters_size(COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
    memory->bell_core = -1;
    memory->bell_edge = -1;
    must(shm_create("deltas", delta_log_size(4096), &memory->deltas), "deltas");
    must(shm_map(&driver.deltas, memory->deltas, true), "deltas");
    delta_log_format(driver.deltas.p, 4096);
    must(delta_log_open(driver.deltas.p, driver.deltas.size, &driver.log), "deltas");
    must(shm_create("counters", size, &memory->counters), "counters");
    must(shm_map(&driver.counters_shm, memory->counters, true), "counters");
    counters_format(driver.counters_shm.p, COUNTERS_THREADS_MAX, COUNTERS_CELLS_DEFAULT);
    must(counters_open(driver.counters_shm.p, size, &driver.counters), "counters");
    for (unsigned i = 0; i < COUNTERS_THREADS_MAX; i++) {
        must(shm_create("ring", ring_size(RING_CAPACITY_DEFAULT), &memory->rings[i]), "ring");
        must(shm_map(&driver.rings_shm[i], memory->rings[i], true), "ring");
        ring_format(driver.rings_shm[i].p, RING_CAPACITY_DEFAULT, entropy_seed());
        must(ring_open(driver.rings_shm[i].p, driver.rings_shm[i].size, &driver.rings[i]), "ring");
    }
    int journal = -1;
    struct shm shm;
    must(shm_create("journal", sizeof(struct journal), &journal), "journal");
    must(shm_map(&shm, journal, true), "journal");
    driver.journal = (void *)shm.p;
}

int main(int argc, char **argv)
{
    bool reader = true;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--suspend") == 0) {
            config_test_filter = &suspend_filter;
        } else if (strcmp(argv[i], "--no-reader") == 0) {
            reader = false;
        } else {
            driver.path = argv[i];
        }
    }
    if (!driver.path) {
        die("which file?", EINVAL);
    }
    make_memory();
    int parent = getpid();
    if (reader && fork() == 0) {
        read_rings(parent);
    }
    driver.opts.listen = open_listener;
    driver.opts.unlisten = close_listener;
    driver.opts.snapshot_wanted = snapshot_wanted;
    int snapshot = build();
    must(edge_new(&driver.opts, &driver.edge), "edge");
    must(edge_open(driver.edge, &driver.memory, driver.threads), "edge");
    must(edge_apply(driver.edge, snapshot), "apply");
    sock_close(&snapshot);
    loop_fd_init(&driver.input, input_ready);
    must(loop_fd_add(edge_loop(driver.edge), &driver.input, STDIN_FILENO, LOOP_READ), "input");
    answer("ready");
    must(edge_run(driver.edge), "run");
    edge_free(driver.edge);
    return 0;
}
