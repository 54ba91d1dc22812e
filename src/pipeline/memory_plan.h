/* SPDX-License-Identifier: Apache-2.0 */
/* memory_plan.h - whether a bank will fit into memory, asked before any work is done. */
#ifndef DP_PIPELINE_MEMORY_PLAN_H
#define DP_PIPELINE_MEMORY_PLAN_H

#include "bank/builder.h"
#include "dinopatch/edit.h"

/* Bytes this process may still take: the least of run->max_memory_bytes (0: no limit), what the machine has free, and what its
 * control groups leave; SIZE_MAX where none of these is known. */
size_t dp_memory_free_bytes(const dp_run *run);

/* Says through run->log what the bank of a fit will take, and refuses it where that is more than there is.  spec: the bank as asked for
 * (recipe->pca and ->kmeans included); collected: as it is held while pictures come in, which may be larger.  adding: spec
 * is a bank that is there with the pictures that are collected added to it.
 * Errors: DP_E_MEMORY; the message names what would fit. */
dp_status dp_memory_plan(const dp_bank_spec *spec, const dp_bank_spec *collected, bool adding, const dp_run *run,
                         dp_error *err);

/* The same for bytes that are known.  what: begins the sentence; advice: ends it. */
dp_status dp_memory_check(const char *what, size_t bytes, const char *advice, const dp_run *run, dp_error *err);

/* For a smaller bank made of one that is there and stays. */
dp_status dp_memory_plan_compression(const dp_bank *bank, const dp_compression *how, const dp_run *run, dp_error *err);

#endif
