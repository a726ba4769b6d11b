/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside of struct txn: for txn.c (builds and reads it) and engine.c (executes it). One side at a
 * time has it; the lists of store.c say which.
 */
#ifndef STORE_TXN_PRIVATE_H
#define STORE_TXN_PRIVATE_H

#include "base/arena.h"
#include "base/list.h"
#include "base/vec.h"
#include "store/store.h"

enum txn_type { TXN_NULL, TXN_I64, TXN_DOUBLE, TXN_TEXT, TXN_BLOB };

/* A value, bound or answered; bytes lie in the txn's arenas. */
struct txn_cell {
    enum txn_type type;
    union {
        int64_t i64;
        double f64;
        struct str bytes;
    };
};

enum txn_guard { TXN_GUARD_NONE, TXN_GUARD_CHANGES, TXN_GUARD_ROW, TXN_GUARD_NO_ROW };

struct txn_statement {
    const char *sql;
    uint32_t first_value; /* into values */
    uint32_t value_count;
    enum txn_guard guard;
    int64_t guard_changes;
    /* results */
    int64_t changes;
    int64_t rowid;
    struct vec cells; /* row by row */
    uint32_t columns;
    uint32_t rows;
    bool more;
};

struct txn {
    struct list node; /* in a queue of the store, or in the group that runs */
    struct vec statements;
    struct vec values;
    struct arena bytes;   /* of the values */
    struct arena results; /* of the rows */
    int error;

    /* the store's */
    store_done_fn *done;
    void *arg;
    int status;
    unsigned failed;
    char message[160];
};

#endif
