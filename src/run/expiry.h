/* SPDX-License-Identifier: Apache-2.0
 *
 * When a certificate is spoken of, and when one that we issued is issued anew: decisions, without a
 * clock. Seconds since 1970.
 */
#ifndef RUN_EXPIRY_H
#define RUN_EXPIRY_H

#include "base/def.h"

/* How near the end is; each is said once. */
enum expiry_step { EXPIRY_FAR, EXPIRY_21_DAYS, EXPIRY_7_DAYS, EXPIRY_1_DAY, EXPIRY_ENDED };

enum expiry_step expiry_step(int64_t until_s, int64_t now_s);
/* Ours, of which less than a third of its life is left. */
bool expiry_renew(int64_t from_s, int64_t until_s, int64_t now_s);
/* The second in which one of the two changes next; INT64_MAX: never. */
int64_t expiry_next_s(int64_t from_s, int64_t until_s, bool ours, int64_t now_s);
/* Days that are left, begun ones too; 0: none. */
int64_t expiry_days(int64_t until_s, int64_t now_s);

#endif
