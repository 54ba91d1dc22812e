/* SPDX-License-Identifier: Apache-2.0 */
/* postprocess.h - dp_post_apply without allocation, for repeated use. */
#ifndef DP_SCORE_POSTPROCESS_H
#define DP_SCORE_POSTPROCESS_H

#include "dinopatch/experimental.h"

/* Memory for maps of up to rows x cols elements; one per thread. */
typedef struct dp_post_work {
    float *filtered, *sums, *weights; /* [rows, cols] */
    uint8_t *mask;                    /* [rows, cols] */
    uint32_t *labels;                 /* [rows, cols] */
    uint32_t *scratch, *sizes;        /* [dp_components_scratch(rows, cols)] */
} dp_post_work;

dp_status dp_post_work_open(size_t rows, size_t cols, dp_post_work *work, dp_error *err);
void dp_post_work_close(dp_post_work *work);

/* Returns non-zero if post changes anything. */
int dp_post_active(const dp_post *post);

/* Does the work of dp_post_apply; post must have been checked. out may be map. */
void dp_post_run(const dp_post *post, const float *map, const uint8_t *valid, size_t rows, size_t cols,
                 double element_px, dp_post_work *work, float *out);

#endif
