/* SPDX-License-Identifier: Apache-2.0
 *
 * Parsing the command line against the verb table: --name, --name=value, --name value, -x, -xvalue,
 * -xyz for flags, "--" (the conventions of POSIX XBD 12.2 and of getopt_long). An option behind the
 * verb is looked up in the verb first, so that `logs -f` follows while `muelle -f FILE logs` names
 * a file.
 *
 * Why not getopt_long: its tables would be a second description of the options, and it knows
 * nothing of verbs, of near names, nor of "what follows the service is the command's own".
 *
 * The first mistake ends it with one sentence; what was parsed until then (the verb) tells the
 * caller which help to point at.
 *
 *   --name  -x               a flag
 *   --name=V  --name V       a value; the next argument whatever it looks like
 *   -xV  -x V  -x=V          the same; a letter with a value ends a group
 *   -xyz                     flags x and y; z may take a value
 *   --                       words only from here
 *   -                        a word
 *   exec web ls -l           behind the first word all is the command's own (rest_is_command)
 */
#include "base/problem.h"
#include "face/cli.h"

/* What is left to read of argv, and where the results go. */
struct parse {
    const char *const *argv;
    int argc;
    int at;          /* the argument at hand */
    bool words_only; /* "--" or a command's own words were reached */
    struct cli_args *args;
    struct buf *error;
};

/* One sentence that ends with what was typed; the caller adds which help to read. */
static int usage_error(struct parse *p, const char *what, const char *arg)
{
    buf_printf(p->error, "%s '%s'", what, arg);
    return CLI_E_USAGE;
}

static const struct cli_option *find_in(const struct cli_option *options, struct str name,
                                        char letter)
{
    for (const struct cli_option *o = options; o && o->name; o++) {
        if (letter ? o->letter == letter : str_is(name, o->name)) {
            return o;
        }
    }
    return NULL;
}

/* Before the verb only global options are known: a verb's own would be told as unknown, which is
 * right.
 */
static const struct cli_option *find_option(const struct parse *p, struct str name, char letter)
{
    const struct cli_verb *verb = p->args->verb;
    const struct cli_option *option =
        find_in(verb ? verb->options : cli_lone_options, name, letter);

    return option ? option : find_in(cli_global_options, name, letter);
}

/* The same option again is kept, too: the last value counts, or all (cli_value_at). */
static int add_option(struct parse *p, const struct cli_option *option, const char *value)
{
    struct cli_args *args = p->args;

    if (args->option_count == CLI_OPTIONS_MAX) {
        return usage_error(p, "too many options at", option->name);
    }
    args->options[args->option_count].option = option;
    args->options[args->option_count].value = value;
    args->option_count++;
    return 0;
}

/* The value of an option that did not bring it along: the next argument, also when it begins with a
 * dash: `--tail -1` shall be told as a bad number. */
static int take_value(struct parse *p, const struct cli_option *option, const char *shown)
{
    if (p->at + 1 >= p->argc) {
        buf_printf(p->error, "option '%s' needs a value (%s)", shown, option->value);
        return CLI_E_USAGE;
    }
    return add_option(p, option, p->argv[++p->at]);
}

static size_t add_names(const struct cli_option *options, struct str *names, size_t count)
{
    for (const struct cli_option *o = options; o && o->name && count < CLI_OPTIONS_MAX; o++) {
        names[count++] = str_from(o->name);
    }
    return count;
}

/* 0: it is passed over. */
static int unknown_option(struct parse *p, struct str name, const char *arg)
{
    const char *say = NULL;
    struct str names[CLI_OPTIONS_MAX];
    const struct cli_verb *verb = p->args->verb;
    size_t count = add_names(verb ? verb->options : NULL, names, 0);

    if (cli_habit_option(verb, arg, &say)) {
        return 0;
    }
    count = add_names(cli_global_options, names, count);
    struct str near = name.len && !say ? problem_nearest(name, names, count) : STR_NONE;
    buf_printf(p->error, "unknown option '%s'", arg);
    if (say) {
        buf_printf(p->error, ": %s", say);
    }
    if (near.len) {
        buf_printf(p->error, "; did you mean '--" STR_FMT "'?", STR_ARG(near));
    }
    return CLI_E_USAGE;
}

static int parse_long(struct parse *p, const char *arg)
{
    struct str name = STR_NONE;
    struct str value = STR_NONE;
    bool has_value = str_split(str_from(arg + 2), '=', &name, &value);
    const struct cli_option *option = find_option(p, name, 0);

    if (!option) {
        return unknown_option(p, name, arg);
    }
    if (!option->value) {
        return has_value ? usage_error(p, "this option takes no value:", arg)
                         : add_option(p, option, "");
    }
    /* value.p ends with argv's own NUL: it is the tail of an argument. */
    return has_value ? add_option(p, option, value.p) : take_value(p, option, arg);
}

/* -x, -xyz, -nVALUE, -n VALUE. A letter that takes a value ends the group: what is behind it is the
 * value. */
static int parse_letters(struct parse *p, const char *arg)
{
    for (const char *c = arg + 1; *c; c++) {
        const struct cli_option *option = find_option(p, STR_NONE, *c);
        int r;
        if (!option) {
            return unknown_option(p, STR_NONE, arg);
        }
        if (option->value) {
            return c[1] ? add_option(p, option, c[1] == '=' ? c + 2 : c + 1)
                        : take_value(p, option, arg);
        }
        r = add_option(p, option, "");
        if (r) {
            return r;
        }
    }
    return 0;
}

static int unknown_verb(struct parse *p, const char *arg)
{
    struct str typed = str_from(arg);
    struct str best = STR_NONE;
    unsigned best_distance = 3;
    const char *say = cli_habit_command(arg);

    for (size_t i = 0; !say && i < cli_verb_count; i++) {
        unsigned d = str_distance(typed, str_from(cli_verbs[i].name), 2);
        if (!cli_verbs[i].hidden && d < best_distance) {
            best = str_from(cli_verbs[i].name);
            best_distance = d;
        }
    }
    buf_printf(p->error, "unknown command '" STR_FMT "'", STR_ARG(typed));
    if (say) {
        buf_printf(p->error, ": %s", say);
    }
    if (best.len) {
        buf_printf(p->error, "; did you mean '" STR_FMT "'?", STR_ARG(best));
    }
    return CLI_E_USAGE;
}

static int parse_word(struct parse *p, const char *arg)
{
    struct cli_args *args = p->args;

    if (!args->verb) {
        args->verb = cli_verb_find(str_from(arg));
        return args->verb ? 0 : unknown_verb(p, arg);
    }
    if (args->word_count == args->verb->words_max || args->word_count == CLI_WORDS_MAX) {
        return usage_error(p, "unexpected argument", arg);
    }
    args->words[args->word_count++] = arg;
    /* `exec web ls -l`: what follows the service is the command's own, dashes and all. */
    if (args->verb->rest_is_command && args->word_count == 1) {
        p->words_only = true;
        if (p->at + 1 < p->argc && str_is(STR("--"), p->argv[p->at + 1])) {
            p->at++;
        }
    }
    return 0;
}

/* "-" alone is a word, as everywhere: it may mean standard input to a command. */
static int parse_arg(struct parse *p, const char *arg)
{
    if (p->words_only || arg[0] != '-' || !arg[1]) {
        return parse_word(p, arg);
    }
    if (str_is(STR("--"), arg)) {
        p->words_only = true;
        return 0;
    }
    return arg[1] == '-' ? parse_long(p, arg) : parse_letters(p, arg);
}

int cli_parse(int argc, const char *const *argv, struct cli_args *ret, struct buf *error)
{
    struct parse p = {.argv = argv, .argc = argc, .at = 1, .args = ret, .error = error};

    *ret = (struct cli_args){0};
    for (; p.at < argc; p.at++) {
        int r = parse_arg(&p, argv[p.at]);
        if (r) {
            return r;
        }
    }
    if (!ret->verb && cli_has(ret, "version")) {
        ret->verb = cli_verb_find(STR("version"));
    }
    if (!ret->verb || cli_has(ret, "help")) {
        return 0;
    }
    if (ret->word_count < ret->verb->words_min) {
        buf_printf(error, "'%s' needs an argument: muelle %s %s", ret->verb->name, ret->verb->name,
                   ret->verb->usage);
        return CLI_E_USAGE;
    }
    return 0;
}

const struct cli_verb *cli_verb_find(struct str name)
{
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (str_is(name, cli_verbs[i].name)) {
            return &cli_verbs[i];
        }
    }
    return NULL;
}

const char *cli_value_at(const struct cli_args *args, const char *option, unsigned i)
{
    for (unsigned k = 0; k < args->option_count; k++) {
        if (str_is(str_from(args->options[k].option->name), option) && i-- == 0) {
            return args->options[k].value;
        }
    }
    return NULL;
}

const char *cli_value(const struct cli_args *args, const char *option)
{
    const char *value = NULL;

    for (unsigned k = 0; k < args->option_count; k++) {
        if (str_is(str_from(args->options[k].option->name), option)) {
            value = args->options[k].value;
        }
    }
    return value;
}

bool cli_has(const struct cli_args *args, const char *option)
{
    return cli_value_at(args, option, 0) != NULL;
}

const char *cli_text(const struct cli_text *text)
{
    static const char *const names[] = {"LC_ALL", "LC_MESSAGES", "LANG"};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value) {
            return str_starts(str_from(value), STR("es")) && text->es ? text->es : text->en;
        }
    }
    return text->en;
}
