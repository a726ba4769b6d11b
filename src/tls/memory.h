/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory of OpenSSL in a process that serves: a handshake asks for some 1,500 blocks and gives
 * nearly all of them back at once, more of one size than malloc keeps at hand. So each thread keeps
 * what was given back, by size, up to TLS_MEMORY_KEPT bytes; the rest goes back to malloc.
 */
#ifndef TLS_MEMORY_H
#define TLS_MEMORY_H

#include "base/def.h"

enum { TLS_MEMORY_KEPT = MIB /* a thread */ };

/* Before OpenSSL's first allocation in the process; later (and in builds whose tool watches each
 * block) it changes nothing. */
void tls_memory_keep(void);

/* --- what OpenSSL is told to use --- */
void *tls_memory_alloc(size_t size, const char *file, int line);
void *tls_memory_resize(void *p, size_t size, const char *file, int line);
void tls_memory_free(void *p, const char *file, int line);
/* Bytes that this thread keeps; and gives all of them back. */
size_t tls_memory_kept(void);
void tls_memory_trim(void);

#endif
