/* SPDX-License-Identifier: Apache-2.0
 *
 * What a client that holds the right keys may send, and what ends its connection: the rules of
 * RFC 8446 §4.6.3, §5 and §6, one by one and in random walks.
 */
#include "tls/light.h"
#include "tls/record.h"

#include "harness/test.h"

#include <stdlib.h>
#include <string.h>

enum { WIRE = 256 * 1024, NOTHING = 0 };

struct rig {
    struct tls_ciphers *ours, *theirs;
    struct tls_light *light;
    struct tls_key out, in; /* the client's */
    struct tls_wire wire;
    char *memory, *flight;
    size_t len; /* of what the client wrote into flight */
};

static void rig_init(struct rig *rig, enum tls_suite suite)
{
    const struct str secrets[] = {
        STR("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a"
            "2b2c2d2e2f"),
        STR("A00102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a"
            "2b2c2d2e2f"),
    };
    *rig = (struct rig){.ours = tls_ciphers_new(), .theirs = tls_ciphers_new()};
    rig->memory = malloc(WIRE);
    rig->flight = malloc(WIRE);
    rig->wire = (struct tls_wire){.out = rig->memory, .out_cap = WIRE};
    rig->light = tls_light_new(rig->ours);
    size_t len = tls_suite_hash_len(suite) * 2;
    tls_light_secret(rig->light, false, str_slice(secrets[0], 0, len));
    tls_light_secret(rig->light, true, str_slice(secrets[1], 0, len));
    uint8_t in[TLS_HASH_MAX], out[TLS_HASH_MAX];
    memcpy(in, rig->light->out.secret, sizeof(in));
    memcpy(out, rig->light->in.secret, sizeof(out));
    check_int(tls_light_start(rig->light, suite, 0), 0);
    check_int(tls_key_init(&rig->in, rig->theirs, suite, in), 0);
    check_int(tls_key_init(&rig->out, rig->theirs, suite, out), 0);
}

static void rig_fini(struct rig *rig)
{
    tls_light_free(rig->light);
    tls_key_fini(&rig->in, rig->theirs);
    tls_key_fini(&rig->out, rig->theirs);
    tls_ciphers_unref(rig->ours);
    tls_ciphers_unref(rig->theirs);
    free(rig->memory);
    free(rig->flight);
}

/* One record of the client's. Type 0: `text` is all that is inside. */
static void add(struct rig *rig, int type, struct str text)
{
    struct str inner = text;
    if (type == 0) { /* the last byte is what seal calls the type */
        inner.len--;
        type = text.p[inner.len];
    }
    size_t n = tls_record_seal(&rig->out, rig->theirs, (enum tls_record_type)type, inner,
                               rig->flight + rig->len);
    check(n > 0);
    rig->len += n;
}

/* The server reads it all. Returns its last answer; `*ret` is how much text there was. */
static int deliver(struct rig *rig, size_t *ret)
{
    static char plain[70000];
    int r = TLS_E_WANT;
    size_t n = 0;
    *ret = 0;
    rig->wire.in = str_make(rig->flight, rig->len);
    rig->len = 0;
    do {
        n = 0;
        r = tls_light_read(rig->light, &rig->wire, plain, sizeof(plain), &n);
        *ret += n;
    } while (r == 0);
    return r;
}

/* The alert that the server sent last; -1: none. */
static int alert_of(struct rig *rig)
{
    char plain[200];
    struct str rest = str_make(rig->wire.out, rig->wire.out_len);
    int alert = -1;
    while (rest.len > 0) {
        size_t len = 0;
        struct tls_record opened;
        check_int(tls_record_head((const uint8_t *)rest.p, &len), 0);
        struct str record = str_slice(rest, 0, TLS_RECORD_HEAD + len);
        check_int(tls_record_open(&rig->in, rig->theirs, record, plain, &opened), 0);
        rest = str_skip(rest, record.len);
        alert = opened.type == TLS_TYPE_ALERT ? (uint8_t)opened.text.p[1] : alert;
    }
    return alert;
}

struct part {
    int type;
    struct str text;
};
#define BYTES(type, text)                                                                          \
    {                                                                                              \
        type,                                                                                      \
        {                                                                                          \
            "" text, sizeof(text) - 1                                                              \
        }                                                                                          \
    }
static const struct {
    const char *rule;
    struct part parts[4];
    int result, alert;
    size_t got;
} rules[] = {
    {"data", {BYTES(23, "abc"), BYTES(23, "de")}, TLS_E_WANT, -1, 5},
    {"an empty record is allowed", {BYTES(23, ""), BYTES(23, "de")}, TLS_E_WANT, -1, 2},
    {"padding", {BYTES(0, "abc\x17\0\0\0\0\0")}, TLS_E_WANT, -1, 3},
    {"nothing but padding", {BYTES(0, "\0\0\0")}, -EPROTO, 10, 0},
    {"a type that does not exist", {BYTES(24, "abc")}, -EPROTO, 10, 0},
    {"change_cipher_spec under keys", {BYTES(20, "\1")}, -EPROTO, 10, 0},
    {"close_notify", {BYTES(23, "abc"), BYTES(21, "\1\0")}, TLS_E_END, -1, 3},
    {"close_notify of any level", {BYTES(21, "\2\0")}, TLS_E_END, -1, 0},
    {"user_canceled is not the end", {BYTES(21, "\1\x5a"), BYTES(23, "a")}, TLS_E_WANT, -1, 1},
    {"any other alert is, and is not answered", {BYTES(21, "\1\x28")}, -EPROTO, -1, 0},
    {"an empty alert", {BYTES(21, "")}, -EPROTO, 50, 0},
    {"a piece of an alert", {BYTES(21, "\1")}, -EPROTO, 50, 0},
    {"two alerts in one record", {BYTES(21, "\1\0\1\0")}, -EPROTO, 50, 0},
    {"an empty message", {BYTES(22, "")}, -EPROTO, 10, 0},
    {"KeyUpdate longer than it may be", {BYTES(22, "\x18\0\0\2\0\0")}, -EPROTO, 10, 0},
    {"KeyUpdate with another length", {BYTES(22, "\x18\0\0\2\0")}, -EPROTO, 50, 0},
    {"KeyUpdate with an unknown wish", {BYTES(22, "\x18\0\0\1\2")}, -EPROTO, 47, 0},
    {"a message behind KeyUpdate", {BYTES(22, "\x18\0\0\1\0\x18\0\0\1\0")}, -EPROTO, 10, 0},
    {"an empty piece of a message", {BYTES(22, "\x18\0"), BYTES(22, "")}, -EPROTO, 10, 0},
    {"data inside of a message", {BYTES(22, "\x18\0"), BYTES(23, "abc")}, -EPROTO, 10, 0},
    {"an alert inside of a message", {BYTES(22, "\x18\0"), BYTES(21, "\1\0")}, -EPROTO, 10, 0},
    {"data under the old key", {BYTES(22, "\x18\0\0\1\0"), BYTES(23, "abc")}, -EPROTO, 20, 0},
    {"another ClientHello", {BYTES(22, "\1\0\0\5hello")}, -EPROTO, 10, 0},
    {"a ticket from a client", {BYTES(22, "\4\0\0\1a")}, -EPROTO, 10, 0},
    {"a certificate nobody asked for", {BYTES(22, "\x0b\0\0\1\0")}, -EPROTO, 10, 0},
    {"Finished again", {BYTES(22, "\x14\0\0\1\0")}, -EPROTO, 10, 0},
};

TEST(each_rule_ends_with_its_alert_or_goes_on)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        struct rig rig;
        size_t got = 0;
        rig_init(&rig, (enum tls_suite)(i % TLS_SUITES));
        for (size_t k = 0; k < ARRAY_LEN(rules[i].parts); k++) {
            struct part part = rules[i].parts[k];
            if (part.type || part.text.len) {
                add(&rig, part.type, part.text);
            }
        }
        int r = deliver(&rig, &got), alert = alert_of(&rig);
        if (r != rules[i].result || alert != rules[i].alert || got != rules[i].got) {
            check_cstr("of this rule", rules[i].rule);
        }
        rig_fini(&rig);
    }
}

/* A bare head and what follows it. */
static void check_head(const char *bytes, size_t len, int result, int alert)
{
    struct rig rig;
    size_t got = 0;
    rig_init(&rig, TLS_SUITE_AES_128_GCM);
    memset(rig.flight, 0, 20000);
    memcpy(rig.flight, bytes, 5);
    rig.len = len;
    check_int(deliver(&rig, &got), result);
    check_int(got, 0);
    check_int(alert_of(&rig), alert);
    rig_fini(&rig);
}

TEST(a_head_is_judged_before_its_record_is_waited_for)
{
    check_head("\x17\3\3\x41\1", 5, -EPROTO, 22);
    check_head("\x17\3\3\xff\xff", 5, -EPROTO, 22);
    check_head("\x17\3\3\x41\0", 5, TLS_E_WANT, -1);
    check_head("\x17\3\3\x41\0", 5 + 0x4100, -EPROTO, 20);
    check_head("\x17\3\3\0\x10", 5, -EPROTO, 20);
    check_head("\x17\3\3\0\0", 5, -EPROTO, 20);
    check_head("\x17\3\1\0\x20", 5 + 0x20, -EPROTO, 20);
    check_head("\x17\2\3\0\x20", 5, -EPROTO, 10);
    check_head("\x14\3\3\0\1", 6, -EPROTO, 10); /* change_cipher_spec, too late */
    check_head("\x15\3\3\0\2", 7, -EPROTO, 10); /* an alert in the clear */
    check_head("\x16\3\3\0\x20", 5, -EPROTO, 10);
    check_head("GET /", 5, -EPROTO, 10);
}

TEST(a_text_has_its_longest_length)
{
    static char text[TLS_RECORD_TEXT_MAX + 300];
    const size_t lens[] = {TLS_RECORD_TEXT_MAX, TLS_RECORD_TEXT_MAX + 1};
    for (size_t i = 0; i < ARRAY_LEN(lens); i++) {
        struct rig rig;
        size_t got = 0;
        rig_init(&rig, TLS_SUITE_CHACHA20_POLY1305);
        memset(text, 'x', sizeof(text));
        add(&rig, 23, str_make(text, lens[i]));
        check_int(deliver(&rig, &got), i == 0 ? TLS_E_WANT : -EPROTO);
        check_int(got, i == 0 ? lens[i] : 0);
        check_int(alert_of(&rig), i == 0 ? -1 : 22);
        rig_fini(&rig);
    }
}

TEST(a_number_is_good_once)
{
    struct rig rig;
    size_t got = 0;
    rig_init(&rig, TLS_SUITE_AES_256_GCM);
    add(&rig, 23, STR("pay 1 EUR"));
    memcpy(rig.flight + rig.len, rig.flight, rig.len);
    rig.len *= 2;
    check_int(deliver(&rig, &got), -EPROTO);
    check_int(got, 9);
    check_int(alert_of(&rig), TLS_ALERT_BAD_RECORD_MAC);
    rig_fini(&rig);
}

TEST(what_brings_nothing_is_bounded)
{
    static const struct part dull[] = {BYTES(23, ""), BYTES(21, "\1\x5a"),
                                       BYTES(22, "\x18\0\0\1\1")};
    for (size_t kind = 0; kind < ARRAY_LEN(dull); kind++) {
        struct rig rig;
        size_t got = 0;
        rig_init(&rig, TLS_SUITE_AES_128_GCM);
        for (int i = 0; i < 3 * TLS_LIGHT_DULL_MAX; i++) { /* data in between makes it good */
            add(&rig, dull[kind].type, dull[kind].text);
            if (dull[kind].type == 22) {
                check_int(tls_key_update(&rig.out, rig.theirs), 0);
            }
            if (i % TLS_LIGHT_DULL_MAX == 7) {
                add(&rig, 23, STR("x"));
            }
        }
        check_int(deliver(&rig, &got), TLS_E_WANT);
        check_int(got, 3);
        check_int(rig.wire.out_len, 0); /* we are not made to speak */
        for (int i = 0; i <= TLS_LIGHT_DULL_MAX; i++) {
            add(&rig, dull[kind].type, dull[kind].text);
            if (dull[kind].type == 22) {
                check_int(tls_key_update(&rig.out, rig.theirs), 0);
            }
        }
        check_int(deliver(&rig, &got), -EPROTO);
        check_int(alert_of(&rig), TLS_ALERT_UNEXPECTED_MESSAGE);
        rig_fini(&rig);
    }
}

TEST(many_wishes_for_a_key_are_answered_once_before_the_next_data)
{
    struct rig rig;
    size_t got = 0;
    rig_init(&rig, TLS_SUITE_AES_128_GCM);
    for (int i = 0; i < 5; i++) {
        add(&rig, 22, str_make("\x18\0\0\1\1", 5));
        check_int(tls_key_update(&rig.out, rig.theirs), 0);
    }
    check_int(deliver(&rig, &got), TLS_E_WANT);
    check_int(tls_light_write(rig.light, &rig.wire, STR("hello")), 0);
    check_int(tls_light_write(rig.light, &rig.wire, STR("hello")), 0);
    check_int(rig.wire.out_len, 27 + 2 * 27); /* KeyUpdate, then data twice: 5 + 5 + 1 + 16 each */
    rig_fini(&rig);
}

/* Two ends that both follow the rules, with records of any shape, in pieces of any size. */
TEST(split_anywhere_is_the_same_as_whole)
{
    for (size_t round = 0; round < test_rounds(150); round++) {
        static char text[TLS_RECORD_TEXT_MAX], plain[20000];
        struct rig rig;
        struct buf sent = BUF_INIT(1 << 20), got = BUF_INIT(1 << 20);
        rig_init(&rig, (enum tls_suite)(round % TLS_SUITES));
        for (int i = 0; i < 12; i++) {
            size_t len =
                (size_t)rng_below(test_rng(), rng_below(test_rng(), 4) ? 300 : sizeof(text));
            for (size_t k = 0; k < len; k++) {
                text[k] = (char)rng_u64(test_rng());
            }
            add(&rig, 23, str_make(text, len));
            buf_add(&sent, str_make(text, len));
            if (rng_below(test_rng(), 5) == 0) { /* in two pieces */
                size_t first = 1 + (size_t)rng_below(test_rng(), 4);
                add(&rig, 22, str_make("\x18\0\0\1\0", first));
                add(&rig, 22, str_make(&"\x18\0\0\1\0"[first], 5 - first));
                check_int(tls_key_update(&rig.out, rig.theirs), 0);
            }
        }
        struct str rest = str_make(rig.flight, rig.len);
        size_t most = 1 + (size_t)rng_below(test_rng(), round % 2 ? 40 : 40000);
        while (rest.len > 0 || tls_light_pending(rig.light) || rig.wire.in.len > 0) {
            size_t n = 0,
                   room = 1 + (size_t)rng_below(test_rng(), round % 3 ? sizeof(plain) - 1 : 50);
            if (rig.wire.in.len == 0) {
                rig.wire.in = str_slice(rest, 0, 1 + (size_t)rng_below(test_rng(), most));
                rest = str_skip(rest, rig.wire.in.len);
            }
            int r = tls_light_read(rig.light, &rig.wire, plain, room, &n);
            check(r == TLS_E_WANT ? rig.wire.in.len == 0 : r == 0 && n == room);
            buf_add(&got, str_make(plain, n));
        }
        check_str(buf_str(&got), buf_str(&sent));
        check(!rig.light->held);
        buf_fini(&sent);
        buf_fini(&got);
        rig_fini(&rig);
    }
}

TEST(secrets_that_do_not_fit_are_refused)
{
    struct tls_ciphers *ciphers = tls_ciphers_new();
    const char *bad[] = {"", "00", "zz", "0", "000102030405060708090a0b0c0d0e0f"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        for (int suite = 0; suite < TLS_SUITES; suite++) {
            struct tls_light *light = tls_light_new(ciphers);
            tls_light_secret(light, false, str_from(bad[i]));
            tls_light_secret(light, true, str_from(bad[i]));
            check_int(tls_light_start(light, (enum tls_suite)suite, 0), -EINVAL);
            tls_light_free(light);
        }
    }
    tls_ciphers_unref(ciphers);
}

TEST(a_key_that_has_gone_is_nowhere)
{
    struct rig rig;
    struct tls_key key;
    char out[200];
    static const struct tls_key wiped;
    rig_init(&rig, TLS_SUITE_AES_128_GCM);
    check_int(tls_key_init(&key, rig.ours, TLS_SUITE_AES_128_GCM, rig.out.secret), 0);
    check(tls_record_seal(&key, rig.ours, TLS_TYPE_DATA, STR("x"), out) > 0);
    tls_key_fini(&key, rig.ours);
    check(memcmp(&key, &wiped, sizeof(key)) == 0);
    /* Another one at its address gets its own key into the context. */
    check_int(tls_key_init(&key, rig.ours, TLS_SUITE_AES_128_GCM, rig.in.secret), 0);
    check(tls_record_seal(&key, rig.ours, TLS_TYPE_DATA, STR("x"), out) > 0);
    struct tls_record opened;
    char plain[100];
    check_int(tls_record_open(&rig.in, rig.theirs, str_make(out, 23), plain, &opened), 0);
    check_str(opened.text, STR("x"));
    tls_key_fini(&key, rig.ours);
    rig_fini(&rig);
}
