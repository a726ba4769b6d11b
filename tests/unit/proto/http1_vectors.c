/* SPDX-License-Identifier: Apache-2.0 */
#include "http1_vectors.h"

#include "base/encode.h"
#include "harness/test.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 1 << 20, BYTES_MAX = 1 << 20, VECTORS_MAX = 1000 };

static struct str macro(struct str name)
{
    static const struct {
        struct str name, text;
    } macros[] = {
        {STR_INIT("H"), STR_INIT("Host: a\r\n")},
        {STR_INIT("GET"), STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n")},
        {STR_INIT("POST"), STR_INIT("POST / HTTP/1.1\r\nHost: a\r\n")},
        {STR_INIT("CHUNKED"),
         STR_INIT("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")},
    };
    for (size_t i = 0; i < ARRAY_LEN(macros); i++) {
        if (str_eq(macros[i].name, name)) {
            return macros[i].text;
        }
    }
    printf("# unknown macro {" STR_FMT "}\n", STR_ARG(name));
    check(false);
    return STR_NONE;
}

static void expand(struct buf *out, struct str in);

/* What stands between braces: a macro, or a number, '*' and what is repeated. */
static void expand_braces(struct buf *out, struct str in)
{
    struct str number, text;
    if (!str_split(in, '*', &number, &text)) {
        buf_add(out, macro(in));
        return;
    }
    for (unsigned long n = strtoul(number.p, NULL, 10); n > 0; n--) {
        expand(out, text);
    }
}

/* Where the brace at in.p[0] ends. */
static size_t closing_brace(struct str in)
{
    size_t depth = 0;
    for (size_t i = 0; i < in.len; i++) {
        depth += in.p[i] == '{';
        depth -= in.p[i] == '}';
        if (depth == 0) {
            return i;
        }
    }
    check(false);
    return 0;
}

/* The byte behind a backslash; returns how many characters it takes. */
static size_t expand_escape(struct buf *out, struct str in)
{
    static const char letters[] = "r\rn\nt\t0\0\\\\";
    for (size_t i = 0; i + 1 < sizeof(letters) - 1; i += 2) {
        if (in.p[0] == letters[i]) {
            buf_add_char(out, letters[i + 1]);
            return 1;
        }
    }
    check(in.len >= 3 && in.p[0] == 'x');
    buf_add_char(out, (char)(decode_hex_digit(in.p[1]) << 4 | decode_hex_digit(in.p[2])));
    return 3;
}

static void expand(struct buf *out, struct str in)
{
    while (in.len > 0) {
        size_t used = 1;
        if (in.p[0] == '\\') {
            used += expand_escape(out, str_skip(in, 1));
        } else if (in.p[0] == '{') {
            used += closing_brace(in);
            expand_braces(out, str_slice(in, 1, used - 1));
        } else {
            buf_add_char(out, in.p[0]);
        }
        in = str_skip(in, used);
    }
}

static struct str expanded(struct str in)
{
    struct buf out = BUF_INIT(BYTES_MAX);
    expand(&out, in);
    check_int(buf_error(&out), 0);
    size_t len = out.len;
    return str_make(buf_take(&out), len);
}

/* The text in front of the next " | ". */
static struct str field(struct str *line)
{
    ptrdiff_t at = str_find(*line, STR(" | "));
    check(at > 0);
    struct str head = str_slice(*line, 0, (size_t)at);
    *line = str_skip(*line, (size_t)at + 3);
    return head;
}

static struct http1_vector read_line(struct str line, bool answers)
{
    struct http1_vector vector = {.rfc = field(&line), .what = field(&line)};
    struct str expected = field(&line);
    if (answers) {
        str_split(expected, ' ', &vector.method, &expected);
        vector.eof = str_ends(line, STR("{EOF}"));
        line.len -= vector.eof ? 5 : 0;
    }
    vector.expected = expanded(expected);
    vector.bytes = expanded(line);
    return vector;
}

static struct str read_file(const char *path)
{
    FILE *file = fopen(path, "r");
    char *text = malloc(FILE_MAX);
    check(file != NULL && text != NULL);
    size_t len = fread(text, 1, FILE_MAX, file);
    check(len > 0 && len < FILE_MAX);
    (void)fclose(file);
    return str_make(text, len);
}

static void load(struct http1_vectors *vectors, const char *path, bool answers)
{
    struct str rest = read_file(path);
    struct str line;
    vectors->at = calloc(VECTORS_MAX, sizeof(*vectors->at));
    check(vectors->at != NULL);
    while (rest.len > 0) {
        str_split(rest, '\n', &line, &rest);
        if (line.len > 0 && line.p[0] != '#') {
            check(vectors->count < VECTORS_MAX);
            vectors->at[vectors->count++] = read_line(line, answers);
        }
    }
}

const struct http1_vectors *http1_request_vectors(void)
{
    static struct http1_vectors vectors;
    if (!vectors.at) {
        load(&vectors, HTTP1_VECTORS "/http1_requests.txt", false);
    }
    return &vectors;
}

const struct http1_vectors *http1_response_vectors(void)
{
    static struct http1_vectors vectors;
    if (!vectors.at) {
        load(&vectors, HTTP1_VECTORS "/http1_answers.txt", true);
    }
    return &vectors;
}
