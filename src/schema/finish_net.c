/* SPDX-License-Identifier: Apache-2.0
 *
 * What needs more than one row of routes, ports and listeners: addresses, ranges, host names.
 *
 *   address    [scheme://][host]:port[/]      scheme http (default), https, tcp, tls
 *   host       empty or * = all addresses · localhost · IPv4 · [IPv6]; never a name: a listener that
 *              moved because a name server answered otherwise would be nobody's wish
 *   canonical  scheme://literal:port, which is the identity of a listener: two spellings of one
 *              address are one listener, and a change of spelling restarts nothing
 *
 * Host names are checked as they are compared by the gateway: lower case, labels of RFC 1123 plus
 * '_' (which people use), at most 253 bytes.
 */
#include "base/ip.h"
#include "base/num.h"
#include "base/utf8.h"
#include "schema/decode.h"
#include "schema/table.h"

static const struct str schemes[] = {
    [LISTEN_HTTP] = STR_INIT("http"),
    [LISTEN_HTTPS] = STR_INIT("https"),
    [LISTEN_TCP] = STR_INIT("tcp"),
    [LISTEN_TLS] = STR_INIT("tls"),
};

/* Four numbers without leading signs; inet_pton would do the same but is not in base. */
static bool is_ipv4(struct str host)
{
    struct str part;
    uint64_t n;
    for (size_t i = 0; i < 4; i++) {
        bool more = str_split(host, '.', &part, &host);
        if (more == (i == 3) || part.len > 3 || num_parse_u64(part, &n) || n > 255) {
            return false;
        }
    }
    return true;
}

/* Not a full grammar: the kernel refuses what is left when the address is bound. */
static bool is_ipv6(struct str host)
{
    size_t colons = 0;
    for (size_t i = 0; i < host.len; i++) {
        char c = host.p[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        colons += c == ':';
        if (!hex && c != ':' && c != '.') {
            return false;
        }
    }
    return colons >= 2 && colons <= 7;
}

/* "", "*", "localhost", IPv4, "[IPv6]" to the literal that is bound. localhost is 127.0.0.1, not
 * both families: one listener has one socket. */
static bool read_host(struct str host, struct str *ret)
{
    if (host.len == 0 || str_is(host, "*") || str_is(host, "[::]")) {
        *ret = STR("::");
        return true;
    }
    if (str_is(host, "localhost")) {
        *ret = STR("127.0.0.1");
        return true;
    }
    if (str_starts(host, STR("[")) && str_ends(host, STR("]"))) {
        *ret = str_slice(host, 1, host.len - 1);
        return is_ipv6(*ret);
    }
    *ret = host;
    return is_ipv4(host);
}

/* The literal as it was written: two spellings of one IPv6 address stay two, and collide in the
 * kernel.
 */
static struct str canonical(struct schema_pass *pass, const struct listen_spec *l)
{
    bool v6 = str_find_char(l->host, ':') >= 0;
    return pass_printf(pass, STR_FMT "://%s" STR_FMT "%s:%lld", STR_ARG(schemes[l->kind]),
                       v6 ? "[" : "", STR_ARG(l->host), v6 ? "]" : "", (long long)l->port);
}

/* Reads "scheme://host:port"; a bare ":8080" or "127.0.0.1:8080" is http. */
static bool read_address(struct schema_pass *pass, struct str text, struct listen_spec *l)
{
    struct str scheme = STR("http"), rest = text;
    ptrdiff_t mark = str_find(text, STR("://"));
    int64_t port;
    if (mark >= 0) {
        scheme = str_slice(text, 0, (size_t)mark);
        rest = str_skip(text, (size_t)mark + 3);
    }
    rest = str_ends(rest, STR("/")) ? str_slice(rest, 0, rest.len - 1) : rest;
    l->kind = -1;
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        l->kind = str_eq_nocase(scheme, schemes[i]) ? (int32_t)i : l->kind;
    }
    ptrdiff_t colon = str_rfind_char(rest, ':');
    if (l->kind < 0 || colon < 0 || num_parse_i64(str_skip(rest, (size_t)colon + 1), &port) ||
        port < 1 || port > 65535 || !read_host(str_slice(rest, 0, (size_t)colon), &l->host)) {
        return false;
    }
    l->port = port;
    l->address = canonical(pass, l);
    return true;
}

static void say_bad_admin(struct schema_pass *pass, struct value_at at, struct str text)
{
    struct problem *problem = pass_problem(
        pass, at, "config.bad-address", "this is no address for dashboard and API: '" STR_FMT "'",
        STR_ARG(utf8_cut(text, 80)));
    problem_expected(problem, "http://127.0.0.1:7070, https://:7443, or false for none");
    problem_hint(problem,
                 "the host is an IP address or empty (all addresses); the port is from 1 to 65535");
}

static void say_bad_address(struct schema_pass *pass, struct value_at at, struct str text)
{
    struct problem *problem =
        pass_problem(pass, at, "config.bad-address",
                     "this is no address to listen on: '" STR_FMT "'", STR_ARG(utf8_cut(text, 80)));
    problem_expected(problem,
                     "http://:8080, https://127.0.0.1:8443, tcp://[::1]:5432 or tls://:443");
    problem_hint(problem,
                 "the host is an IP address or empty (all addresses); the port is from 1 to 65535");
}

/* "https" or "https:PORT". */
static void read_redirect(struct schema_pass *pass, const struct value *v, struct listen_spec *l)
{
    struct str rest = l->redirect;
    bool good = str_starts(rest, STR("https"));
    if (!value_is_set(v)) {
        return;
    }
    rest = str_skip(rest, 5);
    l->redirect_port = 443;
    if (good && rest.len > 0) {
        good = rest.p[0] == ':' && num_parse_i64(str_skip(rest, 1), &l->redirect_port) == 0 &&
               l->redirect_port >= 1 && l->redirect_port <= 65535;
    }
    if (!good || l->kind != LISTEN_HTTP) {
        struct problem *problem = pass_problem(pass, v->at, "config.bad-value",
                                               good ? "only an http listener redirects"
                                                    : "this is no place to redirect to");
        problem_expected(problem, "redirect: https, or https:8443, on an http:// listener");
    }
}

/* Each mistake by itself, so that a listener with two of them is mended in one go. */
void finish_listen(struct schema_pass *pass, const struct value *v, void *object)
{
    struct listen_spec *l = object;
    const struct value *address = value_get(v, "address");
    const struct value *tls = value_get(v, "tls");
    if (!value_is_set(address)) {
        return;
    }
    if (!read_address(pass, l->address, l)) {
        say_bad_address(pass, address->at, l->address);
        return;
    }
    bool to_service = l->kind == LISTEN_TCP || l->kind == LISTEN_TLS;
    if (l->kind == LISTEN_TCP && !l->service.len) {
        struct problem *problem = pass_problem(pass, address->at, "config.missing-key",
                                               "a " STR_FMT " listener needs to know its service",
                                               STR_ARG(schemes[l->kind]));
        problem_hint(problem, "write {address: \"" STR_FMT "\", service: NAME}",
                     STR_ARG(l->address));
    }
    if (!to_service && l->service.len) {
        pass_problem(pass, value_get(v, "service")->at, "config.bad-value",
                     "an http listener takes its services from their routes");
    }
    if (!to_service && l->target) {
        pass_problem(pass, value_get(v, "target")->at, "config.bad-value",
                     "only a tcp or tls listener has a target");
    }
    if (value_is_set(tls) && l->kind != LISTEN_HTTPS) {
        struct problem *problem =
            pass_problem(pass, tls->at, "config.bad-value",
                         STR_FMT " listeners have no certificate", STR_ARG(schemes[l->kind]));
        problem_expected(problem, "https:// in the address");
    }
    read_redirect(pass, value_get(v, "redirect"), l);
}

enum { HOST_NAME_MAX_LEN = 253 }; /* RFC 1035: 255 octets on the wire */

static bool is_host_char(char c)
{
    return c == '-' || c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
}

/* Labels of letters, digits, '-' and '_'; the first may be "*". */
static bool is_host_name(struct str host)
{
    bool first = true;
    if (host.len > HOST_NAME_MAX_LEN) {
        return false;
    }
    while (host.len || first) {
        struct str label;
        bool more = str_split(host, '.', &label, &host);
        bool star = first && str_is(label, "*") && more;
        for (size_t i = 0; i < label.len && !star; i++) {
            if (!is_host_char(label.p[i])) {
                return false;
            }
        }
        if (label.len == 0 || label.len > 63 || (more && host.len == 0)) {
            return false;
        }
        first = false;
    }
    return true;
}

static struct str lower_case(struct schema_pass *pass, struct str text)
{
    struct buf lower = BUF_INIT(text.len);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.p[i];
        buf_add_char(&lower, c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c);
    }
    return pass_take(pass, &lower);
}

/* Names that no foreign page may point here are taken one by one: no pattern. */
static void check_admin_names(struct schema_pass *pass, const struct value *v,
                              struct gateway_spec *gateway)
{
    struct str *names = (struct str *)gateway->admin_names; /* ours until the pass ends */
    for (size_t i = 0; i < gateway->admin_names_count; i++) {
        names[i] = lower_case(pass, names[i]);
        if (is_host_name(names[i]) && names[i].p[0] != '*') {
            continue;
        }
        struct problem *problem =
            pass_problem(pass, value_item_at(value_get(v, "admin_names"), i), "config.bad-host",
                         "this is no host name: '" STR_FMT "'", STR_ARG(utf8_cut(names[i], 80)));
        problem_expected(problem, "a name such as panel.example.org, without scheme, port or '*'");
    }
}

/* Who names authorities wants certificates asked for; who wants certificates must name them. */
static void finish_tls(struct schema_pass *pass, const struct value *v,
                       struct gateway_tls_spec *tls)
{
    const struct value *asked = value_get(v, "client_certificate");
    if (tls->client_ca.len > 0 && !value_is_set(asked)) {
        tls->client_certificate = CLIENT_CERTIFICATE_OPTIONAL;
    }
    if (tls->client_ca.len == 0 && tls->client_certificate != CLIENT_CERTIFICATE_NONE) {
        struct problem *problem =
            pass_problem(pass, asked->at, "config.missing-key",
                         "client certificates cannot be verified without their authorities");
        problem_hint(problem, "add gateway.tls.client_ca: FILE");
    }
}

enum { TRUSTED_MAX = 64 }; /* each is asked for each new connection */

static void check_trusted(struct schema_pass *pass, const struct value *v,
                          const struct gateway_spec *gateway)
{
    const struct value *list = value_get(v, "trusted_proxies");
    for (size_t i = 0; i < gateway->trusted_proxies_count; i++) {
        struct str text = gateway->trusted_proxies[i];
        struct ip_net net;
        if (ip_net_parse(text, &net) < 0) {
            struct problem *problem = pass_problem(
                pass, value_item_at(list, i), "config.bad-network",
                "this is no address and no network: '" STR_FMT "'", STR_ARG(utf8_cut(text, 80)));
            problem_expected(problem, "10.0.0.0/8, 192.0.2.1, 2001:db8::/32; bits behind the "
                                      "network's are 0");
        }
    }
    if (gateway->trusted_proxies_count > TRUSTED_MAX) {
        problem_expected(pass_problem(pass, list->at, "config.too-many",
                                      "too many trusted proxies: %zu",
                                      gateway->trusted_proxies_count),
                         "at most %d; networks may be wider", TRUSTED_MAX);
    }
}

/* `admin: true` and no `admin` are the usual address; false and none are no listener at all. */
void finish_gateway(struct schema_pass *pass, const struct value *v, void *object)
{
    struct gateway_spec *gateway = object;
    check_admin_names(pass, v, gateway);
    finish_tls(pass, value_get(v, "tls"), &gateway->tls);
    check_trusted(pass, v, gateway);
    const struct value *admin = value_get(v, "admin");
    struct str text = value_is_set(admin) ? admin->text : STR("http://127.0.0.1:7070");
    if (!decode_truth(admin, true) || str_is(text, "none")) {
        return;
    }
    if (decode_truth(admin, false)) {
        text = STR("http://127.0.0.1:7070");
    }
    bool good = read_address(pass, text, &gateway->admin) &&
                (gateway->admin.kind == LISTEN_HTTP || gateway->admin.kind == LISTEN_HTTPS);
    if (!good) {
        say_bad_admin(pass, admin ? admin->at : pass->owner_at, text);
    }
}

bool finish_path(struct schema_pass *pass, const struct value *v, const char *expected,
                 const char *without)
{
    bool fine = v->kind != VALUE_SCALAR || str_starts(v->text, STR("/"));
    const char *what = "the path does not begin with '/'";
    for (size_t i = 0; fine && i < v->text.len; i++) {
        unsigned char c = (unsigned char)v->text.p[i];
        fine = c >= 0x20 && c != 0x7f && !strchr(without, c);
        what = "the path holds a character that no request can have there";
    }
    if (!fine) {
        problem_expected(pass_problem(pass, v->at, "config.bad-path", "%s", what), "%s", expected);
    }
    return fine;
}

/* "*" and no host are the same: any. The path loses its last slash, so that "/api" and "/api/" are
 * one route and collide as such. */
void finish_route(struct schema_pass *pass, const struct value *v, void *object)
{
    struct route_spec *route = object;
    const struct value *host = value_get(v, "host"), *path = value_get(v, "path");
    route->host = lower_case(pass, route->host);
    if (str_is(route->host, "*")) {
        route->host = STR_NONE;
    }
    if (route->host.len && !is_host_name(route->host)) {
        struct problem *problem =
            pass_problem(pass, host->at, "config.bad-host", "this is no host name: '" STR_FMT "'",
                         STR_ARG(utf8_cut(host->text, 80)));
        problem_expected(problem,
                         "a name such as shop.localhost or *.example.org, without scheme or "
                         "port, and other letters as in xn--bcher-kva.de");
    }
    if (path) {
        finish_path(pass, path, "a path such as / or /api", " ?#");
    }
    if (route->passthrough && (!str_is(route->path, "/") || route->strip_prefix)) {
        struct problem *problem =
            pass_problem(pass, v->at, "config.bad-value",
                         "a connection that is passed on unread has no path that could be seen");
        problem_hint(problem, "leave 'path' and 'strip_prefix' out, or 'passthrough'");
    }
    if (route->path.len > 1 && str_ends(route->path, STR("/"))) {
        route->path = str_slice(route->path, 0, route->path.len - 1);
    }
}

/* A range stays for engines; advise.c refuses it for a process, which has one listener per port. */
void finish_port(struct schema_pass *pass, const struct value *v, void *object)
{
    struct port_spec *port = object;
    const struct value *published = value_get(v, "published");
    const struct value *host_ip = value_get(v, "host_ip");
    struct str first, last;
    if (port->host_ip.len && !is_ipv4(port->host_ip) && !is_ipv6(port->host_ip)) {
        struct problem *problem = pass_problem(pass, host_ip->at, "config.bad-address",
                                               "this is no address of the host: '" STR_FMT "'",
                                               STR_ARG(utf8_cut(port->host_ip, 80)));
        problem_expected(problem, "an IP address such as 127.0.0.1 or ::1, or none for all");
    }
    if (!value_is_set(published) || published->kind != VALUE_SCALAR || published->text.len == 0) {
        return;
    }
    bool is_range = str_split(published->text, '-', &first, &last);
    if (num_parse_i64(first, &port->published) ||
        num_parse_i64(is_range ? last : first, &port->published_end) || port->published < 0 ||
        port->published_end > 65535 || port->published_end < port->published) {
        struct problem *problem = pass_problem(pass, published->at, "config.bad-port",
                                               "'published' cannot be '" STR_FMT "'",
                                               STR_ARG(utf8_cut(published->text, 40)));
        problem_expected(problem, "a port from 0 to 65535, or a range such as 8000-8010");
    }
}
