/* gather.c - rows of pictures brought together, location by location, without being computed anew. */
#include "bank/gather.h"
#include "base/error.h"
#include "base/memory.h"

#include <math.h>
#include <string.h>

/* n rows of a bank, counted through all locations, to a place of another. */
static void copy_rows(const dp_bank *from, size_t first, size_t n, dp_bank *to, size_t place)
{
    size_t bytes = to->dim * dp_storage_bytes(to->storage);
    memcpy((char *)to->own_features + place * bytes, (const char *)from->features + first * bytes, n * bytes);
    memcpy(to->own_norms + place, from->norms + first, n * sizeof *to->own_norms);
    memcpy(to->own_valid + place, from->valid + first, n);
    if (to->own_scales)
        memcpy(to->own_scales + place, from->scales + first, n * sizeof *to->own_scales);
}

static void fill_grid(const dp_bank_pick *picks, size_t n, dp_bank *to)
{
    size_t per = to->rows_per_picture, cols = to->grid_cols;
    for (size_t cell = 0; cell < dp_bank_cells(to); cell++) {
        size_t mirrored = cell / cols * cols + cols - 1 - cell % cols;
        for (size_t i = 0; i < n; i++) {
            size_t source = picks[i].mirrored ? mirrored : cell;
            copy_rows(picks[i].bank, source * picks[i].bank->n_rows + picks[i].picture * per, per, to, cell * to->n_rows + i * per);
        }
    }
}

static void fill_pool(const dp_bank_pick *picks, size_t n, dp_bank *to)
{
    size_t place = 0;
    for (size_t i = 0; i < n; i++) {
        size_t first, count;
        dp_bank_pool_range(picks[i].bank, picks[i].picture, &first, &count);
        copy_rows(picks[i].bank, first, count, to, place);
        for (size_t row = 0; row < count; row++) {
            to->own_row_picture[place + row] = (int32_t)i;
            to->own_row_cell[place + row] = picks[i].bank->row_cell[first + row];
        }
        place += count;
    }
}

dp_status dp_bank_gather(const dp_bank *like, const dp_bank_pick *picks, size_t n, dp_bank **out, dp_error *err)
{
    size_t rows = 0, first, count;
    bool pool = dp_bank_is_pool(like);
    for (size_t i = 0; i < n; i++) {
        count = like->rows_per_picture;
        if (pool)
            dp_bank_pool_range(picks[i].bank, picks[i].picture, &first, &count);
        rows += count;
    }
    if (rows >= UINT32_MAX || n > INT32_MAX)
        return dp_fail(err, DP_E_ARGUMENT, "a bank of %zu pictures with %zu rows at each place is too large", n, rows);
    /* dp_bank_like takes sizes and names from a bank: here they are those of the picks. */
    dp_bank frame = *like, *bank = NULL;
    char **names = dp_calloc(n, sizeof *names);
    dp_pose *poses = dp_malloc(n, sizeof *poses);
    dp_light *lights = dp_malloc(n, sizeof *lights);
    int8_t *polarities = dp_malloc(n, 1);
    unsigned char *digests = dp_malloc(n, DP_DIGEST_BYTES);
    double *scores = dp_malloc(n, sizeof *scores);
    int32_t *grids = dp_calloc(n, 2 * sizeof *grids);
    uint8_t **masks = dp_calloc(n, sizeof *masks); /* borrowed */
    dp_status status = DP_OK;
    if (!names || !poses || !lights || !polarities || !digests || !scores || !grids || !masks)
        status = dp_fail_memory(err, "the pictures", n * sizeof *poses);
    for (size_t i = 0; !status && i < n; i++) {
        const dp_bank *from = picks[i].bank;
        names[i] = from->names[picks[i].picture];
        poses[i] = from->poses[picks[i].picture];
        lights[i] = from->lights[picks[i].picture];
        polarities[i] = (int8_t)(picks[i].mirrored ? -from->polarities[picks[i].picture] : from->polarities[picks[i].picture]);
        memcpy(digests + i * DP_DIGEST_BYTES, from->picture_digests + picks[i].picture * DP_DIGEST_BYTES, DP_DIGEST_BYTES);
        scores[i] = NAN;
        masks[i] = from->background ? from->background[picks[i].picture] : NULL;
        if (pool)
            memcpy(grids + 2 * i, from->grids + 2 * picks[i].picture, 2 * sizeof *grids);
    }
    frame.n_pictures = n;
    frame.names = names;
    frame.poses = poses;
    frame.lights = lights;
    frame.polarities = polarities;
    frame.picture_digests = digests;
    frame.loo_scores = frame.loo_peaks = scores; /* none */
    frame.threshold = frame.cell_threshold = NAN;
    frame.peaks_known = false;
    frame.grids = pool ? grids : NULL;
    frame.background = like->background ? masks : NULL;
    if (!status)
        status = dp_bank_like(&frame, rows, like->dim, like->storage, like->row_picture != NULL, &bank, err);
    if (!status) {
        bank->recipe.shots = 0; /* it is no longer a choice from what fit was given */
        if (pool)
            fill_pool(picks, n, bank);
        else
            fill_grid(picks, n, bank);
        for (size_t i = 0; i < n; i++)
            if (picks[i].mirrored && masks[i])
                dp_bank_mirror_background(bank, i, bank->background[i]);
        *out = bank;
    }
    dp_memory_free(names);
    dp_memory_free(poses);
    dp_memory_free(lights);
    dp_memory_free(polarities);
    dp_memory_free(digests);
    dp_memory_free(scores);
    dp_memory_free(grids);
    dp_memory_free(masks);
    return status;
}
