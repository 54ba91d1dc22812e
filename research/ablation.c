/* SPDX-License-Identifier: Apache-2.0 */
/* ablation.c - how much alignment and post-processing improve the figures: the paper's Table 1 and Figure 12.
 *
 * Prints four rows for each data set: with and without alignment, with and without tuned post-processing. The features
 * are computed once for each kind of alignment; the rows without and with post-processing come from the same maps.
 * Figures are held out: each fold of the test pictures is decided with the configuration and threshold chosen on the
 * other folds. With --all-data they are those of the paper: chosen and reported on the same pictures, so too good. With
 * --out it also draws the maps of some anomalous pictures, without alignment on the left and with it on the right. */
#include "research.h"
#include "cli/view.h"
#include "dinopatch/eval.h"

#include <math.h>
#include <string.h>

enum { N_BESIDE = 6, BESIDE_SIDE = 480 };

/* The maps of one data set with one kind of alignment. */
struct maps {
    const dataset *set;
    const dp_view *view;  /* the view that the maps are computed with */
    size_t rows, cols, n; /* size of the maps; number of maps */
    float **grids;        /* [test pictures], the first n used */
    uint8_t **valid;      /* the same */
    float **weights;      /* the same; NULL if the score is not weighted (PatchCore) */
    bool weighted;
    uint8_t *labels;
    double *scores;
    dp_picture **drawn; /* [N_BESIDE] of the first anomalous pictures by index; NULL: none */
    size_t *drawn_of;   /* [N_BESIDE] index of the picture */
    bool draw;
    size_t n_failed;
};

static struct maps *maps_new(const dataset *set, bool draw)
{
    struct maps *maps = g_new0(struct maps, 1);
    maps->set = set;
    maps->draw = draw;
    maps->grids = g_new0(float *, set->test->len);
    maps->valid = g_new0(uint8_t *, set->test->len);
    maps->weights = g_new0(float *, set->test->len);
    maps->labels = g_new0(uint8_t, set->test->len);
    maps->scores = g_new0(double, set->test->len);
    maps->drawn = g_new0(dp_picture *, N_BESIDE);
    maps->drawn_of = g_new0(size_t, N_BESIDE);
    size_t n = 0;
    for (guint i = 0; i < set->test->len && n < N_BESIDE; i++)
        if (g_array_index(set->test, dataset_item, i).label)
            maps->drawn_of[n++] = i;
    for (; n < N_BESIDE; n++)
        maps->drawn_of[n] = SIZE_MAX;
    return maps;
}

static void maps_free(struct maps *maps)
{
    if (!maps)
        return;
    for (size_t i = 0; i < maps->n; i++) {
        g_free(maps->grids[i]);
        g_free(maps->valid[i]);
        g_free(maps->weights[i]);
    }
    for (size_t i = 0; i < N_BESIDE; i++)
        dp_picture_free(&maps->drawn[i]);
    g_free(maps->grids);
    g_free(maps->valid);
    g_free(maps->weights);
    g_free(maps->labels);
    g_free(maps->scores);
    g_free(maps->drawn);
    g_free(maps->drawn_of);
    g_free(maps);
}

static void draw(struct maps *maps, size_t index, const char *path, const dp_picture *picture, const dp_result *result)
{
    for (size_t i = 0; maps->draw && i < N_BESIDE; i++) {
        if (maps->drawn_of[i] != index)
            continue;
        dp_interval heat = cli_heat_scale(maps->view, result);
        dp_picture *whole = NULL;
        dp_error err;
        dp_status status = dp_result_draw(picture, result, heat.low, heat.high, &whole, &err);
        if (!status)
            maps->drawn[i] = eval_shrink(whole, BESIDE_SIDE);
        if (!maps->drawn[i]) {
            maps->n_failed++;
            cli_complain("%s: cannot draw it: %s", path, status ? err.message : "not enough memory");
        }
        dp_picture_free(&whole);
    }
}

static int on_map(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                  double ms, const char *message)
{
    struct maps *maps = user;
    char *own;
    eval_drop_blank(path, &result, &message, &own);
    bool fits = result && (!maps->n || (result->grid_rows == maps->rows && result->grid_cols == maps->cols));
    if (!fits) {
        maps->n_failed++;
        cli_complain("%s%s", result ? path : message,
                     result ? ": the size of its map differs from the maps before it" : "");
        g_free(own);
        return cli_interrupted();
    }
    size_t cells = result->grid_rows * result->grid_cols, at = maps->n++;
    maps->rows = result->grid_rows;
    maps->cols = result->grid_cols;
    maps->grids[at] = g_memdup2(result->grid, cells * sizeof(float));
    maps->valid[at] = g_memdup2(result->grid_valid, cells);
    maps->weighted = result->weights != NULL;
    if (result->weights)
        maps->weights[at] = g_memdup2(result->weights, cells * sizeof(float));
    maps->labels[at] = (uint8_t)g_array_index(maps->set->test, dataset_item, index).label;
    maps->scores[at] = result->score;
    draw(maps, index, path, picture, result);
    return cli_interrupted();
}

static dp_status compute_maps(const research *r, const dp_recipe *recipe, struct maps *maps, dp_error *err)
{
    dp_bank *bank = NULL;
    const dataset *set = maps->set;
    dp_status status = research_fit(r, set, recipe, &bank, &maps->n_failed, err);
    if (!status) {
        dp_view view;
        dp_view_init(bank, &view);
        dp_post_init(&view.post);
        view.cell_weights = 1; /* has an effect only if the score is weighted */
        maps->view = &view;
        const char **paths = research_test_paths(set);
        status = dp_session_inspect_files(r->session, bank, &view, paths, set->test->len, on_map, maps, err);
        maps->view = NULL;
        g_free(paths);
    }
    dp_bank_close(&bank);
    return status;
}

/* ------------------------------------------------------------------------------------------------------------- rows */

struct row {
    dp_confusion confusion;
    double auroc, threshold, tuned, gap; /* tuned: AUROC on the pictures used for tuning; NaN without tuning */
};

static const char *row_name(bool aligned, bool post)
{
    return aligned ? (post ? "aligned, post-processed" : "aligned") : post ? "post-processed" : "as photographed";
}

static void print_row(const char *name, const struct row *row)
{
    printf("  %-26s %8.4f %9.4f %8.4f %8.4f %8.4f %9.4g", name, row->confusion.accuracy, row->confusion.precision,
           row->confusion.recall, row->confusion.f1, row->auroc, row->threshold);
    if (isnan(row->tuned))
        puts("        -        -");
    else if (isnan(row->gap)) /* chosen and reported on the same pictures, so the gap is unknown */
        printf(" %8.4f        -\n", row->tuned);
    else
        printf(" %8.4f %+8.4f\n", row->tuned, row->gap);
    fflush(stdout);
}

static json_t *json_figures(const dp_confusion *c, double auroc)
{
    return cli_json_pack("{s:o, s:o, s:o, s:o, s:o}", "accuracy", cli_json_real(c->accuracy), "precision",
                         cli_json_real(c->precision), "recall", cli_json_real(c->recall), "f1", cli_json_real(c->f1),
                         "auroc", cli_json_real(auroc));
}

static json_t *json_row(const struct row *row, const char *align, bool post)
{
    json_t *value = json_figures(&row->confusion, row->auroc);
    cli_json_set(value, "align", json_string(align));
    cli_json_set(value, "post", json_boolean(post));
    cli_json_set(value, "threshold", cli_json_real(row->threshold));
    return value;
}

/* Adds two rows without figures: no good picture can be used in this way, or the rest cannot be measured. */
static void add_missing_rows(const char *align, const char *reason, json_t *rows)
{
    bool aligned = !strcmp(align, "pca");
    cli_progress_end();
    for (int post = 0; post < 2; post++) {
        printf("  %-26s not possible: %s\n", row_name(aligned, post), reason);
        cli_json_append(rows, cli_json_pack("{s:s, s:b, s:o}", "align", align, "post", post, "not_possible",
                                            cli_json_text(reason)));
    }
    fflush(stdout);
}

/* Adds the two rows of one alignment: without and with post-processing. */
static dp_status add_rows(const research *r, const struct maps *maps, const char *align,
                          const dp_tune_settings *settings, json_t *rows, dp_error *err)
{
    const dp_tune_set set = {.rows = maps->rows,
                             .cols = maps->cols,
                             .n = maps->n,
                             .maps = (const float *const *)maps->grids,
                             .valid = (const uint8_t *const *)maps->valid,
                             .labels = maps->labels,
                             .weights = maps->weighted ? (const float *const *)maps->weights : NULL};
    dp_tune_result t;
    dp_measures measures;
    dp_status status = dp_measure(maps->scores, maps->labels, maps->n, &measures, err);
    if (!status)
        status = dp_tune(&set, settings, &r->run.run, &t, err);
    if (status)
        return status;
    bool folds = t.folds > 0;
    struct row untuned = {t.untuned.confusion, folds ? t.untuned_fold_auroc : t.untuned.auroc,
                          measures.decision_threshold, NAN, NAN};
    const dp_tune_figures *best = folds ? &t.held_out : &t.tuned;
    struct row tuned = {best->confusion, best->auroc, t.threshold, t.tuned.auroc,
                        folds ? t.tuned.auroc - t.held_out.auroc : NAN};
    bool aligned = !strcmp(align, "pca");
    cli_progress_end();
    print_row(row_name(aligned, false), &untuned);
    print_row(row_name(aligned, true), &tuned);
    cli_json_append(rows, json_row(&untuned, align, false));
    json_t *last = json_row(&tuned, align, true);
    cli_json_set(last, "tuned", json_figures(&t.tuned.confusion, t.tuned.auroc));
    cli_json_set(last, "untuned", json_figures(&t.untuned.confusion, t.untuned.auroc));
    cli_json_set(last, "gap", cli_json_real(tuned.gap));
    cli_json_set(last, "held_out_deviation", cli_json_real(t.held_out_deviation));
    cli_json_set(last, "folds", json_integer((json_int_t)t.folds));
    cli_json_set(last, "trials", json_integer((json_int_t)t.trials));
    cli_json_append(rows, last);
    return DP_OK;
}

/* Saves the drawings without (left) and with (right) alignment. */
static bool save_beside(const dp_picture *const pair[2], const char *out, const char *place, dp_error *err)
{
    dp_picture *both = NULL;
    if (dp_picture_new(pair[0]->width_px + pair[1]->width_px + 8, MAX(pair[0]->height_px, pair[1]->height_px), &both,
                       err))
        return false;
    size_t left = 0;
    for (int k = 0; k < 2; k++) {
        for (size_t y = 0; y < pair[k]->height_px; y++)
            memcpy(both->rgb + (y * both->width_px + left) * 3, pair[k]->rgb + y * pair[k]->width_px * 3,
                   pair[k]->width_px * 3);
        left += pair[k]->width_px + 8;
    }
    char *path = eval_make_place(out, place, err);
    bool good = path && !dp_picture_save_jpeg(both, path, err);
    g_free(path);
    dp_picture_free(&both);
    return good;
}

/* False: complained. */
static bool save_drawn(const struct maps *without, const struct maps *with, const char *out)
{
    bool good = true;
    for (size_t i = 0; i < N_BESIDE && good; i++) {
        const dp_picture *pair[2] = {without->drawn[i], with->drawn[i]};
        dp_error err;
        if (!pair[0] || !pair[1])
            continue;
        char *place = research_place(with->set, "alignment", i + 1);
        good = save_beside(pair, out, place, &err) || (cli_failed(&err), false);
        g_free(place);
    }
    return good;
}

/* Adds both rows of one alignment. If they cannot be computed, the rows give the reason, and the next set follows. */
static int ablate_one(const research *r, bool align, const char *category, struct maps *maps,
                      const dp_tune_settings *settings, json_t *rows)
{
    dp_recipe recipe = r->recipe;
    const char *name = align ? "pca" : "none";
    recipe.align = align ? DP_ALIGN_PCA : DP_ALIGN_NONE;
    if (!align)
        recipe.polarity = DP_POLARITY_NONE;
    dp_error err;
    cli_progress_begin(category, r->run.quiet);
    dp_status status = compute_maps(r, &recipe, maps, &err);
    bool possible = status != DP_E_PICTURE; /* false if none of the good pictures can be used */
    if (!status && (status = add_rows(r, maps, name, settings, rows, &err)) == DP_E_ARGUMENT)
        possible = false; /* a class is missing */
    cli_progress_end();
    if (!possible) {
        add_missing_rows(name, err.message, rows);
        maps->n_failed++;
    } else if (status) {
        cli_complain("%s: %s", category, err.message);
        return status == DP_E_ARGUMENT ? EXIT_USAGE : EXIT_JOB_FAILED;
    }
    return EXIT_DONE;
}

static int ablate_set(const research *r, void *user, const dataset *set, const char *category, json_t *all,
                      size_t *n_failed)
{
    struct maps *maps[2] = {maps_new(set, r->out != NULL), maps_new(set, r->out != NULL)};
    json_t *rows = json_array();
    int code = EXIT_DONE;
    printf("%-28s %8s %9s %8s %8s %8s %9s %8s %8s\n", cli_shown(category), "accuracy", "precision", "recall", "F1",
           "AUROC", "threshold", "tuned", "gap");
    fflush(stdout);
    for (int align = 0; align < 2 && code == EXIT_DONE; align++) {
        code = ablate_one(r, align, category, maps[align], user, rows);
        *n_failed += maps[align]->n_failed;
    }
    if (code == EXIT_DONE && r->out && !save_drawn(maps[0], maps[1], r->out))
        code = EXIT_JOB_FAILED;
    cli_json_set(all, category, rows);
    maps_free(maps[0]);
    maps_free(maps[1]);
    return code;
}

static void declare(cli_outputs *files, const research *r)
{
    research_declare(files, r, "ablation.json");
    research_declare_figures(files, r, "alignment", N_BESIDE);
}

int main(int argc, char **argv)
{
    research r;
    gboolean all_data = FALSE;
    cli_number trials = {.value = 20000}, folds = {.value = 5};
    const cli_option own[] = {
        {"trials", 0, 0, CLI_WHOLE, &trials, "trials of the search (default 20000)", "N", 1, 1e9},
        {"folds", 0, 0, CLI_WHOLE, &folds, "held-out figures from K parts (default 5)", "K", 2, 100},
        {"all-data", 0, 0, CLI_FLAG, &all_data, "tune and report on the same pictures, as the paper does", NULL},
        CLI_OPTION_END};
    int code;
    research_begin(&r, "ablation");
    if (!research_parse(&r, argc, argv, own,
                        "Prints how much alignment and post-processing improve the figures: the paper's Table 1.",
                        &code))
        return research_end(&r, code);
    if (all_data && folds.given) {
        code = cli_usage("--all-data has no parts; remove --folds");
    } else if (research_open(&r, declare, &code)) {
        dp_tune_settings settings;
        dp_tune_settings_init(&settings);
        settings.trials = (size_t)trials.value;
        settings.folds = all_data ? 0 : (size_t)folds.value;
        settings.seed = r.recipe.seed;
        settings.score = r.recipe.score;
        if (all_data)
            cli_warn("--all-data tunes on the same pictures whose figures it prints, so the figures are too good");
        code = research_each(&r, ablate_set, &settings, "ablation.json");
        if (code == EXIT_DONE || code == EXIT_SOME_FAILED)
            puts(all_data ? "Figures are those of the pictures used for tuning."
                          : "Figures are held out. tuned: AUROC on the pictures used for tuning; gap: how much higher "
                            "that is.");
    }
    return research_end(&r, code);
}
