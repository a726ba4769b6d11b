/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions behind the verb table, one file per family: verb_up.c, verb_show.c, verb_act.c …
 * Each returns an exit code (enum cli_exit) and has said on standard error what went wrong. Each
 * makes its own session and leaves nothing behind: main ends the process with what it returns.
 */
#ifndef FACE_VERBS_H
#define FACE_VERBS_H

#include "face/cli.h"

int verb_up(const struct cli_args *args);     /* 0, 4 not ready, 5 files wrong */
int verb_down(const struct cli_args *args);   /* 0 when nothing is left, also if nothing ran */
int verb_ps(const struct cli_args *args);     /* all replicas, or those of the words */
int verb_logs(const struct cli_args *args);   /* -f: until a signal, or no core for 15 s */
int verb_action(const struct cli_args *args); /* start, stop, restart: args->verb says which */
int verb_scale(const struct cli_args *args);  /* words are SERVICE=N */
int verb_weight(const struct cli_args *args); /* words are SERVICE/REPLICA=N */
int verb_drain(const struct cli_args *args);  /* words are SERVICE/REPLICA */
int verb_exec(const struct cli_args *args);   /* the exit code is the command's */
int verb_run(const struct cli_args *args);    /* the same; without a command the service's own */
int verb_config(const struct cli_args *args); /* needs no instance */
int verb_check(const struct cli_args *args);  /* needs no instance; 5: up would refuse it */
int verb_plan(const struct cli_args *args);   /* needs no instance */
int verb_reload(const struct cli_args *args);
int verb_status(const struct cli_args *args); /* 1: the core is away */
int verb_top(const struct cli_args *args);    /* 1 when the core goes away */
int verb_events(const struct cli_args *args); /* newest 50, or --tail */
int verb_routes(const struct cli_args *args);
int verb_upgrade(const struct cli_args *args); /* one role after another; can be repeated */
int verb_doctor(const struct cli_args *args);  /* 1 when muelle would not run here */
int verb_cert(const struct cli_args *args);    /* needs no instance */
int verb_init(const struct cli_args *args);    /* writes muelle.yaml, or says what is there */
int verb_version(const struct cli_args *args);
int verb_completion(const struct cli_args *args);
int verb_help(const struct cli_args *args);
int verb_man(const struct cli_args *args);  /* hidden: mdoc for packagers */
int verb_docs(const struct cli_args *args); /* hidden: docs/cli.md, docs/api.md */

#endif
