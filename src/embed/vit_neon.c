/* vit_neon.c - the transformer's kernels for NEON. */
#include "embed/kernels.h"

#include <math.h>
#include <string.h>

#define KERNEL_ISA DP_ISA_NEON
#include "embed/vec_neon.h"

#include "embed/vit_body.h"
