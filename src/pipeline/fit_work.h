/* SPDX-License-Identifier: Apache-2.0 */
/* fit_work.h - what a fit keeps from picture to picture, and its steps. */
#ifndef DP_PIPELINE_FIT_WORK_H
#define DP_PIPELINE_FIT_WORK_H

#include "bank/builder.h"
#include "bank/twins.h"
#include "extract/extractor.h"
#include "pipeline/fit_replay.h"
#include "pipeline/settle.h"
#include "score/gate.h"

typedef struct dp_fit_work {
    dp_session *session;
    const dp_run *run;
    dp_pictures pictures;
    dp_picture_fn on_picture;
    void *user;

    dp_extractor extractor;
    dp_finder finder;   /* with align=features */
    dp_recipe asked;    /* layers and canvas settled */
    dp_settled settled; /* all 0 if pictures are added to a bank */
    const dp_roi *roi;  /* region to inspect; NULL: none */
    const dp_bank *
        known; /* the bank that pictures are added to: its reference settles the polarity; NULL: their consensus does */
    dp_fit_replay *replay; /* the shards that the pictures' features come from; NULL: the network makes them */
    dp_bank_builder *builder;
    float *orientations; /* [pictures.n, 2, dim] each picture's as it was found, and turned; not normalised by layer */
    float *running;      /* [dim] sum of the pictures' own orientations, each with its sign */
    float *own, *pair;   /* [dim], [2, dim] scratch */
    float *norm;     /* [2, dim] what normalises the layers, from all pictures once they are there; NULL: nothing does.
                                 Until then from the first picture, good enough for a first guess of the signs */
    float *as_found; /* [rows, cols, dim] features of the picture as it was found */
    uint8_t *cells_as_found;  /* [rows, cols] */
    float *vector_as_found;   /* [extractor.n_vector] */
    int *signs;               /* [pictures.n] sign each picture was stored with */
    size_t *sources;          /* [pictures.n] which picture of the work each in the bank came from */
    unsigned char *digests;   /* [pictures.n, 32] of the pictures that were loaded */
    dp_twin_table given;      /* their digests, by index of the picture */
    dp_twin_table known_ones; /* digests of the known bank, by index of its picture */
    bool unseen;              /* the known bank lacks the digest of some picture */
    dp_cell_statistics
        statistics; /* of the good cells, with layer_norm; dim 0: not needed, or the known bank has them */
    dp_fit_counts report;
    dp_gate gate;   /* of the known bank */
    dp_error fault; /* the first fault of the network, not of a file */
} dp_fit_work;

static inline dp_bank_pictures *dp_fit_pictures(const dp_fit_work *fit)
{
    return &fit->builder->bank->pictures;
}

/* fit_views.c: prepares the canvas of a picture, as it was found (turn 0) or turned by 180 degrees (1). */
dp_status dp_fit_warp(dp_fit_work *fit, dp_prepared *prepared, int turn, dp_error *err);
/* Fills the extractor with the features of the canvas as it is now: version 0, or 1 of its mirror. */
dp_status dp_fit_run(dp_fit_work *fit, dp_prepared *prepared, size_t version, dp_error *err);
/* The same for the picture rotated by k of the recipe's rotations; cells are then those of this canvas. */
dp_status dp_fit_rotate(dp_fit_work *fit, dp_prepared *prepared, size_t k, dp_error *err);
/* The same for the picture with the brightness that is drawn for it, lying the way `turn` says (0 or 1). */
dp_status dp_fit_brighten(dp_fit_work *fit, dp_prepared *prepared, int turn, dp_error *err);
/* Prepares picture `index` of the work once more. Close *again in any case: dp_prepared_close. */
dp_status dp_fit_again(dp_fit_work *fit, size_t index, dp_prepared *again, dp_error *err);

/* fit.c: all of a fit, whose pictures and what it begins from are there. recipe: as asked; NULL: fit->settled is there.
 * report may be NULL. */
dp_status dp_fit_all(dp_fit_work *fit, const dp_recipe *recipe, dp_bank **bank, dp_fit_counts *report, dp_error *err);
void dp_fit_work_close(dp_fit_work *fit);

/* fit_learn.c: takes one picture into the bank, or leaves it out and reports why. */
dp_status dp_fit_learn(dp_fit_work *fit, dp_prepared *prepared, dp_error *err);
/* Leaves a picture out and reports that its pixels are those of the picture `twin`, in the known bank with `known`. */
dp_status dp_fit_leave_twin(dp_fit_work *fit, const dp_prepared *prepared, const char *twin, bool known);
/* Computes fit->norm, which normalises the layers, from statistics of cells. */
dp_status dp_fit_find_norm(dp_fit_work *fit, const dp_cell_statistics *statistics, dp_error *err);

/* fit_rows.c: stores a prepared picture, whose features are in the extractor, in its rows of the bank. */
dp_status dp_fit_put(dp_fit_work *fit, dp_prepared *prepared, size_t picture, int polarity, dp_error *err);
/* Returns DP_E_PICTURE if the mask would leave nothing of the picture in the extractor. */
dp_status dp_fit_check_background(dp_fit_work *fit, const dp_prepared *prepared, dp_error *err);

/* fit_polarity.c: embeds the picture as it was found or turned, or takes the features of the trial. */
dp_status dp_fit_embed(dp_fit_work *fit, dp_prepared *prepared, int turn, dp_error *err);
/* Embeds a picture both ways round. *sign: how it lies against the pictures before it; the extractor and the prepared
 * picture then hold it that way, and fit->own is its orientation. */
dp_status dp_fit_turn(dp_fit_work *fit, dp_prepared *prepared, int *sign, dp_error *err);
/* Finds which way round each picture lies by the consensus of all, and mends those that were stored the other way. */
dp_status dp_fit_settle_polarity(dp_fit_work *fit, dp_error *err);

#endif
