/* SPDX-License-Identifier: Apache-2.0
 *
 * What several handlers share: pages of lists, preconditions, finding the thing that the path
 * names.
 *
 * Functions that return bool say false when they have answered the exchange: the caller returns at
 * once. What they give lives in the exchange's arena.
 *
 *   cursor of a page     index of the next item, in decimal
 *   cursor of logs       time of the last line, in nanoseconds
 *   cursor of events     sequence number of the last event
 */
#ifndef FACE_API_UTIL_H
#define FACE_API_UTIL_H

#include "core/event.h"
#include "face/api.h"

struct project_status;
struct run_env;
struct replica_status;
struct service_status;

/* A page of a list that lies in memory as a whole. Its cursor is the index where the next one
 * begins: a list that changes between two pages may show an item twice or not at all, which lists
 * of some hundred services can bear (events and logs have cursors that cannot). */
struct page {
    size_t from, to;
    bool more;
};
struct page api_page(struct exchange *x, size_t count);
struct str api_page_cursor(struct exchange *x, struct page page);

/* Answers for a run_… call that did not return 0: no such `noun` (404, with the nearest name),
 * denied (403), an error (as exchange_answer_error). */
void api_answer_run(struct exchange *x, int result, const char *noun);
/* If-Match against the generation (the part of our tags before the dash): false = answered with
 * 412. */
must_check bool api_if_match(struct exchange *x, int64_t generation);

/* The project in the path; false = answered with 404. Lives in the arena. */
must_check bool api_need_project(struct exchange *x, const struct project_status **ret);
const struct project_status *api_find_project(struct exchange *x, struct str name);
/* The service in the path, with its figures; false = answered. */
must_check bool api_need_service(struct exchange *x, struct service_status *ret);
/* All services of a project (empty = all), with figures. 0 or as run_services. */
must_check int api_load_services(struct exchange *x, struct bus_id filter,
                                 struct service_status **ret, size_t *ret_count);
/* The body's `environment`, in the arena. */
size_t api_environment(struct exchange *x, const struct run_env **ret);
/* Figures of see/ into what run/ filled in. */
void api_add_service_figures(struct see *see, struct service_status *service);
void api_add_replica_figures(struct see *see, struct replica_status *replica);
/* Writes an event. */
void api_event_json(struct json_writer *w, const struct event *event);
/* Writes the instance resource. */
void api_instance_json(struct exchange *x, struct json_writer *w);

#endif
