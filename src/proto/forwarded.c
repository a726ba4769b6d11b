/* SPDX-License-Identifier: Apache-2.0
 *
 * Both fields are lists that may go over several lines, which are one list in their order. Of a
 * list only the last LAST_MAX elements are looked at.
 *
 * 1. A name that is no address ("unknown", "_hidden", a broken one) ends the walk: who is left of
 *    it is not known to be a proxy's word, so the proxy that wrote it is the client.
 * 2. proto and host are the nearest proxy's: the last of X-Forwarded-Proto and -Host, or those of
 *    the last element of Forwarded.
 */
#include "proto/forwarded.h"

#include "proto/uri.h"

enum { LAST_MAX = FORWARDED_HOPS_MAX - 1 };

/* The last elements of a list, oldest first from `first` on, in a circle. */
struct last {
    struct str at[LAST_MAX];
    size_t count; /* all that there were */
};

/* Cuts the next element off: at a comma that is in no quotes. */
static struct str next_element(struct str *list)
{
    bool quoted = false;
    size_t i = 0;
    for (; i < list->len && (quoted || list->p[i] != ','); i++) {
        if (list->p[i] == '"') {
            quoted = !quoted;
        } else if (quoted && list->p[i] == '\\') {
            i++;
        }
    }
    i = MIN(i, list->len);
    struct str element = str_trim_ws(str_slice(*list, 0, i));
    *list = str_skip(*list, i + 1);
    return element;
}

static void collect(const struct http1_head *head, enum http_header_id id, struct last *ret)
{
    ret->count = 0;
    for (size_t i = 0; i < head->count; i++) {
        if (head->headers[i].id != id) {
            continue;
        }
        for (struct str list = http1_value(head, i); list.len > 0;) {
            struct str element = next_element(&list);
            if (element.len > 0) {
                ret->at[ret->count++ % LAST_MAX] = element;
            }
        }
    }
}

static struct str last_of(const struct last *last)
{
    return last->count ? last->at[(last->count - 1) % LAST_MAX] : STR_NONE;
}

/* "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]", "[2001:db8::1]:80". */
static int parse_node(struct str node, struct ip *ret)
{
    ptrdiff_t end;
    if (node.len > 0 && node.p[0] == '[') {
        end = str_find_char(node, ']');
        bool fine = end > 0 && ((size_t)end + 1 == node.len || node.p[end + 1] == ':');
        node = fine ? str_slice(node, 1, (size_t)end) : STR_NONE;
    } else {
        end = str_find_char(node, ':');
        if (end > 0 && end == str_rfind_char(node, ':')) {
            node.len = (size_t)end;
        }
    }
    return ip_parse(node, ret);
}

/* The value of a parameter of one element of Forwarded, without its quotes; STR_NONE. */
static struct str parameter(struct str element, struct str name)
{
    struct str pair, key, value;
    while (element.len > 0) {
        (void)str_split(element, ';', &pair, &element);
        if (str_split(str_trim_ws(pair), '=', &key, &value) && str_eq_nocase(key, name)) {
            bool quoted = value.len >= 2 && value.p[0] == '"' && value.p[value.len - 1] == '"';
            return quoted ? str_slice(value, 1, value.len - 1) : value;
        }
    }
    return STR_NONE;
}

static struct str checked_proto(struct str s)
{
    return str_eq_nocase(s, STR("https"))  ? STR("https")
           : str_eq_nocase(s, STR("http")) ? STR("http")
                                           : STR_NONE;
}

static struct str checked_host(struct str s)
{
    struct uri_authority authority;
    return s.len > 0 && uri_parse_authority(s, &authority) == 0 ? s : STR_NONE;
}

/* Walks from the right for as long as the one who spoke is trusted. */
static void walk(const struct last *last, bool forwarded, const struct ip_net *trusted,
                 size_t trusted_count, struct forwarded *ret)
{
    size_t have = MIN(last->count, (size_t)LAST_MAX);
    for (size_t i = 1;
         i <= have && ip_nets_have(trusted, trusted_count, &ret->hops[ret->count - 1]); i++) {
        struct str node = last->at[(last->count - i) % LAST_MAX];
        if (parse_node(forwarded ? parameter(node, STR("for")) : node, &ret->hops[ret->count]) <
            0) {
            break;
        }
        ret->count++;
    }
}

static void reverse(struct forwarded *ret)
{
    for (size_t i = 0; i < ret->count / 2; i++) {
        struct ip hop = ret->hops[i];
        ret->hops[i] = ret->hops[ret->count - 1 - i];
        ret->hops[ret->count - 1 - i] = hop;
    }
}

void forwarded_read(const struct http1_head *head, const struct ip *peer,
                    const struct ip_net *trusted, size_t trusted_count, struct forwarded *ret)
{
    struct last last;
    ret->hops[0] = *peer;
    ret->count = 1;
    if (http_set_has(&head->present, HTTP_H_FORWARDED) &&
        !http_set_has(&head->present, HTTP_H_X_FORWARDED_FOR)) {
        collect(head, HTTP_H_FORWARDED, &last);
        walk(&last, true, trusted, trusted_count, ret);
        ret->proto = checked_proto(parameter(last_of(&last), STR("proto")));
        ret->host = checked_host(parameter(last_of(&last), STR("host")));
    } else {
        collect(head, HTTP_H_X_FORWARDED_FOR, &last);
        walk(&last, false, trusted, trusted_count, ret);
        collect(head, HTTP_H_X_FORWARDED_PROTO, &last);
        ret->proto = checked_proto(last_of(&last));
        collect(head, HTTP_H_X_FORWARDED_HOST, &last);
        ret->host = checked_host(last_of(&last));
    }
    reverse(ret);
}
