/* SPDX-License-Identifier: Apache-2.0 */
/* drift.c - says when the scores of a stream stop to be exchangeable, with a bound on saying so in vain.
 *
 * p-value of the t-th score among all so far, ties broken by a uniform u (Vovk, Gammerman, Shafer, Algorithmic learning in a random world,
 * 2005, ch. 7):
 *
 *     p_t = (#{i <= t: s_i > s_t} + u #{i <= t: s_i = s_t}) / t
 *
 * While the scores are exchangeable, p_1, p_2, .. are independent and uniform on (0, 1), whatever the distribution of the scores.
 * Against that a capital is bet that begins at 1.  Share k of it follows the bet
 *
 *     f(p) = e p^(e-1)  or  e (1-p)^(e-1),   e in {1, 0.8, 0.6, 0.4, 0.2}
 *
 * (scores that rise, scores that fall; e = 1 bets nothing), and after each step the fraction JUMP of every share is spread evenly (the
 * "simple jumper", Vovk et al., Retrain or not retrain, COPA 2021, with power bets).  Each f integrates to 1, so the capital is a test
 * martingale, and by Ville's inequality it ever reaches 1/a with a probability of at most a: that is the alarm. */
#include "base/error.h"
#include "base/memory.h"
#include "base/random.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <string.h>

#define JUMP 0.001
#define N_BETS 9
#define MOST DP_DRIFT_SCORES

static const double powers[N_BETS] = {1, 0.8, 0.6, 0.4, 0.2, 0.8, 0.6, 0.4, 0.2};
enum { RISING = 5 }; /* bets before this one win by scores that rise */

struct dp_drift {
    double bound;
    dp_random random;
    double *sorted; /* [n] */
    size_t n, room;
    double shares[N_BETS]; /* of the capital; their sum is 1 */
    double log_capital;
};

static void begin(dp_drift *drift)
{
    drift->n = 0;
    drift->log_capital = 0;
    for (int k = 0; k < N_BETS; k++)
        drift->shares[k] = 1.0 / N_BETS;
}

dp_status dp_drift_open(double bound, uint64_t seed, dp_drift **drift, dp_error *err)
{
    if (!(bound > 0 && bound < 1))
        return dp_fail(err, DP_E_ARGUMENT, "a false-alarm bound of %g: it must lie between 0 and 1", bound);
    dp_drift *made = dp_calloc(1, sizeof *made);
    if (!made)
        return dp_fail_memory(err, "the drift of a stream", sizeof *made);
    made->bound = bound;
    made->random = dp_random_at(seed, 0);
    begin(made);
    *drift = made;
    return DP_OK;
}

void dp_drift_close(dp_drift **drift)
{
    if (*drift)
        dp_memory_free((*drift)->sorted);
    dp_memory_free(*drift);
    *drift = NULL;
}

/* How many of the sorted values are below, or with `equal` not above, a score. */
static size_t position(const double *sorted, size_t n, double score, int equal)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (sorted[middle] < score || (equal && sorted[middle] == score))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static dp_status make_room(dp_drift *drift, dp_error *err)
{
    if (drift->n < drift->room)
        return DP_OK;
    size_t room = drift->room ? 2 * drift->room : 1024;
    double *more = dp_malloc(room, sizeof *more);
    if (!more)
        return dp_fail_memory(err, "the drift of a stream", room * sizeof *more);
    if (drift->n)
        memcpy(more, drift->sorted, drift->n * sizeof *more);
    dp_memory_free(drift->sorted);
    drift->sorted = more;
    drift->room = room;
    return DP_OK;
}

static void bet(dp_drift *drift, double p)
{
    double sum = 0;
    for (int k = 0; k < N_BETS; k++) {
        double share = (1 - JUMP) * drift->shares[k] + JUMP / N_BETS;
        double q = k < RISING ? p : 1 - p;
        drift->shares[k] = share * powers[k] * pow(q, powers[k] - 1);
        sum += drift->shares[k];
    }
    for (int k = 0; k < N_BETS; k++)
        drift->shares[k] /= sum;
    drift->log_capital += log(sum);
}

dp_status dp_drift_add(dp_drift *drift, double score, dp_drift_state *state, dp_error *err)
{
    if (!isfinite(score))
        return dp_fail(err, DP_E_NUMERIC, "a score of %g: drift is found in finite ones", score);
    if (drift->n == MOST)
        begin(drift);
    dp_status status = make_room(drift, err);
    if (status)
        return status;
    size_t below = position(drift->sorted, drift->n, score, 0), up_to = position(drift->sorted, drift->n, score, 1);
    memmove(drift->sorted + up_to + 1, drift->sorted + up_to, (drift->n - up_to) * sizeof *drift->sorted);
    drift->sorted[up_to] = score;
    size_t above = drift->n - up_to, equal = up_to - below + 1;
    drift->n++;
    double u = (floor(dp_random_unit(&drift->random) * 0x1p52) + 0.5) * 0x1p-52; /* neither 0 nor 1 */
    double p = ((double)above + u * (double)equal) / (double)drift->n;
    bet(drift, p < 1 ? p : 1 - 0x1p-53);
    *state = (dp_drift_state){.n = drift->n,
                              .p_value = p,
                              .log10_capital = drift->log_capital / log(10),
                              .rising = 0,
                              .alarm = drift->log_capital >= -log(drift->bound)};
    for (int k = 1; k < N_BETS; k++)
        state->rising += k < RISING ? drift->shares[k] : -drift->shares[k];
    if (state->alarm)
        begin(drift);
    return DP_OK;
}
