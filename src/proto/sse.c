/* SPDX-License-Identifier: Apache-2.0
 *
 * Server-sent events by the WHATWG HTML standard, "Interpreting an event stream". A line ends with
 * CR, LF or CR LF, so a CR ends its line at once and an LF right behind it is passed over, perhaps
 * in the next piece.
 *
 * The event handed out points into the parser's buffers; it is cleared by the next call and not
 * before the return, so nothing is copied. Its id stays for the events behind it, as the standard
 * has it: a client that reconnects says the last one.
 */
#include "proto/sse.h"

#include "base/num.h"

static void write_field(struct buf *out, struct str name, struct str value)
{
    buf_add(out, name);
    buf_add(out, STR(": "));
    buf_add(out, value);
    buf_add_char(out, '\n');
}

static bool is_one_line(struct str s)
{
    return str_find_char(s, '\n') < 0 && str_find_char(s, '\r') < 0 && str_find_char(s, '\0') < 0;
}

/* Length of the first line of `s`; *ret_next is behind its end. */
static size_t line_len(struct str s, size_t *ret_next)
{
    size_t len = 0;
    while (len < s.len && s.p[len] != '\n' && s.p[len] != '\r') {
        len++;
    }
    *ret_next = len + (len < s.len);
    if (len + 1 < s.len && s.p[len] == '\r' && s.p[len + 1] == '\n') {
        ++*ret_next;
    }
    return len;
}

void sse_write(struct buf *out, const struct sse_event *event)
{
    ensure(is_one_line(event->event) && is_one_line(event->id));
    if (event->id.len) {
        write_field(out, STR("id"), event->id);
    }
    if (event->event.len) {
        write_field(out, STR("event"), event->event);
    }
    struct str rest = event->data;
    bool more = true;
    while (more) {
        size_t next;
        size_t len = line_len(rest, &next);
        write_field(out, STR("data"), str_slice(rest, 0, len));
        more =
            next > len; /* a line end was there: what is behind it is a line too, even if empty */
        rest = str_skip(rest, next);
    }
    buf_add_char(out, '\n');
}

void sse_write_comment(struct buf *out, struct str text)
{
    ensure(is_one_line(text));
    write_field(out, STR(""), text);
    buf_add_char(out, '\n');
}

void sse_write_retry(struct buf *out, uint64_t milliseconds)
{
    buf_add(out, STR("retry: "));
    buf_add_u64(out, milliseconds);
    buf_add(out, STR("\n\n"));
}

void sse_parser_init(struct sse_parser *parser, size_t event_max)
{
    *parser = (struct sse_parser){
        .line = BUF_INIT(event_max),
        .data = BUF_INIT(event_max),
        .event = BUF_INIT(event_max),
        .id = BUF_INIT(event_max),
    };
}

void sse_parser_fini(struct sse_parser *parser)
{
    if (parser) {
        buf_fini(&parser->line);
        buf_fini(&parser->data);
        buf_fini(&parser->event);
        buf_fini(&parser->id);
    }
}

static void set(struct buf *buf, struct str value)
{
    buf_reset(buf);
    buf_add(buf, value);
}

/* One complete line that is not empty. */
static void take_line(struct sse_parser *parser, struct str line)
{
    struct str name, value;
    (void)str_split(line, ':', &name, &value);
    if (value.len && value.p[0] == ' ') {
        value = str_skip(value, 1);
    }
    if (str_eq(name, STR("data"))) {
        if (parser->has_data) {
            buf_add_char(&parser->data, '\n');
        }
        buf_add(&parser->data, value);
        parser->has_data = true;
    } else if (str_eq(name, STR("event"))) {
        set(&parser->event, value);
    } else if (str_eq(name, STR("id"))) {
        if (str_find_char(value, '\0') < 0) {
            set(&parser->id, value);
        }
    } else if (str_eq(name, STR("retry"))) {
        parser->retry_set |= num_parse_u64(value, &parser->retry_ms) == 0;
    }
}

/* The line in the parser is complete. SSE_E_EVENT if it ends an event that has data. */
static int end_line(struct sse_parser *parser, struct sse_event *ret)
{
    struct str line = buf_str(&parser->line);
    if (!parser->started) {
        parser->started = true;
        if (str_starts(line, STR("\xef\xbb\xbf"))) {
            line = str_skip(line, 3);
        }
    }
    if (line.len) {
        take_line(parser, line);
        buf_reset(&parser->line);
        return 0;
    }
    buf_reset(&parser->line);
    parser->dispatch = true;
    if (!parser->has_data) {
        return 0;
    }
    *ret =
        (struct sse_event){buf_str(&parser->event), buf_str(&parser->id), buf_str(&parser->data)};
    return SSE_E_EVENT;
}

static int parser_error(const struct sse_parser *parser)
{
    int r = buf_error(&parser->line);
    r = r ? r : buf_error(&parser->data);
    r = r ? r : buf_error(&parser->event);
    return r ? r : buf_error(&parser->id);
}

static void forget_event(struct sse_parser *parser)
{
    if (parser->dispatch) {
        buf_reset(&parser->data);
        buf_reset(&parser->event);
        parser->has_data = false;
        parser->dispatch = false;
    }
}

int sse_parse(struct sse_parser *parser, struct str *in, struct sse_event *ret)
{
    int r = parser_error(parser);
    while (r == 0 && in->len) {
        forget_event(parser);
        if (parser->after_cr && in->p[0] == '\n') {
            parser->after_cr = false;
            *in = str_skip(*in, 1);
            continue;
        }
        size_t len = 0;
        while (len < in->len && in->p[len] != '\n' && in->p[len] != '\r') {
            len++;
        }
        buf_add(&parser->line, str_slice(*in, 0, len));
        parser->after_cr = len < in->len && in->p[len] == '\r';
        bool complete = len < in->len;
        *in = str_skip(*in, len + complete);
        r = parser_error(parser);
        if (r == 0 && complete) {
            r = end_line(parser, ret);
            r = parser_error(parser) ? parser_error(parser) : r;
        }
    }
    return r;
}
