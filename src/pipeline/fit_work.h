/* SPDX-License-Identifier: Apache-2.0 */
/* fit_work.h - what a fit keeps from picture to picture, and its steps. */
#ifndef DP_PIPELINE_FIT_WORK_H
#define DP_PIPELINE_FIT_WORK_H

#include "bank/builder.h"
#include "bank/twins.h"
#include "extract/extractor.h"
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
    dp_settled settled; /* all 0 where a bank is added to */
    const dp_roi *roi;  /* region to inspect; NULL: none */
    const dp_bank *
        known; /* a bank that is added to: its reference settles the polarity; NULL: the pictures' own consensus does */
    dp_bank_builder *builder;
    float *orientations; /* [pictures.n, 2, dim] each picture's as it was found, and turned; not normalised by layer */
    float *running;      /* [dim] sum of the pictures' own orientations, each with its sign */
    float *own, *pair;   /* [dim], [2, dim] scratch */
    float *norm;     /* [2, dim] what normalises the layers, from all pictures once they are there; NULL: nothing does.
                                 Until then from the first picture, good enough for a first guess of the signs */
    float *as_found; /* [rows, cols, dim] features of the picture as it was found */
    uint8_t *cells_as_found;  /* [rows, cols] */
    int *signs;               /* [pictures.n] sign each picture was stored with */
    size_t *sources;          /* [pictures.n] which picture of the work each in the bank came from */
    unsigned char *digests;   /* [pictures.n, 32] of the pictures that were loaded */
    dp_twin_table given;      /* their digests, under the paths' indices */
    dp_twin_table known_ones; /* those of the known bank, under its pictures' */
    bool unseen;              /* of some of its pictures the digest is not known */
    dp_cell_statistics
        statistics; /* of the good cells, in a recipe with layer_norm; dim 0: not asked for, or the known bank's hold */
    dp_fit_counts report;
    dp_gate gate;   /* of the known bank */
    dp_error fault; /* the first that came from the network, not from a file */
} dp_fit_work;

static inline dp_bank_pictures *dp_fit_pictures(const dp_fit_work *fit)
{
    return &fit->builder->bank->pictures;
}

/* fit_learn.c: one picture enters the bank, or is left out and told. */
dp_status dp_fit_learn(dp_fit_work *fit, dp_prepared *prepared, dp_error *err);
/* Says that a picture is left out: its pixels are those of the picture named `twin`, known: one of the known bank. */
dp_status dp_fit_leave_twin(dp_fit_work *fit, const dp_prepared *prepared, const char *twin, bool known);
/* Finds what normalises the layers of cells with these statistics: fit->norm. */
dp_status dp_fit_find_norm(dp_fit_work *fit, const dp_cell_statistics *statistics, dp_error *err);

/* fit_rows.c: a prepared picture, features settled in the extractor, into its rows of the bank. */
dp_status dp_fit_put(dp_fit_work *fit, dp_prepared *prepared, size_t picture, int polarity, dp_error *err);
/* DP_E_PICTURE where the mask would leave nothing of a picture in the extractor. */
dp_status dp_fit_check_background(dp_fit_work *fit, const dp_prepared *prepared, dp_error *err);

/* fit_polarity.c: embeds the picture as it was found or turned, or takes from the trial what came out there. */
dp_status dp_fit_embed(dp_fit_work *fit, dp_prepared *prepared, int turn, dp_error *err);
/* Embeds a picture both ways round.  The extractor and the prepared picture then hold it the way its sign against the
 * pictures before it says, *sign; fit->own is its orientation. */
dp_status dp_fit_turn(dp_fit_work *fit, dp_prepared *prepared, int *sign, dp_error *err);
/* Finds which way round each picture lies, as all of them agree, and mends those that were stored the other way. */
dp_status dp_fit_settle_polarity(dp_fit_work *fit, dp_error *err);

#endif
