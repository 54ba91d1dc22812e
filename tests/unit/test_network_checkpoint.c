/* SPDX-License-Identifier: Apache-2.0 */
/* Tests checkpoints: every naming and number type gives the same transformer, and the message names broken parts. */
#include "test.h"

#include "base/file.h"
#include "network/network.h"

#include <fcntl.h>

#include "base/error.h"
#include "base/memory.h"
#include "network/checkpoint.h"
#include "simd/half.h"

#include <math.h>

#define DIM 128
#define CELLS 25

/* A checkpoint under construction: the stand-in's tensors, to be renamed, converted and damaged. */
struct draft {
    dp_tensor tensors[160];
    char names[160][128];
    unsigned char *data[160];
    size_t n;
};

static struct draft draft;

static void clear_draft(void)
{
    for (size_t i = 0; i < draft.n; i++)
        free(draft.data[i]);
    memset(&draft, 0, sizeof draft);
}

static void add(const char *name, dp_dtype dtype, size_t rank, const size_t *shape, const void *data)
{
    dp_tensor *t = &draft.tensors[draft.n];
    snprintf(draft.names[draft.n], sizeof draft.names[0], "%s", name);
    *t = (dp_tensor){.name = draft.names[draft.n], .dtype = dtype, .rank = rank, .count = 1};
    for (size_t i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->count *= shape[i];
    }
    size_t bytes = t->count * dp_dtype_bytes(dtype);
    draft.data[draft.n] = malloc(bytes + 1);
    if (data)
        memcpy(draft.data[draft.n], data, bytes);
    draft.n++;
}

static size_t find(const char *name)
{
    for (size_t i = 0; i < draft.n; i++)
        if (!strcmp(draft.names[i], name))
            return i;
    fail_msg("no tensor '%s'", name);
    return 0;
}

static void drop(const char *name)
{
    size_t at = find(name);
    free(draft.data[at]);
    draft.n--;
    for (size_t i = at; i < draft.n; i++) {
        draft.tensors[i] = draft.tensors[i + 1];
        memcpy(draft.names[i], draft.names[i + 1], sizeof draft.names[0]);
        draft.data[i] = draft.data[i + 1];
        draft.tensors[i].name = draft.names[i];
    }
}

static void rename_tensor(const char *name, const char *to)
{
    size_t at = find(name);
    snprintf(draft.names[at], sizeof draft.names[0], "%s", to);
}

/* Hugging Face names, from the seeded generator. */
static void begin(size_t registers, int swiglu)
{
    clear_draft();
    const char *path = temporary_path("seed.safetensors");
    dp_architecture a = {.dim = DIM,
                         .depth = 2,
                         .heads = 2,
                         .patch_px = 14,
                         .registers = registers,
                         .position_side = 5,
                         .swiglu = swiglu};
    assert_ok(dp_network_synthesise(&a, 11, path, err));
    dp_safetensors *file = NULL;
    assert_ok(dp_safetensors_open(path, &file, err));
    for (size_t i = 0; i < dp_safetensors_count(file); i++) {
        const dp_tensor *t = dp_safetensors_at(file, i);
        add(t->name, t->dtype, t->rank, t->shape, t->data);
    }
    dp_safetensors_close(&file);
}

/* Names of the hub release: query, key and value in one. */
static void to_hub(void)
{
    static const char *const global[][2] = {
        {"embeddings.cls_token", "cls_token"},
        {"embeddings.mask_token", "mask_token"},
        {"embeddings.register_tokens", "register_tokens"},
        {"embeddings.position_embeddings", "pos_embed"},
        {"embeddings.patch_embeddings.projection.weight", "patch_embed.proj.weight"},
        {"embeddings.patch_embeddings.projection.bias", "patch_embed.proj.bias"},
        {"layernorm.weight", "norm.weight"},
        {"layernorm.bias", "norm.bias"},
    };
    static const char *const block[][2] = {
        {"attention.output.dense", "attn.proj"}, {"layer_scale1.lambda1", "ls1.gamma"},
        {"layer_scale2.lambda1", "ls2.gamma"},   {"mlp.weights_in", "mlp.w12"},
        {"mlp.weights_out", "mlp.w3"},
    };
    for (size_t layer = 0; layer < 2; layer++)
        for (int bias = 0; bias < 2; bias++) {
            static const char *const parts[] = {"query", "key", "value"};
            size_t piece = bias ? DIM : DIM * DIM, shape[2] = {3 * DIM, DIM};
            float *whole = malloc(3 * piece * sizeof *whole);
            char name[128];
            for (size_t p = 0; p < 3; p++) {
                snprintf(name, sizeof name, "encoder.layer.%zu.attention.attention.%s.%s", layer, parts[p],
                         bias ? "bias" : "weight");
                memcpy(whole + p * piece, draft.data[find(name)], piece * sizeof *whole);
                drop(name);
            }
            snprintf(name, sizeof name, "encoder.layer.%zu.attn.qkv.%s", layer, bias ? "bias" : "weight");
            add(name, DP_DTYPE_F32, bias ? 1 : 2, shape, whole);
            free(whole);
        }
    for (size_t i = 0; i < draft.n; i++) {
        char *name = draft.names[i], text[128];
        for (size_t g = 0; g < sizeof global / sizeof *global; g++)
            if (!strcmp(name, global[g][0]))
                strcpy(name, global[g][1]);
        if (strncmp(name, "encoder.layer.", 14) != 0)
            continue;
        snprintf(text, sizeof text, "blocks.%s", name + 14);
        for (size_t b = 0; b < sizeof block / sizeof *block; b++) {
            char *at = strstr(text, block[b][0]);
            if (!at)
                continue;
            char tail[128];
            strcpy(tail, at + strlen(block[b][0]));
            sprintf(at, "%s%s", block[b][1], tail);
        }
        strcpy(name, text);
    }
}

static void prefix_all(const char *prefix)
{
    for (size_t i = 0; i < draft.n; i++) {
        char text[128];
        snprintf(text, sizeof text, "%.20s%.100s", prefix, draft.names[i]);
        strcpy(draft.names[i], text);
    }
}

/* Rounds every tensor to a 16-bit type by cutting bits that are then zero: both types hold the value exactly. */
static void to_half(dp_dtype dtype)
{
    for (size_t i = 0; i < draft.n; i++) {
        dp_tensor *t = &draft.tensors[i];
        uint16_t *half = malloc(t->count * 2 + 2);
        for (size_t j = 0; j < t->count; j++) {
            float value;
            memcpy(&value, draft.data[i] + 4 * j, 4);
            if (dtype == DP_DTYPE_BF16) {
                half[j] = (uint16_t)(dp_f32_to_bits(value) >> 16);
                continue;
            }
            int exponent;
            float mantissa = frexpf(fabsf(value), &exponent); /* 0.5 .. 1 */
            half[j] = value == 0 || exponent < -13
                          ? 0
                          : (uint16_t)((value < 0) << 15 | (exponent + 14) << 10 | ((int)(mantissa * 2048) & 1023));
        }
        free(draft.data[i]);
        draft.data[i] = (unsigned char *)half;
        t->dtype = dtype;
    }
}

/* The draft's own values in F32, so that a 16-bit file and this one must agree to the bit. */
static void from_half(void)
{
    for (size_t i = 0; i < draft.n; i++) {
        dp_tensor *t = &draft.tensors[i];
        float *values = malloc(t->count * 4 + 4);
        t->data = draft.data[i];
        assert_ok(dp_tensor_to_f32(t, values, err));
        free(draft.data[i]);
        draft.data[i] = (unsigned char *)values;
        t->dtype = DP_DTYPE_F32;
    }
}

/* Writes the tensors from first to end. */
static const char *write_some(const char *name, size_t first, size_t end, const dp_key_value *metadata,
                              size_t n_metadata)
{
    const char *path = temporary_path(name);
    for (size_t i = first; i < end; i++)
        draft.tensors[i].name = draft.names[i];
    dp_writer *writer = NULL;
    assert_ok(dp_safetensors_begin(path, draft.tensors + first, end - first, metadata, n_metadata, &writer, err));
    for (size_t i = first; i < end; i++)
        assert_ok(
            dp_writer_put(writer, draft.data[i], draft.tensors[i].count * dp_dtype_bytes(draft.tensors[i].dtype), err));
    assert_ok(dp_writer_commit(&writer, err));
    return path;
}

static const char *write_draft(const dp_key_value *metadata, size_t n_metadata)
{
    return write_some("draft.safetensors", 0, draft.n, metadata, n_metadata);
}

#define TOKENS (3 * 4 * DIM)

static void embed_file(const char *path, const char *naming, const char *dtype, float tokens[TOKENS])
{
    dp_network *model = NULL;
    dp_session *session = NULL;
    assert_ok(dp_network_open(path, &model, err));
    dp_network_info info;
    dp_network_get_info(model, &info);
    assert_string_equal(info.naming, naming);
    assert_string_equal(info.dtype, dtype);
    assert_int_equal(strlen(info.sha256), 64);
    assert_true(info.dim == DIM && info.depth == 2 && info.heads == 2 && info.patch_px == 14
                && info.position_rows == 5);
    assert_ok(dp_session_open(model, DP_FP32, NULL, &session, err));
    float *rgb = malloc(42 * 56 * 3 * sizeof *rgb);
    for (size_t i = 0; i < 42 * 56 * 3; i++)
        rgb[i] = (float)(i * 7919 % 256);
    assert_ok(dp_session_embed(session, rgb, 42, 56, NULL, 0, DP_LAYERS_MEAN, tokens, err));
    free(rgb);
    dp_session_close(&session);
    dp_network_close(&model);
    dp_network_close(&model);
}

static void embed(const char *naming, const char *dtype, float tokens[TOKENS])
{
    embed_file(write_draft(NULL, 0), naming, dtype, tokens);
}

static void namings(void **state)
{
    (void)state;
    static float reference[TOKENS], tokens[TOKENS];
    for (size_t registers = 0; registers <= 4; registers += 4)
        for (int swiglu = 0; swiglu < 2; swiglu++) {
            begin(registers, swiglu);
            embed("huggingface", "F32", reference);
            prefix_all("dinov2.");
            embed("huggingface", "F32", tokens);
            assert_memory_equal(tokens, reference, sizeof tokens);

            begin(registers, swiglu);
            to_hub();
            embed("hub", "F32", tokens);
            assert_memory_equal(tokens, reference, sizeof tokens);
            prefix_all("teacher.backbone.");
            embed("hub", "F32", tokens);
            assert_memory_equal(tokens, reference, sizeof tokens);

            /* timm: no mask token, packed SwiGLU, and in register models a class token that carries its position */
            begin(registers, swiglu);
            to_hub();
            drop("mask_token");
            for (size_t layer = 0; layer < 2 && swiglu; layer++)
                for (int bias = 0; bias < 2; bias++) {
                    static const char *const pairs[][2] = {{"w12", "fc1"}, {"w3", "fc2"}};
                    for (size_t p = 0; p < 2; p++) {
                        char from[64], to[64];
                        snprintf(from, sizeof from, "blocks.%zu.mlp.%s.%s", layer, pairs[p][0],
                                 bias ? "bias" : "weight");
                        snprintf(to, sizeof to, "blocks.%zu.mlp.%s.%s", layer, pairs[p][1], bias ? "bias" : "weight");
                        rename_tensor(from, to);
                    }
                }
            if (registers) {
                rename_tensor("register_tokens", "reg_token");
                float *class_token = (float *)draft.data[find("cls_token")],
                      *position = (float *)draft.data[find("pos_embed")];
                for (size_t d = 0; d < DIM; d++)
                    class_token[d] += position[d];
                memmove(position, position + DIM, CELLS * DIM * sizeof *position);
                draft.tensors[find("pos_embed")].shape[1] = CELLS;
                draft.tensors[find("pos_embed")].count = CELLS * DIM;
            }
            embed("timm", "F32", tokens);
            assert_memory_equal(tokens, reference, sizeof tokens);
        }
}

static void number_types(void **state)
{
    (void)state;
    static float reference[TOKENS], tokens[TOKENS];
    static const dp_dtype types[] = {DP_DTYPE_BF16, DP_DTYPE_F16};
    for (size_t i = 0; i < 2; i++) {
        begin(4, 0);
        to_half(types[i]);
        embed("huggingface", dp_dtype_name(types[i]), tokens);
        from_half();
        embed("huggingface", "F32", reference);
        assert_memory_equal(tokens, reference, sizeof tokens);
    }
}

static void expect(dp_status status, const char *text)
{
    dp_network *model = NULL;
    assert_fails(status, text, dp_network_open(write_draft(NULL, 0), &model, err));
    assert_null(model);
}

/* The head of a classifier that was trained on the network, inside its prefix or beside it. */
static void head_is_left_alone(void **state)
{
    (void)state;
    static float reference[TOKENS], tokens[TOKENS];
    const size_t shape[2] = {3, DIM};
    const float weight[3 * DIM] = {1};
    begin(4, 0);
    embed("huggingface", "F32", reference);
    add("classifier.weight", DP_DTYPE_F32, 2, shape, weight);
    add("head.bias", DP_DTYPE_F32, 1, shape, weight);
    embed("huggingface", "F32", tokens);
    assert_memory_equal(tokens, reference, sizeof tokens);
    dp_network *model = NULL;
    assert_ok(dp_network_open(write_draft(NULL, 0), &model, err));
    dp_network_info info;
    dp_network_get_info(model, &info);
    assert_string_equal(info.unused, "classifier.weight");
    assert_int_equal(info.n_unused, 2);
    dp_network_close(&model);
    add("encoder.layer.0.head.weight", DP_DTYPE_F32, 2, shape, weight); /* in a block nothing is left alone */
    expect(DP_E_CHECKPOINT, "'encoder.layer.0.head.weight' does not belong");
    begin(4, 0);
    prefix_all("teacher.backbone.");
    add("teacher.dino_head.last_layer.weight", DP_DTYPE_F32, 2, shape, weight);
    embed("huggingface", "F32", tokens);
    assert_memory_equal(tokens, reference, sizeof tokens);
}

static void expect_licence(const dp_key_value *metadata, size_t n, const char *set, const char *licence)
{
    dp_network *model = NULL;
    dp_network_info info;
    assert_ok(dp_network_open(write_draft(metadata, n), &model, err));
    if (set)
        dp_network_set_licence(model, set);
    dp_network_get_info(model, &info);
    assert_string_equal(info.licence, licence);
    dp_network_close(&model);
}

static void licences(void **state)
{
    (void)state;
    const dp_key_value own = {"license", "CC-BY-NC-4.0"}, odd = {"license", "two\nlines"};
    begin(0, 0);
    expect_licence(NULL, 0, NULL, "");
    expect_licence(NULL, 0, "Apache-2.0", "Apache-2.0");
    expect_licence(NULL, 0, "a\tb", "");
    expect_licence(NULL, 0, "a name of a licence that is longer than names are", "");
    expect_licence(&own, 1, "Apache-2.0", "CC-BY-NC-4.0");
    expect_licence(&odd, 1, NULL, "");
    begin(1, 0); /* one register: TIPSv2 */
    expect_licence(NULL, 0, NULL, "Apache-2.0");
    dp_network *model = NULL;
    dp_network_info info;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &model, err));
    dp_network_get_info(model, &info);
    assert_string_equal(info.licence, "Apache-2.0");
    dp_network_close(&model);
}

/* Writes an index of the draft whose tensors before `cut` are in one shard, the others in another. */
static const char *write_index(size_t cut, const char *first, const char *second)
{
    const char *path = temporary_path("model.safetensors.index.json");
    FILE *file = fopen(path, "w");
    fprintf(file, "{\n  \"metadata\": {\"total_size\": 1},\n  \"weight_map\": {");
    for (size_t i = 0; i < draft.n; i++)
        fprintf(file, "%s\n    \"%s\": \"%s\"", i ? "," : "", draft.names[i], i < cut ? first : second);
    fprintf(file, "\n  }\n}\n");
    fclose(file);
    return path;
}

static void expect_index(dp_status status, const char *text, size_t cut, const char *first, const char *second)
{
    dp_network *model = NULL;
    assert_fails(status, text, dp_network_open(write_index(cut, first, second), &model, err));
    assert_null(model);
}

static void write_text(const char *name, const char *text)
{
    FILE *file = fopen(temporary_path(name), "w");
    fputs(text, file);
    fclose(file);
}

static void shards(void **state)
{
    (void)state;
    static const char a[] = "model-00001-of-00002.safetensors", b[] = "model-00002-of-00002.safetensors";
    static float reference[TOKENS], tokens[TOKENS];
    const dp_key_value metadata[] = {{"format", "pt"}, {"license", "MIT"}};
    begin(4, 0);
    embed("huggingface", "F32", reference);
    size_t cut = draft.n / 2;
    write_some(a, 0, cut, metadata, 1);
    write_some(b, cut, draft.n, metadata, 2);
    embed_file(write_index(cut, a, b), "huggingface", "F32", tokens);
    assert_memory_equal(tokens, reference, sizeof tokens);

    dp_network *model = NULL;
    dp_network_info info;
    dp_mapping parts[2];
    char digest[DP_SHA256_HEX_BYTES];
    assert_ok(dp_mapping_open(temporary_path(a), &parts[0], err));
    assert_ok(dp_mapping_open(temporary_path(b), &parts[1], err));
    assert_ok(
        dp_sha256((dp_bytes[]){{parts[0].data, parts[0].bytes}, {parts[1].data, parts[1].bytes}}, 2, digest, err));
    assert_ok(dp_network_open(write_index(cut, a, b), &model, err));
    dp_network_get_info(model, &info);
    assert_string_equal(info.sha256, digest); /* of the shards one after another, by name */
    assert_int_equal(info.n_files, 2);
    assert_string_equal(info.licence, "MIT");
    assert_ok(dp_network_check_unchanged(model, err));
    struct timespec later[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    assert_int_equal(utimensat(AT_FDCWD, temporary_path(b), later, 0), 0);
    assert_fails(DP_E_CORRUPT, b, dp_network_check_unchanged(model, err));
    dp_network_close(&model);
    dp_mapping_close(&parts[0]);
    dp_mapping_close(&parts[1]);

    dp_limits limits;
    dp_limits_init(&limits);
    limits.max_tensors = draft.n - 1;
    assert_fails(DP_E_FORMAT, "the limit is", dp_network_open_within(write_index(cut, a, b), &limits, &model, err));
    dp_limits_init(&limits);
    limits.max_file_bytes = 800000; /* each shard is smaller */
    assert_fails(DP_E_FORMAT, "limit", dp_network_open_within(write_index(cut, a, b), &limits, &model, err));

    expect_index(DP_E_FORMAT, "model-00001-of-00002.safetensors: holds tensor '", cut - 1, a, b);
    expect_index(DP_E_FORMAT, "model-00002-of-00002.safetensors: holds tensor '", cut + 1, a, b);
    expect_index(DP_E_FORMAT, "a shard is a file beside the index", cut, "../model.safetensors", b);
    expect_index(DP_E_FORMAT, "a shard is a file beside the index", cut, "/etc/passwd", b);
    expect_index(DP_E_FORMAT, "a shard is a file beside the index", cut, a, "..");
    expect_index(DP_E_FORMAT, "a shard is a file beside the index", cut, "", b);
    assert_int_equal(unlink(temporary_path(b)), 0);
    expect_index(DP_E_IO, "model-00002-of-00002.safetensors: cannot open: No such file or directory (shard 2 of 2", cut,
                 a, b);
    write_some(b, cut, draft.n - 1, metadata, 2); /* of another checkpoint: it has less */
    expect_index(DP_E_FORMAT, "model-00002-of-00002.safetensors: lacks tensor '", cut, a, b);
    write_text(b, "version https://git-lfs.github.com/spec/v1");
    expect_index(DP_E_FORMAT, "but a Git LFS pointer", cut, a, b);
    write_text("config.json", "{\"model_type\": \"dinov2\"}");
    assert_fails(DP_E_FORMAT, "is JSON, but no index of shards",
                 dp_network_open(temporary_path("config.json"), &model, err));
    write_text("config.json", "{\"weight_map\": {");
    assert_fails(DP_E_FORMAT, "but broken", dp_network_open(temporary_path("config.json"), &model, err));
    write_text("config.json", "{\"weight_map\": {\"a\": 3}}");
    assert_fails(DP_E_FORMAT, "gives tensor 'a'", dp_network_open(temporary_path("config.json"), &model, err));
    assert_null(model);
}

/* A DINOv3 of random weights is one, and no other. */
static void synthetic_dinov3(void **state)
{
    (void)state;
    const dp_architecture a = {
        .dim = 64, .depth = 2, .heads = 1, .patch_px = 16, .registers = 4, .hidden = 96, .swiglu = 1};
    dp_architecture other = a;
    const char *path = temporary_path("v3.safetensors");
    dp_network *network = NULL;
    assert_ok(dp_network_synthesise(&a, 3, path, err));
    assert_ok(dp_network_open(path, &network, err));
    assert_ok(dp_architecture_check(&a, network, err));
    other.position_side = 4;
    assert_fails(DP_E_CHECKPOINT, "rotary positions", dp_architecture_check(&other, network, err));
    dp_network_close(&network);
}

/* DINOv3 has no position embedding; what has none otherwise is refused. */
static void families(void **state)
{
    (void)state;
    dp_network *model = NULL;
    dp_network_info info;
    begin(4, 0);
    assert_ok(dp_network_open(write_draft(NULL, 0), &model, err));
    dp_network_get_info(model, &info);
    assert_string_equal(info.architecture, "dinov2");
    dp_network_close(&model);
    begin(1, 0); /* one register */
    assert_ok(dp_network_open(write_draft(NULL, 0), &model, err));
    dp_network_get_info(model, &info);
    assert_string_equal(info.architecture, "tipsv2");
    assert_true(model->checkpoint.mean[0] == 0 && model->checkpoint.deviation[2] == 1);
    dp_network_close(&model);
    begin(4, 0);
    to_hub();
    drop("pos_embed");
    expect(DP_E_CHECKPOINT, "tensor 'pos_embed' is missing");
    const size_t wide[1] = {32}, narrow[1] = {16};
    const float periods[32] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    add("rope_embed.periods", DP_DTYPE_F32, 1, wide, periods);
    expect(DP_E_UNSUPPORTED, "heads of 128 channels");
    drop("rope_embed.periods");
    add("rope_embed.periods", DP_DTYPE_F32, 1, narrow, periods);
    assert_ok(dp_network_open(write_draft(NULL, 0), &model, err));
    dp_network_get_info(model, &info);
    assert_string_equal(info.architecture, "dinov3");
    assert_true(model->periods[15] == 16 && info.position_rows == 0);
    dp_network_close(&model);
    drop("rope_embed.periods");
    add("rope_embed.periods", DP_DTYPE_F32, 1, narrow, periods + 16);
    expect(DP_E_CHECKPOINT, "a period that is not above 0");
}

/* The shapes of TIPSv2 SO400m and of ViT-H are not taken for networks with heads of 64. */
static void other_heads(void **state)
{
    (void)state;
    static const size_t dims[] = {1152, 1280};
    static const char *const heads[] = {"heads of 72 channels", "heads of 80 channels"};
    for (size_t i = 0; i < 2; i++) {
        const char *path = temporary_path("other.safetensors");
        const dp_architecture a = {.dim = dims[i],
                                   .depth = 1,
                                   .heads = dims[i] / 64,
                                   .patch_px = 14,
                                   .registers = 1,
                                   .position_side = 2,
                                   .hidden = 64};
        dp_network *model = NULL;
        assert_ok(dp_network_synthesise(&a, 1, path, err));
        assert_fails(DP_E_UNSUPPORTED, heads[i], dp_network_open(path, &model, err));
    }
}

static void broken(void **state)
{
    (void)state;
    const size_t three[1] = {3};
    begin(0, 0);
    drop("encoder.layer.1.mlp.fc2.weight");
    expect(DP_E_CHECKPOINT, "tensor 'encoder.layer.1.mlp.fc2.weight' is missing");
    begin(0, 0);
    to_hub();
    drop("blocks.0.attn.qkv.bias");
    expect(DP_E_CHECKPOINT, "tensor 'blocks.0.attn.qkv.bias' is missing");
    begin(0, 0);
    drop("layernorm.bias");
    expect(DP_E_CHECKPOINT, "tensor 'layernorm.bias' is missing");
    begin(0, 0);
    drop("encoder.layer.1.layer_scale2.lambda1");
    expect(DP_E_CHECKPOINT, "'encoder.layer.1.layer_scale2.lambda1' is missing");
    begin(0, 0);
    drop("encoder.layer.0.layer_scale1.lambda1");
    expect(DP_E_CHECKPOINT, "is unexpected");
    begin(0, 0);
    add("extra.weight", DP_DTYPE_F32, 1, three, NULL);
    memset(draft.data[draft.n - 1], 0, 12);
    expect(DP_E_CHECKPOINT, "tensor 'extra.weight' does not belong to a vision transformer");
    begin(0, 0);
    add("encoder.layer.99999.norm1.weight", DP_DTYPE_F32, 1, three, "\0\0\0\0\0\0\0\0\0\0\0");
    expect(DP_E_CHECKPOINT, "encoder.layer.99999.norm1.weight");
    begin(0, 0);
    rename_tensor("embeddings.cls_token", "token");
    expect(DP_E_CHECKPOINT, "no tensor 'embeddings.cls_token'");
    begin(0, 0);
    draft.tensors[find("encoder.layer.1.attention.attention.key.weight")].shape[0] = DIM / 2;
    draft.tensors[find("encoder.layer.1.attention.attention.key.weight")].shape[1] = DIM * 2;
    expect(DP_E_CHECKPOINT,
           "'encoder.layer.1.attention.attention.key.weight' has shape [64, 256]; [128, 128] is expected");
    begin(0, 0);
    draft.tensors[find("embeddings.position_embeddings")].shape[1] = CELLS - 2;
    draft.tensors[find("embeddings.position_embeddings")].count = (CELLS - 2) * DIM;
    expect(DP_E_CHECKPOINT, "no square grid");
    begin(0, 0);
    ((float *)draft.data[find("encoder.layer.1.norm2.bias")])[77] = NAN;
    expect(DP_E_NUMERIC, "tensor 'encoder.layer.1.norm2.bias' holds a NaN");
    begin(0, 0);
    to_half(DP_DTYPE_F16);
    ((uint16_t *)draft.data[find("layernorm.weight")])[3] = 0xfc00;
    expect(DP_E_NUMERIC, "tensor 'layernorm.weight' holds a NaN or an infinity");
    begin(0, 0);
    to_half(DP_DTYPE_BF16);
    draft.tensors[find("layernorm.weight")].dtype = DP_DTYPE_I16;
    expect(DP_E_CHECKPOINT, "'layernorm.weight' is I16");
    clear_draft();
    const dp_key_value heads = {"heads", "5"}, offset = {"offset", "much"};
    dp_network *model = NULL;
    begin(0, 0);
    assert_fails(DP_E_CHECKPOINT, "metadata 'heads' is '5'", dp_network_open(write_draft(&heads, 1), &model, err));
    assert_fails(DP_E_CHECKPOINT, "metadata 'offset' is 'much'", dp_network_open(write_draft(&offset, 1), &model, err));
    clear_draft();
    add("nothing", DP_DTYPE_F32, 1, three, "\0\0\0\0\0\0\0\0\0\0\0");
    expect(DP_E_CHECKPOINT, "is not a checkpoint of a vision transformer");
    assert_fails(DP_E_IO, "No such file", dp_network_open(temporary_path("absent"), &model, err));
    clear_draft();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(namings),          cmocka_unit_test(number_types), cmocka_unit_test(head_is_left_alone),
        cmocka_unit_test(licences),         cmocka_unit_test(shards),       cmocka_unit_test(families),
        cmocka_unit_test(synthetic_dinov3), cmocka_unit_test(other_heads),  cmocka_unit_test(broken)};
    return cmocka_run_group_tests_name("network_checkpoint", tests, NULL, NULL);
}
