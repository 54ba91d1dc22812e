/* SPDX-License-Identifier: Apache-2.0 */
/* isa.h - compares the instruction set that a caller asks for with those of the machine. */
#ifndef DP_BASE_ISA_H
#define DP_BASE_ISA_H

#include "dinopatch/experimental.h"

/* Gives the instruction set that kernels use: the best of the machine for DP_ISA_AUTO, else the one asked for.
 * Returns DP_E_UNSUPPORTED if the machine lacks it. */
dp_status dp_isa_resolve(dp_isa asked, dp_isa *usable, dp_error *err);

#endif
