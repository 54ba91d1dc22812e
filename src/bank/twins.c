/* SPDX-License-Identifier: Apache-2.0 */
#include "bank/twins.h"
#include "base/error.h"
#include "base/memory.h"

#include <string.h>

bool dp_twin_table_open(dp_twin_table *table, size_t n)
{
    size_t room = 16;
    while (room < SIZE_MAX / 4 && room / 2 < n)
        room *= 2;
    *table = (dp_twin_table){.digests = dp_calloc(room, sizeof *table->digests),
                             .indices = dp_malloc(room, sizeof *table->indices),
                             .room = room};
    if (table->digests && table->indices)
        return true;
    dp_twin_table_close(table);
    return false;
}

void dp_twin_table_close(dp_twin_table *table)
{
    dp_memory_free(table->digests);
    dp_memory_free(table->indices);
    *table = (dp_twin_table){0};
}

/* Returns the place of a digest in the table, or the free place for it. */
static size_t place_of(const dp_twin_table *table, const unsigned char *digest)
{
    size_t place;
    memcpy(&place, digest, sizeof place); /* a digest is as good as a random number */
    place &= table->room - 1;
    while (table->digests[place] && memcmp(table->digests[place], digest, DP_DIGEST_BYTES) != 0)
        place = (place + 1) & (table->room - 1);
    return place;
}

size_t dp_twin_table_find(const dp_twin_table *table, const unsigned char *digest)
{
    size_t place = place_of(table, digest);
    return table->digests[place] ? table->indices[place] : SIZE_MAX;
}

size_t dp_twin_table_put(dp_twin_table *table, const unsigned char *digest, size_t index)
{
    size_t place = place_of(table, digest);
    if (table->digests[place])
        return table->indices[place];
    table->digests[place] = digest;
    table->indices[place] = index;
    return SIZE_MAX;
}

bool dp_twin_table_of_bank(dp_twin_table *table, const dp_bank *bank, size_t more)
{
    if (!dp_twin_table_open(table, bank->pictures.n + more))
        return false;
    for (size_t p = 0; p < bank->pictures.n; p++)
        if (dp_bank_picture_digest(bank, p))
            dp_twin_table_put(table, dp_bank_picture_digest(bank, p), p);
    return true;
}

bool dp_bank_knows_digests(const dp_bank *bank)
{
    for (size_t p = 0; p < bank->pictures.n; p++)
        if (!dp_bank_picture_digest(bank, p))
            return false;
    return true;
}

void dp_report_unseen_twins(const dp_run *run, const dp_bank *bank)
{
    dp_error line;
    if (!run || !run->log)
        return;
    dp_fail(&line, DP_E_MISMATCH,
            "%s: an older dinopatch made this bank without digests of its pictures, so only the name can show that a "
            "picture is already in it; fit it again",
            bank->file.path ? bank->file.path : "the bank");
    run->log(run->user, DP_LOG_WARNING, line.message);
}
