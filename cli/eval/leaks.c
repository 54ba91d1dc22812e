/* SPDX-License-Identifier: Apache-2.0 */
/* leaks.c - refuses test pictures that the bank knows: figures on them mean nothing. */
#include "eval.h"

/* The pictures of a data set: first the good ones to learn from, then the test pictures. */
static const char **all_paths(const dataset *set, size_t *n)
{
    const char **paths = g_new(const char *, set->train->len + set->test->len);
    *n = 0;
    for (guint i = 0; i < set->train->len; i++)
        paths[(*n)++] = set->train->pdata[i];
    for (guint i = 0; i < set->test->len; i++)
        paths[(*n)++] = g_array_index(set->test, dataset_item, i).path;
    return paths;
}

static int label_of(const dataset *set, size_t index)
{
    return g_array_index(set->test, dataset_item, index - set->train->len).label;
}

/* True if no test picture is one to learn from and none has two labels. Complains about what is wrong. */
static bool is_sound(const dataset *set, const char **paths, size_t n, const size_t *earlier)
{
    size_t n_train = set->train->len, n_own = 0, own = 0, n_twice = 0, twice = 0, contradiction = 0;
    for (size_t i = n; i-- > n_train;) {
        if (earlier[i] == SIZE_MAX)
            continue;
        if (earlier[i] < n_train) {
            n_own++;
            own = i;
        } else {
            n_twice++;
            twice = i;
            if (label_of(set, i) != label_of(set, earlier[i]))
                contradiction = i;
        }
    }
    if (n_own)
        cli_complain("%s: %zu of the %zu test pictures %s also good pictures to learn from; the first: %s is %s; take "
                     "%s out of the test or out of the good pictures",
                     set->path, n_own, n - n_train, n_own == 1 ? "is" : "are", paths[own], paths[earlier[own]],
                     n_own == 1 ? "it" : "them");
    if (contradiction)
        cli_complain("%s: a test picture is both good and anomalous: %s is %s; keep one of them", set->path,
                     paths[contradiction], paths[earlier[contradiction]]);
    else if (n_twice)
        cli_complain("%s: %zu of the %zu test pictures %s in the test twice, so the figures count them twice; the "
                     "first: %s is %s",
                     set->path, n_twice, n - n_train, n_twice == 1 ? "is" : "are", paths[twice], paths[earlier[twice]]);
    return !n_own && !contradiction;
}

bool eval_refuse_leaks(GPtrArray *sets, const cli_run *run, size_t *n_unusable, int *code)
{
    dp_status status = DP_OK;
    dp_error err;
    cli_progress_begin("eval", run->quiet);
    for (guint s = 0; s < sets->len && !status;) {
        const dataset *set = sets->pdata[s];
        size_t n, *earlier;
        const char **paths = all_paths(set, &n);
        earlier = g_new(size_t, n);
        status = dp_find_twins(NULL, paths, n, &run->run, NULL, earlier, &err);
        cli_progress_end();
        bool sound = !status && is_sound(set, paths, n, earlier);
        g_free(paths);
        g_free(earlier);
        if (sound) {
            s++;
        } else if (!status) {
            g_ptr_array_remove_index(sets, s);
            ++*n_unusable;
        }
    }
    if (status || !sets->len)
        *code = status ? cli_failed(&err) : EXIT_JOB_FAILED;
    return !status && sets->len > 0;
}
