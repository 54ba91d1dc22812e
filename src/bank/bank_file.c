/* SPDX-License-Identifier: Apache-2.0 */
/* bank_file.c - reads a bank of version 1 or 2 from a file; docs/bank-format.md describes it.
 *
 * The features are nearly all of the file. They come first and are mapped, not read. A tensor holds SHA-256 digests of
 * their 1 MiB blocks, so that many processors can check them. The last tensor, `seal`, is the SHA-256 of everything
 * else: the header and all tensors between the features and the seal. Opening checks the seal; verifying also checks
 * the features (bank_check.c). bank_tensors.c lists the tensors, bank_write.c writes them. */
#include "geometry/spaces.h"
#include "bank/bank_tensors.h"
#include "bank/name_text.h"
#include "bank/origin.h"
#include "options/recipe_json.h"
#include "bank/region_text.h"
#include "bank/roi_mask.h"
#include "base/error.h"
#include "options/check.h"
#include "base/memory.h"
#include "format/json_size.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *metadata(const dp_bank *bank, const char *key, dp_error *err)
{
    const char *value = dp_safetensors_metadata(bank->file.mapped, key);
    if (!value)
        dp_fail(err, DP_E_FORMAT, "%s: metadata '%s' is missing", bank->file.path, key);
    return value;
}

static dp_status read_names(dp_bank *bank, const char *text, dp_error *err)
{
    dp_status status = DP_OK;
    const dp_tensor *scores = dp_safetensors_find(bank->file.mapped, "loo_scores");
    /* room for the list itself and one value too many */
    if (!scores || dp_json_values(text, strlen(text)) > scores->count + 2)
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'pictures' holds more names than the bank has pictures",
                       bank->file.path);
    json_error_t json;
    json_t *list = json_loads(text, 0, &json);
    size_t n = json_array_size(list); /* 0 if it is not a list */
    if (!json_is_array(list) || n == 0) {
        status = dp_fail(err, DP_E_FORMAT, "%s: metadata 'pictures' is not a list of names", bank->file.path);
        goto done;
    }
    if (!dp_bank_pictures_new(n, &bank->pictures)) {
        status = dp_fail_memory(err, bank->file.path, n * sizeof *bank->pictures.poses);
        goto done;
    }
    for (size_t p = 0; p < n; p++) {
        int broken = 0;
        const char *name = json_string_value(json_array_get(list, p));
        bank->pictures.names[p] = name ? dp_name_from_text(name, &broken) : NULL;
        if (!bank->pictures.names[p]) {
            status = name && !broken
                         ? dp_fail_memory(err, bank->file.path, strlen(name) + 1)
                         : dp_fail(err, DP_E_FORMAT, "%s: the name of picture %zu is damaged", bank->file.path, p);
            goto done;
        }
        bank->pictures.n = bank->rows.n_pictures = p + 1;
    }
done:
    json_decref(list);
    return status;
}

/* Returns whether a text of metadata is a count of at most 9 digits. */
static bool is_count(const char *text)
{
    return text[0] >= '1' && text[0] <= '9' && strspn(text, "0123456789") == strlen(text) && strlen(text) <= 9;
}

static dp_status read_drift(dp_bank *bank, dp_error *err)
{
    const char *text = dp_safetensors_metadata(bank->file.mapped, "drift");
    char *end = NULL;
    if (!text)
        return DP_OK;
    bank->learned.drift = strtod(text, &end);
    if (end == text || *end || !(bank->learned.drift > 0 && bank->learned.drift < INFINITY))
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'drift' is '%s', not a ratio", bank->file.path, text);
    return DP_OK;
}

static dp_status read_metadata(dp_bank *bank, dp_error *err)
{
    const char *recipe = metadata(bank, "recipe", err), *names = recipe ? metadata(bank, "pictures", err) : NULL;
    const char *rows = names ? metadata(bank, "rows_per_picture", err) : NULL;
    const char *hash = rows ? metadata(bank, "model_sha256", err) : NULL;
    const char *model_path = hash ? metadata(bank, "model_path", err) : NULL;
    const char *stand_in = model_path ? metadata(bank, "model_stand_in", err) : NULL;
    if (!stand_in)
        return DP_E_FORMAT;
    dp_status status = dp_recipe_from_json(recipe, bank->file.path, &bank->recipe, err);
    if (!status && bank->recipe.align == DP_ALIGN_AUTO)
        status = dp_fail(err, DP_E_FORMAT, "%s: recipe field 'align' is 'auto', but a bank needs 'none' or 'pca'",
                         bank->file.path);
    if (!status)
        status = read_names(bank, names, err);
    const char *choices = dp_safetensors_metadata(bank->file.mapped, "choices");
    if (!status && choices)
        status = dp_choices_from_json(choices, bank->file.path, &bank->choices, err);
    const char *regions = dp_safetensors_metadata(bank->file.mapped, "regions");
    if (!status && regions)
        status = dp_regions_from_json(regions, bank->file.path, &bank->pictures, err);
    if (!status)
        status = read_drift(bank, err);
    if (status)
        return status;
    if (!is_count(rows))
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'rows_per_picture' is '%s', not a count", bank->file.path, rows);
    bank->rows.rows_per_picture = (size_t)strtoul(rows, NULL, 10);
    const char *patch = dp_safetensors_metadata(bank->file.mapped, "patch_px"); /* "0": unknown */
    if (patch && strcmp(patch, "0") != 0 && !is_count(patch))
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'patch_px' is '%s', not a count", bank->file.path, patch);
    bank->patch_px = patch ? (size_t)strtoul(patch, NULL, 10) : 0;
    bank->patch_recorded = bank->patch_px > 0;
    bank->pictures.peaks_known =
        dp_safetensors_find(bank->file.mapped, "loo_peaks") != NULL; /* missing in a bank of an earlier version */
    if (!dp_bank_is_sha256(hash))
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'model_sha256' is not a SHA-256", bank->file.path);
    memcpy(bank->model.sha256, hash, sizeof bank->model.sha256);
    int broken = 0;
    bank->model.path = dp_name_from_text(model_path, &broken);
    if (!bank->model.path)
        return broken ? dp_fail(err, DP_E_FORMAT, "%s: metadata 'model_path' is damaged", bank->file.path)
                      : dp_fail_memory(err, bank->file.path, strlen(model_path));
    if (strcmp(stand_in, "true") != 0 && strcmp(stand_in, "false") != 0)
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'model_stand_in' is neither true nor false", bank->file.path);
    bank->model.stand_in = strcmp(stand_in, "true") == 0;
    const char *licence = dp_safetensors_metadata(bank->file.mapped, "model_licence");
    size_t n = licence ? strlen(licence) : 0;
    if (n >= sizeof bank->model.licence)
        return dp_fail(err, DP_E_FORMAT, "%s: metadata 'model_licence' is too long", bank->file.path);
    if (n)
        memcpy(bank->model.licence, licence, n + 1);
    if (bank->file.version == 1) /* version 1 does not record where its threshold came from */
        return DP_OK;
    const char *origin = metadata(bank, "threshold_origin", err);
    return origin ? dp_origin_from_json(origin, bank->file.path, &bank->levels.origin, err) : DP_E_FORMAT;
}

/* Reads the sizes from the shape of the features and the metadata, then checks every tensor against these sizes. */
static dp_status check_shapes(dp_bank *bank, dp_error *err)
{
    const dp_tensor *features = dp_safetensors_find(bank->file.mapped, "features");
    bool flat = bank->rows.flat;
    dp_tensor expected[N_TENSORS];
    size_t places = 0;
    static const dp_dtype stored[] = {
        [DP_STORAGE_F32] = DP_DTYPE_F32, [DP_STORAGE_F16] = DP_DTYPE_F16, [DP_STORAGE_I8] = DP_DTYPE_I8};
    const char *share = dp_safetensors_metadata(bank->file.mapped, "share");
    dp_status status = share ? dp_bank_share_read(share, bank->file.path, &bank->share, &bank->rows, err) : DP_OK;
    if (status)
        return status;
    bank->rows.storage = bank->recipe.storage;
    if (features->rank != 4 || features->dtype != stored[bank->rows.storage]
        || (features->count == 0
            && (bank->share.of || bank->recipe.layout != DP_LAYOUT_MOMENTS || bank->recipe.keep_features)))
        return dp_fail(err, DP_E_FORMAT, "%s: tensor 'features' is not %s [rows, cols, rows per cell, features]",
                       bank->file.path, dp_dtype_name(stored[bank->rows.storage]));
    if (!bank->share.of) { /* else the share says them */
        bank->rows.grid_rows = features->shape[0];
        bank->rows.grid_cols = features->shape[1];
        bank->rows.n_rows = features->shape[2];
    }
    bank->rows.dim = bank->projection.dim = bank->projection.dim_in = features->shape[3];
    const dp_tensor *basis = dp_safetensors_find(bank->file.mapped, "basis");
    if (basis && basis->rank == 2)
        bank->projection.dim_in = basis->shape[1];
    if (bank->projection.dim_in < bank->rows.dim)
        return dp_fail(err, DP_E_FORMAT, "%s: features of %zu numbers are projected on %zu", bank->file.path,
                       bank->projection.dim_in, bank->rows.dim);
    if (!bank->rows.dim || !dp_rows_cells(&bank->rows) || bank->rows.dim > DP_MOMENTS_DIM)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor 'features' has no cells or no numbers", bank->file.path);
    places = dp_rows_places(&bank->rows);
    if (flat && dp_rows_cells(&bank->rows) != 1)
        return dp_fail(err, DP_E_FORMAT, "%s: a flat bank cannot have %zux%zu cells", bank->file.path,
                       bank->rows.grid_rows, bank->rows.grid_cols);
    if (bank->recipe.kmeans && (flat || bank->rows.n_rows > bank->recipe.kmeans))
        return dp_fail(err, DP_E_FORMAT, "%s: %zu rows at each cell, but %zu centres of k-means", bank->file.path,
                       bank->rows.n_rows, bank->recipe.kmeans);
    const bool kept = bank->recipe.layout != DP_LAYOUT_MOMENTS || bank->recipe.keep_features;
    if (!kept && bank->rows.n_rows)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor 'features' has rows, but the recipe does not keep them",
                       bank->file.path);
    if (kept && !flat && !bank->recipe.kmeans && bank->rows.n_rows != bank->pictures.n * bank->rows.rows_per_picture)
        return dp_fail(err, DP_E_FORMAT, "%s: %zu rows at each cell, but %zu pictures with %zu rows each",
                       bank->file.path, bank->rows.n_rows, bank->pictures.n, bank->rows.rows_per_picture);
    if (places >= UINT32_MAX || (uintptr_t)features->data % dp_storage_bytes(bank->rows.storage) != 0)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor 'features' is too large or starts at a wrong offset",
                       bank->file.path);
    if (!flat && !dp_bank_canvas_fits(&bank->recipe, bank->rows.grid_rows, bank->rows.grid_cols))
        return dp_fail(err, DP_E_FORMAT, "%s: a canvas of %zux%zu pixels cannot have %zux%zu square patches",
                       bank->file.path, bank->recipe.canvas_height_px, bank->recipe.canvas_width_px,
                       bank->rows.grid_rows, bank->rows.grid_cols);
    if (bank->rows.blocks > 1 && (bank->recipe.pca > 0 || bank->rows.dim % bank->rows.blocks != 0))
        return dp_fail(err, DP_E_FORMAT, "%s: features of %zu numbers cannot hold %zu separate blocks", bank->file.path,
                       bank->rows.dim, bank->rows.blocks);
    const dp_tensor *vectors = dp_safetensors_find(bank->file.mapped, dp_bank_tensor_name(VECTORS));
    if (vectors && (vectors->rank != 2 || !vectors->shape[1]))
        return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has the wrong type or shape for this bank", bank->file.path,
                       vectors->name);
    bank->pictures.n_vector = vectors ? vectors->shape[1] : 0;
    dp_bank_describe(bank, expected);
    for (size_t t = 0; t < N_TENSORS; t++) {
        const dp_tensor *found = dp_safetensors_find(bank->file.mapped, expected[t].name);
        if (!found != !dp_recipe_has_tensor(&bank->recipe, bank->pictures.peaks_known, t, bank->file.version))
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' is %s", bank->file.path, expected[t].name,
                           found ? "present, but the recipe does not use it" : "missing");
        if (!found)
            continue;
        bool same = found->dtype == expected[t].dtype && found->rank == expected[t].rank;
        /* read_backgrounds and read_roi check the masks. */
        for (size_t i = 0; same && i < found->rank && t != BACKGROUND && t != ROI; i++)
            same = found->shape[i] == expected[t].shape[i];
        if (!same)
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has the wrong type or shape for this bank",
                           bank->file.path, found->name);
    }
    return DP_OK;
}

/* Converts a number to a count; false if a double cannot hold it exactly. */
static bool to_count(double number, size_t *count)
{
    if (!(number >= 0 && number <= 9007199254740992.0) || number != floor(number))
        return false;
    *count = (size_t)number;
    return true;
}

static bool pose_from_numbers(const double *numbers, dp_pose *pose)
{
    size_t status;
    for (size_t i = 0; i < POSE_NUMBERS; i++)
        if (!isfinite(numbers[i]))
            return false;
    if (!to_count(numbers[0], &status) || status > DP_ALIGN_UNLIKE || !to_count(numbers[7], &pose->n_edge_pixels)
        || !to_count(numbers[8], &pose->n_points) || !to_count(numbers[9], &pose->picture_width_px)
        || !to_count(numbers[10], &pose->picture_height_px))
        return false;
    pose->status = (dp_align_status)status;
    pose->centre_x_px = numbers[1];
    pose->centre_y_px = numbers[2];
    pose->angle_rad = numbers[3];
    pose->sigma_major_px = numbers[4];
    pose->sigma_minor_px = numbers[5];
    pose->extent_minor_px = numbers[6];
    return true;
}

/* Returns a tensor of 4-byte numbers at an aligned address: in place, or copied to *own. NULL: no memory. */
static const void *aligned(const dp_tensor *tensor, void **own)
{
    if ((uintptr_t)tensor->data % 4 == 0)
        return tensor->data;
    *own = dp_malloc(tensor->count, 4);
    return *own ? memcpy(*own, tensor->data, tensor->count * 4) : NULL;
}

/* Checks that rows are ordered by picture, that cells ascend within a picture, and that no grid is empty. */
static bool flat_is_sound(const dp_bank *bank)
{
    for (size_t p = 0; p < bank->pictures.n; p++) {
        int64_t rows = bank->rows.grids[2 * p], cols = bank->rows.grids[2 * p + 1];
        if (rows <= 0 || cols <= 0 || rows * cols > DP_MAX_GRID_CELLS
            || rows * cols > INT32_MAX / (int64_t)bank->rows.rows_per_picture)
            return false;
    }
    int32_t picture = 0, cell = -1;
    for (size_t row = 0; row < bank->rows.n_rows; row++) {
        int32_t p = bank->rows.row_picture[row], c = bank->rows.row_cell[row];
        if (p < picture || (size_t)p >= bank->pictures.n || c < 0 || (p == picture && c <= cell)
            || (!bank->rows.valid[row] && !(bank->rows.norms[row] > 0))) /* in quarantine it keeps its norm */
            return false;
        if ((size_t)c >= (size_t)bank->rows.grids[2 * (size_t)p] * (size_t)bank->rows.grids[2 * (size_t)p + 1]
                             * bank->rows.rows_per_picture)
            return false;
        picture = p;
        cell = c;
    }
    return true;
}

static bool owners_are_sound(const dp_bank *bank)
{
    for (size_t place = 0; place < dp_rows_cells(&bank->rows) * bank->rows.n_rows; place++)
        if (bank->rows.row_picture[place] < -1 || bank->rows.row_picture[place] >= (int64_t)bank->pictures.n)
            return false;
    return true;
}

/* Reads channels and moments. */
static dp_status read_moments(dp_bank *bank, const dp_tensor *const *at, dp_error *err)
{
    bool good = true;
    if (at[CHANNELS]) {
        const size_t n = at[CHANNELS]->count;
        int32_t before = -1, *channels = dp_malloc(n, sizeof *channels);
        if (!channels)
            return dp_fail_memory(err, bank->file.path, n * sizeof *channels);
        bank->channels = channels;
        memcpy(channels, at[CHANNELS]->data, n * sizeof *channels);
        for (size_t i = 0; i < n; before = channels[i++])
            good = good && channels[i] > before;
    }
    if (at[MOMENT_COUNT] && good) {
        dp_moments *m = &bank->moments;
        dp_status status = dp_moments_open(at[MOMENT_COUNT]->count, bank->rows.dim, m, err);
        if (status)
            return status;
        memcpy(m->n, at[MOMENT_COUNT]->data, dp_tensor_bytes(at[MOMENT_COUNT]));
        memcpy(m->mean, at[MOMENT_MEAN]->data, dp_tensor_bytes(at[MOMENT_MEAN]));
        memcpy(m->scatter, at[MOMENT_SCATTER]->data, dp_tensor_bytes(at[MOMENT_SCATTER]));
        for (size_t i = 0; i < m->cells; i++)
            good = good && m->n[i] >= 0 && m->n[i] <= 9007199254740992.0 && m->n[i] == floor(m->n[i]);
        double sum = 0; /* not finite where one of them is not */
        for (size_t i = 0; i < m->cells * m->dim; i++)
            sum += m->mean[i] * 0;
        for (size_t i = 0; i < m->cells * dp_moments_size(m->dim); i++)
            sum += m->scatter[i] * 0;
        good = good && sum == 0;
    }
    return good ? DP_OK : dp_fail(err, DP_E_FORMAT, "%s: a value in the bank is out of its range", bank->file.path);
}

/* Reads the tables of the rows, and the projection. */
static dp_status read_tables(dp_bank *bank, const dp_tensor *const *at, dp_error *err)
{
    dp_rows *rows = &bank->rows;
    dp_row_memory *own = &bank->memory;
    dp_pca *projection = &bank->projection;
    void *copy = NULL;
    bool good = true;
    if (at[ROW_PICTURE]) {
        good = (rows->row_picture = aligned(at[ROW_PICTURE], &copy)) != NULL;
        own->row_picture = copy;
    }
    if (at[ROW_CELL]) {
        copy = NULL;
        rows->row_cell = aligned(at[ROW_CELL], &copy);
        own->row_cell = copy;
        rows->grids = own->grids = dp_malloc(rows->n_pictures, 2 * sizeof *own->grids);
        good = good && rows->row_cell && own->grids;
        if (good)
            memcpy(own->grids, at[GRIDS]->data, rows->n_pictures * 2 * sizeof *own->grids);
    }
    if (at[BASIS] && good) {
        projection->mean = dp_malloc(projection->dim_in, sizeof *projection->mean);
        projection->basis = dp_malloc_2d(projection->dim, projection->dim_in, sizeof *projection->basis);
        good = projection->mean && projection->basis;
    }
    if (at[BASIS] && good) {
        memcpy(projection->mean, at[MEAN]->data, dp_tensor_bytes(at[MEAN]));
        memcpy(projection->basis, at[BASIS]->data, dp_tensor_bytes(at[BASIS]));
    }
    if (at[LAYER_NORM] && good) {
        bank->layer_norm = dp_malloc(projection->dim_in, 2 * sizeof *bank->layer_norm);
        good = bank->layer_norm != NULL;
    }
    if (at[LAYER_NORM] && good)
        memcpy(bank->layer_norm, at[LAYER_NORM]->data, dp_tensor_bytes(at[LAYER_NORM]));
    return good ? DP_OK : dp_fail_memory(err, bank->file.path, rows->n_rows * sizeof *rows->row_cell);
}

static dp_status read_vectors(dp_bank *bank, const dp_tensor *tensor, dp_error *err)
{
    if (!dp_bank_pictures_new_vectors(&bank->pictures, bank->pictures.n_vector, bank->pictures.n))
        return dp_fail_memory(err, bank->file.path, dp_tensor_bytes(tensor));
    memcpy(bank->pictures.vectors, tensor->data, dp_tensor_bytes(tensor));
    return dp_all_finite(bank->pictures.vectors, tensor->count)
               ? DP_OK
               : dp_fail(err, DP_E_FORMAT, "%s: a value in the bank is out of its range", bank->file.path);
}

/* Reads the region to inspect. A region that follows the part is stored on the canvas. */
static dp_status read_roi(dp_bank *bank, const dp_tensor *tensor, dp_error *err)
{
    const dp_recipe *recipe = &bank->recipe;
    bool object = recipe->roi == DP_ROI_OBJECT, white = false, good = tensor->count > 0;
    if (object)
        good = good && tensor->shape[0] == recipe->canvas_height_px && tensor->shape[1] == recipe->canvas_width_px;
    for (size_t i = 0; good && i < tensor->count; i++) {
        good = tensor->data[i] <= 1;
        white = white || tensor->data[i];
    }
    if (!good || !white)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' is not a mask of this bank", bank->file.path, tensor->name);
    return dp_roi_new(recipe->roi, object, tensor->shape[0], tensor->shape[1], tensor->data, &bank->roi, err);
}

/* Reads the masks of the pictures, once their grids are known to be valid. */
static dp_status read_backgrounds(dp_bank *bank, const dp_tensor *tensor, dp_error *err)
{
    size_t left = tensor->count;
    for (size_t p = 0; p <= bank->pictures.n; p++) {
        size_t bytes = p < bank->pictures.n ? dp_bank_background_bytes(bank, p) : left;
        if (bytes > left || (p == bank->pictures.n && left))
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' has the wrong type or shape for this bank",
                           bank->file.path, tensor->name);
        left -= bytes;
    }
    if (!dp_bank_pictures_new_backgrounds(&bank->pictures, bank->pictures.n))
        return dp_fail_memory(err, bank->file.path, bank->pictures.n * sizeof *bank->pictures.background);
    const unsigned char *from = tensor->data;
    for (size_t i = 0; i < tensor->count; i++)
        if (from[i] > 1)
            return dp_fail(err, DP_E_FORMAT, "%s: a value in the bank is out of its range", bank->file.path);
    for (size_t p = 0; p < bank->pictures.n; p++) {
        size_t bytes = dp_bank_background_bytes(bank, p);
        bank->pictures.background[p] = dp_malloc(bytes, 1);
        if (!bank->pictures.background[p])
            return dp_fail_memory(err, bank->file.path, bytes);
        memcpy(bank->pictures.background[p], from, bytes);
        from += bytes;
    }
    return DP_OK;
}

/* Reads the scales; each is NaN or a distance. */
static bool read_distance_scales(dp_bank *bank, const unsigned char *from)
{
    bool good = true;
    dp_distance_scales_none(bank->recipe.metric, bank->recipe.window, bank->recipe.knn, &bank->levels.scales);
    for (size_t b = 0; b < bank->rows.blocks; b++) {
        double pair[2];
        memcpy(pair, from + b * sizeof pair, sizeof pair);
        for (size_t i = 0; i < 2; i++)
            good = good && (isnan(pair[i]) || (pair[i] > 0 && pair[i] < INFINITY));
        bank->levels.scales.local[b] = pair[0];
        bank->levels.scales.global[b] = pair[1];
    }
    return good;
}

/* Finds the patch from canvas and grids if it is not recorded. False: the recorded one does not fit them. A grid with
 * fewer cells than a patch has pixels allows several patches: the largest is taken. */
static bool find_patch(dp_bank *bank)
{
    const dp_recipe *recipe = &bank->recipe;
    bool own = dp_own_canvas(recipe), known = bank->patch_recorded;
    size_t most = SIZE_MAX;
    for (size_t p = 0; p < (bank->rows.flat ? bank->pictures.n : 1); p++) {
        size_t rows, cols, width = recipe->canvas_width_px, height = recipe->canvas_height_px;
        dp_rows_picture_grid(&bank->rows, p, &rows, &cols);
        const dp_pose *pose = &bank->pictures.poses[p];
        if (own
            && (!pose->picture_width_px || !pose->picture_height_px || pose->picture_width_px > INT32_MAX
                || pose->picture_height_px > INT32_MAX))
            continue;
        if (own) {
            const dp_resized r = dp_picture_to_resized(recipe, 0, pose->picture_height_px, pose->picture_width_px);
            width = r.width_px;
            height = r.height_px;
        }
        size_t least = width / cols < height / rows ? width / cols : height / rows;
        most = least < most ? least : most;
        if (known
            && (dp_canvas_to_cells(width, bank->patch_px) != cols
                || dp_canvas_to_cells(height, bank->patch_px) != rows))
            return false;
    }
    if (!known)
        bank->patch_px = most == SIZE_MAX ? 0 : most;
    return true;
}

/* Reads luminances and shares. If from is NULL, the light was not measured: all NaN. */
static bool read_light(const unsigned char *from, dp_light *light)
{
    double numbers[DP_LIGHT_NUMBERS] = DP_NO_LIGHT;
    if (from)
        memcpy(numbers, from, sizeof numbers);
    *light = (dp_light){numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]};
    bool none = isnan(light->dark) && isnan(light->bright) && isnan(light->fine) && isnan(light->black);
    return (none
            || (light->dark >= 0 && light->bright >= light->dark && light->bright <= 256 && light->fine >= 0
                && light->fine <= 256 && light->black >= 0 && light->black <= 1))
           && (isnan(light->valid) || (light->valid >= 0 && light->valid <= 1));
}

static dp_status read_tensors(dp_bank *bank, dp_error *err)
{
    dp_tensor described[N_TENSORS];
    const dp_tensor *at[N_TENSORS];
    bool flat = bank->rows.flat;
    dp_bank_describe(bank, described);
    for (size_t t = 0; t < N_TENSORS; t++)
        at[t] = dp_safetensors_find(bank->file.mapped, described[t].name);
    dp_rows *rows = &bank->rows;
    dp_row_memory *own = &bank->memory;
    void *copy = NULL;
    size_t n = bank->pictures.n, places = dp_rows_places(rows);
    rows->features = at[FEATURES]->data;
    rows->norms = aligned(at[NORMS], &copy);
    own->norms = copy;
    copy = NULL;
    rows->scales = at[SCALES] ? aligned(at[SCALES], &copy) : NULL;
    own->scales = copy;
    rows->valid = at[VALID]->data;
    bank->file.digests = at[DIGESTS]->data;
    bank->orientation = dp_malloc(bank->projection.dim_in, 2 * sizeof *bank->orientation);
    if (!rows->norms || (at[SCALES] && !rows->scales) || !bank->orientation)
        return dp_fail_memory(err, bank->file.path, places * sizeof *rows->norms);
    dp_status status = read_tables(bank, at, err);
    if (!status)
        status = read_moments(bank, at, err);
    if (!status && at[VECTORS])
        status = read_vectors(bank, at[VECTORS], err);
    if (status)
        return status;
    dp_bank_link_rows(bank);
    memcpy(bank->orientation, at[ORIENTATION]->data, 2 * bank->projection.dim_in * sizeof *bank->orientation);
    memcpy(bank->pictures.polarities, at[POLARITIES]->data, n);
    if (at[PICTURE_DIGESTS])
        memcpy(bank->pictures.digests, at[PICTURE_DIGESTS]->data, n * DIGEST_BYTES);
    memcpy(bank->pictures.loo_scores, at[LOO_SCORES]->data, n * sizeof *bank->pictures.loo_scores);
    memcpy(&bank->levels.threshold, at[THRESHOLD]->data, sizeof bank->levels.threshold);
    bank->levels.cell_threshold = NAN;
    for (size_t p = 0; p < n; p++)
        bank->pictures.loo_peaks[p] = NAN;
    if (bank->pictures.peaks_known) {
        memcpy(&bank->levels.cell_threshold, at[CELL_THRESHOLD]->data, sizeof bank->levels.cell_threshold);
        memcpy(bank->pictures.loo_peaks, at[LOO_PEAKS]->data, n * sizeof *bank->pictures.loo_peaks);
    }
    memcpy(&bank->levels.heat.low, at[HEAT]->data, sizeof bank->levels.heat.low);
    memcpy(&bank->levels.heat.high, at[HEAT]->data + sizeof bank->levels.heat.low, sizeof bank->levels.heat.high);
    bool good = read_distance_scales(bank, at[DISTANCE_SCALES]->data);
    good = good && dp_all_finite(bank->orientation, 2 * bank->projection.dim_in)
           && dp_all_finite(bank->rows.norms, places) && !isinf(bank->levels.threshold)
           && !isinf(bank->levels.cell_threshold)
           && (bank->levels.heat.high > bank->levels.heat.low
               || (isnan(bank->levels.heat.low) && isnan(bank->levels.heat.high)));
    for (size_t i = 0; i < places && good && bank->rows.scales; i++)
        good = bank->rows.scales[i] >= 0 && bank->rows.scales[i] < INFINITY;
    for (size_t i = 0; i < places && good; i++)
        good = bank->rows.valid[i] <= 1 && bank->rows.norms[i] >= 0;
    for (size_t p = 0; p < n && good; p++) {
        double numbers[POSE_NUMBERS];
        memcpy(numbers, at[POSES]->data + p * sizeof numbers, sizeof numbers);
        good = bank->pictures.polarities[p] >= -1 && bank->pictures.polarities[p] <= 1
               && !isinf(bank->pictures.loo_scores[p]) && !isinf(bank->pictures.loo_peaks[p])
               && pose_from_numbers(numbers, &bank->pictures.poses[p]);
    }
    for (size_t p = 0; p < n && good; p++)
        good = read_light(at[LIGHT] ? at[LIGHT]->data + p * DP_LIGHT_NUMBERS * sizeof(double) : NULL,
                          &bank->pictures.lights[p]);
    if (good && bank->layer_norm)
        good = dp_all_finite(bank->layer_norm, 2 * bank->projection.dim_in);
    if (good && bank->projection.basis)
        good = dp_all_finite(bank->projection.mean, bank->projection.dim_in)
               && dp_all_finite(bank->projection.basis, bank->rows.dim * bank->projection.dim_in);
    good = good && (flat ? flat_is_sound(bank) : !bank->rows.row_picture || owners_are_sound(bank));
    if (!good)
        return dp_fail(err, DP_E_FORMAT, "%s: a value in the bank is out of its range", bank->file.path);
    if (!find_patch(bank))
        return dp_fail(err, DP_E_FORMAT, "%s: its grids do not fit patches of %zu pixels", bank->file.path,
                       bank->patch_px);
    status = at[ROI] ? read_roi(bank, at[ROI], err) : DP_OK;
    return !status && at[BACKGROUND] ? read_backgrounds(bank, at[BACKGROUND], err) : status;
}

static dp_status read_bank(dp_bank *bank, dp_error *err)
{
    const char *version = dp_safetensors_metadata(bank->file.mapped, FORMAT_KEY);
    if (!version)
        return dp_fail(err, DP_E_FORMAT, "%s: is a safetensors file, but not a dinopatch bank", bank->file.path);
    bank->file.version = strlen(version) == 1 ? version[0] - '0' : 0;
    if (bank->file.version < 1 || bank->file.version > FORMAT_VERSION)
        return dp_fail(err, DP_E_FORMAT, "%s: is a bank of format version %s; this program reads versions 1 to %d",
                       bank->file.path, version, FORMAT_VERSION);
    const dp_recipe least = {0};
    for (size_t t = 0; t < N_TENSORS; t++)
        if (dp_recipe_has_tensor(&least, false, t, bank->file.version)
            && !dp_safetensors_find(bank->file.mapped, dp_bank_tensor_name(t)))
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' is missing", bank->file.path, dp_bank_tensor_name(t));
    for (size_t i = 0, t = 0; i < dp_safetensors_count(bank->file.mapped); i++, t++) {
        const char *name = dp_safetensors_at(bank->file.mapped, i)->name;
        while (t < N_TENSORS && strcmp(name, dp_bank_tensor_name(t)) != 0)
            t++;
        if (t >= N_TENSORS)
            return dp_fail(err, DP_E_FORMAT, "%s: tensor '%s' is unknown or out of order", bank->file.path, name);
    }
    if (dp_tensor_bytes(dp_safetensors_find(bank->file.mapped, "seal")) != DIGEST_BYTES)
        return dp_fail(err, DP_E_FORMAT, "%s: tensor 'seal' does not have %d bytes", bank->file.path, DIGEST_BYTES);
    dp_status status = dp_bank_check_seal(bank->file.mapped, bank->file.path, err);
    if (!status)
        status = read_metadata(bank, err);
    if (status)
        return status;
    dp_bank_link_rows(bank);
    if (bank->recipe.align == DP_ALIGN_FEATURES)
        status = dp_part_read(bank->file.mapped, bank->file.path, &bank->reference, err);
    if (!status)
        status = check_shapes(bank, err);
    if (!status)
        status = read_tensors(bank, err);
    return status;
}

/* shares: also a file that holds a share of the rows. */
static dp_status open_bank(const char *path, const dp_limits *limits, bool shares, dp_bank **out, dp_error *err)
{
    dp_bank *bank = dp_calloc(1, sizeof *bank);
    if (bank)
        bank->file.path = dp_strdup(path);
    if (!bank || !bank->file.path) {
        dp_bank_close(&bank);
        return dp_fail_memory(err, path, sizeof *bank);
    }
    dp_status status = dp_safetensors_open_within(path, limits, &bank->file.mapped, err);
    if (!status)
        status = read_bank(bank, err);
    if (!status && bank->share.of && !shares)
        status = dp_fail(err, DP_E_MISMATCH,
                         "%s: is share %zu of %zu of a bank; only 'inspect' takes it, together with the others, as "
                         "'PREFIX-*.bank'; for all else use the whole bank",
                         path, bank->share.index, bank->share.of);
    if (status)
        dp_bank_close(&bank);
    else
        *out = bank;
    return status;
}

dp_status dp_bank_open(const char *path, dp_bank **out, dp_error *err)
{
    return open_bank(path, NULL, false, out, err);
}

dp_status dp_bank_open_within(const char *path, const dp_limits *limits, dp_bank **out, dp_error *err)
{
    return open_bank(path, limits, false, out, err);
}

dp_status dp_bank_open_share(const char *path, dp_bank **out, dp_error *err)
{
    return open_bank(path, NULL, true, out, err);
}

dp_status dp_bank_check_unchanged(const dp_bank *bank, dp_error *err)
{
    return bank->file.mapped ? dp_safetensors_check(bank->file.mapped, err) : DP_OK;
}
