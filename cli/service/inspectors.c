/* SPDX-License-Identifier: Apache-2.0 */
/* inspectors.c - the inspectors of one thread. */
#include "inspectors.h"

#include <string.h>

#define MOST 8 /* banks that a thread keeps ready; the one that was not asked for longest makes room */

struct ready {
    served_bank *bank;
    dp_session *session;
    dp_inspector *inspector;
};

struct inspectors {
    dp_run run;
    struct ready ready[MOST]; /* the last asked for first */
    size_t n;
};

inspectors *inspectors_new(const dp_run *run)
{
    inspectors *own = g_new0(inspectors, 1);
    own->run = *run;
    return own;
}

static void close_one(struct ready *ready)
{
    dp_inspector_close(&ready->inspector);
    dp_session_close(&ready->session);
    served_bank_drop(ready->bank);
}

void inspectors_free(inspectors *own)
{
    for (size_t i = 0; i < own->n; i++)
        close_one(&own->ready[i]);
    g_free(own);
}

static void take_out(inspectors *own, size_t i)
{
    close_one(&own->ready[i]);
    memmove(own->ready + i, own->ready + i + 1, (own->n - i - 1) * sizeof *own->ready);
    own->n--;
}

/* Brings the bank's inspector to the front. */
static dp_status find(inspectors *own, served_bank *bank, dp_error *err)
{
    struct ready found = {0};
    for (size_t i = 0; i < own->n; i++) {
        if (own->ready[i].bank == bank) {
            found = own->ready[i];
            memmove(own->ready + 1, own->ready, i * sizeof *own->ready);
            own->ready[0] = found;
            return DP_OK;
        }
    }
    for (size_t i = own->n; i-- > 0;) /* the bank as it was before it changed */
        if (!strcmp(own->ready[i].bank->name, bank->name))
            take_out(own, i);
    if (own->n == MOST)
        take_out(own, MOST - 1);
    dp_status status =
        dp_session_open(bank->network->network, bank->details.recipe.precision, &own->run, &found.session, err);
    if (!status)
        status = dp_inspector_open_views(found.session, bank->bank, &bank->view.view, 1, &found.inspector, err);
    if (status) {
        dp_session_close(&found.session);
        return status;
    }
    found.bank = bank;
    g_atomic_int_inc(&bank->references);
    memmove(own->ready + 1, own->ready, own->n * sizeof *own->ready);
    own->ready[0] = found;
    own->n++;
    return DP_OK;
}

dp_status inspectors_run(inspectors *own, served_bank *bank, const dp_picture *picture, const dp_result **result,
                         dp_error *err)
{
    dp_status status = find(own, bank, err);
    return status ? status : dp_inspector_run_picture(own->ready[0].inspector, picture, result, err);
}

const dp_inspector *inspectors_last(const inspectors *own)
{
    return own->ready[0].inspector;
}
