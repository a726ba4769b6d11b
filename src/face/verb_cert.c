/* SPDX-License-Identifier: Apache-2.0
 *
 * cert: the development authority (core/authority.h), from the command line: what it is and how to
 * trust it; with names, a certificate for them in two files. It needs no instance.
 *
 * Trust is given by the person, never by us: a program that adds an authority to a machine's stores
 * by itself is one that nobody should run.
 */
#include "base/timefmt.h"
#include "core/authority.h"
#include "face/session.h"
#include "face/show.h"
#include "face/verbs.h"
#include "os/clock.h"
#include "os/file.h"

#include <stdlib.h>

struct cert {
    struct session s;
    struct authority authority;
    int64_t now_s;
};

static int open_authority(struct cert *cert)
{
    char dir[AUTHORITY_DIR_MAX];
    struct problem problem = {0};
    cert->now_s = clock_wall_ns() / 1000000000;
    if (!authority_dir(str_from(getenv("MUELLE_CA_DIR")), str_from(getenv("XDG_DATA_HOME")),
                       str_from(getenv("HOME")), dir)) {
        say_error(&cert->s, "the development authority has no folder: neither MUELLE_CA_DIR nor "
                            "HOME is set");
        return CLI_FAILED;
    }
    int r = authority_open(&cert->authority, dir, cert->now_s, &problem);
    if (r == TLS_E_BAD) {
        say_problem(&cert->s, &problem);
    } else if (r < 0) {
        say_error(&cert->s, "the development authority cannot be made in %s: %s", dir,
                  strerror(-r));
    }
    return r == 0 ? 0 : CLI_FAILED;
}

/* --- what it is --- */

static void add_day(struct buf *out, int64_t seconds)
{
    cleanup(buf_fini) struct buf whole = BUF_INIT(64);
    timefmt_rfc3339(&whole, seconds * 1000000000);
    buf_add(out, str_slice(buf_str(&whole), 0, 10));
}

static int show_json_of(struct cert *cert, const char *fingerprint)
{
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    cleanup(buf_fini) struct buf until = BUF_INIT(32);
    char path[AUTHORITY_DIR_MAX + 16];
    struct json_writer w = JSON_WRITER(&out);
    (void)snprintf(path, sizeof(path), "%s/ca.crt", cert->authority.dir);
    add_day(&until, cert->authority.cert->until_s);
    json_begin_object(&w);
    json_field(&w, "authority", cstr, path);
    json_field(&w, "fingerprint_sha256", cstr, fingerprint);
    json_field(&w, "valid_until", str, buf_str(&until));
    json_end_object(&w);
    show_json(&cert->s, &out);
    return 0;
}

static int show_authority(struct cert *cert)
{
    char fingerprint[TLS_FINGERPRINT_MAX], name[128];
    cleanup(buf_fini) struct buf out = BUF_INIT(8 * KIB);
    const char *dir = cert->authority.dir;
    tls_fingerprint(cert->authority.cert, fingerprint);
    if (cert->s.json) {
        return show_json_of(cert, fingerprint);
    }
    tls_common_name(cert->authority.cert, name, sizeof(name));
    buf_printf(&out, "%s\n  certificate  %s/ca.crt\n  SHA-256      %s\n  valid until  ", name, dir,
               fingerprint);
    add_day(&out, cert->authority.cert->until_s);
    buf_printf(
        &out,
        "\n\nTo trust it:\n"
        "  Debian, Ubuntu   sudo cp %s/ca.crt /usr/local/share/ca-certificates/muelle.crt\n"
        "                   sudo update-ca-certificates\n"
        "  Fedora, RHEL     sudo trust anchor %s/ca.crt\n"
        "  macOS            sudo security add-trusted-cert -d -r trustRoot \\\n"
        "                     -k /Library/Keychains/System.keychain %s/ca.crt\n"
        "  Chrome, Linux    certutil -d sql:$HOME/.pki/nssdb -A -t C,, -n muelle -i %s/ca.crt\n"
        "  Firefox          Settings, Certificates, Authorities, Import\n"
        "  curl, once       curl --cacert %s/ca.crt https://…\n"
        "  Node.js          NODE_EXTRA_CA_CERTS=%s/ca.crt\n"
        "\nhttps listeners without a certificate use it by themselves; 'muelle cert NAME…' issues "
        "one.\n",
        dir, dir, dir, dir, dir, dir);
    term_write(&cert->s.out, buf_str(&out));
    return 0;
}

/* --- issuing --- */

/* "*.example.test" becomes "_wildcard.example.test": a star in a file's name is a trap. */
static bool file_name(struct cert *cert, const char *name, const char *end, char *ret, size_t size)
{
    const char *out = cli_value(cert->s.args, "out");
    struct str folder = str_from(out ? out : cert->s.cwd);
    bool star = name[0] == '*', slash = str_ends(folder, STR("/"));
    int n = snprintf(ret, size, STR_FMT "%s%s%s%s", STR_ARG(folder), slash ? "" : "/",
                     star ? "_wildcard" : "", star ? name + 1 : name, end);
    return n > 0 && (size_t)n < size && !strchr(name, '/');
}

/* One that is made now holds a key: it is its owner's alone. */
static int make_folder(struct cert *cert)
{
    const char *folder = cli_value(cert->s.args, "out");
    int r = folder ? file_mkdir_p(folder, 0700) : 0;
    if (r < 0) {
        say_error(&cert->s, "the folder %s cannot be made: %s", folder, strerror(-r));
    }
    return r < 0 ? CLI_FAILED : 0;
}

static int write_file(struct cert *cert, const char *path, struct str content, uint32_t mode)
{
    int r = file_replace(path, content, mode);
    if (r < 0) {
        say_error(&cert->s, "%s cannot be written: %s", path, strerror(-r));
    }
    return r < 0 ? CLI_FAILED : 0;
}

static int write_pair(struct cert *cert, struct str pem, struct str key)
{
    char cert_path[SESSION_PATH_MAX], key_path[SESSION_PATH_MAX];
    cleanup(buf_fini) struct buf out = BUF_INIT(4 * KIB);
    const char *name = cert->s.args->words[0];
    if (!file_name(cert, name, ".crt", cert_path, sizeof(cert_path)) ||
        !file_name(cert, name, ".key", key_path, sizeof(key_path))) {
        say_error(&cert->s, "'%s' cannot be part of a file's name", name);
        return CLI_USAGE;
    }
    int r = make_folder(cert);
    r = r ? r : write_file(cert, key_path, key, 0600);
    r = r ? r : write_file(cert, cert_path, pem, 0644);
    if (r) {
        return r;
    }
    if (cert->s.json) {
        struct json_writer w = JSON_WRITER(&out);
        json_begin_object(&w);
        json_field(&w, "cert", cstr, cert_path);
        json_field(&w, "key", cstr, key_path);
        json_end_object(&w);
        show_json(&cert->s, &out);
        return 0;
    }
    buf_printf(&out, "cert: %s\nkey: %s\n", cert_path, key_path);
    term_write(&cert->s.out, buf_str(&out));
    return 0;
}

static int issue(struct cert *cert)
{
    struct str names[CLI_WORDS_MAX];
    const struct cli_args *args = cert->s.args;
    cleanup(buf_fini) struct buf pem = BUF_INIT(TLS_PEM_MAX);
    cleanup(buf_fini) struct buf key = BUF_INIT(TLS_PEM_MAX);
    for (unsigned i = 0; i < args->word_count; i++) {
        names[i] = str_from(args->words[i]);
        if (names[i].len == 0) {
            say_error(&cert->s, "the name of a certificate cannot be empty: names such as "
                                "shop.test, *.shop.test or 192.0.2.1");
            return CLI_USAGE;
        }
    }
    const struct authority_request request = {
        .names = names,
        .count = args->word_count,
        .now_s = cert->now_s,
        .client = cli_has(args, "client"),
    };
    int r = authority_issue(&cert->authority, &request, &pem, &key);
    if (r == -EINVAL) {
        say_error(&cert->s, "not every one of these can be in a certificate: names such as "
                            "shop.test, *.shop.test or 192.0.2.1");
        return CLI_USAGE;
    }
    if (r < 0) {
        say_error(&cert->s, "no certificate was made: %s", strerror(-r));
        return CLI_FAILED;
    }
    return write_pair(cert, buf_str(&pem), buf_str(&key));
}

int verb_cert(const struct cli_args *args)
{
    struct cert *cert = calloc(1, sizeof(*cert));
    int r = cert ? session_init(&cert->s, args) : CLI_FAILED;
    if (!cert) {
        return r;
    }
    r = r ? r : open_authority(cert);
    r = r ? r : args->word_count > 0 ? issue(cert) : show_authority(cert);
    authority_close(&cert->authority);
    session_fini(&cert->s);
    free(cert);
    return r;
}
