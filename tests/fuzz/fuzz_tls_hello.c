/* SPDX-License-Identifier: Apache-2.0
 *
 * ClientHellos: the verdict on a text does not depend on the parts in which it came; names are
 * what a route may have, protocols are printable.
 */
#include "fuzz.h"
#include "proto/tls_hello.h"

static void check_texts(const struct tls_hello *hello)
{
    fuzz_check(strlen(hello->name) == hello->name_len && strlen(hello->alpn) == hello->alpn_len);
    for (size_t i = 0; i < hello->name_len; i++) {
        fuzz_check(strchr("abcdefghijklmnopqrstuvwxyz0123456789-_.", hello->name[i]));
    }
    for (size_t i = 0; i < hello->alpn_len; i++) {
        fuzz_check(hello->alpn[i] > ' ' && hello->alpn[i] < 127);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tls_hello whole, part;
    struct str in = str_make((const char *)data, size);
    int verdict = tls_hello_parse(in, &whole);
    if (verdict == 0) {
        check_texts(&whole);
    }
    for (size_t cut = 0; cut < MIN(size, (size_t)600); cut++) {
        int r = tls_hello_parse(str_slice(in, 0, cut), &part);
        fuzz_check(r == TLS_HELLO_E_MORE || r == verdict);
        fuzz_check(r != 0 || (strcmp(part.name, whole.name) == 0 && part.has_ech == whole.has_ech));
    }
    return 0;
}
