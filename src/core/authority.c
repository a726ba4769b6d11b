/* SPDX-License-Identifier: Apache-2.0
 *
 * The authority's files. The key is written first: a certificate without a key would be trusted and
 * of no use. Two who make it at the same time both end with the one that lies there at the end.
 */
#include "core/authority.h"

#include "os/file.h"
#include "os/user.h"

#include <stdio.h>

enum { DAY_S = 86400, BACKDATE_S = 3600 };

bool authority_dir(struct str own, struct str data_home, struct str home,
                   char ret[AUTHORITY_DIR_MAX])
{
    struct buf dir = {
        .p = ret, .cap = AUTHORITY_DIR_MAX - 1, .max = AUTHORITY_DIR_MAX - 1, .fixed = true};
    if (own.len) {
        buf_add(&dir, own);
    } else if (user_own_uid() == 0) {
        buf_add(&dir, STR("/var/lib/muelle/ca"));
    } else if (data_home.len) {
        buf_printf(&dir, STR_FMT "/muelle/ca", STR_ARG(data_home));
    } else if (home.len) {
        buf_printf(&dir, STR_FMT "/.local/share/muelle/ca", STR_ARG(home));
    }
    ret[dir.len] = '\0';
    return dir.len > 0 && buf_error(&dir) == 0;
}

static void paths(const char *dir, char cert[AUTHORITY_DIR_MAX + 16],
                  char key[AUTHORITY_DIR_MAX + 16])
{
    (void)snprintf(cert, AUTHORITY_DIR_MAX + 16, "%s/ca.crt", dir);
    (void)snprintf(key, AUTHORITY_DIR_MAX + 16, "%s/ca.key", dir);
}

static int make(const char *dir, int64_t now_s)
{
    char cert_path[AUTHORITY_DIR_MAX + 16], key_path[AUTHORITY_DIR_MAX + 16], name[64];
    cleanup(buf_fini) struct buf cert = BUF_INIT(TLS_PEM_MAX), key = BUF_INIT(TLS_PEM_MAX);
    paths(dir, cert_path, key_path);
    (void)snprintf(name, sizeof(name), "muelle development authority of %lld",
                   (long long)now_s); /* two of them are told apart in a trust store */
    const struct tls_issue_spec spec = {
        .common_name = str_from(name),
        .from_s = now_s - BACKDATE_S,
        .until_s = now_s + (int64_t)AUTHORITY_DAYS * DAY_S,
        .kind = TLS_KEY_EC,
        .authority = true,
    };
    int r = file_mkdir_p(dir, 0755);
    r = r < 0 ? r : tls_issue(&spec, NULL, &cert, &key);
    r = r < 0 ? r : file_replace(key_path, buf_str(&key), 0600);
    r = r < 0 ? r : file_replace(cert_path, buf_str(&cert), 0644);
    buf_fini(&key);
    return r;
}

static int read_files(struct authority *authority, struct problem *problem)
{
    char cert_path[AUTHORITY_DIR_MAX + 16], key_path[AUTHORITY_DIR_MAX + 16];
    cleanup(buf_fini) struct buf cert = BUF_INIT(TLS_PEM_MAX), key = BUF_INIT(TLS_PEM_MAX);
    paths(authority->dir, cert_path, key_path);
    int r = file_read_regular(cert_path, TLS_PEM_MAX, &cert);
    r = r < 0 ? r : file_read_regular(key_path, TLS_PEM_MAX, &key);
    if (r < 0) {
        return r;
    }
    const struct tls_cert_source source = {
        .cert = buf_str(&cert),
        .key = buf_str(&key),
        .cert_name = str_from(cert_path),
        .key_name = str_from(key_path),
    };
    return tls_cert_new(&source, &authority->cert, problem);
}

int authority_open(struct authority *authority, const char *dir, int64_t now_s,
                   struct problem *problem)
{
    *authority = (struct authority){0};
    (void)str_copy(authority->dir, sizeof(authority->dir), str_from(dir));
    int r = read_files(authority, problem);
    if (r == -ENOENT) {
        r = make(dir, now_s);
        r = r < 0 ? r : read_files(authority, problem);
    }
    if (r == 0) {
        r = tls_cert_check_time(authority->cert, str_from(dir), now_s, problem);
    }
    if (r != 0) {
        authority_close(authority);
    }
    return r;
}

void authority_close(struct authority *authority)
{
    tls_cert_free(authority->cert);
    authority->cert = NULL;
}

int authority_issue(const struct authority *authority, const struct authority_request *request,
                    struct buf *cert, struct buf *key)
{
    int64_t until_s = request->now_s + (int64_t)AUTHORITY_LEAF_DAYS * DAY_S;
    const struct tls_issue_spec spec = {
        .common_name = request->count ? request->names[0] : STR("localhost"),
        .names = request->names,
        .name_count = request->count,
        .from_s = request->now_s - BACKDATE_S,
        .until_s = MIN(until_s, authority->cert->until_s),
        .kind = TLS_KEY_EC,
        .client = request->client,
    };
    return tls_issue(&spec, authority->cert, cert, key);
}
