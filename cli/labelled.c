/* SPDX-License-Identifier: Apache-2.0 */
/* labelled.c - checks labelled pictures: a bank that is measured with them must not hold them. */
#include "cli.h"

#include <string.h>

/* "a.png is train/000.png", or "a.png" if both have the same name. */
static char *pair_text(const char *path, const char *twin)
{
    return strcmp(path, twin) == 0 ? g_strdup(path) : g_strdup_printf("%s is %s", path, twin);
}

static bool complain_of_own(const dp_bank *bank, const char *bank_path, const GPtrArray *inputs, const size_t *in_bank)
{
    guint n = 0, first = 0;
    for (guint i = inputs->len; i-- > 0;)
        if (in_bank[i] != SIZE_MAX) {
            n++;
            first = i;
        }
    if (!n)
        return false;
    char *pair = pair_text(inputs->pdata[first], dp_bank_picture_name(bank, in_bank[first]));
    cli_complain("%u of the %u pictures %s in the bank %s, the first: %s; a bank looks too good on its own pictures; "
                 "give others",
                 n, inputs->len, n == 1 ? "is" : "are", bank_path, pair);
    g_free(pair);
    return true;
}

static bool complain_of_twins(const GPtrArray *inputs, size_t n_good, const size_t *earlier)
{
    guint n = 0, first = 0;
    bool contradicts = false;
    for (guint i = inputs->len; i-- > 0;) {
        if (earlier[i] == SIZE_MAX)
            continue;
        bool both = earlier[i] < n_good && i >= n_good; /* this pair is named first */
        if (both || !contradicts)
            first = i;
        contradicts |= both;
        n++;
    }
    if (!n)
        return false;
    char *pair = pair_text(inputs->pdata[first], inputs->pdata[earlier[first]]);
    if (contradicts)
        cli_complain("a picture is given with --good and with --bad: %s; give it once", pair);
    else
        cli_complain("%u of the %u pictures %s given twice, the first: %s; give each picture once", n, inputs->len,
                     n == 1 ? "is" : "are", pair);
    g_free(pair);
    return true;
}

bool cli_check_labelled(const dp_bank *bank, const char *bank_path, const GPtrArray *inputs, size_t n_good,
                        const dp_run *run, int *code)
{
    dp_bank_details info;
    dp_bank_get_details(bank, &info);
    size_t *in_bank = g_new(size_t, inputs->len), *earlier = g_new(size_t, inputs->len), n_unseen = 0;
    dp_error err;
    for (size_t p = 0; p < info.n_pictures; p++)
        n_unseen += !dp_bank_picture_digest(bank, p);
    if (n_unseen) {
        char *line = g_strdup_printf("%s: an older dinopatch made this bank without digests of its pictures, so only "
                                     "their names can show that a given picture is in it; fit it again",
                                     bank_path);
        cli_log(NULL, DP_LOG_WARNING, line);
        g_free(line);
    }
    dp_status status =
        dp_find_twins(bank, (const char *const *)inputs->pdata, inputs->len, run, in_bank, earlier, &err);
    cli_progress_end();
    bool good =
        !status && !complain_of_own(bank, bank_path, inputs, in_bank) && !complain_of_twins(inputs, n_good, earlier);
    if (!good)
        *code = status ? cli_failed(&err) : EXIT_JOB_FAILED;
    g_free(in_bank);
    g_free(earlier);
    return good;
}
