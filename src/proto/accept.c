/* SPDX-License-Identifier: Apache-2.0
 *
 * One rule for types and codings: of the elements that match an offer, the most specific decides,
 * not the one with the highest quality (RFC 9110 §12.5.1). What differs is only how specific a
 * match is and what an absent header means. Each question walks the header anew: it is asked for a
 * handful of offers and answers, never on the way of proxied requests.
 */
#include "proto/accept.h"

#include "proto/http.h"

enum { QUALITY_MAX = 1000, QUALITY_BROKEN = -1 };

/* qvalue = "0" [ "." 0*3DIGIT ] / "1" [ "." 0*3("0") ] (RFC 9110 §12.4.2) */
static int parse_quality(struct str s)
{
    int quality = 0;
    int unit = 100;
    if (s.len == 0 || s.len > 5 || s.p[0] < '0' || s.p[0] > '1') {
        return QUALITY_BROKEN;
    }
    quality = (s.p[0] - '0') * QUALITY_MAX;
    if (s.len > 1 && s.p[1] != '.') {
        return QUALITY_BROKEN;
    }
    for (size_t i = 2; i < s.len; i++, unit /= 10) {
        if (s.p[i] < '0' || s.p[i] > '9') {
            return QUALITY_BROKEN;
        }
        quality += (s.p[i] - '0') * unit;
    }
    return quality > QUALITY_MAX ? QUALITY_BROKEN : quality;
}

/* "text/html;level=1;q=0.5": the range and its quality, -1 when that is broken. Other parameters do
 * not take part in the choice: no offer of ours differs by them. */
static int parse_item(struct str item, struct str *ret_range)
{
    struct str rest;
    int quality = QUALITY_MAX;
    (void)str_split(item, ';', ret_range, &rest);
    *ret_range = str_trim(*ret_range);
    while (rest.len) {
        struct str parameter, name, value;
        (void)str_split(rest, ';', &parameter, &rest);
        (void)str_split(parameter, '=', &name, &value);
        if (str_eq_nocase(str_trim(name), STR("q"))) {
            quality = parse_quality(str_trim(value));
        }
    }
    return quality;
}

/* How specific a media range is about `type`: 3 the type, 2 its group, 1 anything, 0 not about
 * it. */
static unsigned type_match(struct str range, struct str type)
{
    if (str_eq_nocase(range, type)) {
        return 3;
    }
    if (str_eq(range, STR("*/*"))) {
        return 1;
    }
    ptrdiff_t slash = str_find_char(type, '/');
    if (slash < 0 || range.len != (size_t)slash + 2 || !str_ends(range, STR("/*"))) {
        return 0;
    }
    return str_eq_nocase(str_slice(range, 0, (size_t)slash), str_slice(type, 0, (size_t)slash)) ? 2
                                                                                                : 0;
}

static unsigned coding_match(struct str range, struct str coding)
{
    if (str_eq_nocase(range, coding)) {
        return 2;
    }
    return str_eq(range, STR("*")) ? 1 : 0;
}

/* The quality of the most specific element that matches; `otherwise` when none does. */
static unsigned quality_of(struct str header, struct str offer,
                           unsigned (*match)(struct str, struct str), unsigned otherwise)
{
    struct str item, range;
    unsigned best = 0;
    unsigned quality = otherwise;
    while (http_list_next(&header, &item)) {
        int q = parse_item(item, &range);
        unsigned specific = match(range, offer);
        if (q >= 0 && specific > best) {
            best = specific;
            quality = (unsigned)q;
        }
    }
    return quality;
}

unsigned accept_type(struct str header, struct str type)
{
    return quality_of(header, type, type_match, str_trim(header).len ? 0 : QUALITY_MAX);
}

unsigned accept_encoding(struct str header, struct str coding)
{
    bool is_identity = str_eq_nocase(coding, STR("identity"));
    if (is_identity) {
        /* acceptable unless excluded (RFC 9110 §12.5.3), but behind anything that was asked for */
        return quality_of(header, coding, coding_match, 1);
    }
    return quality_of(header, coding, coding_match, 0);
}

/* Kinds of a language are all as good as it is here, so it is no search for the most specific. */
unsigned accept_language(struct str header, struct str language)
{
    struct str item, range;
    int best = 0;
    while (http_list_next(&header, &item)) {
        int q = parse_item(item, &range);
        bool kind = range.len > language.len && range.p[language.len] == '-';
        if (str_eq_nocase(kind ? str_slice(range, 0, language.len) : range, language)) {
            best = MAX(best, q);
        }
    }
    return (unsigned)best;
}

static int best_of(struct str header, const struct str *offers, size_t count,
                   unsigned (*quality)(struct str, struct str))
{
    int best = -1;
    unsigned best_quality = 0;
    for (size_t i = 0; i < count; i++) {
        unsigned q = quality(header, offers[i]);
        if (q > best_quality) {
            best = (int)i;
            best_quality = q;
        }
    }
    return best;
}

int accept_best_type(struct str header, const struct str *offers, size_t count)
{
    return best_of(header, offers, count, accept_type);
}

int accept_best_encoding(struct str header, const struct str *offers, size_t count)
{
    return best_of(header, offers, count, accept_encoding);
}
