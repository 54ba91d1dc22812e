/* SPDX-License-Identifier: Apache-2.0 */
/* levels.h - runs the tests of a program at each instruction set of the machine, each in its own process, because
 * oneDNN can be limited only once. */
#ifndef DP_TESTS_GOLDEN_LEVELS_H
#define DP_TESTS_GOLDEN_LEVELS_H

#include "base/isa.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static dp_isa level;

/* test is the only test; it reads level.  0: it passed at each level. */
static int run_at_each_level(const char *name, CMUnitTestFunction test)
{
    static const dp_isa levels[] = {DP_ISA_C, DP_ISA_NEON, DP_ISA_AVX2, DP_ISA_AVX512, DP_ISA_AVX512_VNNI};
    const struct CMUnitTest tests[] = {{"every_case", test, NULL, NULL, NULL}};
    int failed = 0;
    for (size_t l = 0; l < sizeof levels / sizeof *levels; l++) {
        if (dp_isa_resolve(levels[l], &level, NULL) != DP_OK)
            continue;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0)
            exit(cmocka_run_group_tests_name(name, tests, NULL, NULL) ? 1 : 0);
        int status = 1;
        failed |= child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
    return failed;
}

#endif
