/* SPDX-License-Identifier: Apache-2.0 */
/* bank_write.c - writes a bank to a file; docs/bank-format.md describes it. */
#include "bank/bank_tensors.h"
#include "bank/name_text.h"
#include "bank/origin.h"
#include "options/recipe_json.h"
#include "bank/region_text.h"
#include "bank/roi_mask.h"
#include "base/error.h"
#include "base/file.h"
#include "base/memory.h"
#include "format/json_text.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void pose_to_numbers(const dp_pose *pose, double numbers[POSE_NUMBERS])
{
    const double all[POSE_NUMBERS] = {pose->status,
                                      pose->centre_x_px,
                                      pose->centre_y_px,
                                      pose->angle_rad,
                                      pose->sigma_major_px,
                                      pose->sigma_minor_px,
                                      pose->extent_minor_px,
                                      (double)pose->n_edge_pixels,
                                      (double)pose->n_points,
                                      (double)pose->picture_width_px,
                                      (double)pose->picture_height_px};
    memcpy(numbers, all, sizeof all);
}

static void light_to_numbers(const dp_light *light, double numbers[DP_LIGHT_NUMBERS])
{
    const double all[DP_LIGHT_NUMBERS] = {light->dark, light->bright, light->fine, light->black, light->valid};
    for (size_t i = 0; i < DP_LIGHT_NUMBERS; i++)
        /* always the same NaN, so that the same bank gives the same bytes */
        numbers[i] = isnan(all[i]) ? (double)NAN : all[i];
}

/* Returns the names as a JSON list; NULL: no memory. */
static char *names_to_json(const dp_bank *bank)
{
    json_t *list = json_array();
    char *text = NULL;
    for (size_t p = 0; p < bank->pictures.n; p++) {
        char *name = dp_name_to_text(bank->pictures.names[p]);
        int failed = !name || json_array_append_new(list, json_string(name));
        dp_memory_free(name);
        if (failed)
            goto done;
    }
    text = dp_json_text(list);
done:
    json_decref(list);
    return text;
}

static dp_status write_header(const dp_bank *bank, const dp_bank_scored *scored, const char *path,
                              const dp_tensor *tensors, size_t n_tensors, unsigned char **header, size_t *bytes,
                              dp_error *err)
{
    char *recipe = NULL, rows[24], patch[24], version[8], drift[32];
    dp_status status = dp_recipe_to_json(scored->recipe, &recipe, err);
    if (status)
        return status;
    char *names = names_to_json(bank), *model_path = dp_name_to_text(bank->model.path),
         *origin = dp_origin_to_json(&scored->levels->origin), *choices = NULL;
    bool has_regions;
    char *regions = dp_regions_to_json(&bank->pictures, &has_regions);
    char *share = scored->share ? dp_bank_share_text(scored->share, &bank->rows) : NULL;
    if (bank->choices.n)
        status = dp_choices_to_json(&bank->choices, &choices, err);
    snprintf(rows, sizeof rows, "%zu", bank->rows.rows_per_picture);
    snprintf(patch, sizeof patch, "%zu", bank->patch_recorded ? bank->patch_px : 0);
    snprintf(drift, sizeof drift, "%.17g", bank->learned.drift);
    snprintf(version, sizeof version, "%d", FORMAT_VERSION);
    dp_key_value metadata[14] = {
        {FORMAT_KEY, version},
        {"recipe", recipe},
        {"pictures", names},
        {"rows_per_picture", rows},
        {"patch_px", patch},
        {"model_path", model_path},
        {"model_sha256", bank->model.sha256},
        {"model_stand_in", bank->model.stand_in ? "true" : "false"},
        {"threshold_origin", origin},
    };
    size_t n_metadata = 9;
    if (choices)
        metadata[n_metadata++] = (dp_key_value){"choices", choices};
    if (bank->learned.drift > 0) /* false for NaN */
        metadata[n_metadata++] = (dp_key_value){"drift", drift};
    if (*bank->model.licence)
        metadata[n_metadata++] = (dp_key_value){"model_licence", bank->model.licence};
    if (has_regions)
        metadata[n_metadata++] = (dp_key_value){"regions", regions};
    if (share)
        metadata[n_metadata++] = (dp_key_value){"share", share};
    if (!status && names && model_path && origin && regions && (share || !scored->share))
        status = dp_safetensors_header(path, tensors, n_tensors, metadata, n_metadata, header, bytes, err);
    else if (!status)
        status = dp_fail_memory(err, path, 0);
    dp_memory_free(choices);
    dp_memory_free(regions);
    dp_memory_free(share);
    dp_memory_free(recipe);
    dp_memory_free(model_path);
    dp_memory_free(origin);
    dp_memory_free(names);
    return status;
}

dp_status dp_bank_save(const dp_bank *bank, const char *path, dp_error *err)
{
    const dp_bank_pictures *pictures = &bank->pictures;
    const dp_bank_scored own = {&bank->recipe, &bank->levels, pictures->loo_scores,
                                pictures->peaks_known ? pictures->loo_peaks : NULL, NULL};
    return dp_bank_save_scored(bank, &own, path, err);
}

/* Shapes the features and their digests for n rows. */
static void take_rows(const dp_rows *rows, size_t n, dp_tensor *features, dp_tensor *digests)
{
    features->shape[0] = features->shape[1] = 1;
    features->shape[2] = n;
    features->count = n * rows->dim;
    digests->shape[0] = dp_block_count(dp_tensor_bytes(features));
    digests->count = digests->shape[0] * DIGEST_BYTES;
}

dp_status dp_bank_save_scored(const dp_bank *bank, const dp_bank_scored *scored, const char *path, dp_error *err)
{
    const dp_levels *levels = scored->levels;
    const bool peaks = scored->peaks != NULL;
    if ((bank->recipe.roi != DP_ROI_NONE) != (bank->roi != NULL))
        return dp_fail(err, DP_E_ARGUMENT, "%s: the recipe of the bank and its region to inspect do not agree", path);
    if ((bank->recipe.align == DP_ALIGN_FEATURES) != (bank->reference != NULL))
        return dp_fail(err, DP_E_ARGUMENT, "%s: the recipe of the bank and the part that was learned do not agree",
                       path);
    if ((bank->recipe.retrieval > 0) != (bank->pictures.vectors != NULL))
        return dp_fail(err, DP_E_ARGUMENT, "%s: the recipe of the bank and the vectors of its pictures do not agree",
                       path);
    dp_tensor tensors[N_TENSORS];
    dp_bytes pieces[N_TENSORS + 1] = {0}; /* the header, then the tensors */
    unsigned char *header = NULL, seal[DIGEST_BYTES];
    dp_writer *writer = NULL;
    dp_bank_describe(bank, tensors);
    size_t first = 0, n_rows = dp_rows_places(&bank->rows);
    if (scored->share) {
        first = dp_bank_share_range(&bank->rows, scored->share->index, scored->share->of, &n_rows);
        take_rows(&bank->rows, n_rows, &tensors[FEATURES], &tensors[DIGESTS]);
    }
    unsigned char *digests = dp_malloc(tensors[DIGESTS].count, 1);
    size_t mask_bytes =
        dp_recipe_has_tensor(scored->recipe, peaks, BACKGROUND, FORMAT_VERSION) ? tensors[BACKGROUND].count : 0;
    uint8_t *masks = dp_calloc(mask_bytes, 1);
    void *part[PART_TENSORS] = {NULL};
    const double heat[2] = {levels->heat.low, levels->heat.high};
    double *poses = dp_malloc(bank->pictures.n, POSE_NUMBERS * sizeof *poses),
           *lights = dp_malloc(bank->pictures.n, DP_LIGHT_NUMBERS * sizeof *lights);
    double distance_scales[DP_MAX_LAYERS][2];
    dp_status status = DP_OK;
    if (!digests || !poses || !lights || !masks) {
        status = dp_fail_memory(err, path, tensors[DIGESTS].count);
        goto done;
    }
    for (size_t p = 0; p < bank->pictures.n; p++)
        pose_to_numbers(&bank->pictures.poses[p], poses + p * POSE_NUMBERS);
    for (size_t p = 0; p < bank->pictures.n; p++)
        light_to_numbers(&bank->pictures.lights[p], lights + p * DP_LIGHT_NUMBERS);
    for (size_t p = 0, at = 0; mask_bytes && p < bank->pictures.n; at += dp_bank_background_bytes(bank, p), p++)
        if (bank->pictures.background && bank->pictures.background[p])
            memcpy(masks + at, bank->pictures.background[p], dp_bank_background_bytes(bank, p));
    for (size_t b = 0; b < bank->rows.blocks; b++) {
        distance_scales[b][0] = levels->scales.local[b];
        distance_scales[b][1] = levels->scales.global[b];
    }
    status = scored->share ? dp_bank_check_rows(bank, first, n_rows, digests, err)
                           : dp_bank_check_features(bank, digests, err);
    if (!status)
        status = dp_part_pack(bank->reference, tensors + PART_MEAN, part, err);
    if (status)
        goto done;
    const void *const data[N_TENSORS] = {
        [FEATURES] = scored->share ? dp_rows_stored(&bank->rows, 0, first) : bank->rows.features,
        [NORMS] = bank->rows.norms,
        [SCALES] = bank->rows.scales,
        [ROW_PICTURE] = bank->rows.row_picture,
        [ROW_CELL] = bank->rows.row_cell,
        [GRIDS] = bank->rows.grids,
        [MEAN] = bank->projection.mean,
        [BASIS] = bank->projection.basis,
        [LAYER_NORM] = bank->layer_norm,
        [VALID] = bank->rows.valid,
        [ORIENTATION] = bank->orientation,
        [POSES] = poses,
        [POLARITIES] = bank->pictures.polarities,
        [PICTURE_DIGESTS] = bank->pictures.digests,
        [LIGHT] = lights,
        [BACKGROUND] = masks,
        [ROI] = bank->roi ? bank->roi->mask : NULL,
        [LOO_SCORES] = scored->scores,
        [LOO_PEAKS] = scored->peaks,
        [THRESHOLD] = &levels->threshold,
        [CELL_THRESHOLD] = &levels->cell_threshold,
        [HEAT] = heat,
        [DISTANCE_SCALES] = distance_scales,
        [PART_MEAN] = part[PART_MEAN - PART_MEAN],
        [PART_BASIS] = part[PART_BASIS - PART_MEAN],
        [PART_TURNED] = part[PART_TURNED - PART_MEAN],
        [PART_KNOWN] = part[PART_KNOWN - PART_MEAN],
        [PART_FEATURES] = part[PART_FEATURES - PART_MEAN],
        [PART_SLOPES] = part[PART_SLOPES - PART_MEAN],
        [PART_WEIGHT] = part[PART_WEIGHT - PART_MEAN],
        [PART_NUMBERS] = part[PART_NUMBERS - PART_MEAN],
        [CHANNELS] = bank->channels,
        [MOMENT_COUNT] = bank->moments.n,
        [MOMENT_MEAN] = bank->moments.mean,
        [MOMENT_SCATTER] = bank->moments.scatter,
        [VECTORS] = bank->pictures.vectors,
        [DIGESTS] = digests,
        [SEAL] = seal,
    };
    size_t n_tensors = 0;
    for (size_t t = 0; t < N_TENSORS; t++) {
        if (!dp_recipe_has_tensor(scored->recipe, peaks, t, FORMAT_VERSION))
            continue;
        pieces[n_tensors + 1] = (dp_bytes){data[t], dp_tensor_bytes(&tensors[t])};
        tensors[n_tensors++] = tensors[t];
    }
    status = write_header(bank, scored, path, tensors, n_tensors, &header, &pieces[0].bytes, err);
    if (status)
        goto done;
    pieces[0].data = header;
    dp_bytes sealed[N_TENSORS - 1] = {pieces[0]}; /* the header and all tensors except the features and the seal */
    memcpy(sealed + 1, pieces + 2, (n_tensors - 2) * sizeof *pieces);
    status = dp_sha256_raw(sealed, n_tensors - 1, seal, err);
    if (!status)
        status = dp_writer_open(path, &writer, err);
    for (size_t i = 0; !status && i <= n_tensors; i++)
        status = dp_writer_put(writer, pieces[i].data, pieces[i].bytes, err);
    if (!status)
        status = dp_writer_commit(&writer, err);
    dp_writer_abort(&writer);
done:
    dp_memory_free(header);
    dp_part_pack_free(part);
    dp_memory_free(digests);
    dp_memory_free(poses);
    dp_memory_free(lights);
    dp_memory_free(masks);
    return status;
}

dp_status dp_bank_save_share(const dp_bank *bank, size_t index, size_t of, const char *path, dp_error *err)
{
    const dp_rows *rows = &bank->rows;
    if (!bank->file.mapped || bank->share.of)
        return dp_fail(err, DP_E_ARGUMENT, "%s: only a whole bank that was opened from a file can be split",
                       dp_bank_name(bank));
    if (rows->moments)
        return dp_fail(
            err, DP_E_UNSUPPORTED,
            "%s: distances of this bank follow from moments, not from rows that could be split; inspect with "
            "one process, or cut the pictures into shards",
            dp_bank_name(bank));
    if (!index || index > of || of > dp_rows_places(rows))
        return dp_fail(err, DP_E_ARGUMENT, "%s: there is no share %zu of %zu of %zu rows", dp_bank_name(bank), index,
                       of, dp_rows_places(rows));
    dp_bank_share share = {.index = index, .of = of};
    const dp_tensor *seal = dp_safetensors_find(bank->file.mapped, dp_bank_tensor_name(SEAL));
    for (size_t i = 0; i < DIGEST_BYTES; i++) {
        share.whole[2 * i] = "0123456789abcdef"[seal->data[i] >> 4];
        share.whole[2 * i + 1] = "0123456789abcdef"[seal->data[i] & 15];
    }
    const dp_bank_pictures *pictures = &bank->pictures;
    const dp_bank_scored scored = {&bank->recipe, &bank->levels, pictures->loo_scores,
                                   pictures->peaks_known ? pictures->loo_peaks : NULL, &share};
    return dp_bank_save_scored(bank, &scored, path, err);
}
