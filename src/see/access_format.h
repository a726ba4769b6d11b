/* SPDX-License-Identifier: Apache-2.0
 *
 * What a line of the access log looks like: JSON with the members that the configuration names, or
 * the Common or Combined Log Format that other servers write. Pure. Whatever bytes a record holds,
 * the line is valid: the edge is another process, and path, host and user agent are the client's.
 */
#ifndef SEE_ACCESS_FORMAT_H
#define SEE_ACCESS_FORMAT_H

#include "base/buf.h"
#include "link/ring.h"
#include "schema/access_spec.h"
#include "see/names.h"

enum { ACCESS_FILE_MAX = 1024 };

/* A record, and what stood in front of it. */
struct access_entry {
    struct ring_access access;
    struct ring_more more;
    bool has_more;
    uint16_t code; /* enum ring_code */
};

struct access_format {
    enum access_kind format;
    char file[ACCESS_FILE_MAX + 1]; /* "" = none */
    uint8_t fields[ACCESS_FIELDS];
    size_t count;
};

/* "" is the usual: JSON, no file, all members but user agent and referer. Text as in
 * snapshot_service.access: the format's name, the file and the members' names with commas, a line
 * each. What cannot be understood is left out. */
void access_format_read(struct access_format *ret, struct str text);
/* The line without its end; `buf`'s errors. */
void access_format_json(struct buf *out, const struct access_format *format,
                        const struct access_entry *entry, const struct names *names);
/* The same as the format says: what goes to the file. */
void access_format_line(struct buf *out, const struct access_format *format,
                        const struct access_entry *entry, const struct names *names);

#endif
