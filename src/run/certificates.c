/* SPDX-License-Identifier: Apache-2.0
 *
 * Certificates by file, and by the development authority where there are none.
 *
 * 1. Whatever is in a snapshot was read by tls_cert_new before: the edge does not find out.
 * 2. A file that cannot be used costs its own certificate and no other; the caller decides whether
 *    that is refused (an apply) or said (a core that starts again).
 * 3. The names of the development authority's certificates are those of the routes: *.localhost
 *    alone is not taken by browsers and libraries, which want two labels behind a star.
 */
#include "run/certificates.h"

#include "core/authority.h"
#include "os/clock.h"
#include "os/file.h"
#include "run/listen.h"
#include "run/model.h"
#include "run/ocsp.h"
#include "run/source.h"
#include "schema/load.h"
#include "tls/ocsp.h"

#include <stdio.h>
#include <stdlib.h>

struct loading {
    const struct certificates_request *request;
    const struct project_spec *spec;
    struct problem_list *problems;
    struct certificates *to;
    int64_t now_s;
};

/* Where a certificate is named: the schema's pointer to it. */
struct place {
    char pointer[128];
    uint64_t listener; /* index + 1; 0 = gateway.tls */
};

/* --- reading --- */

static void say(const struct loading *l, const struct place *place, const char *key,
                struct problem *problem)
{
    struct problem *to = problem_list_add(l->problems);
    char file[PROBLEM_TEXT_MAX], what[PROBLEM_TEXT_MAX];
    (void)str_copy(file, sizeof(file), str_from(problem->where));
    (void)str_copy(what, sizeof(what), str_from(problem->what));
    *to = *problem;
    problem_set(to, problem->code, "%s: %s", file, what);
    problem_expected(to, "%s", problem->expected);
    problem_hint(to, "%s", problem->hint);
    to->status = 422;
    if (!schema_where(l->spec, to, "%s/%s", place->pointer, key)) {
        (void)schema_where(l->spec, to, "%s", place->pointer);
    }
}

/* The content of a file; empty if there is no name. 0, -ENOMEM; > 0: it was said. */
static int read_text(const struct loading *l, const struct place *place, const char *key,
                     struct str path, struct str *ret)
{
    cleanup(buf_fini) struct buf text = BUF_INIT(TLS_PEM_MAX);
    char name[4096];
    *ret = STR_NONE;
    if (path.len == 0) {
        return 0;
    }
    int r = str_copy(name, sizeof(name), path) ? file_read_regular(name, TLS_PEM_MAX, &text)
                                               : -ENAMETOOLONG;
    if (r < 0) {
        struct problem problem;
        problem_set(&problem, "tls.unreadable", "cannot be read: %s",
                    r == -ENOBUFS ? "it is larger than 64 KiB" : strerror(-r));
        problem_where(&problem, STR_FMT, STR_ARG(path));
        problem_expected(&problem, "a file that muelle may read");
        say(l, place, key, &problem);
        return r == -ENOMEM ? r : 1;
    }
    *ret = arena_str(&l->to->arena, buf_str(&text));
    return ret->p ? 0 : -ENOMEM;
}

/* --- taking --- */

/* Whose it is, over restarts: the files that the configuration names. */
static uint64_t origin_of(const struct certificate_spec *spec)
{
    return map_hash(map_hash(2, spec->cert), spec->key);
}

/* What the responder said last, if it still holds; the file is written by ocsp.c. */
static void take_fetched(const struct loading *l, struct tls_cert *cert,
                         struct certificate_about *about)
{
    char name[OCSP_NAME_MAX], path[4096];
    cleanup(buf_fini) struct buf answer = BUF_INIT(TLS_OCSP_MAX);
    struct tls_ocsp_times times = {0};
    struct problem unused;
    ocsp_name(cert, name);
    about->ocsp_name = arena_str(&l->to->arena, str_from(name));
    about->unstapled = "none has come from the responder yet";
    if (l->request->state.len == 0) {
        return;
    }
    (void)snprintf(path, sizeof(path), STR_FMT "/ocsp/%s", STR_ARG(l->request->state), name);
    if (file_read_regular(path, TLS_OCSP_MAX, &answer) == 0 &&
        tls_ocsp_check(cert, buf_str(&answer), l->now_s, &times, &unused) == 0 &&
        tls_cert_staple(cert, buf_str(&answer)) == 0) {
        about->ocsp_this_s = times.this_s;
        about->ocsp_next_s = times.next_s;
        about->unstapled = NULL;
    }
}

/* The file that the configuration names, unless it has ended: then the edge leaves it out, and the
 * responder is asked as if there were none. */
static void staple(const struct loading *l, struct tls_cert *cert, struct certificate_about *about)
{
    char url[TLS_OCSP_URL_MAX];
    bool fetch = l->spec->gateway.tls.ocsp_fetch;
    about->must_staple = tls_ocsp_must_staple(cert);
    if (cert->ocsp && (cert->ocsp_until_s == 0 || cert->ocsp_until_s > l->now_s)) {
        about->ocsp_next_s = cert->ocsp_until_s;
        return;
    }
    if (fetch && tls_ocsp_url(cert, url)) {
        about->ocsp_url = arena_str(&l->to->arena, str_from(url));
        take_fetched(l, cert, about);
    } else if (cert->ocsp) {
        about->unstapled = "the one in its file has ended";
    } else if (about->must_staple) {
        about->unstapled = !fetch ? "gateway.tls.ocsp_fetch is false"
                           : !tls_ocsp_has_issuer(cert)
                               ? "its chain lacks the issuer, without which nobody can be asked"
                               : "it names no responder that is asked by http";
    }
}

static void count(struct certificates *to)
{
    struct snapshot_certificate *item = &to->items[to->count];
    item->id = map_hash(map_hash(map_hash(1, item->chain), item->key), item->ocsp);
    to->content = map_hash(to->content + item->listener, str_make((const char *)&item->id, 8));
    to->count++;
}

/* `spec` NULL: the development authority's. */
static int add(const struct loading *l, struct tls_cert *cert, const struct certificate_spec *spec,
               uint64_t listener)
{
    struct certificates *to = l->to;
    struct snapshot_certificate *item = &to->items[to->count];
    cleanup(buf_fini) struct buf chain = BUF_INIT(SNAPSHOT_PEM_MAX);
    struct buf key = BUF_INIT(SNAPSHOT_PEM_MAX);
    struct certificate_about *about = &to->about[to->count];
    *about = (struct certificate_about){
        .file = arena_str(&to->arena, spec ? spec->cert : STR_NONE),
        .from_s = cert->from_s,
        .until_s = cert->until_s,
        .is_common_name = cert->is_common_name,
    };
    staple(l, cert, about);
    int r = tls_cert_write(cert, &chain, &key);
    *item = (struct snapshot_certificate){
        .listener = listener,
        .chain = arena_str(&to->arena, buf_str(&chain)),
        .key = arena_str(&to->arena, buf_str(&key)),
        .ocsp = arena_str(&to->arena, str_make((const char *)cert->ocsp, cert->ocsp_len)),
        .names = arena_str(&to->arena, buf_str(&cert->names)),
        .key_kind = cert->kind,
        .origin = spec ? origin_of(spec) : 0,
    };
    buf_fini(&key);
    if (r < 0 || to->arena.failed) {
        return r < 0 ? r : -ENOMEM;
    }
    count(to);
    return 0;
}

/* What was said last, without the file's name where that is the certificate's. */
static struct str last_said(const struct loading *l, const struct certificate_spec *spec)
{
    size_t last = MIN(l->problems->count, (size_t)PROBLEM_LIST_MAX) - 1;
    struct str what = str_from(l->problems->items[last].what);
    bool named =
        str_starts(what, spec->cert) && str_starts(str_skip(what, spec->cert.len), STR(": "));
    return arena_str(&l->to->arena, named ? str_skip(what, spec->cert.len + 2) : what);
}

/* The file is of no use, and the problem was said: what served before serves on, so that a core
 * that starts again takes nothing away. */
static int take_kept(const struct loading *l, const struct certificate_spec *spec,
                     uint64_t listener)
{
    for (size_t i = 0; i < l->request->kept.count; i++) {
        struct snapshot_certificate item = l->request->kept.items[i];
        const struct tls_cert_source texts = {.cert = item.chain, .key = item.key};
        struct problem unused;
        struct tls_cert *cert = NULL;
        if (item.origin != origin_of(spec)) {
            continue;
        }
        int r = tls_cert_new(&texts, &cert, &unused);
        r = r != 0 ? r : add(l, cert, spec, listener);
        if (r == 0) {
            l->to->about[l->to->count - 1].kept = last_said(l, spec);
        }
        tls_cert_free(cert);
        return r < 0 ? r : 0;
    }
    return 0;
}

static int load_one(const struct loading *l, const struct certificate_spec *spec,
                    const struct place *place)
{
    struct tls_cert_source texts = {
        .cert_name = spec->cert,
        .key_name = spec->key,
        .chain_name = spec->chain,
        .ocsp_name = spec->ocsp,
    };
    struct problem problem = {0};
    struct tls_cert *cert = NULL;
    int r = read_text(l, place, "cert", spec->cert, &texts.cert);
    r = r != 0 ? r : read_text(l, place, "key", spec->key, &texts.key);
    r = r != 0 ? r : read_text(l, place, "chain", spec->chain, &texts.chain);
    r = r != 0 ? r : read_text(l, place, "ocsp", spec->ocsp, &texts.ocsp);
    if (r != 0) {
        return r < 0 ? r : take_kept(l, spec, place->listener);
    }
    r = tls_cert_new(&texts, &cert, &problem);
    r = r != 0 ? r : tls_cert_check_time(cert, spec->cert, l->now_s, &problem);
    if (r == TLS_E_BAD) {
        bool of_key = str_is(spec->key, problem.where);
        say(l, place, of_key ? "key" : "cert", &problem);
        r = take_kept(l, spec, place->listener);
    } else if (r == 0) {
        r = add(l, cert, spec, place->listener);
    }
    tls_cert_free(cert);
    return r;
}

static int load_named(const struct loading *l)
{
    const struct gateway_spec *gateway = &l->spec->gateway;
    struct place place;
    int r = 0;
    for (size_t i = 0; r == 0 && i < gateway->listens_count; i++) {
        if (gateway->listens[i].certificate.cert.len > 0) {
            place.listener = i + 1;
            (void)snprintf(place.pointer, sizeof(place.pointer), "/gateway/listen/%zu/tls", i);
            r = load_one(l, &gateway->listens[i].certificate, &place);
        }
    }
    for (size_t i = 0; r == 0 && i < gateway->tls.certificates_count; i++) {
        place.listener = 0;
        (void)snprintf(place.pointer, sizeof(place.pointer), "/gateway/tls/certificates/%zu", i);
        r = load_one(l, &gateway->tls.certificates[i], &place);
    }
    return r;
}

/* 0, TLS_E_BAD (it was said) or -ENOMEM. */
static int check_authorities(const struct loading *l, const struct place *place, const char *key,
                             struct str path, struct str text)
{
    struct problem problem = {0};
    X509_STORE *unused = NULL;
    int r = tls_authorities_new(text, path, &unused, &problem);
    if (r == TLS_E_BAD) {
        say(l, place, key, &problem);
    }
    tls_authorities_free(unused);
    return r;
}

static int load_authorities(const struct loading *l)
{
    struct place place = {.pointer = "/gateway/tls"};
    struct str path = l->spec->gateway.tls.client_ca;
    int r = read_text(l, &place, "client_ca", path, &l->to->client_ca);
    if (r == 0 && path.len > 0) {
        r = check_authorities(l, &place, "client_ca", path, l->to->client_ca);
    }
    if (r != 0 && r != -ENOMEM) { /* without any, nobody could be asked for a certificate */
        l->to->client_ca = arena_str(&l->to->arena, l->request->kept.client_ca);
    }
    l->to->content = map_hash(l->to->content, l->to->client_ca);
    return r < 0 ? r : 0;
}

/* --- services that are reached by TLS --- */

static int check_pair(const struct loading *l, const struct upstream_tls_spec *spec,
                      const struct place *place, const struct snapshot_upstream_tls *tls)
{
    struct problem problem = {0};
    struct tls_cert *cert = NULL;
    const struct tls_cert_source texts = {
        .cert = tls->cert, .key = tls->key, .cert_name = spec->cert, .key_name = spec->key};
    int r = tls_cert_new(&texts, &cert, &problem);
    r = r != 0 ? r : tls_cert_check_time(cert, spec->cert, l->now_s, &problem);
    if (r == TLS_E_BAD) {
        say(l, place, str_is(spec->key, problem.where) ? "key" : "cert", &problem);
    }
    tls_cert_free(cert);
    return r;
}

/* What served before, where files are of no use. Without an authority that is named nobody is
 * trusted: an empty text would be the machine's. */
static void keep(const struct loading *l, const struct service_spec *service, bool ca, bool pair,
                 struct snapshot_upstream_tls *to)
{
    const struct certificates_kept *kept = &l->request->kept;
    size_t i = (size_t)(service - l->spec->services);
    struct snapshot_upstream_tls former =
        i < kept->service_count ? kept->services[i] : (struct snapshot_upstream_tls){0};
    if (ca) {
        to->ca = former.ca.len > 0 ? arena_str(&l->to->arena, former.ca) : STR("none");
    }
    if (pair) {
        to->cert = arena_str(&l->to->arena, former.cert);
        to->key = arena_str(&l->to->arena, former.key);
    }
}

static int load_service(const struct loading *l, const struct service_spec *service,
                        struct snapshot_upstream_tls *to)
{
    const struct upstream_tls_spec *spec = &service->traffic.tls;
    struct place place;
    (void)snprintf(place.pointer, sizeof(place.pointer), "/services/" STR_FMT "/traffic/tls",
                   STR_ARG(service->name));
    *to = (struct snapshot_upstream_tls){
        .on = true, .verify = spec->verify, .server_name = spec->server_name};
    int ca = read_text(l, &place, "ca", spec->ca, &to->ca);
    ca = ca == 0 && spec->ca.len > 0 ? check_authorities(l, &place, "ca", spec->ca, to->ca) : ca;
    int pair = read_text(l, &place, "cert", spec->cert, &to->cert);
    pair = pair == 0 ? read_text(l, &place, "key", spec->key, &to->key) : pair;
    pair = pair == 0 && spec->cert.len > 0 ? check_pair(l, spec, &place, to) : pair;
    keep(l, service, ca > 0, pair > 0, to);
    l->to->content = map_hash(map_hash(map_hash(l->to->content, to->ca), to->cert), to->key);
    return MIN(MIN(ca, pair), 0);
}

static int load_services(const struct loading *l)
{
    size_t count = l->spec->services_count;
    int r = 0;
    l->to->services = arena_array(&l->to->arena, count + 1, sizeof(*l->to->services));
    if (!l->to->services) {
        return -ENOMEM;
    }
    l->to->service_count = count;
    for (size_t i = 0; r == 0 && i < count; i++) {
        if (l->spec->services[i].traffic.tls.on) {
            r = load_service(l, &l->spec->services[i], &l->to->services[i]);
        }
    }
    return r;
}

/* --- the development authority --- */

bool certificates_needed(const struct gateway_spec *gateway)
{
    bool needed = gateway->admin.port > 0 && gateway->admin.kind == LISTEN_HTTPS;
    for (size_t i = 0; i < gateway->listens_count; i++) {
        needed |= gateway->listens[i].kind == LISTEN_HTTPS;
    }
    return needed;
}

/* A listener without a certificate for it, and none for all. */
static bool needs_local(const struct project_spec *spec)
{
    const struct listen_spec *admin = &spec->gateway.admin;
    if (admin->port > 0 && admin->kind == LISTEN_HTTPS &&
        spec->gateway.tls.certificates_count == 0) {
        return true;
    }
    for (size_t i = 0; i < spec->gateway.listens_count; i++) {
        const struct listen_spec *listen = &spec->gateway.listens[i];
        if (listen->kind == LISTEN_HTTPS && listen->certificate.cert.len == 0 &&
            spec->gateway.tls.certificates_count == 0) {
            return true;
        }
    }
    return false;
}

/* Those of this machine and the admin listener's address are 5. */
static size_t count_names(const struct project_spec *spec)
{
    size_t count = 8 + spec->gateway.admin_names_count + spec->gateway.listens_count;
    for (size_t i = 0; i < spec->services_count; i++) {
        count += spec->services[i].routes_count;
    }
    return count;
}

/* An address of this machine that somebody asks for by it; all addresses are none. */
static void add_host(struct map *seen, const struct listen_spec *listen)
{
    if (listen->kind == LISTEN_HTTPS && listen->host.len > 0 && !str_is(listen->host, "::") &&
        !str_is(listen->host, "0.0.0.0")) {
        (void)!map_put(seen, listen->host, (void *)1); /* without room: without that name */
    }
}

/* The names of listeners and routes, once each, behind those of this machine. */
static void collect_names(const struct project_spec *spec, struct map *seen)
{
    static const struct str usual[] = {STR_INIT("localhost"), STR_INIT("*.localhost"),
                                       STR_INIT("127.0.0.1"), STR_INIT("::1")};
    for (size_t i = 0; i < ARRAY_LEN(usual); i++) {
        (void)!map_put(seen, usual[i], (void *)1);
    }
    add_host(seen, &spec->gateway.admin);
    for (size_t i = 0; i < spec->gateway.admin_names_count; i++) {
        (void)!map_put(seen, spec->gateway.admin_names[i], (void *)1);
    }
    for (size_t i = 0; i < spec->gateway.listens_count; i++) {
        add_host(seen, &spec->gateway.listens[i]);
    }
    for (size_t i = 0; i < spec->services_count; i++) {
        for (size_t k = 0; k < spec->services[i].routes_count; k++) {
            struct str host = spec->services[i].routes[k].host;
            if (host.len > 0) {
                (void)!map_put(seen, host, (void *)1); /* without room: without that name */
            }
        }
    }
}

static int issue_one(const struct loading *l, const struct authority *authority,
                     const struct str *names, size_t count)
{
    cleanup(buf_fini) struct buf cert = BUF_INIT(TLS_PEM_MAX);
    struct buf key = BUF_INIT(TLS_PEM_MAX);
    struct problem problem;
    struct tls_cert *made = NULL;
    const struct authority_request request = {.names = names, .count = count, .now_s = l->now_s};
    int r = authority_issue(authority, &request, &cert, &key);
    if (r == 0) {
        const struct tls_cert_source source = {.cert = buf_str(&cert), .key = buf_str(&key)};
        r = tls_cert_new(&source, &made, &problem);
    }
    buf_fini(&key);
    r = r != 0 ? r : add(l, made, NULL, 0);
    tls_cert_free(made);
    return r == TLS_E_BAD ? -EINVAL : r;
}

static int issue_all(const struct loading *l, const struct authority *authority,
                     const struct map *wanted)
{
    int r = 0;
    for (size_t at = 0; r == 0 && at < wanted->len; at += CERTIFICATES_LOCAL_NAMES) {
        struct str names[CERTIFICATES_LOCAL_NAMES];
        size_t left = wanted->len - at;
        size_t count = MIN(left, (size_t)CERTIFICATES_LOCAL_NAMES);
        for (size_t i = 0; i < count; i++) {
            names[i] = wanted->entries[at + i].key;
        }
        r = issue_one(l, authority, names, count);
    }
    return r;
}

/* Beside certificates of files: the hosts below localhost that none of them is for, and no other
 * name, which would hide theirs. */
static void collect_beside(const struct loading *l, struct map *wanted)
{
    struct map named = CERTIFICATES_NAMES(l->to);
    bool known = certificates_for_routes(l->spec) && certificates_names(l->to, &named);
    for (size_t i = 0; known && i < l->spec->services_count; i++) {
        const struct service_spec *service = &l->spec->services[i];
        for (size_t k = 0; k < service->routes_count; k++) {
            const struct route_spec *route = &service->routes[k];
            if (certificates_is_local(route->host) && !route->passthrough &&
                !certificates_cover(&named, route->host)) {
                (void)!map_put(wanted, route->host, (void *)1); /* without room: without it */
            }
        }
    }
    map_fini(&named);
}

/* Not `needed`: what cannot be had is no problem, the certificates of files serve. */
static int issue_local(const struct loading *l, const struct map *wanted, bool needed)
{
    char dir[AUTHORITY_DIR_MAX];
    struct authority authority = {0};
    struct problem problem;
    problem_set(&problem, "tls.no-authority",
                "the development authority has no folder: neither MUELLE_CA_DIR nor HOME is set");
    int r = TLS_E_BAD;
    if (authority_dir(source_env(l->request->source, STR("MUELLE_CA_DIR")),
                      source_env(l->request->source, STR("XDG_DATA_HOME")),
                      source_env(l->request->source, STR("HOME")), dir)) {
        r = authority_open(&authority, dir, l->now_s, &problem);
    }
    if (r == 0) {
        r = issue_all(l, &authority, wanted);
    } else if (r != -ENOMEM && !needed) {
        r = 0;
    } else if (r != -ENOMEM) {
        if (r < 0) {
            problem_set(&problem, "tls.no-authority",
                        "the development authority cannot be made in %s: %s", dir, strerror(-r));
        }
        problem_hint(&problem, "give the listener a certificate: tls: {cert: FILE, key: FILE}");
        problem.status = 422;
        (void)schema_where(l->spec, &problem, "/gateway/listen");
        *problem_list_add(l->problems) = problem;
        r = 0;
    }
    authority_close(&authority);
    return r;
}

static int load_local(const struct loading *l)
{
    struct map wanted = MAP_INIT(count_names(l->spec));
    bool needed = needs_local(l->spec);
    if (l->request->files_only) {
        return 0;
    }
    if (needed) {
        collect_names(l->spec, &wanted);
    } else {
        collect_beside(l, &wanted);
    }
    int r = wanted.len > 0 ? issue_local(l, &wanted, needed) : 0;
    map_fini(&wanted);
    return r;
}

/* --- whole --- */

int certificates_load(const struct certificates_request *request, struct problem_list *problems,
                      struct problem_list *notices, struct certificates **ret)
{
    const struct project_spec *spec = request->spec;
    struct certificates *to = calloc(1, sizeof(*to));
    if (!to) {
        return -ENOMEM;
    }
    const struct gateway_spec *gateway = &spec->gateway;
    size_t most = gateway->listens_count + gateway->tls.certificates_count + 2 +
                  count_names(spec) / CERTIFICATES_LOCAL_NAMES;
    to->arena = ARENA_INIT(GIB);
    to->content = 1;
    to->refs = 1;
    to->items = arena_array(&to->arena, most, sizeof(*to->items));
    to->about = arena_array(&to->arena, most, sizeof(*to->about));
    const struct loading l = {request, spec, problems, to, clock_wall_ns() / NS_PER_S};
    int r = to->items && to->about ? load_named(&l) : -ENOMEM;
    r = r < 0 ? r : load_authorities(&l);
    r = r < 0 ? r : load_services(&l);
    r = r < 0 ? r : load_local(&l);
    if (r < 0) {
        certificates_unref(to);
        return r;
    }
    if (notices) {
        certificates_doubts(spec, to, l.now_s, notices);
    }
    *ret = to;
    return 0;
}

struct certificates *certificates_ref(struct certificates *certificates)
{
    if (certificates) {
        certificates->refs++;
    }
    return certificates;
}

void certificates_unref(struct certificates *certificates)
{
    if (certificates && --certificates->refs == 0) {
        arena_fini(&certificates->arena);
        free(certificates);
    }
}

/* --- publishing --- */

void certificates_publish(const struct project *project, struct snapshot_builder *builder)
{
    const struct certificates *all = project->source ? project->source->certificates : NULL;
    for (size_t i = 0; all && i < all->count; i++) {
        struct snapshot_certificate item = all->items[i];
        char address[SOCK_ADDR_TEXT_MAX];
        if (item.listener) {
            const struct listen_spec *listen = &project->spec->gateway.listens[item.listener - 1];
            if (!listen_address(listen, address, sizeof(address))) {
                continue;
            }
            item.listener = link_id(STR("listen"), str_from(address), STR_NONE, STR_NONE);
        }
        snapshot_builder_certificate(builder, &item);
    }
}

struct certificates_kept certificates_kept(const struct certificates *before)
{
    return before ? (struct certificates_kept){before->items, before->count, before->client_ca,
                                               before->services, before->service_count}
                  : (struct certificates_kept){0};
}

struct snapshot_upstream_tls certificates_upstream(const struct project *project, size_t i)
{
    const struct certificates *all = project->source ? project->source->certificates : NULL;
    return all && i < all->service_count ? all->services[i] : (struct snapshot_upstream_tls){0};
}

struct snapshot_tls certificates_tls(const struct project *project,
                                     const struct listen_spec *listen)
{
    const struct gateway_tls_spec *spec = &project->spec->gateway.tls;
    const struct certificates *all = project->source ? project->source->certificates : NULL;
    if (listen->kind != LISTEN_HTTPS) {
        return (struct snapshot_tls){0};
    }
    return (struct snapshot_tls){
        .on = true,
        .only_13 = spec->min_version == TLS_VERSION_13,
        .client = (enum snapshot_client_certificate)spec->client_certificate,
        .client_ca = all ? all->client_ca : STR_NONE,
        .tickets = (uint32_t)spec->tickets,
        .light = spec->light,
    };
}
