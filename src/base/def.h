/* SPDX-License-Identifier: Apache-2.0
 *
 * The few words that every file may use: attributes, assertions, sizes.
 *
 * The law of errors (after dbus-broker): a function that can fail returns int.
 *   < 0   -errno: fatal for the caller's task; forwarded unchanged, never matched.
 *     0   success.
 *   > 0   a condition of *that* function (NOUN_E_…), documented at its declaration, handled by its
 *         direct caller, never forwarded.
 */
#ifndef BASE_DEF_H
#define BASE_DEF_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* container_of and the two hints below are the only "clever" macros: the rest of the program gets
 * by with functions. likely() stands where a measurement of the edge's hot path asked for it. */
#define must_check        __attribute__((warn_unused_result))
#define printf_like(f, a) __attribute__((format(printf, f, a)))
#define cleanup(fn)       __attribute__((cleanup(fn)))
#define noreturn_fn       __attribute__((noreturn))
#define always_inline_fn  __attribute__((always_inline))
#define likely(x)         __builtin_expect(!!(x), 1)
#define unlikely(x)       __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* MIN and MAX evaluate an argument twice: no calls in them (script/tidy), else a walk is
 * exponential and what others write is read again behind its check. */
#define MIN(a, b)                       ((a) < (b) ? (a) : (b))
#define MAX(a, b)                       ((a) > (b) ? (a) : (b))
#define ALIGN_UP(n, to)                 (((n) + (to)-1) & ~((size_t)(to)-1))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

#define KIB ((size_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)

/* An assertion about our own code, on in release too. Never about bytes from a wire, a file or
 * another role. No side effects in `cond`. */
#define ensure(cond)                                                                               \
    do {                                                                                           \
        if (unlikely(!(cond))) {                                                                   \
            ensure_failed(#cond, __FILE__, __LINE__);                                              \
        }                                                                                          \
    } while (0)

/* Prints the condition to standard error and aborts (defined in problem.c). */
noreturn_fn void ensure_failed(const char *cond, const char *file, int line);

#endif
