/* SPDX-License-Identifier: Apache-2.0 */
/* basis.h - features in few numbers, for registration. */
#ifndef DP_REGISTER_BASIS_H
#define DP_REGISTER_BASIS_H

#include "base/pool.h"
#include "register/reference.h"

#define DP_BASIS_DIM 48

/* The DP_BASIS_DIM leading directions of the spread of x [n, dim_in] about its mean; dim_in where that is fewer.
 * The caller frees mean and rows of *basis. Errors: DP_E_MEMORY, DP_E_NUMERIC. */
dp_status dp_basis_find(const float *x, size_t n, size_t dim_in, dp_pool *pool, dp_basis *basis, dp_error *err);
/* x [n, dim_in], changed -> out [n, dim].  The same for any number of threads.  Errors: DP_E_MEMORY. */
dp_status dp_basis_apply(const dp_basis *basis, float *x, size_t n, dp_pool *pool, float *out, dp_error *err);

#endif
