/* SPDX-License-Identifier: Apache-2.0
 *
 * What a callback of the store said, for tests to look at.
 */
#ifndef TESTS_STORE_FIXTURE_H
#define TESTS_STORE_FIXTURE_H

#include "store/executor.h"
#include "store/store.h"
#include "store/tables.h"

struct answer {
    int calls;
    int status;
    unsigned failed;
    int64_t changes;
    int64_t rowid;
    uint32_t rows;
    int64_t number; /* first cell of the last statement */
    bool more;
    char text[256]; /* the same as text */
    char message[160];
};

static inline void take_answer(void *arg, int status, const struct txn *txn)
{
    struct answer *answer = arg;
    unsigned last = txn_count(txn) ? txn_count(txn) - 1 : 0;
    answer->calls++;
    answer->status = status;
    answer->failed = txn_failed(txn);
    if (txn_count(txn) == 0) {
        return;
    }
    struct txn_rows rows = txn_rows(txn, last);
    answer->changes = txn_changes(txn, last);
    answer->rowid = txn_rowid(txn, last);
    answer->rows = rows.count;
    answer->more = rows.more;
    if (rows.count && rows.columns) {
        answer->number = rows_i64(rows, 0, 0);
        (void)str_copy(answer->text, sizeof(answer->text), rows_text(rows, 0, 0));
    }
    (void)str_copy(answer->message, sizeof(answer->message), str_from(txn_message(txn)));
}

#endif
