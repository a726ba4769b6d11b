/* SPDX-License-Identifier: Apache-2.0
 *
 * What is derived from the verb table: help, the man page (mdoc(7), checked by mandoc -Tlint),
 * docs/cli.md, and the completion scripts of three shells. Completion is static text: only names of
 * services are asked for when the key is pressed (`muelle ps --services`, else `muelle config
 * --services`), so it is made once, at `muelle completion SHELL`.
 *
 * Help follows the reader's language; man page and docs/cli.md are English, since they are compared
 * with what is in the repository.
 *
 * Each language has its own way to end a text too early: mdoc a line that begins with a dot or a
 * quote and a plain dash, shells a quote, zsh's specs a colon and a bracket too. man_text and
 * quoted know them; all words go through one of the two.
 *
 *   mdoc     .It Cm verb  .Fl option  .Ar VALUE  .Ev VARIABLE  .Pa path  .Dl example
 *   bash     complete -F: the verb is the first word that is one; compgen picks from its list
 *   zsh      _arguments with specs '*--name[help]:VALUE:action'; `*::arg:->args` for the verb's own
 *   fish     one `complete -c muelle -n CONDITION …` per option
 */
#include "face/cli.h"

/* At least one blank: an option that is too long is followed by its help all the same. */
static void pad_to(struct buf *out, size_t used, size_t column)
{
    do {
        buf_add_char(out, ' ');
    } while (++used < column);
}

/* "-f, --file FILE" */
static void option_head(struct buf *out, const struct cli_option *option)
{
    if (option->letter) {
        buf_printf(out, "-%c, ", option->letter);
    } else {
        buf_add_cstr(out, "    ");
    }
    buf_printf(out, "--%s", option->name);
    if (option->value) {
        buf_printf(out, " %s", option->value);
    }
}

/* 28 columns for the option, the rest for its help: 80 are enough for most. */
static void option_list(struct buf *out, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->name; o++) {
        size_t start = out->len;
        buf_add_cstr(out, "  ");
        option_head(out, o);
        pad_to(out, out->len - start, 28);
        buf_add_cstr(out, cli_text(&o->help));
        buf_add_char(out, '\n');
    }
}

/* Verbs in the order of the table; hidden ones (docs, man) are for whoever builds muelle. */
void cli_doc_help(struct buf *out)
{
    static const struct cli_text intro = {"runs services, routes traffic to them, watches them",
                                          "ejecuta servicios, les lleva el tráfico y los vigila"};
    static const struct cli_text options = {"Options of every command:",
                                            "Opciones de todos los comandos:"};

    buf_printf(out, "muelle %s: %s\n\n  muelle COMMAND [OPTION…]\n\n", MUELLE_VERSION,
               cli_text(&intro));
    for (size_t i = 0; i < cli_verb_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (!verb->hidden) {
            buf_printf(out, "  %-11s %s\n", verb->name, cli_text(&verb->summary));
        }
    }
    buf_printf(out, "\n%s\n", cli_text(&options));
    option_list(out, cli_global_options);
}

void cli_doc_verb(struct buf *out, const struct cli_verb *verb)
{
    static const struct cli_text options = {"Options:", "Opciones:"};

    buf_printf(out, "muelle %s%s%s [OPTION…]\n\n%s.\n", verb->name, *verb->usage ? " " : "",
               verb->usage, cli_text(&verb->summary));
    if (verb->details.en) {
        buf_printf(out, "%s\n", cli_text(&verb->details));
    }
    buf_printf(out, "\n%s\n", cli_text(&options));
    option_list(out, verb->options);
    option_list(out, cli_global_options);
}

/* ---- man page ---- */

/* One word for mdoc: backslashes and dashes are escaped. mdoc would make typographic dashes of "-",
 * which cannot be copied into a shell. */
static void man_word(struct buf *out, struct str word)
{
    for (size_t i = 0; i < word.len; i++) {
        if (word.p[i] == '\\') {
            buf_add_cstr(out, "\\e");
        } else if (word.p[i] == '-') {
            buf_add_cstr(out, "\\-");
        } else {
            buf_add_char(out, word.p[i]);
        }
    }
}

/* Text for mdoc: short lines, a new one after each sentence, none that begins with a dot or a
 * quote. */
static void man_text(struct buf *out, const char *text)
{
    struct str rest = str_from(text);
    struct str word = STR_NONE;
    size_t column = 0;
    bool ended = false;

    while (rest.len > 0) {
        str_split(rest, ' ', &word, &rest);
        if (column > 0) {
            bool breaks = ended || column + word.len > 70;
            buf_add_char(out, breaks ? '\n' : ' ');
            column = breaks ? 0 : column + 1;
        }
        if (column == 0 && word.len > 0 && (word.p[0] == '.' || word.p[0] == '\'')) {
            buf_add_cstr(out, "\\&");
        }
        man_word(out, word);
        column += word.len;
        ended = str_ends(word, STR("."));
    }
    buf_add_char(out, '\n');
}

/* Flags and values by mdoc's own macros: man(7) viewers, HTML and search know what they are. */
static void man_options(struct buf *out, const struct cli_option *options)
{
    if (!options) {
        return;
    }
    buf_add_cstr(out, ".Bl -tag -width Ds -compact\n");
    for (const struct cli_option *o = options; o->name; o++) {
        buf_add_cstr(out, ".It");
        if (o->letter) {
            buf_printf(out, " Fl %c ,", o->letter);
        }
        buf_printf(out, " Fl Fl %s", o->name);
        if (o->value) {
            buf_printf(out, " Ar %s", o->value);
        }
        buf_add_char(out, '\n');
        man_text(out, o->help.en);
    }
    buf_add_cstr(out, ".El\n");
}

/* Summaries are phrases; mdoc wants sentences (mandoc's lint does). */
static void man_verb(struct buf *out, const struct cli_verb *verb)
{
    buf_printf(out, ".It Cm %s", verb->name);
    if (*verb->usage) {
        buf_printf(out, " Ar %s", verb->usage);
    }
    buf_add_char(out, '\n');
    man_text(out, verb->summary.en);
    buf_cut(out, out->len - 1); /* a summary becomes a sentence */
    buf_add_cstr(out, ".\n");
    if (verb->details.en) {
        man_text(out, verb->details.en);
    }
    man_options(out, verb->options);
}

/* .Dd is that of the last change of this text, as mdoc(7) wants it. */
static const char man_head[] =
    ".Dd November 20, 2026\n.Dt MUELLE 1\n.Os\n.Sh NAME\n.Nm muelle\n"
    ".Nd run services, route traffic to them, watch them\n.Sh SYNOPSIS\n.Nm\n.Ar command\n"
    ".Op Ar option ...\n.Op Ar argument ...\n.Sh DESCRIPTION\n.Nm\n"
    "runs the services of a configuration file as processes,\n"
    "puts one gateway in front of them, keeps their output and figures,\n"
    "and serves an API and a dashboard.\n"
    "The file is a superset of the Compose format; a Procfile works too.\n"
    ".Pp\nThe commands are:\n.Bl -tag -width Ds\n";

static const char man_tail[] =
    ".Sh ENVIRONMENT\n.Bl -tag -width Ds\n.It Ev NO_COLOR\nWhen set, no colours are printed.\n"
    ".It Ev XDG_RUNTIME_DIR\nWhere sockets and the token of an instance lie.\n.El\n"
    ".Sh FILES\n.Bl -tag -width Ds\n.It Pa muelle.yaml\nThe configuration.\n"
    ".It Pa .muelle\nThe durable state of the instance, beside the file.\n.El\n"
    ".Sh EXIT STATUS\n.Bl -tag -width Ds -compact\n.It 0\nDone.\n.It 1\nFailed.\n"
    ".It 2\nWrong use of the command line.\n.It 3\nNo instance is running.\n"
    ".It 4\nA service did not become ready.\n.It 5\nThe configuration has errors.\n"
    ".It 130\nInterrupted.\n.El\n"
    ".Pp\n.Cm run\nand\n.Cm exec\nreturn the exit status of their command.\n"
    ".Sh EXAMPLES\nStart everything and return when it is ready:\n"
    ".Pp\n.Dl muelle up -d --wait\n.Pp\nFollow the errors of one service:\n"
    ".Pp\n.Dl muelle logs web -f --grep error\n";

void cli_doc_man(struct buf *out)
{
    buf_add_cstr(out, man_head);
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (!cli_verbs[i].hidden) {
            man_verb(out, &cli_verbs[i]);
        }
    }
    buf_add_cstr(out, ".El\n.Pp\nEvery command takes these options:\n.Pp\n");
    man_options(out, cli_global_options);
    buf_add_cstr(out, man_tail);
}

/* ---- docs/cli.md ---- */

static const char markdown_head[] =
    "# The command line\n\n"
    "Made by `muelle docs cli` from the table of verbs; a test holds them equal.\n\n"
    "## What scripts may rely on\n"
    "- **Exit codes**: 0 done · 1 failed · 2 wrong use of the command line · 3 no instance is "
    "running · "
    "4 a service did not become\n  ready (`up --wait`) · 5 the configuration has errors, nothing "
    "was changed · "
    "130 interrupted. `run` and `exec` return the code of\n  their command (126 and 127 as in "
    "shells).\n"
    "- `muelle up -f FILE [-d] [--wait]`: with `--wait` it returns when every service is ready, or "
    "says which is not and why.\n"
    "- `muelle status --json`: "
    "`{\"version\",\"instance\",\"projects\":[…],\"keeper\":{\"pid\"},\"core\":{\"pid\"},"
    "\"edge\":{\"pid\",\"threads\"}}`;\n  states of a project: `running degraded completed "
    "stopped removing` (docs/configuration.md, States).\n"
    "- `muelle ps --json`: an array of "
    "`{\"project\",\"service\",\"replica\",\"state\",\"health\",\"pid\",\"port\","
    "\"restarts\",\"started_at\",\"exit\"}`;\n  states `pending starting running unhealthy "
    "stopping stopped crashed completed`.\n"
    "- `muelle logs [SERVICE…] --json`: one "
    "`{\"time\",\"service\",\"replica\",\"stream\",\"message\"}` a line.\n"
    "- Results go to standard output, everything else to standard error. Colours only on a "
    "terminal, never with "
    "`NO_COLOR` or\n  `--no-color`. Help is Spanish where `LANG` is.\n\n"
    "## Commands\n";

/* Indented below their verb: one list, so that a page of a hundred options stays readable. */
static void markdown_options(struct buf *out, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->name; o++) {
        buf_add_cstr(out, "  - `");
        if (o->letter) {
            buf_printf(out, "-%c, ", o->letter);
        }
        buf_printf(out, "--%s%s%s` %s\n", o->name, o->value ? " " : "", o->value ? o->value : "",
                   o->help.en);
    }
}

void cli_doc_markdown(struct buf *out)
{
    buf_add_cstr(out, markdown_head);
    for (size_t i = 0; i < cli_verb_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (!verb->hidden) {
            buf_printf(out, "- **`muelle %s%s%s`** – %s.%s%s\n", verb->name,
                       *verb->usage ? " " : "", verb->usage, verb->summary.en,
                       verb->details.en ? " " : "", verb->details.en ? verb->details.en : "");
            markdown_options(out, verb->options);
        }
    }
    buf_add_cstr(out, "\n## Options of every command\n");
    markdown_options(out, cli_global_options);
}

/* ---- completion ---- */

/* ps knows what runs; without an instance config knows what would. */
static const char services_function[] =
    "    muelle ps --services 2>/dev/null || muelle config --services 2>/dev/null\n";

static void bash_words(struct buf *out, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->name; o++) {
        buf_printf(out, " --%s", o->name);
        if (o->letter) {
            buf_printf(out, " -%c", o->letter);
        }
    }
}

static void bash_verb_names(struct buf *out)
{
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (!cli_verbs[i].hidden) {
            buf_printf(out, " %s", cli_verbs[i].name);
        }
    }
}

/* Files and folders are left to bash itself (compgen -f, after the options that take them). */
static const char *bash_source(enum cli_complete complete)
{
    switch (complete) {
    case CLI_COMPLETE_SERVICE:
        return "$(_muelle_services)";
    case CLI_COMPLETE_VERB:
        return "$verbs";
    case CLI_COMPLETE_SHELL:
        return "bash zsh fish";
    case CLI_COMPLETE_NONE:
    case CLI_COMPLETE_FILE:
    case CLI_COMPLETE_FOLDER:
        return "";
    }
    return "";
}

/* Words before the cursor tell the verb; its words and options are compgen's list. mapfile and not
 * $(…): names are lines, and nothing is split or globbed. */
static void completion_bash(struct buf *out)
{
    buf_printf(out, "# bash completion of muelle\n_muelle_services() {\n%s}\n_muelle() {\n",
               services_function);
    buf_add_cstr(out, "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
                      "    local verb='' word words='' options verbs='");
    bash_verb_names(out);
    buf_add_cstr(out, "'\n    for word in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
                      "        [[ \" $verbs \" == *\" $word \"* ]] && { verb=$word; break; }\n"
                      "    done\n"
                      "    case $prev in\n"
                      "    -f|--file|--env-file|--state-dir|--instance)\n"
                      "        [[ $prev != -f || -z $verb ]] && "
                      "{ mapfile -t COMPREPLY < <(compgen -f -- \"$cur\"); return; } ;;\n"
                      "    esac\n    options='");
    bash_words(out, cli_global_options);
    buf_add_cstr(out, "'\n    case $verb in\n    '') words=$verbs ;;\n");
    for (size_t i = 0; i < cli_verb_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (!verb->hidden) {
            buf_printf(out, "    %s) words=\"%s\"; options+='", verb->name,
                       bash_source(verb->complete));
            bash_words(out, verb->options);
            buf_add_cstr(out, "' ;;\n");
        }
    }
    buf_add_cstr(out, "    esac\n    [[ $cur == -* ]] && words=$options\n"
                      "    mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n}\n"
                      "complete -F _muelle muelle\n");
}

/* Text inside single quotes, for zsh specs and fish: quotes, colons and brackets would end it. A
 * typographic apostrophe for a plain one, blanks for the rest: help stays readable and cannot end
 * early. */
static void quoted(struct buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (*c == '\'') {
            buf_add_cstr(out, "’");
        } else if (*c == ':' || *c == '[' || *c == ']') {
            buf_add_char(out, ' ');
        } else {
            buf_add_char(out, *c);
        }
    }
}

static const char *zsh_action(enum cli_complete complete)
{
    switch (complete) {
    case CLI_COMPLETE_SERVICE:
        return "_muelle_services";
    case CLI_COMPLETE_VERB:
        return "_muelle_verbs";
    case CLI_COMPLETE_SHELL:
        return "(bash zsh fish)";
    case CLI_COMPLETE_FOLDER:
        return "_files -/";
    case CLI_COMPLETE_FILE:
        return "_files";
    case CLI_COMPLETE_NONE:
        return " ";
    }
    return " ";
}

/* "*" allows an option again: -f may be given twice, and zsh would offer it once. */
static void zsh_options(struct buf *out, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->name; o++) {
        for (unsigned form = 0; form < 2; form++) {
            if (form == 0 && !o->letter) {
                continue;
            }
            buf_add_cstr(out, " \\\n            '*");
            if (form == 0) {
                buf_printf(out, "-%c[", o->letter);
            } else {
                buf_printf(out, "--%s[", o->name);
            }
            quoted(out, cli_text(&o->help));
            buf_add_char(out, ']');
            if (o->value) {
                buf_printf(out, ":%s:%s", o->value, zsh_action(o->complete));
            }
            buf_add_char(out, '\'');
        }
    }
}

/* compdef at the end: the text may be evaluated as well as put into a folder of functions. */
static void completion_zsh(struct buf *out)
{
    buf_printf(out,
               "#compdef muelle\n_muelle_services() {\n    local -a names\n"
               "    names=(${(f)\"$(\n%s    )\"})\n    _describe service names\n}\n"
               "_muelle_verbs() {\n    local -a verbs=(\n",
               services_function);
    for (size_t i = 0; i < cli_verb_count; i++) {
        if (!cli_verbs[i].hidden) {
            buf_printf(out, "        '%s:", cli_verbs[i].name);
            quoted(out, cli_text(&cli_verbs[i].summary));
            buf_add_cstr(out, "'\n");
        }
    }
    buf_add_cstr(out, "    )\n    _describe command verbs\n}\n_muelle() {\n    local line state\n"
                      "    _arguments -C");
    zsh_options(out, cli_global_options);
    buf_add_cstr(out, " \\\n            '1: :_muelle_verbs' '*::arg:->args'\n"
                      "    case $line[1] in\n");
    for (size_t i = 0; i < cli_verb_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        if (!verb->hidden) {
            buf_printf(out, "    %s)\n        _arguments", verb->name);
            zsh_options(out, verb->options);
            buf_printf(out, " \\\n            '*: :%s' ;;\n", zsh_action(verb->complete));
        }
    }
    buf_add_cstr(out, "    esac\n}\ncompdef _muelle muelle\n");
}

/* -x: a value, and no file; -rF: a value that is a file. */
static void fish_options(struct buf *out, const char *condition, const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->name; o++) {
        buf_printf(out, "complete -c muelle %s -l %s", condition, o->name);
        if (o->letter) {
            buf_printf(out, " -s %c", o->letter);
        }
        if (o->value) {
            bool path = o->complete == CLI_COMPLETE_FILE || o->complete == CLI_COMPLETE_FOLDER;
            buf_add_cstr(out, path ? " -rF" : " -x");
        }
        buf_add_cstr(out, " -d '");
        quoted(out, cli_text(&o->help));
        buf_add_cstr(out, "'\n");
    }
}

/* __fish_use_subcommand is true until the first verb: verbs are offered there and nowhere else. */
static void completion_fish(struct buf *out)
{
    buf_printf(out,
               "# fish completion of muelle\nfunction __muelle_services\n%send\n"
               "complete -c muelle -f\n",
               services_function);
    fish_options(out, "", cli_global_options);
    for (size_t i = 0; i < cli_verb_count; i++) {
        const struct cli_verb *verb = &cli_verbs[i];
        char condition[96];
        if (verb->hidden) {
            continue;
        }
        buf_printf(out, "complete -c muelle -n __fish_use_subcommand -a %s -d '", verb->name);
        quoted(out, cli_text(&verb->summary));
        buf_add_cstr(out, "'\n");
        snprintf(condition, sizeof(condition), "-n '__fish_seen_subcommand_from %s'", verb->name);
        fish_options(out, condition, verb->options);
        if (verb->complete == CLI_COMPLETE_SERVICE) {
            buf_printf(out, "complete -c muelle %s -a '(__muelle_services)'\n", condition);
        } else if (verb->complete == CLI_COMPLETE_SHELL) {
            buf_printf(out, "complete -c muelle %s -a 'bash zsh fish'\n", condition);
        }
    }
}

int cli_doc_completion(struct buf *out, struct str shell)
{
    if (str_is(shell, "bash")) {
        completion_bash(out);
    } else if (str_is(shell, "zsh")) {
        completion_zsh(out);
    } else if (str_is(shell, "fish")) {
        completion_fish(out);
    } else {
        return CLI_E_USAGE;
    }
    return 0;
}
