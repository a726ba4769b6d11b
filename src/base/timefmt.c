/* SPDX-License-Identifier: Apache-2.0
 *
 * The proleptic Gregorian calendar in integer arithmetic (Howard Hinnant, "chrono-Compatible
 * Low-Level Date Algorithms", 2013): years are counted from March, so that the leap day is the last
 * of its year and the months before it have a regular pattern of lengths (153 days in each five).
 */
#include "base/timefmt.h"

#include "base/num.h"

struct civil {
    int64_t year;
    unsigned month; /* 1 to 12 */
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second;
    unsigned weekday; /* 0 = Sunday */
    int64_t ns;
};

enum { DAYS_PER_ERA = 146097, DAYS_TO_1970 = 719468, SECONDS_PER_DAY = 86400 };

static int64_t floor_div(int64_t n, int64_t by)
{
    return n / by - (n % by < 0);
}

/* Days since 1970-01-01 of a date. */
static int64_t days_from_civil(int64_t year, unsigned month, unsigned day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, 400);
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year =
        (153 * ((int64_t)month + (month > 2 ? -3 : 9)) + 2) / 5 + (int64_t)day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

static void civil_from_days(int64_t days, struct civil *ret)
{
    days += DAYS_TO_1970;
    int64_t era = floor_div(days, DAYS_PER_ERA);
    int64_t doe = days - era * DAYS_PER_ERA;
    int64_t year_of_era = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t day_of_year = doe - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    ret->day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1);
    ret->month = (unsigned)(month_from_march + (month_from_march < 10 ? 3 : -9));
    ret->year = year_of_era + era * 400 + (ret->month <= 2);
}

static struct civil civil_from_ns(int64_t wall_ns)
{
    struct civil c = {0};
    int64_t seconds = floor_div(wall_ns, NS_PER_S);
    int64_t days = floor_div(seconds, SECONDS_PER_DAY);
    unsigned rest = (unsigned)(seconds - days * SECONDS_PER_DAY);
    c.ns = wall_ns - seconds * NS_PER_S;
    c.hour = rest / 3600;
    c.minute = rest % 3600 / 60;
    c.second = rest % 60;
    c.weekday = (unsigned)(days + 4 - floor_div(days + 4, 7) * 7); /* day 0 was a Thursday */
    civil_from_days(days, &c);
    return c;
}

void timefmt_rfc3339(struct buf *out, int64_t wall_ns)
{
    struct civil c = civil_from_ns(wall_ns);
    buf_printf(out, "%04lld-%02u-%02uT%02u:%02u:%02u.%06lldZ", (long long)c.year, c.month, c.day,
               c.hour, c.minute, c.second, (long long)(c.ns / NS_PER_US));
}

static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

void timefmt_http(struct buf *out, int64_t wall_ns)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    struct civil c = civil_from_ns(wall_ns);
    buf_printf(out, "%.3s, %02u %.3s %04lld %02u:%02u:%02u GMT", days + (size_t)c.weekday * 3,
               c.day, months + (size_t)(c.month - 1) * 3, (long long)c.year, c.hour, c.minute,
               c.second);
}

void timefmt_log(struct buf *out, int64_t wall_ns)
{
    struct civil c = civil_from_ns(wall_ns);
    buf_printf(out, "%02u/%.3s/%04lld:%02u:%02u:%02u +0000", c.day,
               months + (size_t)(c.month - 1) * 3, (long long)c.year, c.hour, c.minute, c.second);
}

/* Exactly `n` digits off the front of `s`, and the separator behind them unless it is NUL. */
static bool eat(struct str *s, size_t n, char separator, unsigned *ret)
{
    uint64_t value;
    if (s->len < n || num_parse_u64(str_slice(*s, 0, n), &value) < 0) {
        return false;
    }
    *ret = (unsigned)value;
    *s = str_skip(*s, n);
    if (separator) {
        if (s->len == 0 ||
            (s->p[0] != separator && (separator != 'T' || (s->p[0] != 't' && s->p[0] != ' ')))) {
            return false;
        }
        *s = str_skip(*s, 1);
    }
    return true;
}

static bool eat_fraction(struct str *s, int64_t *ret_ns)
{
    *ret_ns = 0;
    if (s->len == 0 || s->p[0] != '.') {
        return true;
    }
    *s = str_skip(*s, 1);
    int64_t unit = NS_PER_S / 10;
    size_t digits = 0;
    while (digits < s->len && digits < 9 && s->p[digits] >= '0' && s->p[digits] <= '9') {
        *ret_ns += (s->p[digits++] - '0') * unit;
        unit /= 10;
    }
    *s = str_skip(*s, digits);
    return digits > 0;
}

/* "Z" or "+hh:mm": all that is left of `s`. */
static bool eat_offset(struct str s, int64_t *ret_seconds)
{
    unsigned hours, minutes;
    if (s.len == 1 && (s.p[0] == 'Z' || s.p[0] == 'z')) {
        *ret_seconds = 0;
        return true;
    }
    if (s.len != 6 || (s.p[0] != '+' && s.p[0] != '-')) {
        return false;
    }
    bool west = s.p[0] == '-';
    s = str_skip(s, 1);
    if (!eat(&s, 2, ':', &hours) || !eat(&s, 2, '\0', &minutes) || hours > 23 || minutes > 59) {
        return false;
    }
    *ret_seconds = ((int64_t)hours * 3600 + (int64_t)minutes * 60) * (west ? -1 : 1);
    return true;
}

static unsigned days_in_month(unsigned year, unsigned month)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap ? 1u : 0u);
}

int timefmt_parse(struct str s, int64_t *ret_wall_ns)
{
    unsigned year, month, day, hour, minute, second;
    int64_t fraction, offset, ns;
    if (!eat(&s, 4, '-', &year) || !eat(&s, 2, '-', &month) || !eat(&s, 2, 'T', &day) ||
        !eat(&s, 2, ':', &hour) || !eat(&s, 2, ':', &minute) || !eat(&s, 2, '\0', &second)) {
        return -EINVAL;
    }
    if (!eat_fraction(&s, &fraction) || !eat_offset(s, &offset)) {
        return -EINVAL;
    }
    /* second 60: a leap second, which the calendar counts as the next one (RFC 3339 §5.6) */
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 ||
        minute > 59 || second > 60) {
        return -EINVAL;
    }
    int64_t seconds = days_from_civil(year, month, day) * SECONDS_PER_DAY + (int64_t)hour * 3600 +
                      (int64_t)minute * 60 + (int64_t)second - offset;
    if (__builtin_mul_overflow(seconds, NS_PER_S, &ns) ||
        __builtin_add_overflow(ns, fraction, &ns)) {
        return -EINVAL;
    }
    *ret_wall_ns = ns;
    return 0;
}
