/* SPDX-License-Identifier: Apache-2.0 */
/* border.h - returns the sample that stands for position i of n samples; i may lie before the first or behind the
 * last. n >= 1. */
#ifndef DP_BASE_BORDER_H
#define DP_BASE_BORDER_H

#include <stddef.h>

/* ... y z | a b ... y z | a b ... */
static inline size_t dp_border_wrap(ptrdiff_t i, size_t n)
{
    ptrdiff_t rest = i % (ptrdiff_t)n;
    return (size_t)(rest < 0 ? rest + (ptrdiff_t)n : rest);
}

/* ... b a | a b ... y z | z y ... */
static inline size_t dp_border_reflect(ptrdiff_t i, size_t n)
{
    size_t at = dp_border_wrap(i, 2 * n);
    return at < n ? at : 2 * n - 1 - at;
}

/* ... c b | a b ... y z | y x ...: the sample at the border appears once. */
static inline size_t dp_border_reflect_101(ptrdiff_t i, size_t n)
{
    ptrdiff_t last = (ptrdiff_t)n - 1;
    if (last == 0)
        return 0;
    while (i < 0 || i > last)
        i = i < 0 ? -i : 2 * last - i;
    return (size_t)i;
}

#endif
