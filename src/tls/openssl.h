/* SPDX-License-Identifier: Apache-2.0
 *
 * What all SSL_CTX of the program have in common. Private to tls/.
 */
#ifndef TLS_OPENSSL_H
#define TLS_OPENSSL_H

#include "base/def.h"

#include <openssl/types.h>

/* TLS 1.2 and 1.3, forward secret AEAD ciphers only, no renegotiation, no compression, no session
 * cache. NULL when memory is out. */
SSL_CTX *tls_openssl_ctx(bool server);

#endif
