/* SPDX-License-Identifier: Apache-2.0
 *
 * Trailer lines, collected as their bytes come, so that a cut anywhere changes nothing. White space
 * around a value is not kept: what is passed on is what was understood.
 *
 * Invariants:
 * 1. [0, at) is whole lines that may be passed on; [at, len) is the line being read.
 * 2. The decoder's budgets (bytes, lines) bound what comes here, so the room never runs out.
 *
 * What may pass is a list of what must not (http1_trailer_allowed), turned round for names that we
 * know: an application's own trailers (Server-Timing, Grpc-Status) are why anybody sends some, and
 * a known header that arrives late could contradict what was decided by the head.
 */
#include "proto/http1_trailers.h"

#include "proto/http.h"

bool http1_trailer_allowed(struct str name)
{
    static const struct str families[] = {
        STR_INIT("content-"),        STR_INIT("x-forwarded-"), STR_INIT("proxy-"),
        STR_INIT("access-control-"), STR_INIT("sec-"),         STR_INIT("if-"),
    };
    static const struct str more[] = {STR_INIT("authentication-info"), STR_INIT("set-cookie2"),
                                      STR_INIT("warning")};
    enum http_header_id id = http_header_find(name);
    if (id != HTTP_H_OTHER) {
        return id == HTTP_H_ETAG || id == HTTP_H_ACCEPT_RANGES; /* RFC 9110 §8.8.3, §14.3 */
    }
    if (str_find_char(name, '_') >= 0) {
        return false; /* a backend of the CGI kind would take it for another name */
    }
    for (size_t i = 0; i < ARRAY_LEN(families); i++) {
        if (str_eq_nocase(str_slice(name, 0, families[i].len), families[i])) {
            return false;
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(more); i++) {
        if (str_eq_nocase(name, more[i])) {
            return false;
        }
    }
    return true;
}

static void put(struct http1_trailers *trailers, char c)
{
    ensure(trailers->len < HTTP1_TRAILERS_ROOM);
    trailers->p[trailers->len++] = c;
}

void http1_trailers_name(struct http1_trailers *trailers, char c)
{
    put(trailers, c);
    if (c == ':') {
        put(trailers, ' ');
        trailers->value_at = trailers->len;
    }
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

void http1_trailers_value(struct http1_trailers *trailers, char c)
{
    if (trailers->len > trailers->value_at || !is_space(c)) {
        put(trailers, c);
    }
}

void http1_trailers_line_end(struct http1_trailers *trailers)
{
    uint32_t name_len = trailers->value_at - trailers->at - 2;
    if (!http1_trailer_allowed(str_make(trailers->p + trailers->at, name_len))) {
        trailers->len = trailers->at;
        return;
    }
    while (trailers->len > trailers->value_at && is_space(trailers->p[trailers->len - 1])) {
        trailers->len--;
    }
    put(trailers, '\r');
    put(trailers, '\n');
    trailers->at = trailers->len;
}
