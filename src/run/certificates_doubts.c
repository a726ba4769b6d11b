/* SPDX-License-Identifier: Apache-2.0
 *
 * What is doubtful of certificates that can serve: hosts of routes that none of them is for, a
 * name that browsers do not read, and an end that is near. Said when a configuration is checked or
 * applied; nothing is refused for it.
 */
#include "run/certificates.h"

#include "base/num.h"
#include "schema/load.h"

bool certificates_for_routes(const struct project_spec *spec)
{
    for (size_t i = 0; i < spec->gateway.listens_count; i++) {
        if (spec->gateway.listens[i].kind == LISTEN_HTTPS) {
            return true;
        }
    }
    return false;
}

bool certificates_names(const struct certificates *certificates, struct map *names)
{
    for (size_t i = 0; i < certificates->count; i++) {
        struct str rest = certificates->items[i].names, name;
        while (rest.len > 0) {
            (void)str_split(rest, ' ', &name, &rest);
            if (name.len > 0 && map_put(names, name, (void *)1) < 0) {
                return false;
            }
        }
    }
    return true;
}

bool certificates_cover(const struct map *names, struct str host)
{
    char wild[256];
    ptrdiff_t dot = str_find_char(host, '.');
    if (map_get(names, host)) {
        return true;
    }
    if (dot <= 0 || host.p[0] == '*' || host.len - (size_t)dot + 2 > sizeof(wild)) {
        return false;
    }
    (void)snprintf(wild, sizeof(wild), "*" STR_FMT, STR_ARG(str_skip(host, (size_t)dot)));
    return map_get(names, str_from(wild)) != NULL;
}

bool certificates_is_local(struct str host)
{
    return str_is(host, "localhost") || str_ends(host, STR(".localhost"));
}

static void doubt_names(const struct project_spec *spec, const struct certificates *certificates,
                        struct problem_list *notices)
{
    struct map names = CERTIFICATES_NAMES(certificates);
    bool known = certificates_for_routes(spec) && certificates->count > 0 &&
                 certificates_names(certificates, &names);
    for (size_t i = 0; known && i < spec->services_count; i++) {
        const struct service_spec *service = &spec->services[i];
        for (size_t k = 0; k < service->routes_count; k++) {
            const struct route_spec *route = &service->routes[k];
            if (route->host.len == 0 || route->passthrough || certificates_is_local(route->host) ||
                certificates_cover(&names, route->host)) {
                continue;
            }
            struct problem *problem = problem_list_add(notices);
            problem_set(problem, "tls.name", "no certificate is for " STR_FMT,
                        STR_ARG(route->host));
            problem->status = 200;
            if (!schema_where(spec, problem, "/services/" STR_FMT "/routes/%zu/host",
                              STR_ARG(service->name), k)) {
                (void)schema_where(spec, problem, "/services/" STR_FMT "/routes/%zu",
                                   STR_ARG(service->name), k);
            }
            problem_hint(problem, "clients that ask for it by https are shown another one, and "
                                  "refuse it; add one to gateway.tls.certificates");
        }
    }
    map_fini(&names);
}

/* Where the configuration names that file. */
static void set_place(const struct project_spec *spec, struct str file, struct problem *problem)
{
    const struct gateway_spec *gateway = &spec->gateway;
    problem->status = 200;
    for (size_t i = 0; i < gateway->listens_count; i++) {
        if (str_eq(gateway->listens[i].certificate.cert, file)) {
            (void)schema_where(spec, problem, "/gateway/listen/%zu/tls/cert", i);
            return;
        }
    }
    for (size_t i = 0; i < gateway->tls.certificates_count; i++) {
        if (str_eq(gateway->tls.certificates[i].cert, file)) {
            (void)schema_where(spec, problem, "/gateway/tls/certificates/%zu/cert", i);
            return;
        }
    }
    (void)schema_where(spec, problem, "/gateway/tls");
}

/* It is served: a client of one's own may take it. */
static void doubt_subjects(const struct project_spec *spec, const struct certificates *certificates,
                           struct problem_list *notices)
{
    for (size_t i = 0; i < certificates->count; i++) {
        const struct certificate_about *about = &certificates->about[i];
        if (!about->is_common_name || about->file.len == 0) {
            continue;
        }
        struct problem *problem = problem_list_add(notices);
        problem_set(problem, "tls.common-name",
                    STR_FMT " has its name in the subject (CN) alone, which browsers refuse",
                    STR_ARG(about->file));
        set_place(spec, about->file, problem);
        problem_hint(problem, "have it issued with subjectAltName = DNS:NAME");
    }
}

static void doubt_ends(const struct project_spec *spec, const struct certificates *certificates,
                       int64_t now_s, struct problem_list *notices)
{
    for (size_t i = 0; i < certificates->count; i++) {
        const struct certificate_about *about = &certificates->about[i];
        int64_t days = (about->until_s - now_s + 86399) / 86400;
        if (about->file.len == 0 || about->until_s - now_s > TLS_SOON_S) {
            continue;
        }
        struct problem *problem = problem_list_add(notices);
        problem_set(problem, "tls.ends", STR_FMT " ends in %lld day%s", STR_ARG(about->file),
                    (long long)days, days == 1 ? "" : "s");
        set_place(spec, about->file, problem);
        problem_hint(problem, "renew it; the new file is taken by itself");
    }
}

/* One that is to be fetched is no doubt yet; when it does not come there is an event. */
static void doubt_staples(const struct project_spec *spec, const struct certificates *certificates,
                          struct problem_list *notices)
{
    for (size_t i = 0; i < certificates->count; i++) {
        const struct certificate_about *about = &certificates->about[i];
        if (!about->unstapled || about->ocsp_url.len > 0) {
            continue;
        }
        struct problem *problem = problem_list_add(notices);
        problem_set(problem, "tls.unstapled", STR_FMT " has no OCSP answer to staple: %s",
                    STR_ARG(about->file), about->unstapled);
        set_place(spec, about->file, problem);
        problem_hint(problem, "%s",
                     about->must_staple
                         ? "it demands one (must-staple), and clients that heed this refuse it"
                         : "put a newer answer into the file; it is taken by itself");
    }
}

void certificates_doubts(const struct project_spec *spec, const struct certificates *certificates,
                         int64_t now_s, struct problem_list *notices)
{
    doubt_names(spec, certificates, notices);
    doubt_subjects(spec, certificates, notices);
    doubt_ends(spec, certificates, now_s, notices);
    doubt_staples(spec, certificates, notices);
}
