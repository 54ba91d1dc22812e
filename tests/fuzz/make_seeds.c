/* SPDX-License-Identifier: Apache-2.0 */
/* make_seeds.c - makes the seeds of the fuzz targets: small valid files of every kind that can be read.
 *
 *     make_seeds CORPUS_FOLDER */
#include "fixture.h"
#include "fuzz.h"

#include "options/recipe_json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <vips/vips.h>

static char path[512];

static const char *at(const char *root, const char *target, const char *name)
{
    snprintf(path, sizeof path, "%s/%s", root, target);
    mkdir(root, 0777);
    mkdir(path, 0777);
    snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
    return path;
}

static void put(const char *root, const char *target, const char *name, const void *data, size_t bytes)
{
    FILE *file = fopen(at(root, target, name), "wb");
    fuzz_must(file && fwrite(data, 1, bytes, file) == bytes && fclose(file) == 0, "a seed can be written");
}

static void put_text(const char *root, const char *target, const char *name, const char *text)
{
    put(root, target, name, text, strlen(text));
}

static void banks(const char *root)
{
    for (int kind = 0; kind < N_FIXTURES; kind++) {
        dp_bank *bank = fixture_bank(kind);
        dp_error err;
        fuzz_must(fuzz_ok(dp_bank_save(bank, at(root, "bank", fixture_names[kind]), &err), &err),
                  "a bank can be written");
        dp_bank_close(&bank);
    }
}

/* The header of a checkpoint, which is what the target takes. */
static void header(const char *root, const char *name, const dp_architecture *architecture)
{
    static const char file[] = "/tmp/dinopatch-seed.safetensors";
    dp_error err;
    fuzz_must(fuzz_ok(dp_network_synthesise(architecture, 1, file, &err), &err), "a checkpoint can be made");
    FILE *stream = fopen(file, "rb");
    unsigned char length[8] = {0};
    fuzz_must(stream && fread(length, 1, 8, stream) == 8, "a checkpoint can be read");
    size_t bytes = length[0] | (size_t)length[1] << 8 | (size_t)length[2] << 16;
    char *text = calloc(bytes + 1, 1);
    fuzz_must(text && fread(text, 1, bytes, stream) == bytes, "a checkpoint can be read");
    fclose(stream);
    remove(file);
    while (bytes && text[bytes - 1] == ' ')
        bytes--;
    put(root, "safetensors", name, text, bytes);
    free(text);
}

static void checkpoints(const char *root)
{
    const dp_architecture plain = {.dim = 64, .depth = 1, .heads = 1, .patch_px = 2, .position_side = 2};
    dp_architecture registers = plain, swiglu = plain;
    registers.registers = 2;
    swiglu.swiglu = 1;
    header(root, "vit", &plain);
    header(root, "vit-registers", &registers);
    header(root, "vit-swiglu", &swiglu);
    dp_architecture basic = {.resnet_stem = 2}, deep;
    for (size_t l = 0; l < 4; l++) {
        basic.resnet_blocks[l] = 1;
        basic.resnet_width[l] = basic.resnet_out[l] = 2 << l;
    }
    deep = basic;
    deep.resnet_bottleneck = 1;
    for (size_t l = 0; l < 4; l++)
        deep.resnet_out[l] = 8 << l;
    header(root, "resnet", &basic);
    header(root, "resnet-bottleneck", &deep);
    float tokens[2 * 3 * 4] = {0.5f, -1};
    fuzz_must(dp_tokens_save(tokens, 2, 3, 4, at(root, "safetensors", "tokens"), NULL) == DP_OK,
              "tokens can be written");
    put_text(root, "safetensors", "dtypes",
             "{\"__metadata__\":{\"format\":\"pt\",\"heads\":\"1\"},\"a\":{\"dtype\":\"F64\",\"shape\":[2],\"data_"
             "offsets\":[0,16]},"
             "\"b\":{\"dtype\":\"BF16\",\"shape\":[1,2],\"data_offsets\":[16,20]},\"c\":{\"dtype\":\"F16\",\"shape\":[]"
             ",\"data_offsets\":[20,22]},"
             "\"d\":{\"dtype\":\"BOOL\",\"shape\":[0,7],\"data_offsets\":[22,22]},\"e\":{\"dtype\":\"I64\",\"shape\":["
             "1],\"data_offsets\":[22,30]},"
             "\"f\":{\"dtype\":\"I8\",\"shape\":[2],\"data_offsets\":[30,32]}}");
}

static void json(const char *root)
{
    for (int method = 0; method < 3; method++) {
        static const char *const names[] = {"recipe-dinopatch", "recipe-anomalydino", "recipe-patchcore"};
        dp_recipe recipe;
        char *text = NULL;
        dp_recipe_preset(&recipe, (dp_method)method);
        fuzz_must(dp_recipe_to_json(&recipe, &text, NULL) == DP_OK, "a recipe can be written");
        put_text(root, "json", names[method], text);
        dp_memory_free(text);
    }
    put_text(root, "json", "state",
             "{\"dinopatch\":\"0.1.0\",\"settings\":{\"canvas\":\"112x224\"},\"model\":\"0123\",\"files\":\"4567\"}\n"
             "{\"run\":\"screw\",\"part\":\"fit\",\"value\":{\"n_good\":4,\"threshold\":0.5,\"good_scores\":[0.1,null],"
             "\"seconds\":1.5}}\n"
             "{\"run\":\"screw\",\"index\":0,\"value\":{\"input\":\"a.png\",\"score\":0.25,\"label\":0}}\n"
             "{\"run\":\"screw\",\"index\":1,\"value\":{\"input\":\"b.png\",\"score\":0.75,\"label\":1}}\n"
             "{\"run\":\"screw\",\"part\":\"figures\",\"value\":{\"image_auroc\":1.0,\"aupro_30\":null}}\n");
    put_text(
        root, "json", "run",
        "{\"dinopatch\":\"0.1.0\",\"data\":\"<b>&'\",\"model_path\":\"m\",\"model\":\"0123\",\"files\":\"4567\","
        "\"model_stand_in\":true,"
        "\"settings\":{\"canvas\":\"112x224\"},\"metrics\":{\"screw\":{\"image_auroc\":0.5,\"deviation\":{\"image_"
        "auroc\":0.1}}},"
        "\"runs\":{\"screw\":{\"category\":\"screw\",\"fit\":{\"n_good\":4,\"threshold\":0.5,\"seconds\":1,\"bank_"
        "sha256\":\"89ab\","
        "\"axes\":[{\"input\":\"x.png\",\"drawn\":\"axes/x.jpg\"}]},\"pictures\":{"
        "\"0\":{\"input\":\"a.png\",\"defect\":\"good\",\"score\":0.25,\"label\":0,\"ms\":3,\"drawn\":\"drawn/a.jpg\"},"
        "\"1\":{\"input\":\"b.png\",\"defect\":\"crack\",\"score\":0.75,\"label\":1,\"ms\":3,\"drawn\":\"drawn/"
        "b.jpg\"},"
        "\"2\":{\"input\":\"c.png\",\"defect\":\"crack\",\"score\":0.45,\"label\":1,\"ms\":3,\"drawn\":\"../c.jpg\"}},"
        "\"figures\":{\"at_f1_max\":{\"threshold\":0.4,\"true_positives\":2,\"f1\":1},\"at_bank_threshold\":{"
        "\"threshold\":0.5},"
        "\"intervals_95\":{\"image_auroc\":[0.4,1],\"image_ap\":null}}}}}");
}

static void metrics(const char *root)
{
    put_text(root, "metrics", "one", "{\"image_level\":{\"scores\":[0.1,0.4,0.35,0.8],\"labels\":[0,0,1,1]}}");
    put_text(root, "metrics", "named",
             "{\"image_level\":{\"a\":{\"scores\":[1,2,2,3],\"labels\":[false,true,false,true]},\"b\":{\"scores\":[],"
             "\"labels\":[]}}}");
    put_text(root, "metrics", "pixels",
             "{\"pixel_level\":{\"shape\":[2,2,3],\"maps\":[[0.1,0.2,0.3,0.4,0.5,0.6],[[1,0,0],[0,0,2]]],\"masks\":[[0,"
             "0,0,0,255,1],[0,0,0,0,0,1]]}}");
    put_text(root, "metrics", "both",
             "{\"image_level\":{\"s\":{\"scores\":[0.5,0.5],\"labels\":[1,1]}},\"pixel_level\":{\"shape\":[1,1,1],"
             "\"maps\":[[0.5]],\"masks\":[[0]]}}");
    put_text(root, "metrics", "ties",
             "{\"image_level\":{\"scores\":[1e308,-1e308,0,-0.0,5e-324],\"labels\":[1,0,1,0,2.5]}}");
}

/* Arguments with a space between them become arguments that each end in a zero byte. */
static void options(const char *root)
{
    static const char *const lines[] = {
        "fit --model m --bank x --canvas 112x224 --quiet d",
        "fit -m m -b x --align none --layout flat --coreset 0.1 --reweight 9 --score max d",
        "fit --method anomalydino --model m --bank x --shots 2 --seed 7 p.png",
        "fit --method patchcore --model m --bank x --max-memory 1.5G d",
        "fit --edge 448 --rotations 8 --layout flat --align none -m m -b x d",
        "fit --layers -1,3 --layer-mix concat --canny 10,90 --blur 3 -m m -b x d",
        "fit --canny 30,90 --fill 0.5 --polarity rotate --mirror --kmeans 3 --pca 0.9 --storage int8 -m m -b x d",
        "fit --window 2 --knn 3 --metric cosine --score top1p --fpr 0.05 --precision int8 --neighbourhood 3 -m m -b x "
        "d",
        "fit --map low=1,high=2,min-object=3,max-hole=4,unit=pixels,gaussian=1.5,median=3 --map-sigma 4 -m m -b x d",
        "inspect --bank b --json p.png",
        "inspect --bank b --csv --out o --fail-on-anomaly d",
        "inspect --bank b --window global --map none --threshold 2 d",
        "calibrate --bank b --fpr 0.1",
        "calibrate --bank b --json --save --score mean --knn 2",
        "tune --bank b --good d/train/good --bad d/test/bad --trials 5 --folds 2",
        "tune --bank b --good d --bad d --seconds 1 --seed 3 --json",
        "eval --model m --out o d",
        "eval --model m --shots 1,2 --seeds 3 --fresh d",
        "eval --model m --layers 1,2 --layer-mix separate --report r.html --out o d",
        "report d",
        "report --out r.html --gallery 3 d",
        "align --out o p.png",
        "align --json --canvas auto:112 p.png d",
        "embed --model m --size 28x42 --out t p.png",
        "embed --model m --layers 1,2 --out t p.png",
        "bank info b",
        "bank info --json b",
        "bank info --suspects 2 b",
        "bank info --suspects b",
        "bank verify b",
        "bank compress b --out c --pca 2 --kmeans 2 --storage f16",
        "bank compress --out c --storage int8 b --seed 4",
        "bank add --bank b p.png",
        "bank remove --bank b good/001.png",
        "bank remove --bank b --out c 001.png",
        "bank merge b b --out c",
        "metrics --json s.json",
        "metrics --json s.json --bootstrap 10 --confidence 0.9 --seed 1",
        "bench --model m --size 28x28 --repeat 2 --json --threads 2",
        "bench -m m --precision int8 --isa avx2 -t 1",
        "model list",
        "model list --json",
        "model pull vits14 --out w",
        "model info m",
        "model info --json m",
        "model verify m",
        "model verify --sha256 00 m",
        "model synth --arch demo --seed 1 --out w",
        "help fit",
        "--help",
        "--version",
        "version",
        "bank --help",
        "fit --help",
        "fit -qt1 -mm -bx -- -d",
        "inspect --bank=b -- p.png",
        "model --help",
        "eval --help"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[512], name[16];
        size_t length = strlen(lines[i]);
        memcpy(text, lines[i], length + 1);
        for (size_t j = 0; j < length; j++)
            if (text[j] == ' ')
                text[j] = 0;
        snprintf(name, sizeof name, "%02zu", i);
        put(root, "options", name, text, length + 1);
    }
}

/* A header of a tar file, of one of its formats, and what follows it. Returns the bytes of both. */
static size_t tar_member(char *at, const char *magic, char kind, const char *name, const char *content)
{
    const size_t n = strlen(content);
    memset(at, 0, 512);
    memcpy(at + 157, "first.png", 9);
    memcpy(at + 257, magic, strlen(magic));
    memcpy(at, name, strlen(name));
    snprintf(at + 100, 8, "%07o", 0644);
    snprintf(at + 124, 12, "%011o", (unsigned)n);
    snprintf(at + 148, 8, "000000"); /* the target makes the sum right */
    at[156] = kind;
    memset(at + 512, 0, (n + 511) / 512 * 512);
    memcpy(at + 512, content, n);
    return 512 + (n + 511) / 512 * 512;
}

static void tars(const char *root)
{
    static const struct {
        const char *file, *magic, *extra;
        char kind, extra_kind;
    } kinds[] = {{"ustar.tar", "ustar", NULL, '0', 0},
                 {"gnu.tar", "ustar  ", "long/name.png", '0', 'L'},
                 {"pax.tar", "ustar", "22 path=pax/name.png\n12 size=10\n", '0', 'x'},
                 {"sparse.tar", "ustar", "22 GNU.sparse.major=1\n", '0', 'x'},
                 {"up.tar", "ustar", "16 path=../a.png\n", '0', 'x'},
                 {"old.tar", "", NULL, 0, 0},
                 {"hard.tar", "ustar", NULL, '1', 0},
                 {"soft.tar", "ustar", NULL, '2', 0},
                 {"folder.tar", "ustar", NULL, '5', 0},
                 {"holes.tar", "ustar  ", NULL, 'S', 0}};
    char text[16 * 512];
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        size_t n = tar_member(text, kinds[i].magic, '0', "first.png", "0123456789");
        if (kinds[i].extra)
            n += tar_member(text + n, kinds[i].magic, kinds[i].extra_kind, "././@extra", kinds[i].extra);
        n += tar_member(text + n, kinds[i].magic, kinds[i].kind, "./second.png", "0123456789");
        memset(text + n, 0, 1024);
        put(root, "tar", kinds[i].file, text, n + 1024);
    }
}

static void save(VipsImage *image, const char *file)
{
    if (vips_image_write_to_file(image, file, NULL)) {
        fprintf(stderr, "%s: %s", file, vips_error_buffer()); /* a libvips without this format: one seed less */
        vips_error_clear();
    }
    g_object_unref(image);
}

static VipsImage *image_of(const void *samples, int width, int height, int bands, VipsBandFormat format)
{
    VipsImage *image = vips_image_new_from_memory_copy(
                  samples, (size_t)(width * height * bands) * vips_format_sizeof(format), width, height, bands, format),
              *tagged = NULL;
    vips_copy(image, &tagged, "interpretation",
              bands < 3 ? (format == VIPS_FORMAT_USHORT ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_B_W)
              : format == VIPS_FORMAT_USHORT ? VIPS_INTERPRETATION_RGB16
                                             : VIPS_INTERPRETATION_sRGB,
              NULL);
    g_object_unref(image);
    return tagged;
}

static void pictures(const char *root)
{
    enum { W = 24, H = 18 };
    uint8_t bytes[W * H * 4];
    uint16_t words[W * H * 3];
    float floats[W * H * 3];
    for (int i = 0; i < W * H * 4; i++)
        bytes[i] =
            (uint8_t)(i / 4 % W > 6 && i / 4 % W < 17 && i / 4 / W > 4 && i / 4 / W < 12 ? 220 - i % 4 * 20 : 30);
    for (int i = 0; i < W * H * 3; i++) {
        words[i] = (uint16_t)(bytes[i] * 257);
        floats[i] = (float)bytes[i] / 255;
    }
    fuzz_must(vips_init("make_seeds") == 0, "libvips can be started");
    static const char *const rgb[] = {"rgb.png",
                                      "rgb.jpg[Q=50]",
                                      "rgb.tif",
                                      "lzw.tif[compression=lzw]",
                                      "deflate.tif[compression=deflate,predictor=horizontal]",
                                      "tiled.tif[tile,tile-width=16,tile-height=16]",
                                      "jpeg.tif[compression=jpeg]",
                                      "rgb.webp",
                                      "lossless.webp[lossless]",
                                      "rgb.ppm",
                                      "interlaced.png[interlace]",
                                      "progressive.jpg[interlace]",
                                      "rgb.gif",
                                      "rgb.hdr",
                                      "pyramid.tif[tile,tile-width=16,tile-height=16,pyramid]"};
    for (size_t i = 0; i < sizeof rgb / sizeof *rgb; i++)
        save(image_of(bytes, W, H, 3, VIPS_FORMAT_UCHAR), at(root, "picture", rgb[i]));
    save(image_of(bytes, W, H, 4, VIPS_FORMAT_UCHAR), at(root, "picture", "rgba.png"));
    save(image_of(bytes, W, H, 4, VIPS_FORMAT_UCHAR), at(root, "picture", "rgba.webp"));
    save(image_of(bytes, W, H, 2, VIPS_FORMAT_UCHAR), at(root, "picture", "grey-alpha.png"));
    save(image_of(bytes, W, H, 1, VIPS_FORMAT_UCHAR), at(root, "picture", "grey.jpg"));
    save(image_of(bytes, W, H, 1, VIPS_FORMAT_UCHAR), at(root, "picture", "bilevel.png[bitdepth=1]"));
    save(image_of(words, W, H, 3, VIPS_FORMAT_USHORT), at(root, "picture", "rgb16.png"));
    save(image_of(words, W, H, 1, VIPS_FORMAT_USHORT), at(root, "picture", "grey16.tif"));
    save(image_of(floats, W, H, 3, VIPS_FORMAT_FLOAT), at(root, "picture", "float.tif"));
    VipsImage *image = image_of(bytes, W, H, 3, VIPS_FORMAT_UCHAR);
    vips_image_set_int(image, VIPS_META_ORIENTATION, 6);
    save(image, at(root, "picture", "turned.jpg"));
    image = image_of(bytes, W, H, 4, VIPS_FORMAT_UCHAR);
    image->Type = VIPS_INTERPRETATION_CMYK;
    save(image, at(root, "picture", "cmyk.jpg"));
    image = image_of(bytes, W, H * 3 / 3, 3, VIPS_FORMAT_UCHAR);
    vips_image_set_int(image, "page-height", H / 3);
    save(image, at(root, "picture", "pages.tif"));
    fuzz_must(dp_map_save_tiff(floats, H, W, at(root, "picture", "map.tif"), NULL) == DP_OK, "a map can be written");
    /* BMP, 24 bit. */
    enum { BW = 6, BH = 5, STRIDE = (BW * 3 + 3) / 4 * 4 };
    uint8_t bmp[54 + STRIDE * BH] = {
        'B',       'M',      sizeof bmp & 255, sizeof bmp >> 8,         [10] = 54, [14] = 40, [18] = BW,
        [22] = BH, [26] = 1, [28] = 24,        [34] = STRIDE * BH & 255};
    for (int i = 54; i < (int)sizeof bmp; i++)
        bmp[i] = (uint8_t)(i * 7);
    put(root, "picture", "rgb.bmp", bmp, sizeof bmp);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    banks(argv[1]);
    checkpoints(argv[1]);
    json(argv[1]);
    metrics(argv[1]);
    options(argv[1]);
    pictures(argv[1]);
    tars(argv[1]);
    return 0;
}
