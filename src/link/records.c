/* SPDX-License-Identifier: Apache-2.0
 *
 * Files of records: see records.h. The file is another process's work: everything that is read is
 * checked first.
 */
#include "link/records.h"
#include "base/map.h"
#include "os/file.h"

struct records_head {
    struct records_form form;
    char padding[4];
};
_Static_assert(sizeof(struct records_head) == 48, "as documented");

struct records_record {
    uint16_t type;
    uint16_t reserved;
    uint32_t len;
    uint32_t check;
    uint32_t reserved2;
};

static uint32_t records_check(uint16_t type, struct str bytes)
{
    return (uint32_t)map_hash(type, bytes);
}

int records_create(struct records *records, const char *path, const struct records_form *form)
{
    struct records_head head = {.form = *form};
    unsigned flags = FILE_WRITE | FILE_APPEND | FILE_CREATE | FILE_TRUNCATE | FILE_NOFOLLOW;
    int result = file_open(path, flags, 0600, &records->fd);
    if (result == 0) {
        result = file_write(records->fd, &head, sizeof(head));
        records->size = sizeof(head);
    }
    if (result < 0) {
        file_close(&records->fd);
    }
    return result;
}

int records_add(struct records *records, uint16_t type, struct str bytes)
{
    static struct {
        struct records_record record;
        char bytes[RECORDS_LEN_MAX];
    } out; /* large; one thread */
    ensure(bytes.len <= RECORDS_LEN_MAX);
    size_t padded = ALIGN_UP(bytes.len, 8);
    out.record = (struct records_record){
        .type = type, .len = (uint32_t)bytes.len, .check = records_check(type, bytes)};
    memcpy(out.bytes, bytes.p, bytes.len);
    memset(out.bytes + bytes.len, 0, padded - bytes.len);
    int result = file_write(records->fd, &out, sizeof(out.record) + padded);
    if (result < 0) {
        /* A torn record would end the reading before what is written after it. */
        (void)!file_truncate(records->fd, records->size);
        return result;
    }
    records->size += sizeof(out.record) + padded;
    return 0;
}

void records_close(struct records *records)
{
    file_close(&records->fd);
}

static bool records_is(const struct records_head *head, const struct records_form *form)
{
    return memcmp(head->form.magic, form->magic, sizeof(form->magic)) == 0 &&
           head->form.min_reader <= form->version &&
           memcmp(head->form.boot_id, form->boot_id, sizeof(form->boot_id)) == 0;
}

int records_read(const char *path, const struct records_form *form, size_t size,
                 void (*each)(void *arg, uint16_t type, struct str bytes), void *arg)
{
    static char space[RECORDS_LEN_MAX] __attribute__((aligned(8)));
    struct records_head head;
    struct records_record record;
    int fd = -1;
    int result = file_open(path, FILE_READ | FILE_NOFOLLOW, 0, &fd);
    if (result < 0) {
        return result;
    }
    ensure(size <= sizeof(space));
    uint64_t at = sizeof(head);
    bool ours = file_pread(fd, &head, sizeof(head), 0) == sizeof(head) && records_is(&head, form);
    result = ours ? 0 : RECORDS_E_OTHER;
    while (result == 0 && file_pread(fd, &record, sizeof(record), at) == sizeof(record)) {
        memset(space, 0, size);
        size_t len = MIN((size_t)record.len, size); /* a newer one may be longer */
        struct str bytes = str_make(space, len);
        bool read = file_pread(fd, space, len, at + sizeof(record)) == (int64_t)len;
        if (!read || (len == record.len && records_check(record.type, bytes) != record.check)) {
            result = RECORDS_E_DAMAGED;
            break;
        }
        each(arg, record.type, bytes);
        at += sizeof(record) + ALIGN_UP((uint64_t)record.len, 8);
    }
    file_close(&fd);
    return result;
}
