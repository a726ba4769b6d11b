/* SPDX-License-Identifier: Apache-2.0 */
#include "harness/test.h"
#include "websocket_vectors.h"

#include "base/buf.h"

/* What a stream was read as: the bytes that may be passed on, and how many frames ended. */
struct reading {
    struct buf passed, plain;
    unsigned frames;
    int result;
    unsigned error, close_code;
};

static struct reading read_all(struct websocket_reader *reader, struct str in, size_t step)
{
    struct reading got = {.passed = BUF_INIT(1 << 20), .plain = BUF_INIT(1 << 20)};
    size_t at = 0; /* in the frame's payload */
    while (got.result != WEBSOCKET_E_BAD && in.len > 0) {
        char copy[4096];
        struct str piece = str_slice(in, 0, MIN(step, sizeof(copy)));
        memcpy(copy, piece.p, piece.len);
        in = str_skip(in, piece.len);
        piece.p = copy;
        struct websocket_part part;
        while ((got.result = websocket_read(reader, &piece, &part)) == 0) {
            char plain[4096];
            at = part.starts ? 0 : at;
            websocket_mask(plain, part.payload, reader->key, at);
            at += part.payload.len;
            buf_add(&got.passed, part.bytes);
            buf_add_mem(&got.plain, plain, part.payload.len);
            got.frames += part.ends;
        }
        memset(copy, '!', sizeof(copy)); /* nothing of it may be needed any more */
    }
    got.error = reader->error;
    got.close_code = reader->close_code;
    return got;
}

static void free_reading(struct reading *got)
{
    buf_fini(&got->passed);
    buf_fini(&got->plain);
}

static struct reading read_vector(const struct websocket_vector *vector, size_t step)
{
    struct websocket_reader reader;
    websocket_reader_init(&reader, vector->sender,
                          vector->option == VECTOR_LIMIT ? VECTOR_LIMIT_BYTES : 0);
    reader.compressed = vector->option == VECTOR_DEFLATE;
    return read_all(&reader, vector->bytes, step);
}

TEST(vectors_have_the_verdict_of_their_section)
{
    check(websocket_vector_count >= 100);
    for (size_t i = 0; i < websocket_vector_count; i++) {
        const struct websocket_vector *vector = &websocket_vectors[i];
        struct reading got = read_vector(vector, SIZE_MAX);
        test_check_int(got.error, vector->code, vector->what, vector->rfc, (int)i);
        test_check_int(got.frames, vector->frames, vector->what, vector->rfc, (int)i);
        struct str bytes = vector->bytes;
        if (vector->option == VECTOR_BEHIND) {
            check(got.passed.len < bytes.len && got.close_code > 0);
            bytes.len = got.passed.len;
        }
        if (vector->code == 0) {
            test_check_str(buf_str(&got.passed), bytes, vector->what, vector->rfc, (int)i);
        }
        free_reading(&got);
    }
}

TEST(vectors_read_the_same_however_they_are_cut)
{
    for (size_t i = 0; i < websocket_vector_count; i++) {
        const struct websocket_vector *vector = &websocket_vectors[i];
        struct reading whole = read_vector(vector, SIZE_MAX);
        for (size_t step = 1; step < vector->bytes.len; step++) {
            struct reading cut = read_vector(vector, step);
            test_check_int(cut.error, whole.error, vector->what, vector->rfc, (int)step);
            test_check_int(cut.frames, whole.frames, vector->what, vector->rfc, (int)step);
            test_check_int(cut.close_code, whole.close_code, vector->what, vector->rfc, (int)step);
            test_check_str(buf_str(&cut.passed), buf_str(&whole.passed), vector->what, vector->rfc,
                           (int)step);
            free_reading(&cut);
        }
        free_reading(&whole);
    }
}

/* A whole message in frames, with control frames between them. */
static void write_message(struct buf *wire, struct buf *plain, const uint8_t key[4])
{
    struct rng *rng = test_rng();
    unsigned opcode = WEBSOCKET_BINARY;
    size_t frames = 1 + rng_below(rng, 4);
    for (size_t i = 0; i < frames; i++) {
        char head[WEBSOCKET_HEAD_MAX], payload[700], control[WEBSOCKET_CLOSE_MAX];
        size_t len = rng_below(rng, sizeof(payload));
        for (size_t k = 0; k < len; k++) {
            payload[k] = (char)rng_below(rng, 256);
        }
        unsigned fin = i + 1 == frames ? WEBSOCKET_FIN : 0;
        buf_add_mem(wire, head, websocket_head(head, opcode | fin, len, key));
        buf_add_mem(plain, payload, len);
        websocket_mask(payload, str_make(payload, len), key ? key : (const uint8_t[4]){0}, 0);
        buf_add_mem(wire, payload, len);
        opcode = WEBSOCKET_CONTINUATION;
        buf_add_mem(wire, control, websocket_control(control, WEBSOCKET_PING, STR("?"), key));
        buf_add(plain, STR("?"));
    }
}

TEST(what_was_written_is_read_however_it_is_cut)
{
    for (size_t i = 0; i < test_rounds(300); i++) {
        struct buf wire = BUF_INIT(1 << 20), plain = BUF_INIT(1 << 20);
        struct websocket_reader reader;
        const uint8_t key[4] = {1, 0xfe, 0x55, (uint8_t)i};
        bool client = i % 2;
        char close[WEBSOCKET_CLOSE_MAX];
        write_message(&wire, &plain, client ? key : NULL);
        write_message(&wire, &plain, client ? key : NULL);
        buf_add_mem(&wire, close, websocket_close(close, 1001, STR("bye"), client ? key : NULL));
        buf_add(&plain, STR("\x03\xe9"
                            "bye"));
        websocket_reader_init(&reader, client ? WEBSOCKET_CLIENT : WEBSOCKET_SERVER, 0);
        struct reading got = read_all(&reader, buf_str(&wire), 1 + rng_below(test_rng(), 300));
        check_int(got.result, WEBSOCKET_E_MORE);
        check_str(buf_str(&got.passed), buf_str(&wire));
        check_str(buf_str(&got.plain), buf_str(&plain));
        check_int(got.close_code, 1001);
        check(websocket_between(&reader));
        free_reading(&got);
        buf_fini(&wire);
        buf_fini(&plain);
    }
}

TEST(a_frame_may_be_put_in_only_between_frames)
{
    struct websocket_reader reader;
    struct websocket_part part;
    struct str in = STR("\x82\x03"
                        "ab");
    websocket_reader_init(&reader, WEBSOCKET_SERVER, 0);
    check(websocket_between(&reader));
    check_int(websocket_read(&reader, &in, &part), 0);
    check(part.starts && !part.ends && !websocket_between(&reader));
    in = STR("c\x82"); /* of the next head nothing is given back yet */
    check_int(websocket_read(&reader, &in, &part), 0);
    check(part.ends && websocket_between(&reader));
    check_int(websocket_read(&reader, &in, &part), WEBSOCKET_E_MORE);
    check(websocket_between(&reader));
}

TEST(lengths_are_written_in_their_shortest_form)
{
    static const struct {
        uint64_t len;
        size_t head;
    } cases[] = {{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}, {INT64_MAX, 10}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char head[WEBSOCKET_HEAD_MAX];
        const uint8_t key[4] = {9, 9, 9, 9};
        check_int(websocket_head(head, WEBSOCKET_BINARY | WEBSOCKET_FIN, cases[i].len, NULL),
                  cases[i].head);
        check_int(websocket_head(head, WEBSOCKET_BINARY | WEBSOCKET_FIN, cases[i].len, key),
                  cases[i].head + 4);
        struct websocket_reader reader;
        struct websocket_part part;
        struct str in = str_make(head, cases[i].head + 4);
        websocket_reader_init(&reader, WEBSOCKET_CLIENT, 0);
        check_int(websocket_read(&reader, &in, &part), 0);
        check(reader.left == cases[i].len);
    }
}

TEST(a_reason_is_cut_between_characters)
{
    char close[WEBSOCKET_CLOSE_MAX], reason[200];
    for (size_t i = 0; i < sizeof(reason); i += 2) {
        memcpy(reason + i, "\xc3\xb1", 2);
    }
    size_t len = websocket_close(close, 1009, str_make(reason, sizeof(reason)), NULL);
    check_int(len, 2 + 2 + 122);
    struct websocket_reader reader;
    struct websocket_part part;
    struct str in = str_make(close, len);
    websocket_reader_init(&reader, WEBSOCKET_SERVER, 0);
    check_int(websocket_read(&reader, &in, &part), 0);
    check_int(reader.close_code, 1009);
}

TEST(a_key_is_16_bytes_and_has_the_answer_of_the_rfc)
{
    char accept[WEBSOCKET_ACCEPT_LEN];
    websocket_accept(STR("dGhlIHNhbXBsZSBub25jZQ=="), accept);
    check_str(str_make(accept, sizeof(accept)), STR("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    check(websocket_key_ok(STR("dGhlIHNhbXBsZSBub25jZQ==")));
    check(websocket_key_ok(STR("AAAAAAAAAAAAAAAAAAAAAA==")));
    check(!websocket_key_ok(STR("")));
    check(!websocket_key_ok(STR("dGhlIHNhbXBsZSBub25jZQ=")));
    check(!websocket_key_ok(STR("dGhlIHNhbXBsZSBub25jZQ")));
    check(!websocket_key_ok(STR("dGhlIHNhbXBsZSBub25jZSE=")));
    check(!websocket_key_ok(STR("dGhlIHNhbXBsZSBub25jZ-==")));
    check(!websocket_key_ok(STR("dGhlIHNhbXBs SBub25jZQ==")));
    check(!websocket_key_ok(STR("dGhlIHNhbXBsZSBub25jZQ==dGhlIHNhbXBsZSBub25jZQ==")));
}
