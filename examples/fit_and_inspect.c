/* fit_and_inspect.c - learns from pictures of good parts, judges others: the shortest way through the library.
 *
 *     cc fit_and_inspect.c $(pkg-config --cflags --libs dinopatch-io) -o fit_and_inspect
 *     ./fit_and_inspect CHECKPOINT GOOD_PICTURE... -- PICTURE... */
#include <dinopatch/io.h>
#include <dinopatch/experimental.h>

#include <stdio.h>
#include <string.h>

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                     double milliseconds, const char *message)
{
    (void)user, (void)index, (void)picture, (void)milliseconds;
    if (result)
        printf("%s: %s, score %.3f of %.3f, %zu defects\n", path, dp_label_name(result->label), result->score,
               result->threshold, result->n_defects);
    else
        printf("%s: %s\n", path, message);
    return 0; /* anything else stops the run */
}

int main(int argc, char **argv)
{
    int split = 2;
    while (split < argc && strcmp(argv[split], "--") != 0)
        split++;
    if (split == 2 || split + 1 >= argc) {
        fprintf(stderr, "usage: %s CHECKPOINT GOOD_PICTURE... -- PICTURE...\n", argv[0]);
        return 2;
    }
    const char *const *good = (const char *const *)argv + 2, *const *others = (const char *const *)argv + split + 1;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bank *bank = NULL;
    dp_error err;
    dp_run run;
    dp_recipe recipe;
    dp_run_init(&run);
    dp_recipe_init(&recipe);
    dp_status status = dp_network_open(argv[1], &model, &err);
    if (!status)
        status = dp_session_open(model, recipe.precision, &run, &session, &err);
    if (!status)
        status = dp_bank_fit(session, &recipe, good, (size_t)(split - 2), NULL, NULL, &bank, NULL, &err);
    if (!status) {
        dp_view view;
        dp_view_init(bank, &view);
        status =
            dp_session_inspect_files(session, bank, &view, others, (size_t)(argc - split - 1), on_result, NULL, &err);
    }
    if (!status)
        status = dp_bank_save(bank, "good.bank", &err);
    if (status)
        fprintf(stderr, "%s: %s\n", dp_status_name(status), err.message);
    dp_bank_close(&bank); /* each takes NULL as well */
    dp_session_close(&session);
    dp_network_close(&model);
    return status ? 1 : 0;
}
