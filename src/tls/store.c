/* SPDX-License-Identifier: Apache-2.0
 *
 * Doors, certificates by name, tickets.
 *
 * A set is the certificates that one name has, one of each kind of key; names with the same
 * certificates share a set, and a set has one SSL_CTX, made when it is first asked for. A door has
 * an SSL_CTX, too: sessions begin with it, and change to that of the set when the client has said
 * the name it wants; tickets, verification and versions stay those of the door.
 *
 *   table    one configuration: certs, sets, names → set, doors. A new one takes over each SSL_CTX
 *            whose content is the same.
 *
 * 1. Callbacks find the store by the thread, never by a pointer that a session keeps: a session may
 *    outlive the store, and a door its configuration.
 * 2. A set that OpenSSL refuses (checked before, by the core) is tried once.
 */
#include "tls/store.h"

#include "tls/cipher.h"
#include "tls/openssl.h"
#include "tls/session.h"

#include "base/arena.h"
#include "base/map.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <stdlib.h>

struct set {
    uint32_t certs[TLS_KEY_KINDS]; /* index + 1 */
    uint64_t content;
    SSL_CTX *ctx;
    struct tls_cert *parts[TLS_KEY_KINDS]; /* for stapling */
    bool broken;
};

struct door {
    struct tls_door_spec spec; /* client_ca is not kept */
    uint64_t manners;          /* of the spec, and what a ticket is good for */
    SSL_CTX *ctx;
    X509_STORE *authorities;
    uint32_t fallback; /* set + 1 */
    bool own;          /* it has certificates of its own */
};

struct table {
    struct arena arena;
    struct tls_store_cert *certs;
    size_t cert_count;
    struct set *sets;
    size_t set_count;
    struct map tuples; /* certs[] of a set → set + 1 */
    struct map names;  /* name, or a door's id and name → set + 1 */
    struct door *doors;
    size_t door_count;
};

struct tls_store {
    BIO *bio;
    EVP_CIPHER *aes;
    struct tls_ciphers *ciphers; /* NULL: no door was ever light */
    struct table *table;
    struct tls_ticket_key tickets[TLS_TICKET_KEYS_MAX];
    size_t ticket_count;
    int64_t now_s;
};

/* The thread's. A program with two on one thread (a test) uses the one it used last. */
static _Thread_local struct tls_store *store_now;

/* --- sets --- */

static uint64_t content_of(const struct table *table, const struct set *set)
{
    uint64_t ids[TLS_KEY_KINDS] = {0};
    for (size_t k = 0; k < TLS_KEY_KINDS; k++) {
        ids[k] = set->certs[k] ? table->certs[set->certs[k] - 1].id : 0;
    }
    return map_hash(1, str_make((const char *)ids, sizeof(ids)));
}

/* Whoever fetches answers may be away: one that has ended is worse than none. */
static bool may_staple(const struct tls_cert *cert)
{
    return cert->ocsp && (cert->ocsp_until_s == 0 || cert->ocsp_until_s > store_now->now_s);
}

static int staple(SSL *ssl, void *unused)
{
    struct table *table = store_now ? store_now->table : NULL;
    const X509 *leaf = SSL_get_certificate(ssl);
    const SSL_CTX *ctx = SSL_get_SSL_CTX(ssl);
    (void)unused;
    for (size_t i = 0; table && i < table->set_count; i++) {
        for (size_t k = 0; table->sets[i].ctx == ctx && k < TLS_KEY_KINDS; k++) {
            const struct tls_cert *cert = table->sets[i].parts[k];
            unsigned char *copy = NULL;
            if (cert && cert->leaf == leaf && may_staple(cert)) {
                copy = OPENSSL_memdup(cert->ocsp, cert->ocsp_len);
            }
            if (copy) {
                SSL_set_tlsext_status_ocsp_resp(ssl, copy, (long)cert->ocsp_len);
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

static void set_fini(struct set *set)
{
    SSL_CTX_free(set->ctx);
    for (size_t k = 0; k < TLS_KEY_KINDS; k++) {
        tls_cert_free(set->parts[k]);
    }
}

static int add_cert(SSL_CTX *ctx, const struct tls_store_cert *source, struct tls_cert **ret)
{
    struct problem problem;
    const struct tls_cert_source texts = {
        .cert = source->chain, .key = source->key, .ocsp = source->ocsp};
    int r = tls_cert_new(&texts, ret, &problem);
    if (r == 0 && SSL_CTX_use_cert_and_key(ctx, (*ret)->leaf, (*ret)->key, (*ret)->chain, 1) != 1) {
        r = TLS_E_BAD;
    }
    return r;
}

static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *offer, unsigned offer_len, void *unused);

static void set_build(struct table *table, struct set *set)
{
    SSL_CTX *ctx = tls_openssl_ctx(true);
    int r = ctx ? 0 : -ENOMEM;
    bool stapled = false;
    for (size_t k = 0; r == 0 && k < TLS_KEY_KINDS; k++) {
        if (set->certs[k]) {
            r = add_cert(ctx, &table->certs[set->certs[k] - 1], &set->parts[k]);
            stapled |= r == 0 && set->parts[k]->ocsp;
        }
    }
    if (r != 0) {
        set->broken = r != -ENOMEM; /* memory may come back */
        SSL_CTX_free(ctx);
        ERR_clear_error();
        return;
    }
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    if (stapled) {
        SSL_CTX_set_tlsext_status_cb(ctx, staple);
    }
    set->ctx = ctx;
}

static SSL_CTX *set_ctx(struct table *table, uint32_t number)
{
    if (number == 0) {
        return NULL;
    }
    struct set *set = &table->sets[number - 1];
    if (!set->ctx && !set->broken) {
        set_build(table, set);
    }
    return set->ctx;
}

/* --- the client's hello --- */

static struct door *find_door(const struct table *table, uint64_t id)
{
    for (size_t i = 0; table && i < table->door_count; i++) {
        if (table->doors[i].spec.id == id) {
            return &table->doors[i];
        }
    }
    return NULL;
}

static struct door *door_of(const SSL *ssl)
{
    uint64_t id = (uint64_t)(uintptr_t)SSL_get_app_data(ssl);
    return store_now ? find_door(store_now->table, id) : NULL;
}

/* A key of `names` for a door's own certificate. */
static struct str own_key(uint64_t door, struct str name, char memory[8 + 256])
{
    memcpy(memory, &door, sizeof(door));
    memcpy(memory + sizeof(door), name.p, MIN(name.len, (size_t)256));
    return str_make(memory, sizeof(door) + MIN(name.len, (size_t)256));
}

static uint32_t find_name(const struct table *table, const struct door *door, struct str name)
{
    char memory[8 + 256];
    uintptr_t found = 0;
    if (door->own) {
        found = (uintptr_t)map_get(&table->names, own_key(door->spec.id, name, memory));
    }
    return (uint32_t)(found ? found : (uintptr_t)map_get(&table->names, name));
}

static uint32_t choose_set(const struct table *table, const struct door *door, const char *asked)
{
    char memory[256];
    struct str name = str_from(asked);
    while (name.len > 0 && name.p[name.len - 1] == '.') {
        name.len--;
    }
    if (name.len == 0 || name.len >= sizeof(memory) - 1) {
        return door->fallback;
    }
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];
        memory[i + 1] = c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
    }
    name.p = memory + 1;
    uint32_t found = find_name(table, door, name);
    ptrdiff_t dot = str_find_char(name, '.');
    if (!found && dot > 0) {
        memory[dot] = '*'; /* the byte before the dot: the label is used up */
        found = find_name(table, door, str_make(memory + dot, name.len + 1 - (size_t)dot));
    }
    return found ? found : door->fallback;
}

static int name_asked(SSL *ssl, int *alert, void *unused)
{
    struct door *door = door_of(ssl);
    (void)unused;
    (void)alert;
    if (!door) {
        return SSL_TLSEXT_ERR_NOACK; /* its listener has gone meanwhile */
    }
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
    struct table *table = store_now->table;
    SSL_CTX *ctx = set_ctx(table, choose_set(table, door, name));
    if (ctx) {
        SSL_set_SSL_CTX(ssl, ctx);
        if (door->authorities) {
            SSL_set1_verify_cert_store(ssl, door->authorities);
            SSL_set_client_CA_list(ssl, SSL_dup_CA_list(SSL_CTX_get_client_CA_list(door->ctx)));
        }
        SSL_set_session_id_context(ssl, (const unsigned char *)&door->manners,
                                   sizeof(door->manners));
    }
    return name ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_NOACK;
}

/* The one place that decides which protocols are offered, and which is preferred. */
static int choose_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len,
                           const unsigned char *offer, unsigned offer_len, void *unused)
{
    static const unsigned char both[] = "\x02h2\x08http/1.1";
    const struct door *door = door_of(ssl);
    const unsigned char *ours = door && door->spec.h2 ? both : both + 3;
    unsigned len = (unsigned)(both + sizeof(both) - 1 - ours);
    unsigned char *chosen;
    (void)unused;
    if (SSL_select_next_proto(&chosen, ret_len, ours, len, offer, offer_len) !=
        OPENSSL_NPN_NEGOTIATED) {
        return SSL_TLSEXT_ERR_ALERT_FATAL; /* RFC 7301 §3.2: no_application_protocol */
    }
    *ret = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* --- tickets --- */

static const struct tls_ticket_key *find_ticket(const unsigned char name[16], bool *ret_first)
{
    for (size_t i = 0; store_now && i < store_now->ticket_count; i++) {
        if (memcmp(store_now->tickets[i].name, name, 16) == 0) {
            *ret_first = i == 0;
            return &store_now->tickets[i];
        }
    }
    return NULL;
}

static bool ticket_mac(EVP_MAC_CTX *mac, const struct tls_ticket_key *key)
{
    char digest[] = "SHA256";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)(uintptr_t)key->mac,
                                          sizeof(key->mac)),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1;
}

/* OpenSSL's contract: making 1; reading 1, 2 = give a new one, 0 = not ours; -1 = broken. */
static int ticket_key(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
                      EVP_MAC_CTX *mac, int making)
{
    bool first = true;
    (void)ssl;
    if (!store_now || store_now->ticket_count == 0) {
        return making ? -1 : 0;
    }
    const struct tls_ticket_key *key = making ? &store_now->tickets[0] : find_ticket(name, &first);
    if (!key) {
        return 0;
    }
    if (making) {
        memcpy(name, key->name, sizeof(key->name));
        if (RAND_bytes(iv, 16) != 1) {
            return -1;
        }
    }
    int good = making ? EVP_EncryptInit_ex2(cipher, store_now->aes, key->aes, iv, NULL)
                      : EVP_DecryptInit_ex2(cipher, store_now->aes, key->aes, iv, NULL);
    if (good != 1 || !ticket_mac(mac, key)) {
        return -1;
    }
    /* TLS 1.3 gives new ones with every handshake anyway. */
    return making || first || SSL_version(ssl) >= TLS1_3_VERSION ? 1 : 2;
}

/* --- doors --- */

static uint64_t manners_of(const struct tls_door_spec *spec)
{
    uint64_t words[] = {map_hash(2, spec->client_ca), spec->client, spec->only_13, spec->tickets};
    return map_hash(3, str_make((const char *)words, sizeof(words)));
}

/* The authorities, and their names for the client to choose by. Where none could be read nobody is
 * trusted, which concerns this door alone. */
static int trust(struct door *door, struct str pem)
{
    struct problem problem;
    if (pem.len == 0) {
        door->authorities = X509_STORE_new();
        return door->authorities ? 0 : -ENOMEM;
    }
    int r = tls_authorities_new(pem, STR("client_ca"), &door->authorities, &problem);
    if (r != 0) {
        return r < 0 ? r : -EINVAL;
    }
    STACK_OF(X509) *all = X509_STORE_get1_all_certs(door->authorities);
    for (int i = 0; i < sk_X509_num(all); i++) {
        SSL_CTX_add_client_CA(door->ctx, sk_X509_value(all, i));
    }
    sk_X509_pop_free(all, X509_free);
    return 0;
}

static int door_build(struct door *door, const struct tls_door_spec *spec)
{
    door->ctx = tls_openssl_ctx(true);
    if (!door->ctx) {
        return -ENOMEM;
    }
    SSL_CTX *ctx = door->ctx;
    SSL_CTX_set_tlsext_servername_callback(ctx, name_asked);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, ticket_key);
    SSL_CTX_set_num_tickets(ctx, 0); /* the session sends them with its first bytes */
    if (spec->tickets == 0) {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)&door->manners,
                                   sizeof(door->manners));
    if (spec->only_13) {
        SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION);
    }
    if (spec->client == TLS_CLIENT_NONE) {
        return 0;
    }
    int required = spec->client == TLS_CLIENT_REQUIRED ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0;
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | required, NULL);
    return trust(door, spec->client_ca);
}

static int door_take(struct door *door, const struct tls_door_spec *spec, const struct table *old)
{
    *door = (struct door){.spec = *spec, .manners = manners_of(spec)};
    door->spec.client_ca = STR_NONE;
    const struct door *before = find_door(old, spec->id);
    if (!before || before->manners != door->manners) {
        return door_build(door, spec);
    }
    SSL_CTX_up_ref(before->ctx);
    door->ctx = before->ctx;
    if (before->authorities) {
        X509_STORE_up_ref(before->authorities);
        door->authorities = before->authorities;
    }
    return 0;
}

/* --- tables --- */

static void table_free(struct table *table)
{
    if (!table) {
        return;
    }
    for (size_t i = 0; i < table->set_count; i++) {
        set_fini(&table->sets[i]);
    }
    for (size_t i = 0; i < table->door_count; i++) {
        SSL_CTX_free(table->doors[i].ctx);
        X509_STORE_free(table->doors[i].authorities);
    }
    map_fini(&table->tuples);
    map_fini(&table->names);
    arena_fini(&table->arena);
    free(table);
}

static bool next_name(struct str *names, struct str *ret)
{
    while (names->len > 0) {
        (void)str_split(*names, ' ', ret, names);
        if (ret->len > 0) {
            return true;
        }
    }
    return false;
}

static size_t count_names(const struct tls_store_config *config)
{
    size_t count = 0;
    for (size_t i = 0; i < config->cert_count; i++) {
        struct str names = config->certs[i].names, name;
        while (next_name(&names, &name)) {
            count++;
        }
    }
    return count;
}

/* While names are collected each has a set of its own; those that are the same share it at the
 * end. */
static int add_name(struct table *table, uint32_t cert, struct str name)
{
    uint64_t door = table->certs[cert].door;
    struct str key = name;
    if (door) {
        char *memory = arena_alloc(&table->arena, 8 + 256);
        if (!memory || name.len > 255) {
            return memory ? 0 : -ENOMEM;
        }
        key = own_key(door, name, memory);
    }
    uintptr_t number = (uintptr_t)map_get(&table->names, key);
    if (!number) {
        number = ++table->set_count;
        int r = map_put(&table->names, key, (void *)number);
        if (r < 0) {
            return r;
        }
    }
    uint32_t *slot = &table->sets[number - 1].certs[table->certs[cert].kind];
    *slot = *slot ? *slot : cert + 1;
    return 0;
}

/* Moves each name to the first set with its certificates. */
static int share_sets(struct table *table)
{
    for (size_t i = 0; i < table->names.len; i++) {
        struct map_entry *entry = &table->names.entries[i];
        struct set *set = &table->sets[(uintptr_t)entry->value - 1];
        struct str tuple = str_make((const char *)set->certs, sizeof(set->certs));
        void *first = map_get(&table->tuples, tuple);
        if (first) {
            entry->value = first;
        } else {
            int r = map_put(&table->tuples, tuple, entry->value);
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

/* The first certificate of a door, or of all, with others for the same names. */
static uint32_t find_fallback(struct table *table, uint64_t door)
{
    struct set *set = &table->sets[table->set_count];
    const struct tls_store_cert *first = NULL;
    for (size_t i = 0; i < table->cert_count; i++) {
        const struct tls_store_cert *cert = &table->certs[i];
        if (cert->door != door || (first && !str_eq(cert->names, first->names))) {
            continue;
        }
        first = first ? first : cert;
        set->certs[cert->kind] = set->certs[cert->kind] ? set->certs[cert->kind] : (uint32_t)i + 1;
    }
    if (!first) {
        return 0;
    }
    struct str tuple = str_make((const char *)set->certs, sizeof(set->certs));
    uintptr_t same = (uintptr_t)map_get(&table->tuples, tuple);
    if (same) {
        memset(set->certs, 0, sizeof(set->certs));
        return (uint32_t)same;
    }
    return (uint32_t)++table->set_count;
}

static void take_built(struct table *table, struct table *old)
{
    struct map built = MAP_INIT(UINT32_MAX);
    for (size_t i = 0; old && i < old->set_count; i++) {
        struct set *set = &old->sets[i];
        if (set->ctx && map_put(&built, str_make((const char *)&set->content, 8), set) < 0) {
            break; /* it is made anew */
        }
    }
    for (size_t i = 0; i < table->set_count; i++) {
        struct set *set = &table->sets[i];
        set->content = content_of(table, set);
        struct set *before = map_get(&built, str_make((const char *)&set->content, 8));
        if (before && before->ctx) {
            set->ctx = before->ctx;
            memcpy(set->parts, before->parts, sizeof(set->parts));
            before->ctx = NULL;
            memset(before->parts, 0, sizeof(before->parts));
        }
    }
    map_fini(&built);
}

static int table_fill(struct table *table, const struct tls_store_config *config,
                      const struct table *old)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < table->cert_count; i++) {
        struct str names = table->certs[i].names, name;
        while (r == 0 && next_name(&names, &name)) {
            r = add_name(table, i, name);
        }
    }
    r = r < 0 ? r : share_sets(table);
    uint32_t common = r == 0 ? find_fallback(table, 0) : 0;
    for (size_t i = 0; r == 0 && i < config->door_count; i++) {
        struct door *door = &table->doors[i];
        r = door_take(door, &config->doors[i], old);
        table->door_count++;
        if (r == 0) {
            uint32_t own = find_fallback(table, door->spec.id);
            door->own = own != 0;
            door->fallback = own ? own : common;
        }
    }
    return r;
}

static int table_new(const struct tls_store_config *config, const struct table *old,
                     struct table **ret)
{
    struct table *table = calloc(1, sizeof(*table));
    if (!table) {
        return -ENOMEM;
    }
    size_t sets = count_names(config) + config->door_count + 2;
    table->arena = ARENA_INIT(GIB);
    table->tuples = MAP_INIT(sets);
    table->names = MAP_INIT(sets);
    table->certs = arena_array(&table->arena, config->cert_count + 1, sizeof(*table->certs));
    table->sets = arena_array(&table->arena, sets, sizeof(*table->sets));
    table->doors = arena_array(&table->arena, config->door_count + 1, sizeof(*table->doors));
    int r = table->certs && table->sets && table->doors ? 0 : -ENOMEM;
    if (r == 0) {
        if (config->cert_count) {
            memcpy(table->certs, config->certs, config->cert_count * sizeof(*table->certs));
        }
        table->cert_count = config->cert_count;
        r = table_fill(table, config, old);
    }
    if (r < 0) {
        table_free(table);
        return r;
    }
    *ret = table;
    return 0;
}

/* --- the store --- */

struct tls_store *tls_store_new(void)
{
    struct tls_store *store = calloc(1, sizeof(*store));
    if (!store) {
        return NULL;
    }
    SSL_CTX *first = tls_openssl_ctx(true); /* also begins with OpenSSL */
    SSL_CTX_free(first);
    store->bio = first ? tls_session_bio() : NULL;
    store->aes = first ? EVP_CIPHER_fetch(NULL, "AES-256-CBC", NULL) : NULL;
    if (!store->bio || !store->aes) {
        tls_store_free(store);
        return NULL;
    }
    return store;
}

void tls_store_free(struct tls_store *store)
{
    if (!store) {
        return;
    }
    if (store_now == store) {
        store_now = NULL;
    }
    table_free(store->table);
    BIO_free(store->bio);
    EVP_CIPHER_free(store->aes);
    tls_ciphers_unref(store->ciphers);
    OPENSSL_cleanse(store->tickets, sizeof(store->tickets));
    free(store);
}

int tls_store_apply(struct tls_store *store, const struct tls_store_config *config)
{
    struct table *table;
    int r = table_new(config, store->table, &table);
    if (r < 0) {
        return r;
    }
    take_built(table, store->table);
    table_free(store->table);
    store->table = table;
    if (config->ticket_count > 0) { /* else who is still owed one gets it under the last key */
        store->ticket_count = MIN(config->ticket_count, (size_t)TLS_TICKET_KEYS_MAX);
        OPENSSL_cleanse(store->tickets, sizeof(store->tickets));
        memcpy(store->tickets, config->tickets, store->ticket_count * sizeof(*config->tickets));
    }
    return 0;
}

void tls_store_moment(struct tls_store *store, int64_t now_s)
{
    store->now_s = now_s;
}

SSL_CTX *tls_store_door(struct tls_store *store, uint64_t id)
{
    struct door *door = find_door(store->table, id);
    store_now = store;
    return door ? door->ctx : NULL;
}

BIO *tls_store_bio(struct tls_store *store)
{
    return store->bio;
}

struct tls_ciphers *tls_store_light(struct tls_store *store, uint64_t id)
{
    const struct door *door = find_door(store->table, id);
    if (!door || !door->spec.light) {
        return NULL;
    }
    if (!store->ciphers) {
        store->ciphers = tls_ciphers_new();
    }
    return store->ciphers;
}

unsigned tls_store_tickets(const struct tls_store *store, uint64_t id)
{
    const struct door *door = find_door(store->table, id);
    return door ? MIN(door->spec.tickets, (unsigned)TLS_TICKETS_MAX) : 0;
}

bool tls_store_has_keys(void)
{
    return store_now && store_now->ticket_count > 0;
}

size_t tls_store_built(const struct tls_store *store)
{
    size_t count = 0;
    for (size_t i = 0; store->table && i < store->table->set_count; i++) {
        count += store->table->sets[i].ctx != NULL;
    }
    return count;
}
