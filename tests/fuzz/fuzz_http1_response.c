/* SPDX-License-Identifier: Apache-2.0
 *
 * Responses: the same verdict however they are cut, and framings that fit what was asked. The first
 * two bytes of the input are the method of the request and the size of the pieces.
 */
#include "fuzz_http1.h"

static enum http_method method;

static int parse(struct http1_head *head, const char *data, size_t len)
{
    return http1_parse_response(head, method, data, len);
}

static void check_framing(const struct http1_head *head)
{
    bool none =
        method == HTTP_HEAD || head->status == 204 || head->status == 304 || head->status < 200;
    fuzz_check(!none || head->framing == HTTP1_BODY_NONE || head->status == 101);
    fuzz_check(head->framing != HTTP1_BODY_CLOSE || !head->keep_alive);
    fuzz_check(head->framing != HTTP1_BODY_LENGTH || head->content_length > 0);
    fuzz_check(head->status >= 100 && head->status <= 999);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct http1_head whole, split;
    method = (enum http_method)(fuzz_byte(&in) % HTTP_METHOD_COUNT);
    size_t step = 1 + fuzz_byte(&in) % 16;
    int r = fuzz_parse(&whole, parse, in, in.len);
    fuzz_check(fuzz_parse(&split, parse, in, step) == r);
    fuzz_same_head(&whole, &split);
    fuzz_check((r == HTTP1_E_BAD) == (whole.error.status == 502));
    if (r == 0) {
        char out[2048];
        struct http1_writer w = http1_writer_make(out, sizeof(out));
        fuzz_sound_head(&whole, in);
        check_framing(&whole);
        http1_write_status_line(&w, whole.status);
        http1_write_forward(&w, &whole, NULL);
        http1_write_framing_of(&w, &whole);
        http1_write_end(&w);
        fuzz_check(!w.full);
    }
    return 0;
}
