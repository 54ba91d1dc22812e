/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch/edit.h - changes to banks: add, remove, merge, compress; locks, twins, suspects.
 *
 * The conventions of dinopatch.h hold. */
#ifndef DINOPATCH_EDIT_H
#define DINOPATCH_EDIT_H

#include "dinopatch/experimental.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ------------------------------------------------------------------------------------------------------------ bank */

/* Making a bank smaller: principal components first, then k-means at each location or a coreset of a flat bank, then the type of its
 * numbers. */
typedef struct dp_compression {
    double pca;     /* as in dp_recipe; 0: features keep their dimensions */
    size_t kmeans;  /* as in dp_recipe; 0: rows stay as they are */
    double coreset; /* as in dp_recipe, of a flat bank only; 0: rows stay as they are */
    size_t seed;    /* of k-means and of the coreset */
    dp_storage storage;
} dp_compression;

/* Nothing changed: the bank's own storage. */
DP_API void dp_compression_init(const dp_bank *bank, dp_compression *compression);

typedef struct dp_compression_report {
    size_t bytes_before, bytes_after; /* of the features and their tables */
    double kept_variance;             /* share of the variance that the principal components keep; 1 without */
    double search_before_s,
        search_after_s; /* the search for one picture; NaN where the bank holds no picture's features */
    double threshold_before, threshold_after;
    double mean_change, max_change; /* of the leave-one-out scores, relative: 0.01 is one per cent more */
    double rank_correlation;        /* Spearman's, of the scores before and after */
    int calibrated; /* 0: the bank held no picture's own features (k-means, a coreset), the scores are the old ones */
} dp_compression_report;

/* A smaller bank from one that stays as it is; a mapped one is read location by location and never as a whole in memory.
 * Scores and threshold are found anew: by leaving each picture out; with k-means, whose centres belong to no picture, against
 * banks made in the same way from the other pictures, of all in 5 parts one part at a time (each picture by itself where there are
 * 20 or fewer).  run (may be NULL): threads, isa, progress (stages "reduce" and "leave one out").  report may be NULL.
 * The caller closes *compressed.
 * A picture of a coreset is scored with the features it had before against the rows that are not its own.
 * What it will take is known before: a bank that does not fit is refused with DP_E_MEMORY.
 * Errors: DP_E_ARGUMENT (more components than numbers, k-means of a flat bank, a coreset of a grid, either twice), DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
DP_API dp_status dp_bank_compress(const dp_bank *bank, const dp_compression *how, const dp_run *run,
                                  dp_bank **compressed, dp_compression_report *report, dp_error *err);

/* Banks that live on.  Each of these makes a new bank, whose scores and threshold are found anew; the old ones stay as they are, and
 * no picture that is in them is embedded again.  Saved over the old file, the path holds the old bank or the new one, never a part.
 * Banks whose rows are centres of k-means take no part: their pictures' features are gone (DP_E_MISMATCH). */

/* With further pictures, by the bank's own recipe and region: each is aligned, turned by the bank's reference of the polarity, projected and
 * stored as those before.  A picture that cannot be read or aligned, or that is in the bank already, is reported to on_picture, counted in
 * *report (may be NULL) and left out.  None left is an error, but where all of them are in the bank already: then *larger is NULL.
 * Errors: DP_E_MISMATCH (another checkpoint or precision), DP_E_PICTURE, DP_E_NUMERIC, DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_bank_add_from(dp_session *session, const dp_bank *bank, const dp_fit_input *input, dp_bank **larger,
                                  dp_fit_counts *report, dp_error *err);
/* Without n of its pictures, given by index.  run (may be NULL): threads, isa, progress.
 * Adding, removing, merging and quarantine find a threshold that came from the scores of the good pictures again, at the same rate. One that
 * was given by hand, tuned or found on held-out pictures stays as it is.
 * Errors: DP_E_ARGUMENT (no such picture, none left), DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_bank_remove(const dp_bank *bank, const size_t *pictures, size_t n, const dp_run *run,
                                dp_bank **smaller, dp_error *err);
/* Quarantine: rows of good pictures that answer no more, and stay in the bank until they are released. A picture of which more than half is in
 * quarantine has no leave-one-out score. */
typedef struct dp_bank_place {
    size_t picture; /* of the bank */
    dp_box box;     /* in its pixels: the rows whose cells have their centres in it; infinite: all */
    int outside;    /* non-zero: those outside the box; then only the box was added, and nothing releases the rest */
    int release;    /* non-zero: they answer again */
} dp_bank_place;
/* The bank with places [n] in quarantine or released, one after the other.  Scores are found again, and the threshold as by dp_bank_remove.
 * Errors: DP_E_ARGUMENT (no such picture, a place without a row, a cell that no row would answer for), DP_E_MISMATCH (k-means, a coreset, a
 * picture of unknown size), DP_E_UNSUPPORTED (a part of a picture that was also entered turned), DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_bank_quarantine(const dp_bank *bank, const dp_bank_place *places, size_t n, const dp_run *run,
                                    dp_bank **changed, dp_error *err);
/* How many rows of a picture are in quarantine, of how many that were added, and the box that holds their cells (NaN: there are none, or not
 * known). */
DP_API void dp_bank_quarantined(const dp_bank *bank, size_t picture, size_t *n_rows, size_t *n_all, dp_box *box);
/* Non-zero: only a box of this picture was added (dp_bank_place.outside). */
DP_API int dp_bank_region(const dp_bank *bank, size_t picture, dp_box *box);

/* The pictures of a, then those of b that are not in a: a picture counts once (said to run->log).  Both must have features of the same kind:
 * checkpoint, alignment, canvas, blocks, precision, projection.  How they are scored, kept and decided on is as in a.  Where the two
 * settled the polarity the other way round, b's grids are mirrored (--polarity mirror) or the merge is refused (rotate).
 * Errors: DP_E_MISMATCH (what differs is named), DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_bank_merge(const dp_bank *a, const dp_bank *b, const dp_run *run, dp_bank **merged, dp_error *err);

/* Which pictures of a source are in a bank (NULL: none is asked), and which are the same as one before: by their pixels, whatever they are
 * called and in whatever format they are.  in_bank [n] (NULL without a bank): the bank's picture, earlier [n]: the first with the same pixels;
 * SIZE_MAX: there is none.  A picture that cannot be read has neither.  Of the pictures whose pixels the bank does not know
 * (dp_bank_picture_digest) only the names are compared.  run (may be NULL): threads, max_picture_pixels, progress (stage "compare").
 * Errors: DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_find_twins_from(const dp_bank *bank, const dp_source *source, const dp_run *run, size_t *in_bank,
                                    size_t *earlier, dp_error *err);

/* The right to change the bank at a path.  Who opens a bank, adds to it and saves it over itself holds it all the while: then two that do
 * so at once come one after the other, and neither loses what the other added.  Other processes and other threads are kept out alike;
 * readers are not, they keep the bank that they opened.  A process that dies, of whatever, holds nothing. */
typedef struct dp_bank_lock dp_bank_lock;
/* Waits for whoever holds it, at most run->max_wait_seconds: run (may be NULL: no limit) is told once by log who that is, and progress is
 * asked ten times a second (stage "waiting").
 * Where there is no such file, or its file system knows no locks, *lock is NULL and the work goes on without.
 * Errors: DP_E_ARGUMENT (max_wait_seconds is NaN or below 0), DP_E_IO (also: waited long enough), DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_bank_lock_take(const char *path, const dp_run *run, dp_bank_lock **lock, dp_error *err);
DP_API void dp_bank_lock_release(dp_bank_lock **lock);

/* The pictures in the order in which their leave-one-out scores speak against them, the highest first: pictures [n_pictures], and how far
 * each lies from the rest: robust_z [n_pictures], (score - median) / (1.4826 MAD), from about 3.5 on an outlier.  A bad part among the
 * good ones stands on top; two that are bad in the same way hide each other, for each is the other's nearest.  Errors: DP_E_MEMORY. */
DP_API dp_status dp_bank_suspects(const dp_bank *bank, size_t *pictures, double *robust_z, dp_error *err);

/* Writes the bank with another way of scoring: metric, window, knn, blend, distance scales, post-processing, score, thresholds, heat scale, good scores and
 * peaks of the view, and fpr, take the place of the bank's own.  As dp_bank_save; path may be the bank's own file.  DP_E_ARGUMENT: a view
 * of some of the blocks, which is no way of scoring a bank can hold. */
DP_API dp_status dp_bank_save_view(const dp_bank *bank, const dp_view *view, double fpr, const char *path,
                                   dp_error *err);

/* ------------------------------------------------------------------------------------------------------------- a lot
 *
 * Pictures of which nobody says which are good, each judged by the others: MuSc's mutual scoring (docs/method.md, section 15). The score
 * of a cell is how far the nearest cells of other pictures are, where it is most alike: a good place recurs, a defect does not. So it
 * works where most of the lot is good, or where no two defects are alike; where most pictures have one defect, that looks normal. */
#define DP_LOT_FEWEST 8 /* pictures */

typedef struct dp_lot_picture {
    double alone;    /* the picture's own score, from its map */
    double score;    /* its mean with the pictures most like it */
    double robust_z; /* score above the median in spreads of those below the median */
    int trusted;     /* non-zero: robust_z is at most 2 */
} dp_lot_picture;

typedef struct dp_lot {
    size_t n, n_trusted;
    size_t compared; /* others that each picture was compared with */
    double
        agreement; /* Spearman's rank correlation of the pictures' own scores by two halves of those others: 1 where all agree */
    dp_lot_picture *pictures; /* [n] in the bank's order; dp_lot_close */
} dp_lot;

/* Judges the pictures of a bank of layout grid by each other; its thresholds and scores are not read. compared: at most so many others for
 * each picture, drawn by the recipe's seed; 0: all. What is settled by `bank` (layers, canvas, pose) is that of all its pictures. The
 * result is the same for any number of threads. run (may be NULL): threads, isa, progress (stage "lot"), memory.
 * Errors: DP_E_MISMATCH (fewer than DP_LOT_FEWEST pictures, no grid, or not all features of its pictures), DP_E_MEMORY, DP_E_NUMERIC,
 * DP_E_CANCELLED. */
DP_API dp_status dp_lot_judge(const dp_bank *bank, size_t compared, const dp_run *run, dp_lot *lot, dp_error *err);
DP_API void dp_lot_close(dp_lot *lot);

#ifdef __cplusplus
}
#endif
#endif
