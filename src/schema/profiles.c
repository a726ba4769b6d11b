/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles: a service that names some exists only while one of them is chosen (by option, or by
 * COMPOSE_PROFILES of the environment, as Compose reads it; `*` chooses all).
 *
 * Runs when all files are merged, since a later file may add or reset a service's profiles, and
 * before anything is checked: a service that is not chosen may hold what would not be right here.
 * Whoever depends on one that is gone is told so by verify.c.
 */
#include "schema/stages.h"

static bool is_chosen(const struct schema_pass *pass, struct str profile)
{
    const struct spec_pair *env = pass_env(pass, STR("COMPOSE_PROFILES"));
    struct str rest = env ? env->value : STR_NONE;
    for (size_t i = 0; i < pass->options->profiles_count; i++) {
        struct str chosen = pass->options->profiles[i];
        if (str_is(chosen, "*") || str_eq(chosen, profile)) {
            return true;
        }
    }
    while (rest.len) {
        struct str chosen;
        (void)str_split(rest, ',', &chosen, &rest);
        chosen = str_trim(chosen);
        if (str_is(chosen, "*") || str_eq(chosen, profile)) {
            return true;
        }
    }
    return false;
}

static bool is_enabled(const struct schema_pass *pass, const struct value *service)
{
    const struct value *profiles = value_get(service, "profiles");
    if (!profiles || profiles->kind != VALUE_LIST || profiles->count == 0) {
        return true;
    }
    value_each(m, profiles)
    {
        if (m->value->kind == VALUE_SCALAR && is_chosen(pass, m->value->text)) {
            return true;
        }
    }
    return false;
}

/* So that who depends on it is told which profile is missing. */
static void keep_disabled(struct schema_pass *pass, const struct value_member *member)
{
    if (!pass->disabled) {
        pass->disabled = pass_value(pass, VALUE_MAP, member->at);
    }
    pass_put(pass, pass->disabled, member->key, member->value);
}

void profiles_apply(struct schema_pass *pass, struct value *root)
{
    struct value *services = value_get(root, "services");
    for (size_t i = 0; services && services->kind == VALUE_MAP && i < services->count;) {
        if (is_enabled(pass, services->members[i].value)) {
            i++;
        } else {
            keep_disabled(pass, &services->members[i]);
            value_remove(services, i);
        }
    }
}
