/* SPDX-License-Identifier: Apache-2.0 */
/* memory_plan.h - finds out whether a bank fits into memory, before any work is done. */
#ifndef DP_PIPELINE_MEMORY_PLAN_H
#define DP_PIPELINE_MEMORY_PLAN_H

#include "bank/builder.h"
#include "dinopatch/edit.h"

/* Returns the bytes that this process may still take: the least of run->max_memory_bytes (0: no limit), the free memory
 * of the machine, and what its control groups leave. SIZE_MAX if none of these is known. */
size_t dp_memory_free_bytes(const dp_run *run);

/* Logs how much memory the bank of a fit takes, and refuses it if there is less.
 *   spec       the bank as asked for, with recipe->pca and ->kmeans; with `adding`, the old bank and the new pictures
 *   collected  the bank as it is held while pictures come in, which may be larger
 * Errors: DP_E_MEMORY; the message names what would fit. */
dp_status dp_memory_plan(const dp_bank_spec *spec, const dp_bank_spec *collected, bool adding, const dp_run *run,
                         dp_error *err);

/* Refuses work that needs more bytes than are free. what begins the message, advice ends it. */
dp_status dp_memory_check(const char *what, size_t bytes, const char *advice, const dp_run *run, dp_error *err);

/* Checks the memory for a smaller bank, made from one that stays open. */
dp_status dp_memory_plan_compression(const dp_bank *bank, const dp_compression *how, const dp_run *run, dp_error *err);

#endif
