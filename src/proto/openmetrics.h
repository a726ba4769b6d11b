/* SPDX-License-Identifier: Apache-2.0
 *
 * Writer of metrics as text: OpenMetrics 1.0, or the older Prometheus format 0.0.4 for those who
 * ask for it. The difference is in counters (`_total` belongs to the sample, or to the family too),
 * in UNIT lines, in escapes of HELP and in the closing `# EOF`; the caller does not see it. All
 * samples of a family come together, and a pair of name and labels once: the caller's business,
 * since a scrape that breaks this is refused as a whole by its reader. Errors are the buf's.
 *
 *     struct openmetrics om = OPENMETRICS(&out, false);
 *     openmetrics_family(&om, OPENMETRICS_COUNTER, "muelle_requests", NULL, "Requests answered.");
 *     openmetrics_u64(&om, labels, ARRAY_LEN(labels), 12);
 *     openmetrics_end(&om);
 */
#ifndef PROTO_OPENMETRICS_H
#define PROTO_OPENMETRICS_H

#include "base/buf.h"

enum openmetrics_type {
    OPENMETRICS_UNKNOWN,
    OPENMETRICS_GAUGE,
    OPENMETRICS_COUNTER,
    OPENMETRICS_HISTOGRAM,
    OPENMETRICS_INFO,
};

struct openmetrics_label {
    const char *name; /* [a-zA-Z_][a-zA-Z0-9_]* */
    struct str value; /* any bytes; what is not UTF-8 becomes U+FFFD */
};

struct openmetrics {
    struct buf *out;
    bool prometheus; /* format 0.0.4 */
    enum openmetrics_type type;
    const char *family;
};

#define OPENMETRICS(buf, old_format)                                                               \
    ((struct openmetrics){.out = (buf), .prometheus = (old_format)})

/* Opens a family; its samples follow. `name` has no `_total`, `unit` (a suffix of the name) may be
 * NULL. */
void openmetrics_family(struct openmetrics *om, enum openmetrics_type type, const char *name,
                        const char *unit, const char *help);
/* One sample of a gauge, counter, info (value 1) or unknown. */
void openmetrics_u64(struct openmetrics *om, const struct openmetrics_label *labels, size_t count,
                     uint64_t value);
void openmetrics_double(struct openmetrics *om, const struct openmetrics_label *labels,
                        size_t count, double value);

struct openmetrics_histogram {
    const double *bounds; /* ascending upper bounds, without +Inf */
    const uint64_t
        *buckets; /* observations per bucket, not yet summed up; bound_count + 1 of them */
    size_t bound_count;
    double sum;
};
void openmetrics_histogram(struct openmetrics *om, const struct openmetrics_label *labels,
                           size_t count, const struct openmetrics_histogram *histogram);
void openmetrics_end(struct openmetrics *om);

/* The Content-Type of either format; which one an Accept header (perhaps empty) wants. Scrapers of
 * both kinds name versions and qualities: the older format is the answer to all who do not prefer
 * OpenMetrics by name. */
struct str openmetrics_content_type(bool prometheus);
bool openmetrics_wants_prometheus(struct str accept);

#endif
