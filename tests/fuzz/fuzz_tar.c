/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_tar.c - a tar file of any bytes: its members lie within it, and their names lead nowhere else.
 *
 * The sums of the headers are made right first, or nothing behind the first header would be reached. */
#include "fuzz.h"

#include "base/memory.h"

#include <string.h>

enum { BLOCK = 512 };

/* Every block whose sum begins with a digit gets the right one. */
static void mend(uint8_t *data, size_t bytes)
{
    for (size_t at = 0; at + BLOCK <= bytes; at += BLOCK) {
        unsigned sum = 0;
        if (data[at + 148] != '0')
            continue;
        for (size_t i = 0; i < BLOCK; i++)
            sum += i >= 148 && i < 156 ? ' ' : data[at + i];
        for (size_t i = 0; i < 6; i++)
            data[at + 148 + i] = (uint8_t)('0' + (sum >> (3 * (5 - i)) & 7));
        data[at + 154] = 0;
        data[at + 155] = ' ';
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    uint8_t *mended = dp_malloc(bytes + 1, 1);
    dp_tar *tar = NULL;
    dp_error err;
    if (!mended)
        return 0;
    if (bytes)
        memcpy(mended, data, bytes);
    mend(mended, bytes);
    if (!fuzz_ok(dp_tar_open(fuzz_file(mended, bytes), &tar, &err), &err))
        fuzz_must(tar == NULL, "a failed opening leaves its output alone");
    const size_t n = tar ? dp_tar_count(tar) : 0;
    fuzz_must(n <= bytes / BLOCK, "a member has a header");
    for (size_t i = 0; i < n; i++) {
        const dp_tar_member *member = dp_tar_member_at(tar, i);
        uint8_t held[2 * BLOCK];
        fuzz_must(member->at <= bytes && member->bytes <= bytes - member->at, "a member lies within its file");
        fuzz_must(*member->name, "a member has a name");
        fuzz_must(member->fault
                      || (*member->name != '/' && strcmp(member->name, "..") != 0
                          && strncmp(member->name, "../", 3) != 0 && !strstr(member->name, "/../")),
                  "a name that leads out is a fault");
        const size_t some = member->bytes < sizeof held ? (size_t)member->bytes : sizeof held;
        if (fuzz_ok(dp_tar_read(tar, i, member->bytes - some, held, some, &err), &err))
            fuzz_must(!memcmp(held, mended + member->at + member->bytes - some, some), "a member's bytes are its own");
        fuzz_must(dp_tar_read(tar, i, member->bytes, held, 1, &err) == DP_E_ARGUMENT,
                  "nothing behind a member is read");
    }
    fuzz_must(!tar || !dp_tar_member_at(tar, n), "there are no more");
    fuzz_must(!tar || !dp_tar_fault(tar) || fuzz_is_utf8(dp_tar_fault(tar), strlen(dp_tar_fault(tar))),
              "a fault is a text");
    dp_tar_close(&tar);
    dp_memory_free(mended);
    return 0;
}
