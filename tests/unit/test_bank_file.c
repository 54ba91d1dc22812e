/* SPDX-License-Identifier: Apache-2.0 */
/* Tests bank files: they are read as written, damage is found, and existing files are not destroyed. */
#include "bank_fixture.h"
#include "score/leave_one_out.h"

#include "base/file.h"
#include "base/hash.h"
#include "format/safetensors.h"

#include <math.h>
#include <signal.h>
#include <sys/resource.h>

struct bytes {
    unsigned char *data;
    size_t n;
};

static struct bytes read_file(const char *path)
{
    dp_mapping mapping;
    assert_ok(dp_mapping_open(path, &mapping, err));
    struct bytes bytes = {malloc(mapping.bytes + 1), mapping.bytes};
    memcpy(bytes.data, mapping.data, mapping.bytes);
    bytes.data[bytes.n] = 0;
    dp_mapping_close(&mapping);
    return bytes;
}

/* Without the syncing that dp_file_write does: these tests write thousands of files. */
static void write_file(const char *path, const void *data, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

/* A small bank with something in every field. */
static dp_bank *full_bank(void)
{
    dp_bank *bank = random_bank(2, 3, 5, 3, 2, 21);
    float reference[5] = {0.5f, -0.5f, 0.5f, -0.5f, 0};
    set_orientation(bank, reference, reference);
    bank->pictures.polarities[1] = -1;
    bank->pictures.polarities[2] = 0;
    bank->pictures.poses[1].status = DP_ALIGN_ROUND;
    bank->model.stand_in = true;
    bank->recipe.window = DP_WINDOW_GLOBAL;
    bank->recipe.metric = DP_METRIC_COSINE;
    bank->recipe.post.low = 0.25;
    bank->recipe.post.min_object = 3;
    assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
    bank->pictures.loo_scores[2] = NAN;
    bank->levels.origin = (dp_threshold_origin){DP_ORIGIN_HELD_OUT, 0.25, 3, 0, 2, 0.125};
    for (size_t i = 0; i < 32; i++)
        bank->pictures.digests[32 + i] = (unsigned char)(7 * i + 1);
    dp_memory_free(bank->pictures.names[0]);
    bank->pictures.names[0] = dp_strdup("line\nfeed \xff\xfe \\ \"\xc3\xbc\"");
    return bank;
}

static void compare_banks(const dp_bank *a, const dp_bank *b)
{
    size_t places = dp_rows_cells(&a->rows) * a->rows.n_rows;
    assert_true(a->rows.grid_rows == b->rows.grid_rows && a->rows.grid_cols == b->rows.grid_cols
                && a->rows.dim == b->rows.dim);
    assert_true(a->pictures.n == b->pictures.n && a->rows.rows_per_picture == b->rows.rows_per_picture
                && a->rows.n_rows == b->rows.n_rows);
    assert_memory_equal(a->rows.features, b->rows.features, places * a->rows.dim * sizeof(float));
    assert_memory_equal(a->rows.norms, b->rows.norms, places * sizeof(float));
    assert_memory_equal(a->rows.valid, b->rows.valid, places);
    for (size_t p = 0; p < a->pictures.n; p++) {
        assert_string_equal(a->pictures.names[p], b->pictures.names[p]);
        const dp_pose *x = &a->pictures.poses[p], *y = &b->pictures.poses[p];
        assert_true(x->status == y->status && x->centre_x_px == y->centre_x_px && x->centre_y_px == y->centre_y_px
                    && x->angle_rad == y->angle_rad && x->sigma_major_px == y->sigma_major_px
                    && x->sigma_minor_px == y->sigma_minor_px && x->extent_minor_px == y->extent_minor_px
                    && x->n_edge_pixels == y->n_edge_pixels && x->n_points == y->n_points);
    }
    assert_memory_equal(a->pictures.polarities, b->pictures.polarities, a->pictures.n);
    assert_memory_equal(a->pictures.loo_scores, b->pictures.loo_scores, a->pictures.n * sizeof(double));
    assert_memory_equal(a->orientation, b->orientation, 2 * a->rows.dim * sizeof(float));
    assert_memory_equal(&a->levels.threshold, &b->levels.threshold, sizeof(double));
    assert_true(a->levels.origin.by == b->levels.origin.by && a->levels.origin.fpr == b->levels.origin.fpr
                && a->levels.origin.k == b->levels.origin.k && a->levels.origin.certified == b->levels.origin.certified
                && a->levels.origin.n_good == b->levels.origin.n_good
                && a->levels.origin.n_bad == b->levels.origin.n_bad);
    assert_memory_equal(a->pictures.digests, b->pictures.digests, 32 * a->pictures.n);
    assert_string_equal(a->model.path, b->model.path);
    assert_string_equal(a->model.sha256, b->model.sha256);
    assert_int_equal(a->model.stand_in, b->model.stand_in);
    assert_true(a->recipe.window == b->recipe.window && a->recipe.metric == b->recipe.metric
                && a->recipe.fill == b->recipe.fill);
}

static void round_trip(void **state)
{
    (void)state;
    const char *path = temporary_path("bank.safetensors"), *again = temporary_path("again.safetensors");
    dp_bank *bank = full_bank(), *back = NULL;
    assert_ok(dp_bank_save(bank, path, err));
    assert_ok(dp_bank_open(path, &back, err));
    compare_banks(bank, back);
    assert_ok(dp_bank_verify(back, err));
    assert_true(isnan(dp_bank_picture_score(back, 2))
                && dp_bank_picture_score(back, 1) == bank->pictures.loo_scores[1]);
    dp_bank_details info;
    dp_bank_get_details(back, &info);
    struct bytes first = read_file(path);
    assert_int_equal(info.file_bytes, first.n);
    assert_int_equal(info.model_stand_in, 1);
    assert_true(info.threshold == bank->levels.threshold && info.recipe.window == DP_WINDOW_GLOBAL);
    dp_view view;
    dp_view_init(back, &view);
    assert_true(view.post.low == 0.25 && view.post.min_object == 3);
    assert_true(view.metric == DP_METRIC_COSINE && view.window == DP_WINDOW_GLOBAL && view.knn == 1
                && view.score == bank->recipe.score && view.threshold == bank->levels.threshold);
    assert_int_equal((uintptr_t)back->rows.features % 64, 0);
    /* The same bank is the same file. */
    assert_ok(dp_bank_save(back, again, err));
    struct bytes second = read_file(again);
    assert_int_equal(first.n, second.n);
    assert_memory_equal(first.data, second.data, first.n);
    free(first.data);
    free(second.data);
    dp_bank_close(&back);
    dp_bank_close(&bank);
}

static void stored_types_round_trip(void **state)
{
    (void)state;
    const char *path = temporary_path("stored.safetensors");
    for (dp_storage storage = DP_STORAGE_F16; storage <= DP_STORAGE_I8; storage++) {
        /* One odd, one even number of bytes before the tensors of 4-byte numbers. */
        for (size_t dim = 4; dim <= 5; dim++) {
            dp_bank *bank = random_bank_in(storage, 3, 3, dim, 3, 1, 21, SIZE_MAX), *back = NULL;
            size_t places = dp_rows_cells(&bank->rows) * bank->rows.n_rows;
            assert_ok(dp_bank_save(bank, path, err));
            assert_ok(dp_bank_open(path, &back, err));
            assert_memory_equal(bank->rows.features, back->rows.features, places * dim * dp_storage_bytes(storage));
            assert_memory_equal(bank->rows.norms, back->rows.norms, places * sizeof(float));
            assert_int_equal(back->rows.scales != NULL, storage == DP_STORAGE_I8);
            if (back->rows.scales)
                assert_memory_equal(bank->rows.scales, back->rows.scales, places * sizeof(float));
            assert_ok(dp_bank_verify(back, err));
            dp_bank_close(&back);
            if (storage == DP_STORAGE_F16) {
                ((uint16_t *)bank->memory.features)[1] = 0x7c00;
                assert_fails(DP_E_NUMERIC, "not finite", dp_bank_verify(bank, err));
            } else {
                bank->memory.scales[0] *= 2;
                bank->memory.scales[8] *= 2;
                assert_fails(DP_E_CORRUPT, "norm", dp_bank_verify(bank, err));
            }
            dp_bank_close(&bank);
        }
    }
}

static void flat_round_trip(void **state)
{
    (void)state;
    const char *path = temporary_path("flat.safetensors");
    for (size_t dim = 3; dim <= 5; dim++) {
        dp_bank *bank = random_flat_without(dim, 4, 2, 8, SIZE_MAX), *back = NULL;
        assert_ok(dp_bank_leave_one_out(bank, DP_ISA_AUTO, NULL, NULL, NULL, err));
        assert_ok(dp_bank_save(bank, path, err));
        assert_ok(dp_bank_open(path, &back, err));
        compare_banks(bank, back);
        assert_memory_equal(bank->rows.row_picture, back->rows.row_picture,
                            bank->rows.n_rows * sizeof *bank->rows.row_picture);
        assert_memory_equal(bank->rows.row_cell, back->rows.row_cell, bank->rows.n_rows * sizeof *bank->rows.row_cell);
        assert_memory_equal(bank->rows.grids, back->rows.grids, bank->pictures.n * 2 * sizeof *bank->rows.grids);
        assert_ok(dp_bank_verify(back, err));
        dp_bank_close(&back);
        dp_bank_close(&bank);
    }
}

static void saving_over_a_mapped_bank(void **state)
{
    (void)state;
    const char *path = temporary_path("over.safetensors");
    dp_bank *bank = full_bank(), *mapped = NULL, *other = random_bank(2, 3, 5, 2, 1, 99), *back = NULL;
    assert_ok(dp_bank_save(bank, path, err));
    assert_ok(dp_bank_open(path, &mapped, err));
    assert_ok(dp_bank_save(mapped, path, err)); /* itself over itself */
    assert_ok(dp_bank_verify(mapped, err));
    assert_ok(dp_bank_save(other, path, err));
    compare_banks(bank, mapped); /* the old file lives on behind its mapping */
    assert_ok(dp_bank_verify(mapped, err));
    assert_ok(dp_bank_open(path, &back, err));
    compare_banks(other, back);
    dp_bank_close(&back);
    dp_bank_close(&mapped);
    dp_bank_close(&other);
    dp_bank_close(&bank);
}

static void full_disk(void **state)
{
    (void)state;
    const char *path = temporary_path("disk.safetensors");
    dp_bank *bank = full_bank(), *large = random_bank(16, 16, 64, 20, 1, 3), *back = NULL;
    assert_ok(dp_bank_save(bank, path, err));
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){100000, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    assert_fails(DP_E_IO, "disk.safetensors: cannot write", dp_bank_save(large, path, err));
    setrlimit(RLIMIT_FSIZE, &old);
    assert_ok(dp_bank_open(path, &back, err));
    assert_ok(dp_bank_verify(back, err));
    compare_banks(bank, back);
    dp_bank_close(&back);
    dp_bank_close(&large);
    dp_bank_close(&bank);
    assert_fails(DP_E_IO, "No such file", dp_bank_open(temporary_path("none"), &back, err));
    assert_fails(DP_E_IO, "is a folder", dp_bank_open("/tmp", &back, err));
}

/* ------------------------------------------------------------------------------------------------------------- damage */

static void every_prefix(void **state)
{
    (void)state;
    const char *path = temporary_path("short.safetensors");
    dp_bank *bank = full_bank(), *back = NULL;
    assert_ok(dp_bank_save(bank, path, err));
    struct bytes file = read_file(path);
    for (size_t n = 0; n < file.n; n++) {
        write_file(path, file.data, n);
        assert_fails(DP_E_FORMAT, "short.safetensors: ", dp_bank_open(path, &back, err));
        assert_null(back);
    }
    file.data[file.n] = 7;
    write_file(path, file.data, file.n + 1);
    assert_fails(DP_E_FORMAT, "after the last tensor", dp_bank_open(path, &back, err));
    free(file.data);
    dp_bank_close(&bank);
}

/* Flips bits of every byte of the bank's file, one at a time: opening or verifying must see each. */
static void flip(const dp_bank *bank, int bits)
{
    const char *path = temporary_path("flip.safetensors");
    assert_ok(dp_bank_save(bank, path, err));
    struct bytes file = read_file(path);
    size_t opened = 0;
    FILE *stream = fopen(path, "r+b");
    for (size_t i = 0; i < file.n; i++) {
        for (int k = 0; k < bits; k++) {
            int bit = bits == 8 ? k : (int)(i % 8);
            unsigned char flipped = (unsigned char)(file.data[i] ^ 1u << bit);
            fseek(stream, (long)i, SEEK_SET);
            fputc(flipped, stream);
            fflush(stream);
            dp_bank *back = NULL;
            dp_error err = {0};
            dp_status status = dp_bank_open(path, &back, &err);
            if (status == DP_OK) {
                opened++;
                status = dp_bank_verify(back, &err);
                dp_bank_close(&back);
            }
            if (status != DP_E_FORMAT && status != DP_E_CORRUPT && status != DP_E_NUMERIC)
                fail_msg("byte %zu of %zu, bit %d flipped: status %d, %s", i, file.n, bit, status, err.message);
            assert_non_null(strstr(err.message, "flip.safetensors: "));
        }
        fseek(stream, (long)i, SEEK_SET);
        fputc(file.data[i], stream);
    }
    fclose(stream);
    /* What opening lets pass are the features and nothing else. */
    assert_int_equal(opened, dp_rows_cells(&bank->rows) * bank->rows.n_rows * bank->rows.dim
                                 * dp_storage_bytes(bank->rows.storage) * (size_t)bits);
    free(file.data);
}

static void every_flip(void **state)
{
    (void)state;
    dp_bank *bank = full_bank();
    flip(bank, 8);
    dp_bank_close(&bank);
    bank = random_bank_in(DP_STORAGE_I8, 2, 3, 5, 3, 1, 4, SIZE_MAX);
    flip(bank, 1);
    dp_bank_close(&bank);
    bank = random_bank_in(DP_STORAGE_F16, 2, 2, 6, 2, 2, 5, SIZE_MAX);
    flip(bank, 1);
    dp_bank_close(&bank);
    bank = random_flat_without(4, 2, 1, 6, SIZE_MAX);
    flip(bank, 1);
    dp_bank_close(&bank);
}

/* Several blocks of features: the block is named, and the bank is not saved under checksums that hold. */
static void damaged_block(void **state)
{
    (void)state;
    const char *path = temporary_path("blocks.safetensors"), *copy = temporary_path("copy.safetensors");
    dp_bank *bank = random_bank(8, 8, 96, 400, 1, 3), *back = NULL; /* 9.4 blocks: several threads */
    assert_ok(dp_bank_save(bank, path, err));
    struct bytes file = read_file(path);
    uint64_t start;
    memcpy(&start, file.data, 8); /* features are the first tensor behind the header */
    start += 8;
    assert_memory_equal(file.data + start, bank->rows.features, 64);
    const size_t at[] = {0, (1 << 20) - 1, 1 << 20, (2 << 20) + 5, 64 * 400 * 96 * 4 - 1};
    const char *const named[] = {"block 0 of 10", "block 0 of 10", "block 1 of 10", "block 2 of 10", "block 9 of 10"};
    for (size_t k = 0; k < 5; k++) {
        file.data[start + at[k]] ^= 2;
        write_file(path, file.data, file.n);
        assert_ok(dp_bank_open(path, &back, err));
        assert_fails(DP_E_CORRUPT, named[k], dp_bank_verify(back, err));
        assert_fails(DP_E_CORRUPT, named[k], dp_bank_save(back, copy, err));
        assert_int_equal(access(copy, F_OK), -1);
        dp_bank_close(&back);
        file.data[start + at[k]] ^= 2;
    }
    free(file.data);
    ((float *)bank->memory.features)[200000] = NAN;
    assert_fails(DP_E_NUMERIC, "not finite", dp_bank_save(bank, copy, err));
    assert_fails(DP_E_NUMERIC, "not finite", dp_bank_verify(bank, err));
    ((float *)bank->memory.features)[200000] = 0.125f;
    assert_fails(DP_E_CORRUPT, "norm", dp_bank_verify(bank, err));
    dp_bank_close(&bank);
}

/* --------------------------------------------------------------------------------------------------------------- lies */

/* Files whose checksums hold but whose contents do not fit together. */
static void reseal(struct bytes *file)
{
    uint64_t header;
    memcpy(&header, file->data, 8);
    dp_safetensors *parsed = NULL;
    assert_ok(dp_safetensors_parse(file->data, file->n, "reseal", &parsed, err));
    const dp_tensor *features = dp_safetensors_find(parsed, "features"), *seal = dp_safetensors_find(parsed, "seal");
    const unsigned char *after = features->data + features->count * 4;
    const dp_bytes sealed[] = {{file->data, 8 + header}, {after, (size_t)(seal->data - after)}};
    char hex[DP_SHA256_HEX_BYTES];
    assert_ok(dp_sha256(sealed, 2, hex, err));
    unsigned char *to = (unsigned char *)(uintptr_t)seal->data;
    for (size_t i = 0; i < 32; i++) {
        unsigned byte;
        sscanf(hex + 2 * i, "%2x", &byte);
        to[i] = (unsigned char)byte;
    }
    dp_safetensors_close(&parsed);
}

static struct bytes good_file(void)
{
    const char *path = temporary_path("good.safetensors");
    dp_bank *bank = full_bank();
    bank->model.stand_in = false;
    assert_ok(dp_bank_save(bank, path, err));
    dp_bank_close(&bank);
    return read_file(path);
}

static void expect_format_error(const struct bytes *file, const char *text)
{
    const char *path = temporary_path("lie.safetensors");
    dp_bank *back = NULL;
    write_file(path, file->data, file->n);
    assert_fails(DP_E_FORMAT, "lie.safetensors: ", dp_bank_open(path, &back, err));
    assert_fails(DP_E_FORMAT, text, dp_bank_open(path, &back, err));
    assert_null(back);
}

/* Replaces text in the header by another of the same length. */
static void header_lie(const char *old, const char *new, const char *text)
{
    struct bytes file = good_file();
    uint64_t header;
    memcpy(&header, file.data, 8);
    unsigned char *at = memmem(file.data + 8, header, old, strlen(old));
    if (!at || strlen(old) != strlen(new))
        fail_msg("'%s' is not in the header, or '%s' is not as long", old, new);
    memcpy(at, new, strlen(new));
    dp_safetensors *parsed = NULL;
    if (dp_safetensors_parse(file.data, file.n, "x", &parsed, NULL) == DP_OK) {
        bool sealable = dp_safetensors_find(parsed, "features") && dp_safetensors_find(parsed, "seal");
        dp_safetensors_close(&parsed);
        if (sealable)
            reseal(&file);
    }
    expect_format_error(&file, text);
    free(file.data);
}

static void headers_that_lie(void **state)
{
    (void)state;
    header_lie("\"dinopatch_bank\":\"2\"", "\"dinopatch_bank\":\"3\"", "version 3; this program reads versions 1 to 2");
    header_lie("\"dinopatch_bank\":\"2\"", "\"dinopatch_bank\":\"0\"", "version 0; this program reads versions 1 to 2");
    header_lie("\"dinopatch_bank\":\"2\"", "\"dinopatch_bank\":\"1\"", "'picture_digests' is present, but");
    header_lie("\"picture_digests\"", "\"picture_digestz\"", "'picture_digests' is missing");
    header_lie("\"threshold_origin\"", "\"threshold_origim\"", "'threshold_origin' is missing");
    header_lie("\\\"by\\\"", "\\\"bi\\\"", "'threshold_origin' is damaged");
    header_lie("[3,32]", "[2,48]", "'picture_digests' has the wrong type or shape");
    header_lie("\"dinopatch_bank\"", "\"dinopatch_bunk\"", "not a dinopatch bank");
    header_lie("\"norms\"", "\"forms\"", "'norms' is missing");
    header_lie("\"features\"", "\"futures_\"", "'features' is missing");
    header_lie("\"seal\"", "\"seel\"", "'seal' is missing");
    header_lie("\"recipe\"", "\"recipi\"", "'recipe' is missing");
    header_lie("\"pictures\"", "\"pictured\"", "'pictures' is missing");
    header_lie("\"model_sha256\"", "\"model_sha255\"", "'model_sha256' is missing");
    header_lie("\"model_path\"", "\"model_pat_\"", "'model_path' is missing");
    header_lie("/models/d\\\\xff", "/models/d\\\\xg0", "'model_path' is damaged");
    header_lie("0123456789abcdef", "0123456789ABCDEF", "not a SHA-256");
    header_lie("\"model_stand_in\":\"false\"", "\"model_stand_in\":\"fal5e\"", "neither true nor false");
    header_lie("\"rows_per_picture\":\"2\"", "\"rows_per_picture\":\"3\"",
               "6 rows at each cell, but 3 pictures with 3 rows");
    header_lie("\"rows_per_picture\":\"2\"", "\"rows_per_picture\":\"0\"", "not a count");
    header_lie("\"rows_per_picture\":\"2\"", "\"rows_per_picture\":\"x\"", "not a count");
    header_lie("\"rows_per_picture\":\"2\"", "\"rows_per_picture\":\"\" ", "not a count");
    header_lie("\\\"knn\\\":1", "\\\"knn\\\":0", "'knn' is 0");
    header_lie("\\\"knn\\\":1", "\\\"kmn\\\":1", "'knn' is missing");
    header_lie("\\\"canvas_width_px\\\":42", "\\\"canvas_width_px\\\":43",
               "28x43 pixels cannot have 2x3 square patches");
    header_lie("\\\"canvas_height_px\\\":28", "\\\"canvas_height_px\\\":00", "not JSON");
    header_lie(",\\\"good/001.png\\\"", "                 ", "6 rows at each cell, but 2 pictures");
    header_lie("\\\"good/001.png\\\"", "1234567890123456", "name of picture 1");
    header_lie("good/001.png", "good/0\\\\\\\\n1", "name of picture 1");
    header_lie("[2,3,6,5]", "[3,2,6,5]", "square patches");
    header_lie("[2,3,6,5]", "[2,3,5,6]", "5 rows at each cell");
    header_lie("[2,3,6,5]", "[6,6,5,1]", "5 rows at each cell");
    header_lie("[2,3,6]", "[3,2,6]", "'norms' has the wrong type or shape");
    header_lie("\"F32\",\"shape\":[2,3,6,5]", "\"I32\",\"shape\":[2,3,6,5]", "'features' is not F32");
    header_lie("\\\"storage\\\":\\\"f32\\\"", "\\\"storage\\\":\\\"f16\\\"", "'features' is not F16");
    header_lie("\\\"storage\\\":\\\"f32\\\"", "\\\"storage\\\":\\\"f64\\\"", "not one of its choices");
    header_lie("\"I8\",\"shape\":[3]", "\"U8\",\"shape\":[3]", "'polarities' has the wrong type");
    header_lie("[3,11]", "[11,3]", "'poses' has the wrong type or shape");
}

static void values_that_lie(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        size_t at, bytes;
        unsigned char value[8]; /* little endian */
    } lies[] = {
        {"valid", 3, 1, {2}},
        {"norms", 0, 4, {0, 0, 0xc0, 0x7f}},       /* NaN */
        {"norms", 4, 4, {0, 0, 0x80, 0xbf}},       /* -1 */
        {"orientation", 8, 4, {0, 0, 0x80, 0x7f}}, /* infinity */
        {"polarities", 1, 1, {5}},
        {"poses", 0, 8, {0, 0, 0, 0, 0, 0, 0x22, 0x40}},      /* status 9 */
        {"poses", 8, 8, {0, 0, 0, 0, 0, 0, 0xf8, 0x7f}},      /* centre NaN */
        {"poses", 56, 8, {0, 0, 0, 0, 0, 0, 0xf0, 0xbf}},     /* -1 edge pixels */
        {"poses", 72, 8, {0, 0, 0, 0, 0, 0, 0xe0, 0x3f}},     /* status 0.5 of the second picture */
        {"loo_scores", 8, 8, {0, 0, 0, 0, 0, 0, 0xf0, 0x7f}}, /* infinity */
        {"threshold", 0, 8, {0, 0, 0, 0, 0, 0, 0xf0, 0xff}},  /* -infinity */
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct bytes file = good_file();
        dp_safetensors *parsed = NULL;
        assert_ok(dp_safetensors_parse(file.data, file.n, "x", &parsed, err));
        const dp_tensor *tensor = dp_safetensors_find(parsed, lies[i].tensor);
        memcpy((unsigned char *)(uintptr_t)tensor->data + lies[i].at, lies[i].value, lies[i].bytes);
        dp_safetensors_close(&parsed);
        reseal(&file);
        expect_format_error(&file, "out of its range");
        free(file.data);
    }
}

/* The tables of a flat bank. */
static void pools_that_lie(void **state)
{
    (void)state;
    static const struct {
        const char *tensor;
        size_t at;
        int32_t value;
    } lies[] = {{"row_picture", 0, 4}, {"row_picture", 0, -1}, {"row_picture", 4, 2},
                {"row_cell", 0, -1},   {"row_cell", 4, 0},     {"row_cell", 0, 24},
                {"grids", 0, 0},       {"grids", 4, -2},       {"grids", 0, INT32_MAX}};
    const char *path = temporary_path("flat.safetensors");
    dp_bank *bank = random_flat_without(3, 4, 2, 8, SIZE_MAX);
    assert_ok(dp_bank_save(bank, path, err));
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct bytes file = read_file(path);
        dp_safetensors *parsed = NULL;
        assert_ok(dp_safetensors_parse(file.data, file.n, "x", &parsed, err));
        const dp_tensor *tensor = dp_safetensors_find(parsed, lies[i].tensor);
        memcpy((unsigned char *)(uintptr_t)tensor->data + lies[i].at, &lies[i].value, 4);
        dp_safetensors_close(&parsed);
        reseal(&file);
        expect_format_error(&file, "out of its range");
        free(file.data);
    }
    /* A flat bank that says it is a grid, and the reverse. */
    struct bytes file = read_file(path);
    uint64_t header;
    memcpy(&header, file.data, 8);
    memcpy(memmem(file.data + 8, header, "\\\"flat\\\"", 8), "\\\"grid\\\"", 8);
    reseal(&file);
    expect_format_error(&file, "rows at each cell");
    free(file.data);
    header_lie("\\\"grid\\\"", "\\\"pool\\\"", "a flat bank cannot have 2x3 cells");
    dp_bank_close(&bank);
}

/* Random bytes anywhere, under a seal that holds: any answer will do, as long as nothing is read that is not there. */
static void sealed_noise(void **state)
{
    (void)state;
    const char *path = temporary_path("noise.safetensors");
    struct bytes good = good_file(), file = {malloc(good.n + 1), good.n};
    uint64_t seed = 4, header;
    size_t opened = 0;
    memcpy(&header, good.data, 8);
    for (int i = 0; i < 4000; i++) {
        memcpy(file.data, good.data, good.n);
        size_t n = 1 + (size_t)i % 3, reach = i % 2 ? (size_t)header : good.n - 8;
        for (size_t k = 0; k < n; k++) {
            size_t at = 8 + (size_t)((uniform(&seed) + 1) / 2 * (float)reach) % reach;
            file.data[at] = i % 4 < 2 ? (unsigned char)('0' + i % 10) : (unsigned char)(uniform(&seed) * 128 + 128);
        }
        dp_safetensors *parsed = NULL;
        bool whole = dp_safetensors_parse(file.data, file.n, "x", &parsed, NULL) == DP_OK;
        whole = whole && dp_safetensors_find(parsed, "features") && dp_safetensors_find(parsed, "seal")
                && dp_safetensors_find(parsed, "features")->data < dp_safetensors_find(parsed, "seal")->data;
        dp_safetensors_close(&parsed);
        if (!whole)
            continue;
        reseal(&file);
        write_file(path, file.data, file.n);
        dp_bank *back = NULL;
        dp_error err;
        if (dp_bank_open(path, &back, &err) == DP_OK) {
            opened++;
            dp_bank_verify(back, &err);
            float features[30];
            uint8_t valid[6];
            for (size_t p = 0; p < back->pictures.n && dp_rows_cells(&back->rows) == 6 && back->rows.dim == 5; p++)
                dp_rows_get(&back->rows, p, 0, features, valid);
            dp_bank_close(&back);
        } else {
            assert_non_null(strstr(err.message, "noise.safetensors: "));
        }
    }
    assert_true(opened > 100);
    free(file.data);
    free(good.data);
}

/* Other safetensors files, and one tensor too many. */
static void other_files(void **state)
{
    (void)state;
    const char *path = temporary_path("other.safetensors");
    dp_bank *back = NULL;
    const dp_tensor tensor = {.name = "x", .dtype = DP_DTYPE_U8, .rank = 1, .shape = {4}, .count = 4};
    const dp_key_value version = {"dinopatch_bank", "1"};
    for (size_t n = 0; n < 2; n++) {
        dp_writer *writer = NULL;
        assert_ok(dp_safetensors_begin(path, &tensor, 1, &version, n, &writer, err));
        assert_ok(dp_writer_put(writer, "abcd", 4, err));
        assert_ok(dp_writer_commit(&writer, err));
        assert_fails(DP_E_FORMAT, n ? "'features' is missing" : "not a dinopatch bank", dp_bank_open(path, &back, err));
    }
    struct bytes file = good_file();
    const char more[] = ",\"more\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}}";
    uint64_t header;
    memcpy(&header, file.data, 8);
    unsigned char *longer = malloc(file.n + 64), *brace = memrchr(file.data + 8, '}', header);
    size_t before = (size_t)(brace - file.data);
    header = before - 8 + strlen(more);
    memcpy(longer, file.data, before);
    memcpy(longer, &header, 8);
    memcpy(longer + before, more, strlen(more));
    uint64_t old_header;
    memcpy(&old_header, file.data, 8);
    memcpy(longer + 8 + header, file.data + 8 + old_header, file.n - 8 - old_header);
    struct bytes extended = {longer, 8 + header + file.n - 8 - old_header};
    expect_format_error(&extended, "'more' is unknown or out of order");
    write_file(path, "", 0);
    assert_fails(DP_E_FORMAT, "is empty", dp_bank_open(path, &back, err));
    write_file(path, "\x89PNG\r\n\x1a\n and so on", 18);
    assert_fails(DP_E_FORMAT, "not a safetensors file", dp_bank_open(path, &back, err));
    free(file.data);
    free(longer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_types_round_trip),
        cmocka_unit_test(flat_round_trip),
        cmocka_unit_test(pools_that_lie),
        cmocka_unit_test(round_trip),
        cmocka_unit_test(saving_over_a_mapped_bank),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(every_flip),
        cmocka_unit_test(damaged_block),
        cmocka_unit_test(headers_that_lie),
        cmocka_unit_test(values_that_lie),
        cmocka_unit_test(sealed_noise),
        cmocka_unit_test(other_files),
    };
    return cmocka_run_group_tests_name("bank_file", tests, NULL, NULL);
}
