/* vit_avx2.c - the transformer's kernels for AVX2. */
#include "embed/kernels.h"

#include <math.h>
#include <string.h>

#define KERNEL_ISA DP_ISA_AVX2
#include "embed/vec_avx2.h"

#include "embed/vit_body.h"
