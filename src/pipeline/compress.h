/* SPDX-License-Identifier: Apache-2.0 */
/* compress.h - a smaller bank and its calibration. */
#ifndef DP_PIPELINE_COMPRESS_H
#define DP_PIPELINE_COMPRESS_H

#include "reduce/pca.h"
#include "dinopatch/edit.h"

/* Does dp_bank_compress with a worker pool and instruction set of the caller. kept (may be NULL): share of the variance. */
dp_status dp_bank_shrink(const dp_bank *bank, const dp_compression *how, dp_isa isa, dp_pool *pool, const dp_run *run,
                         dp_bank **out, double *kept, dp_error *err);

#endif
