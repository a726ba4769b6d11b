/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line as tables: verbs and their options. Parsing, help, the man page and shell
 * completion are all derived from them (cli_args.c, cli_doc.c), so a verb is described once.
 *
 * A verb's function gets its parsed arguments and returns an exit code; it prints results to
 * standard output and everything else (progress, errors) to standard error. So `muelle ps --json |
 * jq` works whatever else there is to say, and a script may look at the code alone.
 */
#ifndef FACE_CLI_H
#define FACE_CLI_H

#include "base/buf.h"

/* Exit codes are a contract: scripts may test them. `exec` and `run` return their command's. */
enum cli_exit {
    CLI_OK = 0,
    CLI_FAILED = 1,      /* the request was understood and did not succeed */
    CLI_USAGE = 2,       /* wrong use of the command line */
    CLI_NOT_RUNNING = 3, /* no instance answers */
    CLI_NOT_READY = 4,   /* up --wait: a service did not become ready */
    CLI_INVALID = 5,     /* the configuration has errors; nothing was changed */
    CLI_INTERRUPTED = 130,
};

enum { CLI_OPTIONS_MAX = 64, CLI_WORDS_MAX = 256 };

/* What people read, in English and Spanish. */
struct cli_text {
    const char *en;
    const char *es;
};

/* What a shell offers after an option or in place of an argument. */
enum cli_complete {
    CLI_COMPLETE_NONE,
    CLI_COMPLETE_FILE,
    CLI_COMPLETE_FOLDER,
    CLI_COMPLETE_SERVICE,
    CLI_COMPLETE_VERB,
    CLI_COMPLETE_SHELL,
};

/* One option. Its letter is unique within its verb and the global ones; a verb's own wins over a
 * global one (`logs -f`). Help is a phrase without a full stop. */
struct cli_option {
    const char *name;  /* without the dashes */
    char letter;       /* 0 = none */
    const char *value; /* name of its value: "FILE"; NULL = a flag */
    struct cli_text help;
    enum cli_complete complete;
};

struct cli_args;

/* One verb. Words beyond words_max are a usage error before the verb runs; fewer than words_min,
 * too. */
struct cli_verb {
    const char *name;
    const char *usage; /* its arguments: "[SERVICE…]" */
    struct cli_text summary;
    struct cli_text details;          /* a paragraph for help and man; may be none */
    const struct cli_option *options; /* ends with name == NULL; may be NULL */
    unsigned words_min;
    unsigned words_max;
    enum cli_complete complete; /* of its words */
    bool rest_is_command;       /* options end at the second word: exec, run */
    bool hidden;                /* not in the list of help */
    int (*run)(const struct cli_args *args);
};

/* The parsed command line. Everything in it is borrowed from argv. */
struct cli_args {
    const struct cli_verb *verb;
    struct {
        const struct cli_option *option;
        const char *value; /* "" for a flag */
    } options[CLI_OPTIONS_MAX];
    unsigned option_count;
    const char *words[CLI_WORDS_MAX];
    unsigned word_count;
};

/* Of an option that no verb has: true when it asks for what is so anyway; else, in *ret_say, what
 * it is here (or NULL). Of a command: what it is here, or NULL. */
bool cli_habit_option(const struct cli_verb *verb, const char *typed, const char **ret_say);
const char *cli_habit_command(const char *typed);

extern const struct cli_verb cli_verbs[];
extern const size_t cli_verb_count;
extern const struct cli_option cli_lone_options[];   /* before any verb: --version */
extern const struct cli_option cli_global_options[]; /* ends with name == NULL */

const struct cli_verb *cli_verb_find(struct str name);

/* Parses argv[1..]. 0; or CLI_E_USAGE with one sentence about what is wrong in `error` (and, when
 * there is one, the verb in ret->verb). Options may stand before and after the verb; "--" ends
 * them. */
enum { CLI_E_USAGE = 1 };
must_check int cli_parse(int argc, const char *const *argv, struct cli_args *ret,
                         struct buf *error);

/* Whether the option was given; the last value of it or NULL; the i-th value of it or NULL. */
bool cli_has(const struct cli_args *args, const char *option);
const char *cli_value(const struct cli_args *args, const char *option);
const char *cli_value_at(const struct cli_args *args, const char *option, unsigned i);

/* The text in the reader's language (LC_ALL, LC_MESSAGES, LANG: es… = Spanish). */
const char *cli_text(const struct cli_text *text);

/* Derived documents. */
void cli_doc_help(struct buf *out);
void cli_doc_verb(struct buf *out, const struct cli_verb *verb);
void cli_doc_man(struct buf *out);
/* docs/cli.md. */
void cli_doc_markdown(struct buf *out);
/* 0, or CLI_E_USAGE when `shell` is none of bash, zsh, fish. */
must_check int cli_doc_completion(struct buf *out, struct str shell);

#endif
