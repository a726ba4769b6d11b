/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line's grammar, and the documents derived from the verb table. The verbs themselves
 * are stubs here: what they do is tested on the real binary (tests/integration/cli_*.py).
 */
#include "face/verbs.h"
#include "harness/test.h"

#define STUB(name)                                                                                 \
    int name(const struct cli_args *args)                                                          \
    {                                                                                              \
        return 0;                                                                                  \
    }
STUB(verb_up)
STUB(verb_down)
STUB(verb_ps)
STUB(verb_logs)
STUB(verb_action)
STUB(verb_scale)
STUB(verb_weight)
STUB(verb_drain)
STUB(verb_exec)
STUB(verb_run)
STUB(verb_config)
STUB(verb_check)
STUB(verb_plan)
STUB(verb_reload)
STUB(verb_status)
STUB(verb_top)
STUB(verb_events)
STUB(verb_routes)
STUB(verb_upgrade)
STUB(verb_doctor)
STUB(verb_cert)
STUB(verb_init)
STUB(verb_version)
STUB(verb_completion)
STUB(verb_help)
STUB(verb_man)
STUB(verb_docs)

static struct cli_args args;
static struct buf error;

#define parse(...)                                                                                 \
    parse_list((const char *[]){"muelle", __VA_ARGS__, NULL},                                      \
               (int)ARRAY_LEN(((const char *[]){"muelle", __VA_ARGS__})))

static int parse_list(const char *const *argv, int argc)
{
    error.max = 4096;
    buf_reset(&error);
    return cli_parse(argc, argv, &args, &error);
}

TEST(options_stand_before_and_after_the_verb)
{
    check_int(parse("-f", "a.yaml", "up", "-d", "--wait", "--file=b.yaml"), 0);
    check_cstr(args.verb->name, "up");
    check(cli_has(&args, "detach") && cli_has(&args, "wait") && !cli_has(&args, "json"));
    check_cstr(cli_value_at(&args, "file", 0), "a.yaml");
    check_cstr(cli_value_at(&args, "file", 1), "b.yaml");
    check(cli_value_at(&args, "file", 2) == NULL);
    check_cstr(cli_value(&args, "file"), "b.yaml");
}

TEST(f_is_a_file_except_where_the_verb_follows)
{
    check_int(parse("-f", "a.yaml", "logs", "web", "-f"), 0);
    check_cstr(cli_value(&args, "file"), "a.yaml");
    check(cli_has(&args, "follow"));
    check_int(args.word_count, 1);
    check_int(parse("up", "-fa.yaml"), 0);
    check_cstr(cli_value(&args, "file"), "a.yaml");
}

TEST(letters_combine)
{
    check_int(parse("logs", "-tfn5"), 0);
    check(cli_has(&args, "timestamps") && cli_has(&args, "follow"));
    check_cstr(cli_value(&args, "tail"), "5");
}

TEST(what_is_wrong_is_said)
{
    check_int(parse("upp"), CLI_E_USAGE);
    check(str_find(buf_str(&error), STR("did you mean 'up'?")) > 0);
    check_int(parse("up", "--detatch"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("unknown option '--detatch'; did you mean '--detach'?"));
    check_int(parse("up", "--xyzzy"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("unknown option '--xyzzy'"));
    check_int(parse("logs", "--tail"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("option '--tail' needs a value (N)"));
    check_int(parse("up", "--wait=yes"), CLI_E_USAGE);
    check_int(parse("down", "now"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("unexpected argument 'now'"));
    check_int(parse("scale"), CLI_E_USAGE);
}

TEST(habits_from_other_tools_are_met)
{
    check_int(parse("ps", "-a"), 0);
    check_int(parse("exec", "-it", "web", "bash", "-i"), 0);
    check_int(args.word_count, 3);
    check_int(parse("run", "--rm", "web"), 0);
    check_int(parse("logs", "--rm"), CLI_E_USAGE);
    check_int(parse("logs", "--no-log-prefix"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("unknown option '--no-log-prefix': it is --no-prefix here"));
    check_int(parse("ps", "--format=json"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("unknown option '--format=json': use --json"));
    check_int(parse("stats"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("unknown command 'stats': use 'muelle top'"));
    check_int(parse("--version"), 0);
    check_cstr(args.verb->name, "version");
    check_int(parse("-v"), 0);
    check_cstr(args.verb->name, "version");
    check_int(parse("ps", "-v"), CLI_E_USAGE);
    check_str(buf_str(&error), STR("unknown option '-v': use 'muelle version'"));
}

TEST(a_command_keeps_its_own_dashes)
{
    check_int(parse("exec", "web", "ls", "-l", "--", "x"), 0);
    check_int(args.word_count, 5);
    check_cstr(args.words[2], "-l");
    check_int(parse("run", "-e", "A=1", "web", "--", "sh", "-c", "true"), 0);
    check_cstr(cli_value(&args, "env"), "A=1");
    check_int(args.word_count, 4);
    check_cstr(args.words[1], "sh");
}

TEST(dashes_end_options)
{
    check_int(parse("logs", "--", "-f"), 0);
    check_cstr(args.words[0], "-f");
    check(!cli_has(&args, "follow"));
}

TEST(help_never_complains_about_what_is_missing)
{
    check_int(parse("scale", "--help"), 0);
    check(cli_has(&args, "help"));
}

TEST(too_many_options_are_refused)
{
    const char *argv[CLI_OPTIONS_MAX + 4] = {"muelle", "up"};

    for (int i = 2; i < CLI_OPTIONS_MAX + 3; i++) {
        argv[i] = "-d";
    }
    check_int(parse_list(argv, CLI_OPTIONS_MAX + 3), CLI_E_USAGE);
}

TEST(every_verb_and_option_is_in_every_document)
{
    static const char *const shells[] = {"bash", "zsh", "fish"};
    cleanup(buf_fini) struct buf help = BUF_INIT(1 * MIB);
    cleanup(buf_fini) struct buf man = BUF_INIT(1 * MIB);
    struct buf scripts[3] = {BUF_INIT(1 * MIB), BUF_INIT(1 * MIB), BUF_INIT(1 * MIB)};

    cli_doc_help(&help);
    cli_doc_man(&man);
    for (size_t i = 0; i < 3; i++) {
        check_int(cli_doc_completion(&scripts[i], str_from(shells[i])), 0);
    }
    for (size_t v = 0; v < cli_verb_count; v++) {
        const struct cli_verb *verb = &cli_verbs[v];
        struct str name = str_from(verb->name);
        check(verb->hidden || str_find(buf_str(&help), name) > 0);
        check(verb->hidden || str_find(buf_str(&man), name) > 0);
        check(verb->summary.en && verb->summary.es);
        check(!verb->details.en == !verb->details.es);
        for (size_t i = 0; i < 3; i++) {
            check(verb->hidden || str_find(buf_str(&scripts[i]), name) > 0);
        }
        for (const struct cli_option *o = verb->options; o && o->name; o++) {
            check(o->help.en && o->help.es);
            check(str_find(buf_str(&man), str_from(o->name)) > 0);
        }
    }
    for (size_t i = 0; i < 3; i++) {
        buf_fini(&scripts[i]);
    }
    check_int(cli_doc_completion(&help, STR("csh")), CLI_E_USAGE);
}

TEST(letters_are_unique_within_a_verb)
{
    for (size_t v = 0; v < cli_verb_count; v++) {
        for (const struct cli_option *a = cli_verbs[v].options; a && a->name; a++) {
            for (const struct cli_option *b = a + 1; b->name; b++) {
                check(!a->letter || a->letter != b->letter);
                check(!str_is(str_from(a->name), b->name));
            }
        }
    }
}

TEST(spanish_readers_get_spanish)
{
    const struct cli_text text = {"stop", "detener"};

    setenv("LC_ALL", "es_ES.UTF-8", 1);
    check_cstr(cli_text(&text), "detener");
    setenv("LC_ALL", "C.UTF-8", 1);
    check_cstr(cli_text(&text), "stop");
}
