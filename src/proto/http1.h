/* SPDX-License-Identifier: Apache-2.0
 *
 * HTTP/1.1 message heads (RFC 9112), strict: one reading of every byte or none. No I/O, no
 * allocation. Bodies are in http1_body.h, writing in http1_write.h.
 *
 * A head lies in the caller's buffer; the parser stores offsets into it and copies nothing. Call it
 * with all bytes of the head so far, as often as more arrive; each byte is looked at about once.
 * The verdict depends on the bytes only, not on how they were cut. The caller may move the buffer
 * between calls, and afterwards too if it sets head->base.
 *
 *     struct http1_head head;
 *     http1_head_init(&head, &limits);
 *     r = http1_parse_request(&head, data, len);
 *     0: complete; the body starts at data + head.len
 *     HTTP1_E_MORE: read more · HTTP1_E_BAD: answer head.error, then close the connection
 */
#ifndef PROTO_HTTP1_H
#define PROTO_HTTP1_H

#include "proto/http1_types.h"

struct http1_span {
    uint32_t at; /* from head->base */
    uint32_t len;
};

/* HOP: never forwarded. About this connection (fixed names, and what Connection names), or a known
 * name with '_' for '-', which backends of the CGI kind cannot tell from the real one. */
enum {
    HTTP1_HOP = 1,
    HTTP1_PLAIN = 2,  /* the line is exactly "name: value\r\n" */
    HTTP1_SECRET = 4, /* came as one that must not be kept (RFC 7541 §6.2.3) */
};

struct http1_header {
    uint32_t name_at;
    uint32_t value_at;
    uint32_t value_len; /* without the white space around it */
    uint16_t name_len;
    uint8_t id; /* enum http_header_id */
    uint8_t flags;
};

enum http1_form { HTTP1_ORIGIN, HTTP1_ABSOLUTE, HTTP1_AUTHORITY, HTTP1_ASTERISK };
struct http1_head {
    const struct http1_limits *limits;
    const char *base;
    uint32_t len; /* of the whole head, once complete */
    struct http1_error error;

    /* request */
    uint8_t method; /* enum http_method */
    uint8_t form;   /* enum http1_form */
    struct http1_span method_text;
    struct http1_span target; /* as it came */
    struct http1_span path;   /* of origin and absolute form, without query; "" for an empty one */
    struct http1_span query;  /* behind the '?'; !has_query: there is none */
    struct http1_span host;   /* authority of the target, else Host; checked; len 0 = none */
    bool has_query;
    bool expect_continue;

    /* response */
    uint16_t status;
    struct http1_span reason;

    /* both */
    uint8_t minor;   /* HTTP/1.minor: 0 or 1 */
    uint8_t framing; /* enum http1_framing */
    bool keep_alive; /* the sender lets the connection live on */
    bool upgrade;    /* Connection: upgrade with an Upgrade field, in 1.1 */
    bool hop_names;  /* Connection names a field that is not one of hops anyway */
    bool has_length; /* a Content-Length was there: also on HEAD and 304, where no body follows */
    uint64_t content_length;
    struct http_set present; /* ids of the headers that are there */
    uint16_t count;
    uint8_t secret; /* HTTP1_SECRET_… */

    /* private: where to go on */
    uint32_t line;    /* start of the line being read; 0 = first */
    uint32_t scanned; /* bytes of it that need no second look */
    uint8_t step;
    uint8_t seen;                                   /* bits: framing fields met */
    uint16_t request_method;                        /* responses: what was asked */
    struct http1_header headers[HTTP1_HEADERS_MAX]; /* `count` of them; not initialised */
};

/* `limits` must outlive the head; its maxima are below 2^31. A head is used for one message: for
 * the next one it is initialised anew, which clears all but the array of headers. */
void http1_head_init(struct http1_head *head, const struct http1_limits *limits);
must_check int http1_parse_request(struct http1_head *head, const char *data, size_t len);
/* For the answer to a `method` request, which decides where the body ends (RFC 9112 §6.3); interim
 * (1xx) heads come one by one, each into a fresh head. All its refusals have status 502: what a
 * server says wrong is a bad gateway to the client. */
must_check int http1_parse_response(struct http1_head *head, enum http_method method,
                                    const char *data, size_t len);

static inline struct str http1_str(const struct http1_head *head, struct http1_span span)
{
    return (struct str){head->base + span.at, span.len};
}
static inline struct str http1_name(const struct http1_head *head, size_t i)
{
    return (struct str){head->base + head->headers[i].name_at, head->headers[i].name_len};
}
static inline struct str http1_value(const struct http1_head *head, size_t i)
{
    return (struct str){head->base + head->headers[i].value_at, head->headers[i].value_len};
}
/* Index of the first header with that id (not OTHER), or -1. */
int http1_find(const struct http1_head *head, enum http_header_id id);
/* Its value, or STR_NONE. */
struct str http1_get(const struct http1_head *head, enum http_header_id id);
/* Does a 101 name protocols, and only such as the request's Upgrade (`asked`) did (RFC 9110
 * §7.8)? */
bool http1_answers_upgrade(const struct http1_head *head, struct str asked);
/* The value of the first header with that name, whatever its case; STR_NONE. */
struct str http1_get_name(const struct http1_head *head, struct str name);

#endif
