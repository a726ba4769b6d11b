/* SPDX-License-Identifier: Apache-2.0
 *
 * One look goes over all certificates of all projects: makes the table anew, says what is to be
 * said and was not, asks for the renewal of our own, and arms the timer for the next thing to
 * happen. It is called whenever a snapshot was published, so nothing has to tell it what changed.
 *
 * 1. The timer looks at least every LOOK_MAX_S: the wall clock may be set.
 * 2. What was said is remembered by project, file and end: a renewed certificate begins anew. That
 *    a file is of no use is remembered without the end, for what mends it may have another one. A
 *    core that starts again says once more what holds then.
 */
#include "run/endings.h"

#include "base/num.h"
#include "base/timefmt.h"
#include "core/core.h"
#include "core/event.h"
#include "os/clock.h"
#include "run/certificates.h"
#include "run/expiry.h"
#include "run/ocsp.h"
#include "run/renewal.h"
#include "run/source.h"
#include "schema/status_tls.h"

#include <stdlib.h>

enum { LOOK_MAX_S = 6 * 3600, ASK_AGAIN_S = 3600 };

struct endings {
    struct run *run;
    struct timer timer;
    struct arena arena; /* of the table and of what was said */
    struct map
        said; /* project, file and end → enum expiry_step; project, file and listener: it is kept */
    int64_t asked_s; /* for a renewal; not again for a while, it may fail */
};

/* A look under way: the next table. */
struct look {
    struct run *run;
    struct endings *endings;
    struct arena arena;
    struct map said;
    struct certificate_status *items;
    size_t count;
    int64_t now_s, next_s;
};

/* --- events --- */

static void say(struct event *event, const char *kind, const struct certificate_status *item,
                struct str day)
{
    struct str file = item->development ? STR("of the development authority") : item->file;
    if (strcmp(kind, "certificate.kept") == 0) {
        event_message(event,
                      "The certificate " STR_FMT " cannot be used (" STR_FMT "); the one that "
                      "served before serves on until it is mended.",
                      STR_ARG(file), STR_ARG(item->kept_reason));
    } else if (strcmp(kind, "certificate.mended") == 0) {
        event_message(event, "The certificate " STR_FMT " can be used again, and serves.",
                      STR_ARG(file));
    } else if (strcmp(kind, "certificate.ended") == 0) {
        event_message(event, "The certificate " STR_FMT " ended on " STR_FMT ".", STR_ARG(file),
                      STR_ARG(day));
    } else {
        event_message(event, "The certificate " STR_FMT " ends on " STR_FMT ", days left: %lld.",
                      STR_ARG(file), STR_ARG(day), (long long)item->days_left);
    }
}

static void emit(const struct look *look, const struct certificate_status *item, const char *kind,
                 uint8_t severity)
{
    cleanup(buf_fini) struct buf day = BUF_INIT(64);
    struct context ctx = context_system("certificates");
    struct event event;
    timefmt_rfc3339(&day, item->until_ns);
    event_draft(&event, &ctx, kind, severity);
    event.id = bus_id_make(item->tenant, item->project, STR_NONE, 0);
    say(&event, kind, item, str_slice(buf_str(&day), 0, 10));
    event_emit(look->run->core, &event);
}

/* Is its file of use, and was it at the last look? */
static void speak_of_file(struct look *look, const struct certificate_status *item)
{
    struct str key =
        arena_printf(&look->arena, STR_FMT "\n" STR_FMT "\n" STR_FMT, STR_ARG(item->project),
                     STR_ARG(item->file), STR_ARG(item->listen));
    bool was = map_get(&look->endings->said, key) != NULL;
    if (item->kept && !was) {
        emit(look, item, "certificate.kept", EVENT_WARNING);
    } else if (!item->kept && was) {
        emit(look, item, "certificate.mended", EVENT_INFO);
    }
    if (item->kept) {
        (void)!map_put(&look->said, key, look); /* without room it is said again */
    }
}

/* What was not said yet of this one. */
static void speak(struct look *look, const struct certificate_status *item)
{
    enum expiry_step step = expiry_step(item->until_ns / NS_PER_S, look->now_s);
    struct str key =
        arena_printf(&look->arena, STR_FMT "\n" STR_FMT "\n%lld", STR_ARG(item->project),
                     STR_ARG(item->file), (long long)item->until_ns);
    uintptr_t said = (uintptr_t)map_get(&look->endings->said, key);
    speak_of_file(look, item);
    if (step > said) {
        bool ended = step == EXPIRY_ENDED;
        emit(look, item, ended ? "certificate.ended" : "certificate.ending",
             ended ? EVENT_ERROR : EVENT_WARNING);
    }
    (void)!map_put(&look->said, key, (void *)(uintptr_t)step); /* without room it is said again */
}

/* --- the table --- */

static struct str listen_of(const struct project *project, size_t i)
{
    uint64_t listener = project->source->certificates->items[i].listener;
    return listener ? project->spec->gateway.listens[listener - 1].address : STR_NONE;
}

static void add(struct look *look, const struct project *project, size_t i)
{
    const struct certificates *all = project->source->certificates;
    const struct certificate_about *about = &all->about[i];
    struct certificate_status *item = &look->items[look->count++];
    struct arena *arena = &look->arena;
    *item = (struct certificate_status){
        .tenant = arena_str(arena, str_from(project->tenant)),
        .project = arena_str(arena, str_from(project->name)),
        .file = arena_str(arena, about->file),
        .names = arena_str(arena, str_trim_ws(all->items[i].names)),
        .listen = arena_str(arena, listen_of(project, i)),
        .from_ns = about->from_s * NS_PER_S,
        .until_ns = about->until_s * NS_PER_S,
        .days_left = expiry_days(about->until_s, look->now_s),
        .development = about->file.len == 0,
        .kept = about->kept.len > 0,
        .kept_reason = arena_str(arena, about->kept),
        .must_staple = about->must_staple,
        .unstapled = about->unstapled ? str_from(about->unstapled) : STR_NONE,
        .stapled_until_ns = about->ocsp_next_s * NS_PER_S,
    };
    int64_t next_s = expiry_next_s(about->from_s, about->until_s, item->development, look->now_s);
    look->next_s = MIN(look->next_s, next_s);
    speak(look, item);
}

static size_t count_all(const struct run *run)
{
    size_t count = 0;
    list_for_each (it, &run->projects) {
        const struct project *project = list_entry(it, struct project, node);
        count += project->source && project->source->certificates
                     ? project->source->certificates->count
                     : 0;
    }
    return count;
}

/* Ours are issued anew in time. */
static bool needs_renewal(const struct certificates *all, int64_t now_s)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct certificate_about *about = &all->about[i];
        if (about->file.len == 0 && expiry_renew(about->from_s, about->until_s, now_s)) {
            return true;
        }
    }
    return false;
}

static void go_over(struct look *look)
{
    int64_t since_s = look->now_s - look->endings->asked_s;
    bool may_ask = since_s < 0 || since_s >= ASK_AGAIN_S;
    list_for_each (it, &look->run->projects) {
        struct project *project = list_entry(it, struct project, node);
        const struct certificates *all = project->source ? project->source->certificates : NULL;
        for (size_t i = 0; all && project->spec && i < all->count; i++) {
            add(look, project, i);
        }
        if (all && may_ask && needs_renewal(all, look->now_s)) {
            look->endings->asked_s = look->now_s;
            renewal_ask(look->run, project);
        }
    }
}

/* --- looks --- */

static void time_to_look(struct timer *timer, int64_t now_ns)
{
    (void)now_ns;
    endings_look(container_of(timer, struct endings, timer)->run);
}

static struct endings *open_endings(struct run *run)
{
    if (!run->endings) {
        struct endings *endings = calloc(1, sizeof(*endings));
        if (!endings) {
            return NULL;
        }
        endings->run = run;
        endings->arena = ARENA_INIT(GIB);
        endings->said = MAP_INIT(1);
        timer_init(&endings->timer, time_to_look);
        run->endings = endings;
    }
    return run->endings;
}

static void take(struct look *look)
{
    struct endings *endings = look->endings;
    int64_t wait_s = MIN(look->next_s - look->now_s, (int64_t)LOOK_MAX_S);
    look->run->core->certificates =
        (struct core_certificates){.items = look->items, .count = look->count};
    map_fini(&endings->said);
    arena_fini(&endings->arena);
    endings->said = look->said;
    endings->arena = look->arena;
    if (look->count > 0) {
        loop_timer_after(look->run->core->loop, &endings->timer, MAX(wait_s, 1) * NS_PER_S);
    } else {
        loop_timer_cancel(look->run->core->loop, &endings->timer);
    }
}

void endings_look(struct run *run)
{
    size_t count = count_all(run);
    struct endings *endings = count > 0 || run->endings ? open_endings(run) : NULL;
    if (!endings) {
        return;
    }
    struct look look = {
        .run = run,
        .endings = endings,
        .arena = ARENA_INIT(GIB),
        .said = MAP_INIT(2 * count + 1),
        .now_s = clock_wall_ns() / NS_PER_S,
        .next_s = INT64_MAX,
    };
    look.items = arena_array(&look.arena, count + 1, sizeof(*look.items));
    if (!look.items) {
        arena_fini(&look.arena);
        return; /* the next look */
    }
    go_over(&look);
    int64_t ocsp_s = ocsp_look(run, look.now_s);
    look.next_s = MIN(look.next_s, ocsp_s);
    take(&look);
}

void endings_fini(struct run *run)
{
    struct endings *endings = run->endings;
    run->endings = NULL;
    if (endings) {
        run->core->certificates = (struct core_certificates){0};
        loop_timer_cancel(run->core->loop, &endings->timer);
        map_fini(&endings->said);
        arena_fini(&endings->arena);
        free(endings);
    }
}
