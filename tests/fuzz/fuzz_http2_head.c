/* SPDX-License-Identifier: Apache-2.0
 *
 * Heads that come field by field. What is taken must be one message in HTTP/1.1 too, with the same
 * fields: written as such and read by the parser of HTTP/1, nothing is left over and nothing has
 * changed. The first byte is bits; then fields: length of the name, the name, length of the value,
 * the value.
 */
#include "fuzz.h"
#include "proto/http2_head.h"

#include <stdlib.h>

enum {
    RESPONSE = 1,
    NO_BODY = 2,
    SWITCHES = 4, /* it answers an extended CONNECT */
    SECRET = 8,   /* no field may be kept in a table */
    KEPT = 16,    /* each lies in one, and was looked at before */
    LONG = 32,    /* each value is there many times */
    TIMES = 90,
};

static const struct http1_limits limits = HTTP1_LIMITS_DEFAULT;

static struct str take_text(struct str *in)
{
    size_t len = fuzz_byte(in);
    struct str text = str_slice(*in, 0, len);
    *in = str_skip(*in, text.len);
    return text;
}

static void write_lines(struct buf *out, const struct http1_head *head)
{
    for (size_t i = 0; i < head->count; i++) {
        buf_add(out, http1_name(head, i));
        buf_add(out, STR(": "));
        buf_add(out, http1_value(head, i));
        buf_add(out, STR("\r\n"));
    }
    buf_add(out, STR("\r\n"));
}

static void check_same(const struct http1_head *a, const struct http1_head *b, size_t len)
{
    fuzz_check(b->len == len && a->count == b->count && a->status == b->status);
    /* An answer of HTTP/2 that ends with its head says so without a field. */
    bool empty = a->status && a->has_length && a->content_length == 0 && !b->has_length;
    fuzz_check(empty || (a->has_length == b->has_length && a->content_length == b->content_length));
    fuzz_check(str_eq(http1_str(a, a->host), http1_str(b, b->host)));
    fuzz_check(str_eq(http1_str(a, a->path), http1_str(b, b->path)));
    for (size_t i = 0; i < a->count; i++) {
        fuzz_check(str_eq(http1_name(a, i), http1_name(b, i)));
        fuzz_check(str_eq(http1_value(a, i), http1_value(b, i)));
    }
}

static void check_one_message(const struct http1_head *head, bool response)
{
    struct buf text = BUF_INIT(64 * 1024);
    struct http1_head again;
    http1_head_init(&again, &limits);
    if (response) {
        buf_printf(&text, "HTTP/1.1 %03u x\r\n", head->status);
    } else {
        buf_add(&text, http1_str(head, head->method_text));
        buf_add_char(&text, ' ');
        buf_add(&text, http1_str(head, head->target));
        buf_add(&text, STR(" HTTP/1.1\r\n"));
    }
    write_lines(&text, head);
    int r = response ? http1_parse_response(&again, HTTP_GET, text.p, text.len)
                     : http1_parse_request(&again, text.p, text.len);
    /* Longer by the version only, which a head at its limit has no room for. */
    if (r != 0 && (again.error.status == 431 || again.error.status == 414)) {
        fuzz_check(text.len > limits.line_max);
    } else {
        fuzz_check(r == 0);
        check_same(head, &again, text.len);
    }
    buf_fini(&text);
}

static void take_field(struct http2_head *builder, unsigned kind, struct str *in)
{
    struct buf value = BUF_INIT(64 * 1024);
    uint8_t mark = 0;
    struct str name = take_text(in), once = take_text(in);
    for (unsigned i = 0; i < (kind & LONG ? TIMES : 1); i++) {
        buf_add(&value, once);
    }
    struct hpack_found field = hpack_found_make(name, str_make(buf_cstr(&value), value.len));
    field.secret = kind & SECRET;
    if (kind & KEPT) {
        field.mark = &mark;
        bool good = http2_field_is_good(&field);
        fuzz_check(good == http2_field_is_good(&field) && mark <= 1);
    }
    http2_head_field(builder, &field);
    buf_fini(&value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct http2_head builder;
    struct http1_head head;
    unsigned kind = fuzz_byte(&in);
    char *memory = malloc(limits.head_max);
    struct str room = str_make(memory, limits.head_max);
    if (kind & RESPONSE) {
        http2_head_response(&builder, &head, &limits, HTTP_GET, room);
    } else {
        http2_head_request(&builder, &head, &limits, room);
    }
    while (in.len > 0) {
        take_field(&builder, kind, &in);
    }
    if (kind & SWITCHES && kind & RESPONSE) {
        http2_head_switch(&builder, STR("accepted"));
    }
    int r = http2_head_end(&builder, kind & NO_BODY);
    fuzz_check((r == 0) == (head.error.status == 0));
    fuzz_check(r == 0 || head.error.reason);
    if (r == 0 && !(kind & SWITCHES)) {
        check_one_message(&head, kind & RESPONSE);
    }
    free(memory);
    return 0;
}
