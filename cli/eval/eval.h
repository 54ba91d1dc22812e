/* SPDX-License-Identifier: Apache-2.0 */
/* eval.h - what the files of `dinopatch eval` share.
 *
 * A run is one category with one draw of the good pictures. What is known of it is kept as JSON. A stopped evaluation
 * continues from this JSON (state.c), run.json holds it, and the report is made of it:
 *
 *      {"category": C, "seed": S or null,
 *       "fit": {"n_good", "n_failed", "threshold", "good_scores": [...], "canvas_px": [h, w], "seconds", "bank_sha256"},
 *       "pictures": {"0": {"input", "split", "defect", "label", "score", "ms", "align", "n_defects", "decision", "reason",
 *                          "drawn", "explained", "peak", "nearest"}, ...},
 *       "figures": {...}}
 *
 * or {"category", "seed", "not_possible": reason} if none of the good pictures can be used. */
#ifndef DP_CLI_EVAL_H
#define DP_CLI_EVAL_H

#include "../dataset.h"
#include "../outputs.h"
#include "../picture_list.h"
#include "dinopatch/eval.h"

#include <stdio.h>

enum { EVAL_COLUMNS = 8 };
extern const char *const eval_columns[EVAL_COLUMNS]; /* "image_auroc", ...: the keys of metrics.json */

/* ---- state.c: DIR/state.jsonl */
typedef struct eval_state {
    int fd; /* locked and appended to; -1 without --out */
    char *path;
    json_t *runs;     /* name -> what is known of the run */
    size_t n_resumed; /* pictures that are not inspected again */
    cli_shard shard;  /* whose pictures are inspected; n 0: all */
} eval_state;

/* Opens out/state.jsonl, or that of the shard (n 0: none), and reads what was done. header says what the evaluation depends
 * on. fresh: starts again. out NULL: nothing is kept. False: complained, also if the state belongs to other settings. */
bool eval_state_open(eval_state *state, const char *out, cli_shard shard, const json_t *header, bool fresh);
/* out/NAME.ENDING, or out/NAME-I-of-N.ENDING for a shard; g_free. */
char *eval_shard_path(const char *out, const char *name, cli_shard shard, const char *ending);
/* Says that a shard is done. False: complained. */
bool eval_state_end_shard(eval_state *state);
/* Takes over what the n shards in out did, if all are done. False: complained. */
bool eval_state_join(eval_state *state, const char *out, size_t n, const json_t *header);
void eval_state_close(eval_state *state);
/* The run with this name, new if there was none; borrowed. */
json_t *eval_state_run(eval_state *state, const char *name);
/* What is known of test picture `index`, borrowed. NULL: nothing. */
json_t *eval_state_picture(eval_state *state, const char *name, guint index);
/* Puts test pictures 0 .. n - 1 in that order, whatever order they were inspected in. */
void eval_state_sort_pictures(eval_state *state, const char *name, guint n);
/* Sets run[part] (index < 0) or run.pictures[index], and writes it to the file. Steals value. */
bool eval_state_put(eval_state *state, const char *name, const char *part, long index, json_t *value);

/* ---- run.c: one run */
typedef struct eval_run {
    const dataset *set;
    const char *name;   /* in state and messages: "screw", "screw, seed 2" */
    const char *folder; /* for maps and drawings below out: "" or "seed-2" */
    const char *out;    /* or NULL */
    const char *data;   /* the folder of the data set: a shard goes by the paths below it */
    dp_recipe recipe;
    const dp_roi *roi; /* or NULL */
    dp_network_info model;
    eval_state *state;
    size_t max_pixels, n_failed;
    bool allow_few;    /* accept a bank of fewer than 90 % of the good pictures */
    bool stopped;      /* the user stopped the run */
    bool not_possible; /* none of the good pictures can be used, so there is nothing to learn from */
} eval_run;

/* Fits, inspects and measures; skips what the state already holds. */
dp_status eval_run_do(dp_session *session, eval_run *run, dp_error *err);
/* Removes the bank of a stopped evaluation. A run that is killed after its figures but before its end leaves it
 * behind. */
void eval_forget_bank(const char *out, cli_shard shard);

static inline const dataset_item *eval_item(const eval_run *run, guint index)
{
    return &g_array_index(run->set->test, dataset_item, index);
}

/* ---- leaks.c */
/* Removes the categories in which a test picture is also a good picture to learn from, or has two labels. Complains and
 * counts them. False: *code, none is left. */
bool eval_refuse_leaks(GPtrArray *sets, const cli_run *run, size_t *n_unusable, int *code);

/* ---- usable.c */
/* DP_E_PICTURE, in err, if the bank holds fewer than 90 % of the good pictures asked for (all, or the recipe's shots),
 * unless allow_few. */
dp_status eval_check_used(const dp_bank *bank, size_t n_failed, const dp_recipe *recipe, bool allow_few, dp_error *err);

/* Drops a result without a score (no cell of the picture could be compared): sets *result to NULL and the message
 * (g_free *own). */
void eval_drop_blank(const char *path, const dp_result **result, const char **message, char **own);

/* ---- places.c: where the pictures of a run are written */
/* ROOT/CATEGORY/SPLIT/DEFECT/NAME.ENDING below the run's folder, relative to out; g_free. */
char *eval_place(const eval_run *run, const char *root, const dataset_item *item, const char *ending);
/* The path of FILE among the figures of a run, relative to out; g_free. */
char *eval_figure_place(const eval_run *run, const char *file);
/* out/place; makes its folder; g_free. NULL: err. */
char *eval_make_place(const char *out, const char *place, dp_error *err);
/* Averages the picture down to at most `side` pixels on the longer side; the caller frees. NULL: no memory. */
dp_picture *eval_shrink(const dp_picture *picture, size_t side);
/* Writes a picture of at most `side` pixels as JPEG to out/place. False: err. */
bool eval_save_small(const char *out, const char *place, const dp_picture *picture, size_t side, dp_error *err);

/* ---- figures.c */
/* The figures of the scores in the state, and of the maps in `pixels` (NULL: there are no masks). The caller owns
 * *figures. */
dp_status eval_figures(const eval_run *run, dp_pixel_meter *pixels, json_t **figures, dp_error *err);

/* ---- table.c: mean and deviation over seeds and categories; stdout and metrics.json */
/* The usual figures of a run; NaN for one that does not exist. */
void eval_row(const json_t *run, double row[EVAL_COLUMNS]);
void eval_print_heading(void);
void eval_print_row(const char *name, const double row[EVAL_COLUMNS]);
void eval_print_not_possible(const char *name, const char *reason);
void eval_mean(const double (*rows)[EVAL_COLUMNS], size_t n, double mean[EVAL_COLUMNS], double deviation[EVAL_COLUMNS]);
json_t *eval_row_json(const double row[EVAL_COLUMNS]);

/* ---- declare.c: before the work begins */
/* Declares all that an evaluation writes below out, which a stopped one may have written already, and its page (or
 * NULL). */
void eval_declare_outputs(cli_outputs *files, const GPtrArray *sets, const char *out, cli_shard shard, size_t n_seeds,
                          const char *report);

/* ---- files.c */
void eval_declare_inputs(cli_outputs *files, const GPtrArray *sets);
/* A category's name as JSON takes it. Two different names stay different. g_free. */
char *eval_safe_name(const char *category);
bool eval_write_file(const char *folder, const char *name, const char *text, size_t bytes);
bool eval_write_json(const char *folder, const char *name, const json_t *value);
void eval_add_csv(GString *csv, const json_t *run, const dataset *set);
/* One digest of the names, sizes and times of all pictures of the data sets; g_free. */
char *eval_files_digest(const GPtrArray *sets);
/* SHA-256 of a file; NULL if it cannot be read. g_free. */
char *eval_file_sha256(const char *path);

#endif
