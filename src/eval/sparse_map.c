/* SPDX-License-Identifier: Apache-2.0 */
/* sparse_map.c - scores the few cells of a map that a trial keeps.
 *
 * Most trials of a search keep a few per cent of the cells. The cells are sorted once. Those that reach a threshold
 * are then a prefix, and groups are found among them alone.
 *
 * Holes: a set of cells that touch by sides and corners has as many enclosed holes as its number of groups minus its
 * Euler number
 *     V - E + T - Q       (cells, touching pairs, triples and fours that touch each other; the last two lie in squares
 *                          of 2 x 2)
 * So the kept cells tell whether there is a hole to fill. If there is one, the whole map is processed instead. */
#include "eval/sparse_map.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <stdlib.h>

#define FEW 3 /* at most a third of the cells */

struct entry {
    float value;
    uint32_t cell;
};

static int falling(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->value != y->value)
        return x->value < y->value ? 1 : -1;
    return x->cell < y->cell ? -1 : x->cell > y->cell;
}

dp_status dp_sorted_map_open(const float *map, const uint8_t *valid, size_t rows, size_t cols, dp_sorted_map *sorted,
                             dp_error *err)
{
    size_t cells = rows * cols;
    struct entry *list = dp_malloc(cells, sizeof *list);
    *sorted = (dp_sorted_map){.cells = dp_malloc(cells, sizeof *sorted->cells),
                              .values = dp_malloc(cells, sizeof *sorted->values),
                              .rows = rows,
                              .cols = cols};
    if (!list || !sorted->cells || !sorted->values) {
        dp_memory_free(list);
        dp_sorted_map_close(sorted);
        return dp_fail_memory(err, "the sorted cells of a map", cells * sizeof *list);
    }
    for (size_t i = 0; i < cells; i++)
        if (!valid || valid[i])
            list[sorted->n++] = (struct entry){map[i], (uint32_t)i};
    qsort(list, sorted->n, sizeof *list, falling);
    for (size_t i = 0; i < sorted->n; i++) {
        sorted->cells[i] =
            (uint32_t)((list[i].cell / cols + 1) * (cols + 2) + list[i].cell % cols + 1); /* in the framed grid */
        sorted->values[i] = list[i].value;
    }
    dp_memory_free(list);
    return DP_OK;
}

void dp_sorted_map_close(dp_sorted_map *sorted)
{
    dp_memory_free(sorted->cells);
    dp_memory_free(sorted->values);
    *sorted = (dp_sorted_map){0};
}

dp_status dp_sparse_work_open(size_t rows, size_t cols, dp_sparse_work *work, dp_error *err)
{
    size_t n = rows * cols;
    *work = (dp_sparse_work){.slot = dp_calloc_2d(rows + 2, cols + 2, sizeof *work->slot),
                             .parent = dp_malloc(n, sizeof *work->parent),
                             .sizes = dp_malloc(n, sizeof *work->sizes),
                             .kept = dp_malloc(n, sizeof *work->kept)};
    if (work->slot && work->parent && work->sizes && work->kept)
        return DP_OK;
    dp_sparse_work_close(work);
    return dp_fail_memory(err, "the workspace of the tuning", n * 16);
}

void dp_sparse_work_close(dp_sparse_work *work)
{
    dp_memory_free(work->slot);
    dp_memory_free(work->parent);
    dp_memory_free(work->sizes);
    dp_memory_free(work->kept);
    *work = (dp_sparse_work){0};
}

/* Returns how many of the falling values are at least x. */
static size_t at_least(const dp_sorted_map *map, float x)
{
    size_t low = 0, high = map->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (map->values[middle] >= x)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static uint32_t root_of(uint32_t *parent, uint32_t i)
{
    while (parent[i] != i)
        i = parent[i] = parent[parent[i]];
    return i;
}

static void join(uint32_t *parent, uint32_t a, uint32_t b)
{
    a = root_of(parent, a);
    b = root_of(parent, b);
    if (a < b)
        parent[b] = a;
    else
        parent[a] = b;
}

/* Returns whether the cells that hold a slot enclose a hole, given the number of their groups. */
static int has_holes(const dp_sorted_map *map, const dp_sparse_work *work, size_t last, size_t groups)
{
    size_t stride = map->cols + 2;
    int64_t euler = 0;
    for (size_t k = 0; k < last; k++) {
        const uint32_t *here = work->slot + map->cells[k];
        if (!*here)
            continue;
        int e = here[1] != 0, sw = here[stride - 1] != 0, s = here[stride] != 0, se = here[stride + 1] != 0;
        /* From the square whose north-west this cell is: the three triples with it, and the four. From the square
         * whose north-east it is: the triple without the north-west. */
        euler += 1 - (e + sw + s + se) + (e * s + e * se + s * se + sw * s) - e * s * se;
    }
    return (int64_t)groups != euler;
}

/* Scores like dp_score_cells over kept [n], falling, and zeros up to m cells. */
static double score_kept(dp_score how, const float *kept, size_t n, size_t m)
{
    double sum = 0;
    if (how == DP_SCORE_MAX)
        return n ? (double)kept[0] : 0;
    if (how == DP_SCORE_P99) {
        double place = 0.99 * (double)(m - 1), share = place - (double)(size_t)place;
        size_t rank = m - 1 - (size_t)place; /* counted from the largest, 0 */
        double low = rank < n ? (double)kept[rank] : 0, high = !rank ? low : rank - 1 < n ? (double)kept[rank - 1] : 0;
        return share < 0.5 ? low + (high - low) * share : high - (high - low) * (1 - share);
    }
    size_t top = how == DP_SCORE_MEAN ? m : how == DP_SCORE_TOP10 ? (m < 10 ? m : 10) : m / 100 ? m / 100 : 1;
    for (size_t i = 0; i < top && i < n; i++)
        sum += (double)kept[i];
    return sum / (double)top;
}

int dp_sparse_score(const dp_post *post, dp_score how, const dp_sorted_map *map, dp_sparse_work *work, double *score)
{
    float low = (float)post->low, high = (float)post->high;
    size_t last = at_least(map, low), stride = map->cols + 2, groups = 0, n = 0;
    int hysteresis = post->high > post->low;
    if (!(post->low > 0) || last > map->n / FEW)
        return 0;
    /* Sums in another order than the map's give the same numbers only if they are exact: 24 bits each, the largest
     * and the smallest at most 16 bits apart, at most 4096 of them. */
    if (last > 4096 || (last && map->values[last - 1] < map->values[0] * 0x1p-16f))
        return 0;
    size_t n_strong = hysteresis ? at_least(map, high) : last;
    for (size_t k = 0; k < last; k++) {
        uint32_t *here = work->slot + map->cells[k];
        *here = (uint32_t)k + 1;
        work->parent[k] = (uint32_t)k;
        const uint32_t around[8] = {here[1],     here[stride - 1],     here[stride],     here[stride + 1],
                                    *(here - 1), *(here - stride + 1), *(here - stride), *(here - stride - 1)};
        for (size_t i = 0; i < 8; i++)
            if (around[i])
                join(work->parent, (uint32_t)k, around[i] - 1);
    }
    for (size_t k = 0; k < last; k++)
        work->sizes[k] = 0;
    for (size_t k = 0; k < last; k++) /* a root is the first of its group, so it has the largest distance */
        work->sizes[root_of(work->parent, (uint32_t)k)]++;
    for (size_t k = 0; k < last; k++) {
        uint32_t root = root_of(work->parent, (uint32_t)k);
        if (root < n_strong && work->sizes[root] >= post->min_object) {
            groups += root == k;
            work->kept[n++] = map->values[k];
        } else {
            work->slot[map->cells[k]] = 0;
        }
    }
    int simple = !post->max_hole || !has_holes(map, work, last, groups);
    for (size_t k = 0; k < last; k++)
        work->slot[map->cells[k]] = 0;
    if (simple)
        *score = score_kept(how, work->kept, n, map->n);
    return simple;
}
