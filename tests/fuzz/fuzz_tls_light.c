/* SPDX-License-Identifier: Apache-2.0
 *
 * struct tls_light fed by a client that holds the keys: the input is a list of records (type,
 * length, bytes inside), sealed as they are, now and then with a changed byte or the next key. What
 * comes out is what was put in as data before the first break of a rule, split anywhere.
 */
#include "fuzz.h"
#include "tls/light.h"
#include "tls/record.h"

#include <stdlib.h>
#include <string.h>

enum {
    WIRE = 256 * 1024,
    DAMAGE = 1,
    NEXT_KEY = 2,
    ANSWER_MAX = 27 + 28 /* a new key, "answer" */
};

static struct tls_ciphers *ours, *theirs;
static char flight[WIRE], out[WIRE], sent[WIRE], plain[WIRE];

static const char secret[] = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
                             "202122232425262728292a2b2c2d2e2f";

/* All records into `flight`; `*ret_len` bytes of it. How many bytes of data are before the first
 * thing that is damaged: at least these would come if all rules were kept. */
static size_t build(struct tls_key *key, struct str in, size_t *ret_len)
{
    size_t len = 0, data = 0;
    bool damaged = false;
    while (in.len > 0 && len < WIRE / 2) {
        uint8_t how = (uint8_t)fuzz_byte(&in), type = (uint8_t)fuzz_byte(&in);
        size_t inner = (size_t)fuzz_byte(&in) * (how & 4 ? 64 : 1);
        struct str text = str_slice(in, 0, inner);
        in = str_skip(in, text.len);
        size_t n = tls_record_seal(key, theirs, (enum tls_record_type)type, text, flight + len);
        fuzz_check(n == TLS_RECORD_HEAD + text.len + 1 + TLS_RECORD_TAG);
        if (how & DAMAGE) {
            flight[len + fuzz_byte(&in) % n] ^= 0x10;
            damaged = true;
        }
        while (type == 0 && text.len > 0) { /* padding: the type is before it */
            type = (uint8_t)text.p[--text.len];
        }
        if (!damaged && type == TLS_TYPE_DATA) {
            memcpy(sent + data, text.p ? text.p : "", text.len);
            data += text.len;
        }
        if (how & NEXT_KEY) {
            fuzz_check(tls_key_update(key, theirs) == 0);
        }
        len += n;
    }
    *ret_len = len;
    return data;
}

/* What was owed goes before the first word, and then nothing follows an end. */
static void answer(struct tls_light *light, struct tls_wire *wire, struct str owed, uint8_t shape)
{
    fuzz_check(tls_light_write(light, wire, STR("answer")) == 0);
    fuzz_check(wire->out_len <= ANSWER_MAX + owed.len &&
               str_starts(str_make(out, wire->out_len), owed));
    if (shape & 8) {
        tls_light_end(light, wire);
        fuzz_check(wire->out_len <= ANSWER_MAX + owed.len + TLS_RECORD_EXTRA);
    }
}

static void run(struct tls_light *light, struct str rest, struct str data, uint8_t shape)
{
    struct str owed = str_slice(data, 0, shape & 4 ? shape : 0);
    fuzz_check(tls_light_owe(light, owed));
    struct tls_wire wire = {.out = out, .out_cap = WIRE};
    size_t got = 0, step = shape & 1 ? 1U + shape : WIRE, room = shape & 2 ? 1U + shape / 2 : WIRE;
    int r = TLS_E_WANT;
    while (r >= 0 && r != TLS_E_END &&
           (rest.len > 0 || wire.in.len > 0 || tls_light_pending(light))) {
        size_t n = 0;
        if (wire.in.len == 0) {
            wire.in = str_slice(rest, 0, step);
            rest = str_skip(rest, step);
        }
        room = MIN(room, sizeof(plain) - got);
        r = tls_light_read(light, &wire, plain + got, room, &n);
        fuzz_check(n <= room && wire.out_len <= TLS_RECORD_EXTRA + owed.len);
        fuzz_check(r != TLS_E_WANT || wire.in.len == 0);
        got += n;
        fuzz_check(got <= data.len && memcmp(plain, data.p, got) == 0);
        fuzz_check(wire.out_len == 0 || r == -EPROTO); /* nobody makes us speak */
    }
    fuzz_check(tls_light_reason(light)[0]);
    if (r != -EPROTO) {
        answer(light, &wire, owed, shape);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct str in = str_make((const char *)bytes, size);
    uint8_t shape = (uint8_t)fuzz_byte(&in);
    enum tls_suite suite = (enum tls_suite)(fuzz_byte(&in) % TLS_SUITES);
    struct tls_key key;
    uint8_t raw[TLS_HASH_MAX];
    ours = ours ? ours : tls_ciphers_new();
    theirs = theirs ? theirs : tls_ciphers_new();
    struct tls_light *light = tls_light_new(ours);
    struct str hex = str_make(secret, 2 * tls_suite_hash_len(suite));
    size_t len = 0;
    tls_light_secret(light, false, hex);
    tls_light_secret(light, true, hex);
    memcpy(raw, light->in.secret, sizeof(raw));
    fuzz_check(tls_light_start(light, suite, 0) == 0);
    fuzz_check(tls_key_init(&key, theirs, suite, raw) == 0);
    size_t data = build(&key, in, &len);
    run(light, str_make(flight, len), str_make(sent, data), shape);
    tls_key_fini(&key, theirs);
    tls_light_free(light);
    return 0;
}
