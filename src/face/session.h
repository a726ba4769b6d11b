/* SPDX-License-Identifier: Apache-2.0
 *
 * struct session: what every verb needs: the terminals, which files and project are meant, where
 * the instance lies, and a client of its API.
 *
 * Errors are said here, once, in three lines (what · where · what to do); functions return the exit
 * code, or 0 to go on. So a verb is a chain of `r = r ? r : next(&s)`, and never prints an error of
 * another layer again.
 *
 * Owned by its verb, on its stack or in its struct; session_fini may be called whatever
 * session_init returned. One thread.
 */
#ifndef FACE_SESSION_H
#define FACE_SESSION_H

#include "base/problem.h"
#include "base/vec.h"
#include "face/cli.h"
#include "face/client.h"
#include "face/term.h"

/* The API takes as many files; longer paths are refused, never cut: they would name another
 * folder. */
enum { SESSION_FILES_MAX = 16, SESSION_PATH_MAX = 1024 };

struct session {
    const struct cli_args *args;
    struct term out; /* standard output */
    struct term err;
    bool json; /* --json */
    struct loop loop;
    struct arena arena;                  /* paths, names */
    struct str files[SESSION_FILES_MAX]; /* absolute; empty when none was found */
    unsigned file_count;
    char cwd[SESSION_PATH_MAX];       /* relative paths of the command line are taken from here */
    char state_dir[SESSION_PATH_MAX]; /* it may not be there */
    char run_dir[96];                 /* "" until an instance was found */
    char project[64];                 /* "" until it is known; one byte more than a name may have */
    size_t notes;                     /* that were said about the files */
    struct client *client; /* NULL until connected; verbs that stream have a second one */
    bool interrupted;      /* session_interrupt */
};

/* Sets up terminals, loop and paths; finds the files (-f, else upwards from here). No instance is
 * needed. 0 or an exit code. */
must_check int session_init(struct session *s, const struct cli_args *args);
void session_fini(struct session *s);

/* Connects to the running instance. 0, CLI_NOT_RUNNING (said, unless `quiet`), CLI_FAILED (said) or
 * CLI_INTERRUPTED. */
must_check int session_connect(struct session *s, bool quiet);
/* For signal handlers of the loop: whatever waits for the core ends with CLI_INTERRUPTED. */
void session_interrupt(struct session *s);
/* The same without a word, for who has another way: a core that was killed gets two seconds to come
 * back. */
must_check int session_connect_back(struct session *s);
/* All roles of the instance were killed, so its end was not an orderly one and its services may run
 * on: a keeper that is started adopts them. */
bool session_left_behind(const struct session *s);
/* Says that the state folder was removed under the instance (role_state_is_lost). */
void session_say_lost(const struct session *s);
/* Which project is meant: --project, else the only one, else the file's. 0 or an exit code. */
must_check int session_need_project(struct session *s);
/* Connect and project: what most verbs begin with. */
must_check int session_open(struct session *s, const struct cli_args *args);

/* Requests below the project: `path` is what follows /api/v1/projects/NAME ("/replicas"). A
 * status of 400 and more is said and becomes an exit code; 0 = *ret holds the answer. */
must_check int session_get(struct session *s, struct client_answer *ret, const char *fmt, ...)
    printf_like(3, 4);
/* A whole list below the project ("/replicas"): its pages, followed by their cursors, as one
 * {"items":[…]}. */
must_check int session_list(struct session *s, struct client_answer *ret, const char *path);
must_check int session_call(struct session *s, const struct client_request *request,
                            struct client_answer *ret);
/* As client_follow; a core that is being replaced is waited for. */
must_check int session_follow(struct session *s, struct client *client,
                              const struct client_request *request, struct client_stream *stream,
                              struct client_answer *ret);

/* Is each of the words a service? Else that is said, with the nearest name. 0 or an exit code. */
must_check int session_need_words(struct session *s);
must_check int session_need_word(struct session *s, const char *word);
/* "web/2" to its parts; false: it is something else. */
bool session_split_replica(struct str word, struct str *ret_service, uint64_t *ret_replica);

/* Loads the files as the core will, and says what is wrong with them: 0, CLI_INVALID, CLI_USAGE.
 * Fills `project` when it is not set. */
must_check int session_check_files(struct session *s);
/* The same, and keeps the result. The caller unrefs it. */
struct project_spec;
must_check int session_load(struct session *s, struct project_spec **ret_spec);
/* POST /api/v1/projects with the files, profiles and this environment. 0 with the answer, or an
 * exit code. */
must_check int session_apply(struct session *s, bool dry_run, struct client_answer *ret);
/* The warnings of that answer; `checked`: those about the files were said here already. */
void session_say_told(const struct session *s, const struct client_answer *answer, bool checked);

/* Errors for people, on standard error. */
void say_error(const struct session *s, const char *fmt, ...) printf_like(2, 3);
void say_problem(const struct session *s, const struct problem *problem);
void say_problems(const struct session *s, const struct problem_list *list);
/* The RFC 9457 document of an answer, with all its `problems`. */
void say_answer(const struct session *s, const struct client_answer *answer);
/* Renders a problem in its three lines (no newline doubled); the parts are optional. */
void say_render(const struct term *term, struct str what, struct str where, struct str todo,
                struct buf *out);

#endif
