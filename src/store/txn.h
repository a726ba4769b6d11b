/* SPDX-License-Identifier: Apache-2.0
 *
 * struct txn: a transaction (or a query) as a value: a list of statements with bound values and
 * guards, built on the loop, handed to the store as a whole, and given back with its results.
 *
 *   struct txn *txn = txn_new();
 *   txn_add(txn, "UPDATE project SET generation = ? WHERE tenant = ? AND name = ? AND generation =
 *   ?"); txn_i64(txn, 5), txn_text(txn, tenant), txn_text(txn, name), txn_i64(txn, 4);
 *   txn_expect_changes(txn, 1);                      a guard: somebody was faster = nothing happens
 *   status = store_commit(store, txn, on_applied, self);
 *
 * Errors of building are sticky (-ENOMEM, -EMSGSIZE beyond TXN_BYTES_MAX, -E2BIG beyond the counts)
 * and are answered by the submit: a builder needs no checks, and every function takes txn == NULL.
 * Texts are copied (but those that are lent). A txn belongs to one side at a time: after the submit
 * it is the store's until the callback, where it may be read; it is freed when the callback
 * returns.
 */
#ifndef STORE_TXN_H
#define STORE_TXN_H

#include "base/str.h"

enum {
    TXN_STATEMENTS_MAX = 4096,
    TXN_VALUES_MAX = 64,              /* bound in one statement */
    TXN_ROWS_MAX = 20000,             /* of one statement; `more` says that there were more */
    TXN_BYTES_MAX = 16 * 1024 * 1024, /* of values, and again of results */
};

/* The condition that a callback gets besides 0 and -errno: a guard did not hold; nothing was
 * changed. */
enum { TXN_E_GUARD = 1 };

struct txn;

/* NULL when memory is out, which every function below and the submit accept (-ENOMEM there). */
struct txn *txn_new(void);
void txn_free(struct txn *txn);

/* Starts a statement. `sql` is static text (it is the key of the cache of prepared statements); its
 * `?` are bound in order by the calls that follow. Returns its index, for the results. */
unsigned txn_add(struct txn *txn, const char *sql);
void txn_text(struct txn *txn, struct str value); /* p == NULL: NULL */
void txn_cstr(struct txn *txn, const char *value);
/* A large text that is not copied: it stays as it is until the callback, or until the store is
 * closed. */
void txn_lend(struct txn *txn, struct str value);
void txn_blob(struct txn *txn, struct str value);
void txn_i64(struct txn *txn, int64_t value);
void txn_double(struct txn *txn, double value);
void txn_null(struct txn *txn);

/* Guards of the statement added last, one at most. One that does not hold undoes the whole
 * transaction, and only this one: "replace generation 4 by 5" is safe against whoever was faster,
 * without a lock held from reading to writing. */
void txn_expect_changes(struct txn *txn, int64_t rows); /* it changes exactly that many rows */
void txn_expect_row(struct txn *txn);                   /* it returns at least one row */
void txn_expect_no_row(struct txn *txn);

/* The first error of building. */
int txn_error(const struct txn *txn);
unsigned txn_count(const struct txn *txn);

/* ---- Results, valid in the callback ---- */

/* The rows of a SELECT or RETURNING; slices live as long as the txn. */
struct txn_rows {
    const struct txn_cell *cells;
    uint32_t count;
    uint32_t columns;
    bool more; /* cut at TXN_ROWS_MAX or TXN_BYTES_MAX */
};

struct txn_rows txn_rows(const struct txn *txn, unsigned statement);
/* Rows inserted, updated or deleted by the statement, those by its triggers too. */
int64_t txn_changes(const struct txn *txn, unsigned statement);
/* Of an INSERT: the rowid of its last row, for an event its sequence number. */
int64_t txn_rowid(const struct txn *txn, unsigned statement);
/* With TXN_E_GUARD or an SQL error: which statement. */
unsigned txn_failed(const struct txn *txn);
/* With an SQL error: SQLite's words, for the log. "" if none. */
const char *txn_message(const struct txn *txn);

/* A cell; NULL cells and other types give STR_NONE, 0 or 0.0 (an integer is a double too, not the
 * other way round); texts and blobs are both slices, with a NUL behind them. Row or column beyond
 * the counts is a programmer's error. */
struct str rows_text(struct txn_rows rows, uint32_t row, uint32_t column);
int64_t rows_i64(struct txn_rows rows, uint32_t row, uint32_t column);
double rows_double(struct txn_rows rows, uint32_t row, uint32_t column);
bool rows_is_null(struct txn_rows rows, uint32_t row, uint32_t column);

#endif
