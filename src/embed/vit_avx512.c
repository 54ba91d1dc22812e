/* vit_avx512.c - the transformer's kernels for AVX-512. */
#include "embed/kernels.h"

#include <math.h>
#include <string.h>

#define KERNEL_ISA DP_ISA_AVX512
#include "embed/vec_avx512.h"

#include "embed/vit_body.h"
