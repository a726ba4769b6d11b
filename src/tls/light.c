/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading takes whole records from where they lie, and opens them where their text is wanted. Only
 * a part of a record, and text that had no room, are kept: then there is `held`, of that record's
 * size.
 *
 * 1. Between records nothing is held: an idle connection is its struct.
 * 2. A key changes at the end of a record only (RFC 8446 §5.1), so a KeyUpdate ends its record.
 * 3. What asks for work and brings nothing is counted (`dull`), and we answer it when we have
 *    something to say, so that nobody makes us speak.
 *
 * As it fails: an alert says why, and the session is never used again.
 */
#include "tls/light.h"

#include "tls/record.h"

#include "base/encode.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

enum { OWED_MAX = 8 * 1024 }; /* well within TLS_WIRE_SPARE */
enum { LEVEL_WARNING = 1, LEVEL_FATAL = 2, KEY_UPDATE = 24 };

struct tls_held {
    bool plain; /* text from `at` to `len`; else the first `len` of `cap` bytes of a record */
    uint32_t at, len, cap;
    char data[];
};

/* --- beginning and ending --- */

struct tls_light *tls_light_new(struct tls_ciphers *ciphers)
{
    struct tls_light *light = calloc(1, sizeof(*light));
    if (light) {
        light->ciphers = tls_ciphers_ref(ciphers);
    }
    return light;
}

static void drop_held(struct tls_light *light)
{
    if (light->held) {
        OPENSSL_cleanse(light->held->data, light->held->cap);
        free(light->held);
        light->held = NULL;
    }
}

void tls_light_free(struct tls_light *light)
{
    if (!light) {
        return;
    }
    drop_held(light);
    tls_key_fini(&light->in, light->ciphers);
    tls_key_fini(&light->out, light->ciphers);
    tls_ciphers_unref(light->ciphers);
    free(light->tickets);
    free(light->peer);
    free(light);
}

void tls_light_secret(struct tls_light *light, bool out, struct str hex)
{
    struct tls_key *key = out ? &light->out : &light->in;
    size_t len = hex.len / 2;
    light->secrets[out] = 0;
    if (hex.len % 2 || len > sizeof(key->secret)) {
        return;
    }
    for (size_t i = 0; i < len; i++) {
        int high = decode_hex_digit(hex.p[2 * i]), low = decode_hex_digit(hex.p[2 * i + 1]);
        if (high < 0 || low < 0) {
            return;
        }
        key->secret[i] = (uint8_t)(high << 4 | low);
    }
    light->secrets[out] = (uint8_t)len;
}

int tls_light_start(struct tls_light *light, enum tls_suite suite, uint64_t sent)
{
    size_t len = tls_suite_hash_len(suite);
    uint8_t secrets[2][TLS_HASH_MAX];
    if (light->secrets[0] != len || light->secrets[1] != len) {
        return -EINVAL;
    }
    memcpy(secrets[0], light->in.secret, len);
    memcpy(secrets[1], light->out.secret, len);
    int r = tls_key_init(&light->in, light->ciphers, suite, secrets[0]);
    r = r < 0 ? r : tls_key_init(&light->out, light->ciphers, suite, secrets[1]);
    light->out.seq = sent;
    OPENSSL_cleanse(secrets, sizeof(secrets));
    return r;
}

/* --- sending --- */

bool tls_light_owe(struct tls_light *light, struct str records)
{
    if (records.len == 0 || records.len > OWED_MAX) {
        return records.len == 0;
    }
    light->tickets = malloc(records.len);
    if (light->tickets) {
        memcpy(light->tickets, records.p, records.len);
        light->tickets_len = (uint32_t)records.len;
    }
    return light->tickets != NULL;
}

static bool send_tickets(struct tls_light *light, struct tls_wire *wire)
{
    if (wire->out_cap - wire->out_len < light->tickets_len) {
        return false;
    }
    memcpy(wire->out + wire->out_len, light->tickets, light->tickets_len);
    wire->out_len += light->tickets_len;
    free(light->tickets);
    light->tickets = NULL;
    return true;
}

static int seal(struct tls_light *light, struct tls_wire *wire, enum tls_record_type type,
                struct str text)
{
    if (unlikely(light->tickets) && !send_tickets(light, wire)) {
        return -EPIPE;
    }
    size_t room = wire->out_cap - wire->out_len;
    if (room < TLS_RECORD_EXTRA || room - TLS_RECORD_EXTRA < text.len) {
        return -EPIPE; /* never, by the contract */
    }
    size_t n = tls_record_seal(&light->out, light->ciphers, type, text, wire->out + wire->out_len);
    wire->out_len += n;
    return n > 0 ? 0 : -EPIPE;
}

static void send_alert(struct tls_light *light, struct tls_wire *wire, uint8_t level, uint8_t alert)
{
    const char text[] = {(char)level, (char)alert};
    int r = seal(light, wire, TLS_TYPE_ALERT, str_make(text, sizeof(text)));
    (void)r; /* the connection is at its end anyway */
}

/* Our next records are under the next key. */
static int renew(struct tls_light *light, struct tls_wire *wire)
{
    static const char update[] = {KEY_UPDATE, 0, 0, 1, 0};
    int r = seal(light, wire, TLS_TYPE_HANDSHAKE, str_make(update, sizeof(update)));
    light->owes = false;
    return r < 0 || tls_key_update(&light->out, light->ciphers) < 0 ? -EPIPE : 0;
}

int tls_light_write(struct tls_light *light, struct tls_wire *wire, struct str bytes)
{
    int r = 0;
    while (r == 0 && bytes.len > 0) {
        struct str text = str_slice(bytes, 0, TLS_RECORD_TEXT_MAX);
        bytes = str_skip(bytes, text.len);
        if (unlikely(light->owes || light->out.seq >= tls_ciphers_records_max(light->ciphers))) {
            r = renew(light, wire);
        }
        r = r < 0 ? r : seal(light, wire, TLS_TYPE_DATA, text);
    }
    light->dull = 0;
    return r;
}

void tls_light_end(struct tls_light *light, struct tls_wire *wire)
{
    send_alert(light, wire, LEVEL_WARNING, TLS_ALERT_CLOSE_NOTIFY);
}

/* --- messages --- */

static int refuse(struct tls_light *light, int alert)
{
    light->alert = (uint8_t)alert;
    return -EPROTO;
}

static int count_dull(struct tls_light *light)
{
    return ++light->dull > TLS_LIGHT_DULL_MAX ? refuse(light, TLS_ALERT_UNEXPECTED_MESSAGE) : 0;
}

static int take_alert(struct tls_light *light, struct str text)
{
    if (text.len != 2) {
        return refuse(light, TLS_ALERT_DECODE_ERROR);
    }
    uint8_t alert = (uint8_t)text.p[1];
    if (alert == TLS_ALERT_CLOSE_NOTIFY) {
        return TLS_E_END;
    }
    if (alert == TLS_ALERT_USER_CANCELED) {
        return count_dull(light);
    }
    light->told = alert;
    return -EPROTO; /* every other one is fatal, whatever its level (RFC 8446 §6) */
}

/* A KeyUpdate is the only message that a client may send now; it may come in pieces. */
static int take_message(struct tls_light *light, struct str text)
{
    size_t n = MIN(text.len, sizeof(light->message) - light->message_len);
    if (n == 0) {
        return refuse(light, TLS_ALERT_UNEXPECTED_MESSAGE); /* empty: RFC 8446 §5.1 */
    }
    memcpy(light->message + light->message_len, text.p, n);
    light->message_len = (uint8_t)(light->message_len + n);
    if (light->message[0] != KEY_UPDATE || text.len > n) {
        return refuse(light, TLS_ALERT_UNEXPECTED_MESSAGE);
    }
    if (light->message_len < TLS_UPDATE_SIZE) {
        return count_dull(light);
    }
    light->message_len = 0;
    if (memcmp(light->message + 1, (const uint8_t[]){0, 0, 1}, 3) != 0) {
        return refuse(light, TLS_ALERT_DECODE_ERROR);
    }
    if (light->message[4] > 1) {
        return refuse(light, TLS_ALERT_ILLEGAL_PARAMETER);
    }
    if (tls_key_update(&light->in, light->ciphers) < 0) {
        return refuse(light, TLS_ALERT_INTERNAL_ERROR);
    }
    light->owes |= light->message[4] == 1;
    return count_dull(light);
}

static int take_text(struct tls_light *light, const struct tls_record *record)
{
    struct str text = record->text;
    uint8_t type = record->type;
    if (likely(type == TLS_TYPE_DATA && light->message_len == 0)) {
        if (likely(text.len > 0)) {
            light->dull = 0;
            return 0;
        }
        return count_dull(light);
    }
    if (type == TLS_TYPE_HANDSHAKE) {
        return take_message(light, text);
    }
    return type == TLS_TYPE_ALERT && light->message_len == 0
               ? take_alert(light, text)
               : refuse(light, TLS_ALERT_UNEXPECTED_MESSAGE);
}

/* --- records --- */

static bool hold(struct tls_light *light, size_t cap)
{
    light->held = malloc(sizeof(*light->held) + cap);
    if (light->held) {
        *light->held = (struct tls_held){.cap = (uint32_t)cap};
    }
    return light->held != NULL;
}

/* Begins to hold the record whose head came. */
static int hold_record(struct tls_light *light)
{
    size_t len = 0;
    int alert = tls_record_head(light->head, &len);
    if (alert != 0 || !hold(light, TLS_RECORD_HEAD + len)) {
        return refuse(light, alert ? alert : TLS_ALERT_INTERNAL_ERROR);
    }
    memcpy(light->held->data, light->head, TLS_RECORD_HEAD);
    light->held->len = TLS_RECORD_HEAD;
    light->head_len = 0;
    return 0;
}

/* Adds to what is held of a record. */
static int collect(struct tls_light *light, struct str *in, struct str *ret)
{
    while (!light->held) {
        if (in->len == 0) {
            return TLS_E_WANT;
        }
        light->head[light->head_len++] = (uint8_t)in->p[0];
        *in = str_skip(*in, 1);
        int r = light->head_len == TLS_RECORD_HEAD ? hold_record(light) : 0;
        if (r < 0) {
            return r;
        }
    }
    struct tls_held *held = light->held;
    size_t n = MIN(in->len, held->cap - held->len);
    memcpy(held->data + held->len, in->p, n);
    held->len += (uint32_t)n;
    *in = str_skip(*in, n);
    *ret = str_make(held->data, held->len);
    return held->len == held->cap ? 0 : TLS_E_WANT;
}

/* The next whole record: where it lies, or in `held`. 0, TLS_E_WANT, -EPROTO. */
static int next_record(struct tls_light *light, struct str *in, struct str *ret)
{
    if (in->len == 0) {
        return TLS_E_WANT;
    }
    if (likely(!light->held && light->head_len == 0 && in->len >= TLS_RECORD_HEAD)) {
        size_t len = 0;
        int alert = tls_record_head((const uint8_t *)in->p, &len);
        if (unlikely(alert != 0)) {
            return refuse(light, alert);
        }
        if (likely(in->len >= TLS_RECORD_HEAD + len)) {
            *ret = str_slice(*in, 0, TLS_RECORD_HEAD + len);
            *in = str_skip(*in, ret->len);
            return 0;
        }
    }
    return collect(light, in, ret);
}

/* Opens a record: data is counted in `*ret` if there is room for all that is in the record, else it
 * is held. As tls_session_read, but for TLS_E_WANT. */
static int open_record(struct tls_light *light, struct str record, struct str room, size_t *ret)
{
    size_t need = tls_record_room(record.len - TLS_RECORD_HEAD);
    bool direct = room.len >= need;
    struct tls_record opened;
    char *to = (char *)(uintptr_t)room.p;
    if (!direct) {
        size_t head = light->held ? TLS_RECORD_HEAD : 0; /* it lies there, and is opened there */
        if (!light->held && !hold(light, need)) {
            return refuse(light, TLS_ALERT_INTERNAL_ERROR);
        }
        to = light->held->data + head;
    }
    int alert = tls_record_open(&light->in, light->ciphers, record, to, &opened);
    int r = alert ? refuse(light, alert) : take_text(light, &opened);
    struct str text = r == 0 && opened.type == TLS_TYPE_DATA ? opened.text : STR_NONE;
    if (direct) {
        *ret += text.len;
    } else if (text.len > 0) {
        light->held->plain = true;
        light->held->at = (uint32_t)(text.p - light->held->data);
        light->held->len = light->held->at + (uint32_t)text.len;
        return 0;
    }
    if (light->held) {
        drop_held(light);
    }
    return r;
}

static void give_held(struct tls_light *light, struct str room, size_t *ret)
{
    struct tls_held *held = light->held;
    size_t n = MIN(room.len, held->len - held->at);
    memcpy((char *)(uintptr_t)room.p, held->data + held->at, n);
    held->at += (uint32_t)n;
    *ret += n;
    if (held->at == held->len) {
        drop_held(light);
    }
}

int tls_light_read(struct tls_light *light, struct tls_wire *wire, char *p, size_t len, size_t *ret)
{
    struct str record;
    int r = 0;
    while (r == 0) {
        struct str room = str_make(p + *ret, len - *ret);
        if (unlikely(tls_light_pending(light))) {
            give_held(light, room, ret);
        } else if (room.len == 0) {
            return wire->in.len > 0 ? 0 : TLS_E_WANT;
        } else {
            r = next_record(light, &wire->in, &record);
            r = r == 0 ? open_record(light, record, room, ret) : r;
        }
        if (unlikely(r == 0 && *ret == len && tls_light_pending(light))) {
            return 0;
        }
    }
    if (unlikely(r < 0 && light->alert)) {
        send_alert(light, wire, LEVEL_FATAL, light->alert);
    }
    return r;
}

bool tls_light_pending(const struct tls_light *light)
{
    return light->held && light->held->plain;
}

const char *tls_light_reason(const struct tls_light *light)
{
    switch (light->alert) {
    case 0:
        return light->told ? "the peer sent an alert" : "broken off";
    case TLS_ALERT_BAD_RECORD_MAC:
        return "bad record mac";
    case TLS_ALERT_RECORD_OVERFLOW:
        return "record too long";
    case TLS_ALERT_INTERNAL_ERROR:
        return "out of memory";
    default:
        return "unexpected message";
    }
}
