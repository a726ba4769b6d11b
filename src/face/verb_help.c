/* SPDX-License-Identifier: Apache-2.0
 *
 * help, man, completion, and the entrance of the command line: parse, run the verb, exit code.
 *
 * Help that was asked for goes to standard output and is success; a mistake is one sentence on
 * standard error with the help to ask for, and CLI_USAGE. `muelle` alone is help and a mistake: a
 * script that lost its argument should notice.
 */
#include "face/api_openapi.h"
#include "face/face.h"
#include "face/term.h"
#include "face/verbs.h"

/* No colours: help is read in pagers. */
static void print(int fd, const struct buf *out)
{
    struct term term;

    term_init(&term, fd, true);
    term_write(&term, buf_str(out));
}

int verb_help(const struct cli_args *args)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);
    const struct cli_verb *verb = args->word_count ? cli_verb_find(str_from(args->words[0])) : NULL;

    if (args->word_count && !verb) {
        buf_printf(&out, "error: unknown command '%s'\n  see 'muelle help'\n", args->words[0]);
        print(2, &out);
        return CLI_USAGE;
    }
    if (verb) {
        cli_doc_verb(&out, verb);
    } else {
        cli_doc_help(&out);
    }
    print(1, &out);
    return CLI_OK;
}

int verb_man(const struct cli_args *args)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);

    cli_doc_man(&out);
    print(1, &out);
    return CLI_OK;
}

/* docs/cli.md and docs/api.md, for whoever changed a table. */
int verb_docs(const struct cli_args *args)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);

    if (str_is(STR("api"), args->words[0])) {
        api_openapi_markdown(&out);
    } else {
        cli_doc_markdown(&out);
    }
    print(1, &out);
    return CLI_OK;
}

int verb_completion(const struct cli_args *args)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);

    if (cli_doc_completion(&out, str_from(args->words[0]))) {
        buf_printf(&out, "error: '%s' is none of bash, zsh, fish\n", args->words[0]);
        print(2, &out);
        return CLI_USAGE;
    }
    print(1, &out);
    return CLI_OK;
}

/* The verb was recognised before the mistake: its help is shorter than all of it. */
static int say_usage(const struct cli_args *args, const struct buf *error)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(16 * KIB);

    buf_printf(&out, "error: " STR_FMT "\n  see 'muelle help%s%s'\n", STR_ARG(buf_str(error)),
               args->verb ? " " : "", args->verb ? args->verb->name : "");
    print(2, &out);
    return CLI_USAGE;
}

/* --help excuses words that are missing; any other mistake is told first. */
int face_cli_main(int argc, char **argv)
{
    struct cli_args args;
    cleanup(buf_fini) struct buf error = BUF_INIT(8 * KIB);
    cleanup(buf_fini) struct buf out = BUF_INIT(1 * MIB);

    if (cli_parse(argc, (const char *const *)argv, &args, &error)) {
        return say_usage(&args, &error);
    }
    if (!args.verb) {
        cli_doc_help(&out);
        print(1, &out);
        return argc > 1 ? CLI_OK : CLI_USAGE;
    }
    if (cli_has(&args, "help")) {
        cli_doc_verb(&out, args.verb);
        print(1, &out);
        return CLI_OK;
    }
    return args.verb->run(&args);
}
