/* SPDX-License-Identifier: Apache-2.0
 *
 *   until −21 d … −7 d … −1 d … until
 *   FAR      21      7      1      ENDED
 */
#include "run/expiry.h"

enum { DAY_S = 86400 };

static const int64_t steps_s[] = {21 * DAY_S, 7 * DAY_S, DAY_S, 0}; /* left, of step 1, 2 … */

enum expiry_step expiry_step(int64_t until_s, int64_t now_s)
{
    int step = EXPIRY_FAR;
    while (step < EXPIRY_ENDED && now_s >= until_s - steps_s[step]) {
        step++;
    }
    return (enum expiry_step)step;
}

static int64_t renewal_s(int64_t from_s, int64_t until_s)
{
    return until_s - (until_s - from_s) / 3;
}

bool expiry_renew(int64_t from_s, int64_t until_s, int64_t now_s)
{
    return now_s >= renewal_s(from_s, until_s);
}

int64_t expiry_next_s(int64_t from_s, int64_t until_s, bool ours, int64_t now_s)
{
    enum expiry_step step = expiry_step(until_s, now_s);
    int64_t next = step == EXPIRY_ENDED ? INT64_MAX : until_s - steps_s[step];
    int64_t renewal = renewal_s(from_s, until_s);
    return ours && renewal > now_s ? MIN(next, renewal) : next;
}

int64_t expiry_days(int64_t until_s, int64_t now_s)
{
    int64_t left = until_s - now_s;
    return left > 0 ? (left + DAY_S - 1) / DAY_S : 0;
}
