/* SPDX-License-Identifier: Apache-2.0
 *
 * Requests: the same verdict however they are cut; what is forwarded reads as the same request and
 * carries no second message. The first byte of the input is the size of the pieces.
 */
#include "fuzz_http1.h"

static void check_forwarded(const struct http1_head *head)
{
    char out[4096];
    struct http1_head again;
    struct http1_writer w = http1_writer_make(out, sizeof(out));
    http1_write_request_line(&w, http1_str(head, head->method_text), http1_str(head, head->target));
    http1_write_header(&w, STR("Host"), http1_str(head, head->host));
    http1_write_forward(&w, head, NULL);
    http1_write_framing_of(&w, head);
    http1_write_end(&w);
    fuzz_check(!w.full);
    static const struct http1_limits wide = {
        .line_max = 300, .header_max = 300, .head_max = 4096, .count_max = 14};
    http1_head_init(&again, &wide);
    fuzz_check(http1_parse_request(&again, out, w.len) == 0);
    fuzz_check(again.len == w.len && again.framing == head->framing &&
               again.method == head->method);
    fuzz_check(again.content_length == head->content_length);
    fuzz_check(str_eq(http1_str(&again, again.host), http1_str(head, head->host)));
    fuzz_check(str_eq(http1_str(&again, again.path), http1_str(head, head->path)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str in = str_make((const char *)data, size);
    struct http1_head whole, split;
    size_t step = 1 + fuzz_byte(&in) % 16;
    int r = fuzz_parse(&whole, http1_parse_request, in, in.len);
    fuzz_check(fuzz_parse(&split, http1_parse_request, in, step) == r);
    fuzz_same_head(&whole, &split);
    fuzz_check((r == HTTP1_E_BAD) == (whole.error.status != 0));
    if (r == 0) {
        fuzz_sound_head(&whole, in);
        fuzz_check(http1_get_name(&whole, STR("host")).p == http1_get(&whole, HTTP_H_HOST).p);
        (void)http1_get_name(&whole, STR("x-unheard-of"));
        /* an HTTP/1.0 request may come without Host, which what we send may not */
        if (http_set_has(&whole.present, HTTP_H_HOST)) {
            check_forwarded(&whole);
        }
    }
    return 0;
}
