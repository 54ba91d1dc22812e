/* SPDX-License-Identifier: Apache-2.0 */
/* trial.h - some of the good pictures as the network sees them by one recipe: to try the recipe, and kept for fit. */
#ifndef DP_PIPELINE_TRIAL_H
#define DP_PIPELINE_TRIAL_H

#include "extract/extractor.h"
#include "extract/pictures.h"

/* Features as the network gives them, the object as it was found and turned by 180 degrees. */
typedef struct dp_trial_picture {
    float *features[2]; /* [rows, cols, dim]; NULL: not there, or taken */
    uint8_t *cells[2];  /* [rows, cols] */
} dp_trial_picture;

typedef struct dp_trial {
    dp_extractor extractor;
    const dp_pose *poses;       /* of all pictures of the work, by this recipe; NULL: it aligns none */
    size_t turns;               /* 2 where the recipe settles polarity, else 1 */
    size_t n;                   /* pictures of the work; 0: nothing is tried */
    dp_trial_picture *pictures; /* [n], most of them empty */
} dp_trial;

/* recipe: canvas and pose settled; no edge.  n: pictures of the work.  Errors: DP_E_ARGUMENT, DP_E_MEMORY. */
dp_status dp_trial_open(const dp_recipe *recipe, dp_session *session, size_t n, dp_trial *trial, dp_error *err);
void dp_trial_close(dp_trial *trial);

/* Adds the pictures which [n] to several trials; the trials' poses of them are there.  One that cannot be read or embedded is passed over.
 * Errors: DP_E_MEMORY, DP_E_CANCELLED. */
dp_status dp_trials_learn(dp_trial *trials, size_t n_trials, dp_session *session, const dp_pictures *pictures,
                          const size_t *which, size_t n, dp_error *err);
/* P of pose_choice.h over the pictures learned so far. */
dp_status dp_trial_ratio(const dp_trial *trial, dp_session *session, double *ratio, dp_error *err);

/* Moves what is kept of a picture (turn: 0 or 1) into tokens and cells; false: there is nothing. */
bool dp_trial_take(dp_trial *trial, size_t picture, int turn, float *tokens, uint8_t *cells);

#endif
