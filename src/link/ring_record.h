/* SPDX-License-Identifier: Apache-2.0
 *
 * What lies in a ring: one record of 256 bytes for each request, and for each result of a probe
 * that is news. The format is the ring's (RING_MAGIC): a record grows into what was zero before, or
 * gets a new kind, which an older reader skips.
 */
#ifndef LINK_RING_RECORD_H
#define LINK_RING_RECORD_H

#include "base/str.h"
#include "link/ring_code.h"

enum {
    RING_RECORD_SIZE = 256,
    RING_PATH_MAX = 112,
    RING_REQUEST_ID_MAX = 36,
    RING_BODY_MAX = 96,
    RING_MORE_MAX = 244,
};

/* RING_MORE stands right in front of the access record that it belongs to. */
enum ring_kind { RING_ACCESS = 1, RING_PROBE = 2, RING_MORE = 3, RING_KINDS };
enum {
    RING_FLAG_HTTP10 = 1,
    RING_FLAG_TUNNEL = 2,         /* 101 or tcp: bytes are those of the tunnel */
    RING_FLAG_CLIENT_ABORT = 4,   /* the client left before the end */
    RING_FLAG_UPSTREAM_ABORT = 8, /* the upstream broke off inside its answer */
    RING_FLAG_HELD = 16,          /* waited for an endpoint */
    RING_FLAG_LOCAL = 32,         /* the edge answered by itself */
    RING_FLAG_PATH_CUT = 64,      /* the path did not fit */
    RING_FLAG_ADMIN = 128,
    RING_FLAG_TCP = 256, /* a tcp listener's connection: no status */
    RING_FLAG_NOT_REPEATED =
        512,                   /* a further try was due, but its body was gone (retries.buffer) */
    RING_FLAG_FALLBACK = 1024, /* its own service could not: that of traffic.fallback was asked */
};
/* ring_access.layers: HTTP version of the client and of the replica (0 = 1.x, 2, 3), TLS. */
enum {
    RING_HTTP = 3,
    RING_HTTP2 = 2,
    RING_HTTP3 = 3,
    RING_UPSTREAM_HTTP2 = 8, /* these two bits likewise */
    RING_TLS = 48,           /* 0 = plain */
    RING_TLS_12 = 32,
    RING_TLS_13 = 48,
    RING_TLS_RESUMED = 64,
    RING_TLS_CERTIFICATE = 128, /* of the client, and it was good */
};
/* Index into ring_method_name; 0 = another one. */
enum ring_method {
    RING_METHOD_OTHER,
    RING_GET,
    RING_HEAD,
    RING_POST,
    RING_PUT,
    RING_DELETE,
    RING_PATCH,
    RING_OPTIONS,
    RING_CONNECT,
    RING_TRACE,
    RING_METHODS
};

struct ring_access {
    int64_t at_wall_ns;                                             /* first byte of the request */
    uint32_t total_us, head_us, wait_us, connect_us, first_byte_us; /* whole; and its phases */
    uint16_t status;                                                /* 0: none was sent */
    uint16_t flags;
    uint64_t route, service, endpoint; /* stable ids; 0 = none */
    uint64_t bytes_in, bytes_out;      /* bodies */
    uint8_t client[16];                /* IPv6, or IPv4 in its first four bytes */
    uint16_t client_port;
    uint8_t client_family; /* 4, 6; 0 = unix */
    uint8_t method;        /* enum ring_method */
    uint8_t retries;
    uint8_t request_id_len;
    uint16_t path_len;
    char request_id[RING_REQUEST_ID_MAX];
    char path[RING_PATH_MAX]; /* and the host right behind it, as far as there is room */
    uint8_t host_len;         /* 0: not known, or no room */
    uint8_t layers;           /* RING_HTTP2 …, RING_TLS … */
    uint16_t close_code;      /* of a WebSocket whose frames were read; below 1,000: the status of a
                                 gRPC call + 1; 0 = neither */
};
/* What does not fit there, written where the configuration asks for it. */
struct ring_more {
    uint8_t host_len, agent_len, referer_len, reserved;
    char text[RING_MORE_MAX]; /* one behind the other */
};
struct ring_probe {
    int64_t at_wall_ns;
    uint64_t service, endpoint;
    uint32_t latency_us, failures_in_row;
    uint16_t http_status;
    uint8_t status; /* enum counters_probe_status */
    uint8_t body_len;
    int32_t error; /* errno, 0 = none */
    char body[RING_BODY_MAX];
};
struct ring_record {
    uint16_t kind; /* enum ring_kind */
    uint16_t code; /* enum ring_code, of RING_ACCESS with RING_FLAG_LOCAL; else without meaning */
    uint16_t reserved[2];
    union {
        struct ring_access access;
        struct ring_probe probe;
        struct ring_more more;
        uint8_t bytes[RING_RECORD_SIZE - 8];
    };
};

const char *ring_method_name(uint8_t method);

#endif
