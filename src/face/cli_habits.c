/* SPDX-License-Identifier: Apache-2.0
 *
 * What hands used to Compose, Docker and systemd type. There is one way to say a thing here: an
 * option that asks for what is so anyway is passed over, any other word is told its name in muelle.
 *
 * Looked at only when the verb table knows no such option or verb, so it can hide nothing. A row is
 * no promise: it takes no part in help, completion or docs/cli.md.
 */
#include "face/cli.h"

struct habit {
    const char *verb; /* NULL = any; of a command: none */
    const char *word; /* as typed, dashes and all; a value behind '=' does not count */
    const char *say;  /* NULL = it is so anyway */
};

static const struct habit options[] = {
    {"ps", "-a", NULL},
    {"ps", "--all", NULL},
    {"exec", "-i", NULL},
    {"exec", "-t", NULL},
    {"exec", "-it", NULL},
    {"exec", "-ti", NULL},
    {"exec", "-T", NULL},
    {"exec", "--interactive", NULL},
    {"exec", "--tty", NULL},
    {"exec", "--no-tty", NULL},
    {"exec", "--no-TTY", NULL},
    {"run", "-i", NULL},
    {"run", "-t", NULL},
    {"run", "-it", NULL},
    {"run", "-ti", NULL},
    {"run", "-T", NULL},
    {"run", "--interactive", NULL},
    {"run", "--no-tty", NULL},
    {"run", "--no-TTY", NULL},
    {"run", "--rm", NULL},
    {"up", "--remove-orphans", NULL},
    {"down", "--remove-orphans", NULL},
    {"logs", "--no-log-prefix", "it is --no-prefix here"},
    {"logs", "--index", "it is --replica here"},
    {"down", "-v", "nothing is kept in volumes: logs and state lie in the state folder"},
    {"down", "--volumes", "nothing is kept in volumes: logs and state lie in the state folder"},
    {"up", "--scale", "use 'muelle scale SERVICE=N', or deploy.replicas in the file"},
    {"up", "--force-recreate", "use 'muelle restart'"},
    {"up", "--build", "containers need an engine driver"},
    {NULL, "--format", "use --json"},
    {NULL, "-v", "use 'muelle version'"},
    {NULL, "-V", "use 'muelle version'"},
    {NULL, "--version", "use 'muelle version'"},
};

static const struct habit commands[] = {
    {NULL, "kill", "use 'muelle stop': what does not stop in its stop_grace_period is killed"},
    {NULL, "rm", "use 'muelle down', or take the service out of the file and 'muelle reload'"},
    {NULL, "ls", "use 'muelle status', or 'muelle ps'"},
    {NULL, "list", "use 'muelle ps'"},
    {NULL, "stats", "use 'muelle top'"},
    {NULL, "port", "use 'muelle routes', or 'muelle ps'"},
    {NULL, "attach", "use 'muelle logs -f'"},
    {NULL, "create", "use 'muelle up'"},
    {NULL, "convert", "use 'muelle config'"},
    {NULL, "build", "containers need an engine driver"},
    {NULL, "pull", "containers need an engine driver"},
    {NULL, "push", "containers need an engine driver"},
    {NULL, "images", "containers need an engine driver"},
};

static const struct habit *find(const struct habit *habits, size_t count, const char *verb,
                                struct str typed)
{
    for (size_t i = 0; i < count; i++) {
        bool here = !habits[i].verb || (verb && strcmp(habits[i].verb, verb) == 0);
        if (here && str_is(typed, habits[i].word)) {
            return &habits[i];
        }
    }
    return NULL;
}

bool cli_habit_option(const struct cli_verb *verb, const char *typed, const char **ret_say)
{
    struct str word = STR_NONE;
    struct str value = STR_NONE;
    const struct habit *habit;

    (void)str_split(str_from(typed), '=', &word, &value);
    habit = find(options, ARRAY_LEN(options), verb ? verb->name : NULL, word);
    *ret_say = habit ? habit->say : NULL;
    return habit && !habit->say;
}

const char *cli_habit_command(const char *typed)
{
    const struct habit *habit = find(commands, ARRAY_LEN(commands), NULL, str_from(typed));

    return habit ? habit->say : NULL;
}
