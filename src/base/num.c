/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers of people and protocols. All of it is integer arithmetic with overflow checks, except
 * num_parse_double, which checks the grammar itself and lets strtod do the rounding. strtod and
 * printf's %g follow the locale: no role ever calls setlocale, so the decimal point is a point.
 *
 * Fractions of durations and sizes are kept in units of 1e-18: "0.1s" is exactly 100 ms, where a
 * double would give 99,999,999 ns or a rounding of somebody's choice.
 */
#include "base/num.h"

#include "base/encode.h"

#include <math.h>
#include <stdlib.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

int num_parse_u64(struct str s, uint64_t *ret)
{
    uint64_t n = 0;
    bool overflow = false;
    if (s.len == 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.p[i])) {
            return -EINVAL;
        }
        overflow |= __builtin_mul_overflow(n, 10u, &n);
        overflow |= __builtin_add_overflow(n, (uint64_t)(s.p[i] - '0'), &n);
    }
    if (overflow) {
        return -ERANGE;
    }
    *ret = n;
    return 0;
}

int num_parse_i64(struct str s, int64_t *ret)
{
    bool negative = s.len && s.p[0] == '-';
    uint64_t n;
    int r = num_parse_u64(negative ? str_skip(s, 1) : s, &n);
    if (r < 0) {
        return r;
    }
    if (n > (uint64_t)INT64_MAX + negative) {
        return -ERANGE;
    }
    *ret = negative ? (int64_t)(0 - n) : (int64_t)n;
    return 0;
}

int num_parse_hex(struct str s, uint64_t *ret)
{
    uint64_t n = 0;
    bool overflow = false;
    if (s.len == 0) {
        return -EINVAL;
    }
    for (size_t i = 0; i < s.len; i++) {
        int digit = decode_hex_digit(s.p[i]);
        if (digit < 0) {
            return -EINVAL;
        }
        overflow |= (n >> 60) != 0;
        n = n << 4 | (uint64_t)digit;
    }
    if (overflow) {
        return -ERANGE;
    }
    *ret = n;
    return 0;
}

/* Passes over digits; false when there are none. */
static bool eat_digits(struct str *s)
{
    size_t n = 0;
    while (n < s->len && is_digit(s->p[n])) {
        n++;
    }
    *s = str_skip(*s, n);
    return n > 0;
}

static bool eat_char(struct str *s, char c)
{
    if (s->len == 0 || s->p[0] != c) {
        return false;
    }
    *s = str_skip(*s, 1);
    return true;
}

/* [-] digits [. digits] [e [+-] digits]: what strtod takes beyond that (hex, inf, spaces) is
 * refused. */
static bool is_decimal(struct str s)
{
    (void)eat_char(&s, '-');
    if (!eat_digits(&s) || (eat_char(&s, '.') && !eat_digits(&s))) {
        return false;
    }
    if (eat_char(&s, 'e') || eat_char(&s, 'E')) {
        if (!eat_char(&s, '+')) {
            (void)eat_char(&s, '-');
        }
        if (!eat_digits(&s)) {
            return false;
        }
    }
    return s.len == 0;
}

int num_parse_double(struct str s, double *ret)
{
    char text[512];
    if (!is_decimal(s)) {
        return -EINVAL;
    }
    if (!str_copy(text, sizeof(text), s)) {
        return -ERANGE;
    }
    double value = strtod(text, NULL);
    if (isinf(value)) {
        return -ERANGE;
    }
    *ret = value;
    return 0;
}

/* digits [. digits] as whole and fraction (in 1e-18; further digits do not count). Cuts it off `s`.
 */
static int eat_fixed(struct str *s, uint64_t *ret_whole, uint64_t *ret_fraction)
{
    struct str digits = *s;
    if (!eat_digits(s)) {
        return -EINVAL;
    }
    int r = num_parse_u64(str_slice(digits, 0, digits.len - s->len), ret_whole);
    if (r < 0) {
        return r;
    }
    *ret_fraction = 0;
    if (!eat_char(s, '.')) {
        return 0;
    }
    uint64_t unit = UINT64_C(100000000000000000);
    struct str fraction = *s;
    if (!eat_digits(s)) {
        return -EINVAL;
    }
    for (const char *p = fraction.p; p < s->p && unit; p++, unit /= 10) {
        *ret_fraction += (uint64_t)(*p - '0') * unit;
    }
    return 0;
}

/* (whole + fraction) × unit in `ret`; -ERANGE above INT64_MAX. */
static int scale(uint64_t whole, uint64_t fraction, uint64_t unit, uint64_t *ret)
{
    __uint128_t total = (__uint128_t)whole * unit;
    total += (__uint128_t)fraction * unit / UINT64_C(1000000000000000000);
    if (total > (__uint128_t)INT64_MAX) {
        return -ERANGE;
    }
    *ret = (uint64_t)total;
    return 0;
}

struct unit {
    struct str name;
    uint64_t size;
};

static const struct unit duration_units[] = {
    /* longest spelling first: "ms" before "m" */
    {STR_INIT("ns"), 1},
    {STR_INIT("us"), (uint64_t)NS_PER_US},
    {STR_INIT("\xc2\xb5s"), (uint64_t)NS_PER_US},
    {STR_INIT("ms"), (uint64_t)NS_PER_MS},
    {STR_INIT("s"), (uint64_t)NS_PER_S},
    {STR_INIT("m"), (uint64_t)NS_PER_S * 60},
    {STR_INIT("h"), (uint64_t)NS_PER_S * 3600},
    {STR_INIT("d"), (uint64_t)NS_PER_S * 86400},
};

static const struct unit *eat_unit(struct str *s)
{
    for (size_t i = 0; i < ARRAY_LEN(duration_units); i++) {
        if (str_starts(*s, duration_units[i].name)) {
            *s = str_skip(*s, duration_units[i].name.len);
            return &duration_units[i];
        }
    }
    return NULL;
}

int num_parse_duration(struct str s, int64_t *ret_ns)
{
    uint64_t total = 0;
    bool bare_allowed = true;
    do {
        uint64_t whole, fraction, part;
        int r = eat_fixed(&s, &whole, &fraction);
        if (r < 0) {
            return r;
        }
        uint64_t unit = (uint64_t)NS_PER_S;
        if (s.len || !bare_allowed) {
            const struct unit *named = eat_unit(&s);
            if (!named) {
                return -EINVAL;
            }
            unit = named->size;
        }
        r = scale(whole, fraction, unit, &part);
        if (r < 0) {
            return r;
        }
        total += part; /* both at most INT64_MAX: no wrap */
        if (total > (uint64_t)INT64_MAX) {
            return -ERANGE;
        }
        bare_allowed = false;
    } while (s.len);
    *ret_ns = (int64_t)total;
    return 0;
}

int num_parse_size(struct str s, uint64_t *ret_bytes)
{
    static const char prefixes[] = "kmgtp";
    uint64_t whole, fraction;
    int r = eat_fixed(&s, &whole, &fraction);
    if (r < 0) {
        return r;
    }
    unsigned shift = 0;
    (void)eat_char(&s, ' ');
    for (unsigned i = 0; s.len && i < sizeof(prefixes) - 1; i++) {
        if ((s.p[0] | 0x20) == prefixes[i]) {
            shift = 10 * (i + 1);
            s = str_skip(s, 1);
            if (s.len == 2 && (s.p[0] | 0x20) == 'i') {
                s = str_skip(s, 1); /* "KiB" is what "kB" means here */
            }
            break;
        }
    }
    if (s.len > 1 || (s.len == 1 && (s.p[0] | 0x20) != 'b')) {
        return -EINVAL;
    }
    return scale(whole, fraction, UINT64_C(1) << shift, ret_bytes);
}

/* n / 10^digits without trailing zeros: (2500, 3) is "2.5". */
static void add_fixed(struct buf *out, uint64_t n, unsigned digits)
{
    uint64_t unit = 1;
    for (unsigned i = 0; i < digits; i++) {
        unit *= 10;
    }
    buf_add_u64(out, n / unit);
    uint64_t rest = n % unit;
    if (rest) {
        buf_add_char(out, '.');
    }
    while (rest) {
        unit /= 10; /* rest < unit: it is 0 when the last digit is out */
        /* cppcheck-suppress zerodivcond */
        buf_add_char(out, (char)('0' + rest / unit));
        rest %= unit;
    }
}

void num_format_duration(struct buf *out, int64_t ns)
{
    uint64_t n = (uint64_t)ns;
    if (ns < 0) {
        buf_add_char(out, '-');
        n = 0 - n;
    }
    if (n != 0 && n < (uint64_t)NS_PER_S) {
        unsigned digits = n < (uint64_t)NS_PER_US ? 0 : n < (uint64_t)NS_PER_MS ? 3 : 6;
        add_fixed(out, n, digits);
        buf_add_cstr(out, digits == 0 ? "ns" : digits == 3 ? "us" : "ms");
        return;
    }
    uint64_t seconds = n / (uint64_t)NS_PER_S;
    uint64_t last_minute = n - seconds / 60 * 60 * (uint64_t)NS_PER_S;
    if (seconds >= 3600) {
        buf_printf(out, "%lluh", (unsigned long long)(seconds / 3600));
    }
    if (seconds % 3600 >= 60) {
        buf_printf(out, "%llum", (unsigned long long)(seconds % 3600 / 60));
    }
    if (last_minute || seconds == 0) {
        add_fixed(out, last_minute, 9);
        buf_add_char(out, 's');
    }
}

void num_format_double(struct buf *out, double value)
{
    char text[32];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value) {
            break;
        }
    }
    buf_add_cstr(out, text);
}

void num_format_age(struct buf *out, int64_t ns)
{
    int64_t seconds = MAX(ns, 0) / NS_PER_S;
    if (seconds < 60) {
        buf_printf(out, "%lld s", (long long)seconds);
    } else if (seconds < 3600) {
        buf_printf(out, "%lld min", (long long)(seconds / 60));
    } else if (seconds < INT64_C(2) * 86400) {
        buf_printf(out, "%lld h", (long long)(seconds / 3600));
    } else {
        buf_printf(out, "%lld d", (long long)(seconds / 86400));
    }
}

void num_format_bytes(struct buf *out, uint64_t bytes)
{
    static const char *const names[] = {"kB", "MB", "GB", "TB", "PB", "EB"};
    if (bytes < 1000) {
        buf_printf(out, "%u B", (unsigned)bytes);
        return;
    }
    uint64_t unit = 1000;
    size_t i = 0;
    /* 999.5 and more would be printed as 1000: the next unit says 1.0 */
    while (i + 1 < ARRAY_LEN(names) && (__uint128_t)bytes * 10 >= (__uint128_t)unit * 9995) {
        unit *= 1000;
        i++;
    }
    uint64_t tenths = (uint64_t)(((__uint128_t)bytes * 10 + unit / 2) / unit);
    if (tenths < 1000) {
        buf_printf(out, "%u.%u %s", (unsigned)(tenths / 10), (unsigned)(tenths % 10), names[i]);
    } else {
        buf_printf(out, "%u %s", (unsigned)((bytes + unit / 2) / unit), names[i]);
    }
}
