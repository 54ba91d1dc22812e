/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - what the files of `dinopatch eval` share.
 *
 * A run is one category with one draw of the good pictures.  What is known of it is kept as JSON, which is at once what a
 * stopped evaluation is continued from (state.c), what run.json holds, and what the report is made of:
 *
 *     {"category": C, "seed": S or null,
 *      "fit": {"n_good", "n_failed", "threshold", "good_scores": [...], "canvas_px": [h, w], "seconds", "bank_sha256"},
 *      "pictures": {"0": {"input", "split", "defect", "label", "score", "ms", "align", "n_defects", "decision", "reason", "drawn", "explained", "peak", "nearest"}, ...},
 *      "figures": {...}}
 *
 * or {"category", "seed", "not_possible": reason} where none of the good pictures can be used. */
#ifndef DP_CLI_EVAL_H
#define DP_CLI_EVAL_H

#include "../dataset.h"
#include "../outputs.h"
#include "dinopatch/eval.h"

#include <stdio.h>

enum { EVAL_COLUMNS = 8 };
extern const char *const eval_columns[EVAL_COLUMNS]; /* "image_auroc", ... as metrics.json calls them */

/* ---- state.c: DIR/state.jsonl */
typedef struct eval_state {
    int fd; /* appended to, and locked; -1 without --out */
    char *path;
    json_t *runs;     /* name -> what is known of the run */
    size_t n_resumed; /* pictures that need not be inspected again */
} eval_state;

/* Opens out/state.jsonl and reads what was done; header says what the evaluation is bound to.  fresh: begins anew.
 * out NULL: nothing is kept.  False: complained (of a state that belongs to other settings, too). */
bool eval_state_open(eval_state *state, const char *out, const json_t *header, bool fresh);
void eval_state_close(eval_state *state);
/* The run of a name, made where it is new; borrowed. */
json_t *eval_state_run(eval_state *state, const char *name);
/* What is known of the test picture of that number; borrowed; NULL: nothing. */
json_t *eval_state_picture(eval_state *state, const char *name, guint index);
/* Test pictures 0 .. n - 1 in that order, whatever the order in which they were inspected. */
void eval_state_sort_pictures(eval_state *state, const char *name, guint n);
/* Sets run[part] (index < 0) or run.pictures[index], and writes it down.  Steals value. */
bool eval_state_put(eval_state *state, const char *name, const char *part, long index, json_t *value);

/* ---- run.c: one run */
typedef struct eval_run {
    const dataset *set;
    const char *name;   /* in state and messages: "screw", "screw, seed 2" */
    const char *folder; /* for maps and drawings below out: "" or "seed-2" */
    const char *out;    /* or NULL */
    dp_recipe recipe;
    const dp_roi *roi; /* or NULL */
    dp_network_info model;
    eval_state *state;
    size_t max_pixels, n_failed;
    bool allow_few;    /* a bank of fewer than 90 % of the good pictures counts */
    bool stopped;      /* by the user */
    bool not_possible; /* none of the good pictures can be used: nothing to learn from */
} eval_run;

/* Fits, inspects, measures, all of it only as far as the state does not hold it already. */
dp_status eval_run_do(dp_session *session, eval_run *run, dp_error *err);
/* Removes the bank that a stopped evaluation would go on with: a run that is killed between its figures and its end leaves it. */
void eval_forget_bank(const char *out);

static inline const dataset_item *eval_item(const eval_run *run, guint index)
{
    return &g_array_index(run->set->test, dataset_item, index);
}

/* ---- leaks.c */
/* Takes the categories out of which a test picture is learned from, or has two labels: complained, counted.  False: *code, none is left. */
bool eval_refuse_leaks(GPtrArray *sets, const cli_run *run, size_t *n_unusable, int *code);

/* ---- usable.c */
/* DP_E_PICTURE, in err, where fewer than 90 % of the good pictures asked for (all, or the recipe's shots) are in the bank and allow_few does
 * not say that this is meant. */
dp_status eval_check_used(const dp_bank *bank, size_t n_failed, const dp_recipe *recipe, bool allow_few, dp_error *err);

/* A result without a score, of a picture that nothing of could be compared, is none: *result NULL and the message (g_free *own). */
void eval_drop_blank(const char *path, const dp_result **result, const char **message, char **own);

/* ---- places.c: what is written of a run's pictures */
/* ROOT/CATEGORY/SPLIT/DEFECT/NAME.ENDING below the run's folder, relative to out; g_free. */
char *eval_place(const eval_run *run, const char *root, const dataset_item *item, const char *ending);
/* FILE among the figures of a run, relative to out; g_free. */
char *eval_figure_place(const eval_run *run, const char *file);
/* out/place, its folder made; g_free.  NULL: err. */
char *eval_make_place(const char *out, const char *place, dp_error *err);
/* At most side pixels on the longer side, by averaging; the caller frees.  NULL: no memory. */
dp_picture *eval_shrink(const dp_picture *picture, size_t side);
/* Writes a picture, at most side pixels long, as a JPEG to out/place.  False: err. */
bool eval_save_small(const char *out, const char *place, const dp_picture *picture, size_t side, dp_error *err);

/* ---- figures.c */
/* Of the scores that the state holds, and of the maps in `pixels` (NULL: there are no masks).  The caller owns *figures. */
dp_status eval_figures(const eval_run *run, dp_pixel_meter *pixels, json_t **figures, dp_error *err);

/* ---- table.c: mean and deviation over seeds and categories; stdout and metrics.json */
/* The figures that the field tables, NaN where one does not exist. */
void eval_row(const json_t *run, double row[EVAL_COLUMNS]);
void eval_print_heading(void);
void eval_print_row(const char *name, const double row[EVAL_COLUMNS]);
void eval_print_not_possible(const char *name, const char *reason);
void eval_mean(const double (*rows)[EVAL_COLUMNS], size_t n, double mean[EVAL_COLUMNS], double deviation[EVAL_COLUMNS]);
json_t *eval_row_json(const double row[EVAL_COLUMNS]);

/* ---- declare.c: before the work */
/* What an evaluation writes below out, where one that was stopped may have written it, and its page (or NULL). */
void eval_declare_outputs(cli_outputs *files, const GPtrArray *sets, const char *out, size_t n_seeds,
                          const char *report);

/* ---- files.c */
void eval_declare_inputs(cli_outputs *files, const GPtrArray *sets);
/* A category's name as JSON takes it; two that differ stay different.  g_free. */
char *eval_safe_name(const char *category);
bool eval_write_file(const char *folder, const char *name, const char *text, size_t bytes);
bool eval_write_json(const char *folder, const char *name, const json_t *value);
void eval_add_csv(GString *csv, const json_t *run, const dataset *set);
/* Digest over names, sizes and times of all pictures of the data sets; g_free. */
char *eval_files_digest(const GPtrArray *sets);
/* SHA-256 of a file; NULL where it cannot be read.  g_free. */
char *eval_file_sha256(const char *path);

#endif
