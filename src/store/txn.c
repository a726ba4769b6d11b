/* SPDX-License-Identifier: Apache-2.0
 *
 * struct txn as data: building it and reading its results. It knows nothing of SQLite.
 *
 * Every builder accepts NULL (memory was out at txn_new) and does nothing after the first error, so
 * callers build a whole transaction and look once, at the submit.
 *
 * Values of all statements lie in one array and their bytes in one arena: a transaction of a
 * hundred statements costs a dozen mallocs. Results have an arena of their own, since
 * they are made on the worker while the values are still bound. A limit (TXN_BYTES_MAX) for each
 * keeps one caller from filling the memory of all.
 */
#include "store/txn_private.h"

struct txn *txn_new(void)
{
    struct txn *txn = calloc(1, sizeof(*txn));
    if (!txn) {
        return NULL;
    }
    list_init(&txn->node);
    txn->statements = VEC_INIT(struct txn_statement, TXN_STATEMENTS_MAX);
    txn->values = VEC_INIT(struct txn_cell, (size_t)TXN_STATEMENTS_MAX * TXN_VALUES_MAX);
    txn->bytes = ARENA_INIT(TXN_BYTES_MAX);
    txn->results = ARENA_INIT(TXN_BYTES_MAX);
    return txn;
}

void txn_free(struct txn *txn)
{
    if (!txn) {
        return;
    }
    for (size_t i = 0; i < txn->statements.len; i++) {
        vec_fini(&vec_at(&txn->statements, struct txn_statement, i)->cells);
    }
    vec_fini(&txn->statements);
    vec_fini(&txn->values);
    arena_fini(&txn->bytes);
    arena_fini(&txn->results);
    free(txn);
}

static int txn_fail(struct txn *txn, int error)
{
    if (!txn->error) {
        txn->error = error;
    }
    return error;
}

unsigned txn_add(struct txn *txn, const char *sql)
{
    if (!txn || txn->error) {
        return 0;
    }
    struct txn_statement *statement = vec_add(&txn->statements);
    if (!statement) {
        (void)txn_fail(txn, txn->statements.len == TXN_STATEMENTS_MAX ? -E2BIG : -ENOMEM);
        return 0;
    }
    statement->sql = sql;
    statement->first_value = (uint32_t)txn->values.len;
    return (unsigned)txn->statements.len - 1;
}

static struct txn_statement *last_statement(struct txn *txn)
{
    ensure(txn->statements.len > 0);
    return vec_at(&txn->statements, struct txn_statement, txn->statements.len - 1);
}

/* The next parameter of the statement added last; NULL after an error. */
static struct txn_cell *bind_next(struct txn *txn, enum txn_type type)
{
    if (!txn || txn->error) {
        return NULL;
    }
    struct txn_statement *statement = last_statement(txn);
    ensure(statement->value_count < TXN_VALUES_MAX);
    struct txn_cell *cell = vec_add(&txn->values);
    if (!cell) {
        (void)txn_fail(txn, -ENOMEM);
        return NULL;
    }
    statement->value_count++;
    cell->type = type;
    return cell;
}

static void bind_bytes(struct txn *txn, enum txn_type type, struct str value)
{
    struct txn_cell *cell = bind_next(txn, value.p ? type : TXN_NULL);
    if (!cell || !value.p) {
        return;
    }
    cell->bytes = arena_str(&txn->bytes, value);
    if (!cell->bytes.p) {
        size_t left = txn->bytes.max - txn->bytes.used;
        (void)txn_fail(txn, value.len + 64 > left ? -EMSGSIZE : -ENOMEM);
    }
}

void txn_text(struct txn *txn, struct str value)
{
    bind_bytes(txn, TXN_TEXT, value);
}

void txn_lend(struct txn *txn, struct str value)
{
    struct txn_cell *cell = bind_next(txn, value.p ? TXN_TEXT : TXN_NULL);
    if (cell && value.len > TXN_BYTES_MAX) {
        (void)txn_fail(txn, -EMSGSIZE);
    } else if (cell) {
        cell->bytes = value;
    }
}

void txn_cstr(struct txn *txn, const char *value)
{
    bind_bytes(txn, TXN_TEXT, str_from(value));
}

void txn_blob(struct txn *txn, struct str value)
{
    bind_bytes(txn, TXN_BLOB, value);
}

void txn_i64(struct txn *txn, int64_t value)
{
    struct txn_cell *cell = bind_next(txn, TXN_I64);
    if (cell) {
        cell->i64 = value;
    }
}

void txn_double(struct txn *txn, double value)
{
    struct txn_cell *cell = bind_next(txn, TXN_DOUBLE);
    if (cell) {
        cell->f64 = value;
    }
}

void txn_null(struct txn *txn)
{
    (void)bind_next(txn, TXN_NULL);
}

/* One a statement: two conditions on one result would need words for which of them failed. */
static void set_guard(struct txn *txn, enum txn_guard guard, int64_t changes)
{
    if (txn && !txn->error) {
        struct txn_statement *statement = last_statement(txn);
        ensure(statement->guard == TXN_GUARD_NONE);
        statement->guard = guard;
        statement->guard_changes = changes;
    }
}

void txn_expect_changes(struct txn *txn, int64_t rows)
{
    set_guard(txn, TXN_GUARD_CHANGES, rows);
}

void txn_expect_row(struct txn *txn)
{
    set_guard(txn, TXN_GUARD_ROW, 0);
}

void txn_expect_no_row(struct txn *txn)
{
    set_guard(txn, TXN_GUARD_NO_ROW, 0);
}

int txn_error(const struct txn *txn)
{
    return txn ? txn->error : -ENOMEM;
}

unsigned txn_count(const struct txn *txn)
{
    return txn ? (unsigned)txn->statements.len : 0;
}

static const struct txn_statement *statement_at(const struct txn *txn, unsigned statement)
{
    ensure(statement < txn->statements.len);
    return vec_at(&txn->statements, struct txn_statement, statement);
}

struct txn_rows txn_rows(const struct txn *txn, unsigned statement)
{
    const struct txn_statement *s = statement_at(txn, statement);
    return (struct txn_rows){s->cells.items, s->rows, s->columns, s->more};
}

int64_t txn_changes(const struct txn *txn, unsigned statement)
{
    return statement_at(txn, statement)->changes;
}

int64_t txn_rowid(const struct txn *txn, unsigned statement)
{
    return statement_at(txn, statement)->rowid;
}

unsigned txn_failed(const struct txn *txn)
{
    return txn->failed;
}

const char *txn_message(const struct txn *txn)
{
    return txn->message;
}

static const struct txn_cell *cell_at(struct txn_rows rows, uint32_t row, uint32_t column)
{
    ensure(row < rows.count && column < rows.columns);
    /* cppcheck-suppress returnDanglingLifetime; the cells are the transaction's, not the copy's */
    return &rows.cells[(size_t)row * rows.columns + column];
}

struct str rows_text(struct txn_rows rows, uint32_t row, uint32_t column)
{
    const struct txn_cell *cell = cell_at(rows, row, column);
    return cell->type == TXN_TEXT || cell->type == TXN_BLOB ? cell->bytes : STR_NONE;
}

int64_t rows_i64(struct txn_rows rows, uint32_t row, uint32_t column)
{
    const struct txn_cell *cell = cell_at(rows, row, column);
    return cell->type == TXN_I64 ? cell->i64 : 0;
}

double rows_double(struct txn_rows rows, uint32_t row, uint32_t column)
{
    const struct txn_cell *cell = cell_at(rows, row, column);
    return cell->type == TXN_DOUBLE ? cell->f64 : cell->type == TXN_I64 ? (double)cell->i64 : 0.0;
}

bool rows_is_null(struct txn_rows rows, uint32_t row, uint32_t column)
{
    return cell_at(rows, row, column)->type == TXN_NULL;
}
