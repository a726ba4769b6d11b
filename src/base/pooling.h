/* SPDX-License-Identifier: Apache-2.0
 *
 * What pools do under a sanitizer: they keep nothing. What is given back goes to the heap at once,
 * so that its use afterwards is found, with the places of the use and of the giving back. (Poisoned
 * but kept, a pool that hands out last in, first out would soon hand it to the next one.)
 *
 *     if (!POOLING || pool->idle >= IDLE_MAX) { free(it); }
 */
#ifndef BASE_POOLING_H
#define BASE_POOLING_H

/* gcc says it by macros, clang 14 by features. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { POOLING = !SANITIZED };

#endif
