/* isa.h - resolves the level a caller asked for against what the machine has. */
#ifndef DP_BASE_ISA_H
#define DP_BASE_ISA_H

#include "dinopatch.h"

/* The level kernels should use: the machine's best for DP_ISA_AUTO, the one asked for where the machine has it.
 * A level the machine lacks is DP_E_UNSUPPORTED. */
dp_status dp_isa_resolve(dp_isa asked, dp_isa *usable, dp_error *err);

#endif
