/* SPDX-License-Identifier: Apache-2.0
 *
 * Pages, preconditions, and "there is no such thing" said in one way (api_util.h).
 *
 * If-Match compares generations, not whole tags: a replica that became ready between reading and
 * changing is no conflict, a new file is. RFC 9110 §13.1.1 leaves the comparison to the origin.
 */
#include "face/api_util.h"
#include "base/num.h"
#include "run/run.h"

/* A cursor behind the end gives an empty page: the list has become shorter, which is no mistake. */
struct page api_page(struct exchange *x, size_t count)
{
    uint64_t from = 0;
    size_t limit = (size_t)exchange_option_i64(x, "limit", 100);

    if (num_parse_u64(exchange_option(x, "cursor"), &from) < 0) {
        from = 0; /* there is none */
    }
    struct page page = {.from = (size_t)MIN(from, (uint64_t)count)};
    page.to = MIN(page.from + limit, count);
    page.more = page.to < count;
    return page;
}

struct str api_page_cursor(struct exchange *x, struct page page)
{
    return page.more ? arena_printf(&x->arena, "%zu", page.to) : STR_NONE;
}

/* Which one was meant is the path's last name: services have two. */
static void refuse_unknown(struct exchange *x, const char *noun)
{
    bool is_service = strcmp(noun, "service") == 0;
    struct str wrong = x->params[is_service ? 1 : 0];
    struct service_status *services = NULL;
    struct str names[64];
    struct problem problem = {0};
    char code[48];
    size_t count = 0;

    snprintf(code, sizeof(code), "%s.unknown", noun);
    if (wrong.len == 0) {
        exchange_refuse(x, 404, code, "there is no such %s", noun);
        return;
    }
    problem_set(&problem, code, "there is no %s '" STR_FMT "'", noun, STR_ARG(wrong));
    problem.status = 404;
    struct bus_id all = bus_id_make(str_from(x->ctx.tenant), x->params[0], STR_NONE, 0);
    if (is_service && run_services(api_run(x), &x->ctx, all, &x->arena, &services, &count) == 0) {
        count = MIN(count, ARRAY_LEN(names));
        for (size_t i = 0; i < count; i++) {
            names[i] = services[i].name;
        }
        struct str near = problem_nearest(wrong, names, count);
        if (near.len) {
            problem_hint(&problem, "did you mean '" STR_FMT "'?", STR_ARG(near));
        }
    }
    exchange_answer_problem(x, &problem);
}

/* One place, so that 403 and 404 read the same for every noun. */
void api_answer_run(struct exchange *x, int result, const char *noun)
{
    if (result < 0) {
        exchange_answer_error(x, result);
    } else if (result == RUN_E_DENIED) {
        exchange_refuse(x, 403, "access.denied", "this principal may not do that");
    } else {
        refuse_unknown(x, noun);
    }
}

/* "*" asks that it exists (generation > 0). A list holds if one of its tags does. */
bool api_if_match(struct exchange *x, int64_t generation)
{
    struct str list = http1_get(&x->head, HTTP_H_IF_MATCH);
    struct str item = STR_NONE;
    char want[32];
    int len = snprintf(want, sizeof(want), "\"%lld", (long long)generation);

    if (list.len == 0 || (str_is(str_trim(list), "*") && generation > 0)) {
        return true;
    }
    while (http_list_next(&list, &item)) {
        bool same = item.len > (size_t)len && str_starts(item, str_from(want));
        if (same && (item.p[len] == '-' || item.p[len] == '"')) {
            return true;
        }
    }
    exchange_refuse(x, 412, "request.changed",
                    "somebody else changed it: it is at generation %lld now",
                    (long long)generation);
    return false;
}
