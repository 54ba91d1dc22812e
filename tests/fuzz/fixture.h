/* SPDX-License-Identifier: Apache-2.0 */
/* fixture.h - small banks, for the seeds and for the target of the command line. */
#ifndef DP_TESTS_FUZZ_FIXTURE_H
#define DP_TESTS_FUZZ_FIXTURE_H

#include "dinopatch/experimental.h"

enum {
    FIXTURE_GRID,
    FIXTURE_GRID_F16,
    FIXTURE_GRID_I8,
    FIXTURE_MIRROR,
    FIXTURE_FLAT,
    FIXTURE_PATCHCORE,
    FIXTURE_KMEANS,
    FIXTURE_PCA,
    FIXTURE_SEPARATE,   /* two blocks, and their scales */
    FIXTURE_BACKGROUND, /* masks of the good pictures' background */
    FIXTURE_REGION,     /* a region to inspect */
    FIXTURE_PART,       /* the part that align=features finds */
    N_FIXTURES
};

/* "grid", "grid-f16", ... */
extern const char *const fixture_names[N_FIXTURES];
/* The caller closes it. */
dp_bank *fixture_bank(int kind);

#endif
