/* workbench.h - the buffers one picture needs on its way from features to a result; allocated once per session and bank. */
#ifndef DP_RUN_WORKBENCH_H
#define DP_RUN_WORKBENCH_H

#include "bank/distance.h"
#include "dinopatch.h"
#include "run/prefetch.h"

typedef struct dp_workbench {
    dp_recipe recipe;         /* canvas and layers settled */
    size_t patch_px;
    size_t rows, cols, dim;
    size_t knn;               /* neighbours there is room for; 0: none */
    uint8_t *valid;           /* [canvas_height, canvas_width] */
    float *tokens;            /* [rows, cols, dim] */
    float *orientation;       /* [dim] */
    dp_neighbour *nearest;    /* [rows, cols, knn] */
    uint32_t *nearest_picture; /* [rows, cols] */
    float *scratch;           /* [rows, cols] */
} dp_workbench;

dp_status dp_workbench_open(const dp_recipe *recipe, size_t patch_px, size_t model_dim, size_t knn, dp_workbench *bench,
                            dp_error *err);
void dp_workbench_close(dp_workbench *bench);

/* Features of a prepared picture in bench->tokens, turned or mirrored into the reference's polarity.
 * reference [dim], or NULL: polarity is not settled, *polarity 0.  On return prepared->rgb and ->cells are those of the
 * tokens (for a mirrored grid: the cells are mirrored, rgb is not).  bench->orientation [dim] is that of the picture as it was
 * found, before mirroring or turning. */
dp_status dp_workbench_features(dp_workbench *bench, dp_session *session, dp_prepared *prepared, const float *reference,
                                int *polarity, dp_error *err);

/* Post-processing (dp_post) is the caller's to apply to a finished map: a recipe or view that asks fit or inspect for it is
 * refused rather than silently passed over.  Errors: DP_E_UNSUPPORTED. */
dp_status dp_post_refuse(const dp_post *post, dp_error *err);

#endif
