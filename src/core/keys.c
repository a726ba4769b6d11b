/* SPDX-License-Identifier: Apache-2.0
 *
 * A key is written before it is used (file_replace: whole and on disk, or not at all), so what was
 * signed stays valid when the core dies in the next moment.
 */
#include "core/keys.h"

#include "base/buf.h"
#include "os/entropy.h"
#include "os/file.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

static int make(const char *path, uint8_t ret[KEYS_LEN])
{
    int r = entropy_fill(ret, KEYS_LEN);
    return r < 0 ? r : file_replace(path, str_make((const char *)ret, KEYS_LEN), 0600);
}

int keys_get(const char *state_dir, const char *name, uint8_t ret[KEYS_LEN])
{
    char folder[4096], path[4096 + 64];
    struct buf text = BUF_INIT(KEYS_LEN + 1);
    snprintf(folder, sizeof(folder), "%s/keys", state_dir);
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    int r = file_mkdir_p(folder, 0700);
    if (r < 0) {
        return r;
    }
    r = file_read_all(path, KEYS_LEN, &text);
    if (r == 0 && text.len == KEYS_LEN) {
        memcpy(ret, text.p, KEYS_LEN);
    } else if (r == 0 || r == -EFBIG) {
        r = -EINVAL;
    } else if (r == -ENOENT) {
        r = make(path, ret);
    }
    buf_fini(&text);
    return r;
}

int keys_mac(const uint8_t key[KEYS_LEN], struct str text, uint8_t ret[KEYS_MAC_LEN])
{
    unsigned len = 0;
    return HMAC(EVP_sha256(), key, KEYS_LEN, (const unsigned char *)text.p, text.len, ret, &len) &&
                   len == KEYS_MAC_LEN
               ? 0
               : -ENOMEM;
}
