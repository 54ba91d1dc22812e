/* SPDX-License-Identifier: Apache-2.0 */
/* connected.c - connected components with two passes and a union-find forest.
 *
 * The first pass gives each element the label of a neighbour already seen (west, north-west, north, north-east) and
 * joins the trees where two meet. A root is always the smallest label of its tree, that is the label given first. So
 * numbering the roots upward numbers the groups in the order of the scan, whatever their shape. Source: Wu, Otoo,
 * Suzuki, "Optimizing two-pass connected-component labeling algorithms", 2009. */
#include "score/connected.h"

static inline uint32_t root_of(uint32_t *parent, uint32_t label)
{
    while (parent[label] != label) {
        parent[label] = parent[parent[label]];
        label = parent[label];
    }
    return label;
}

static inline uint32_t join(uint32_t *parent, uint32_t a, uint32_t b)
{
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a < b) {
        parent[b] = a;
        return a;
    }
    parent[a] = b;
    return b;
}

size_t dp_components_label(const uint8_t *mask, size_t rows, size_t cols, dp_connectivity connectivity,
                           uint32_t *labels, uint32_t *parent)
{
    uint32_t n = 0;
    parent[0] = 0;
    for (size_t r = 0; r < rows; r++) {
        const uint8_t *m = mask + r * cols;
        uint32_t *here = labels + r * cols;
        const uint32_t *above = r ? here - cols : NULL;
        for (size_t c = 0; c < cols; c++) {
            if (!m[c]) {
                here[c] = 0;
                continue;
            }
            uint32_t west = c ? here[c - 1] : 0, north = above ? above[c] : 0;
            uint32_t label;
            if (connectivity == DP_CONNECT_8) {
                uint32_t north_west = above && c ? above[c - 1] : 0;
                uint32_t north_east = above && c + 1 < cols ? above[c + 1] : 0;
                /* north touches all the others; without it, only north-east can be separate from west and north-west.
                 * */
                if (north) {
                    label = north;
                } else {
                    label = west ? west : north_west;
                    if (north_east)
                        label = label ? join(parent, label, north_east) : north_east;
                }
            } else {
                label = west ? west : north;
                if (west && north && west != north)
                    label = join(parent, west, north);
            }
            if (!label) {
                label = ++n;
                parent[n] = n;
            }
            here[c] = label;
        }
    }
    /* A parent is never above its child, so one upward pass turns every entry into the final number of its group. */
    uint32_t groups = 0;
    for (uint32_t i = 1; i <= n; i++)
        parent[i] = parent[i] == i ? ++groups : parent[parent[i]];
    for (size_t i = 0; i < rows * cols; i++)
        labels[i] = parent[labels[i]];
    return groups;
}
