/* SPDX-License-Identifier: Apache-2.0 */
/* Tests every kind of picture file, good and bad. All test files are made here, with libvips or byte by byte. */
#include "test.h"

#include "image/picture.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <vips/vips.h>

enum { WIDTH = 24, HEIGHT = 16 };

/* A smooth picture of `bands` samples a pixel, different in every pixel and band. */
static VipsImage *ramp(size_t bands)
{
    uint8_t samples[HEIGHT][WIDTH][4];
    uint8_t packed[HEIGHT * WIDTH * 4];
    for (size_t y = 0; y < HEIGHT; y++)
        for (size_t x = 0; x < WIDTH; x++) {
            const uint8_t pixel[4] = {(uint8_t)(x * 10), (uint8_t)(y * 15), (uint8_t)(x * 5 + y * 7),
                                      (uint8_t)(255 - x * 9)};
            memcpy(samples[y][x], pixel, 4);
        }
    for (size_t i = 0; i < HEIGHT * WIDTH; i++)
        memcpy(packed + i * bands, samples[i / WIDTH][i % WIDTH] + (bands == 2 ? 2 : 0), bands);
    return vips_image_new_from_memory_copy(packed, HEIGHT * WIDTH * bands, WIDTH, HEIGHT, (int)bands,
                                           VIPS_FORMAT_UCHAR);
}

/* Saves and drops the image; options as libvips takes them after the name. */
static const char *save(VipsImage *image, const char *name, const char *options)
{
    const char *path = temporary_path(name);
    char with_options[400];
    snprintf(with_options, sizeof with_options, "%s%s", path, options);
    if (!image || vips_image_write_to_file(image, with_options, NULL))
        fail_msg("%s: %s", name, vips_error_buffer());
    g_object_unref(image);
    return path;
}

/* The same ramp as a 24-bit (3 bands) or an 8-bit bitmap with a grey palette: libvips has no writer of its own for these. */
static const char *save_bmp(size_t bands, const char *name)
{
    static uint8_t bytes[54 + 1024 + HEIGHT * WIDTH * 3];
    size_t palette = bands == 1 ? 1024 : 0, offset = 54 + palette, total = offset + HEIGHT * WIDTH * bands;
    const uint32_t fields[13] = {
        (uint32_t)total, 0, (uint32_t)offset, 40, WIDTH, HEIGHT, (uint32_t)bands << 19 | 1, 0, 0, 0, 0, 0, 0};
    memset(bytes, 0, sizeof bytes);
    memcpy(bytes, "BM", 2);
    memcpy(bytes + 2, fields, sizeof fields);
    for (size_t i = 0; i < palette; i++)
        bytes[54 + i] = i % 4 < 3 ? (uint8_t)(i / 4) : 0;
    VipsImage *image = ramp(bands);
    const uint8_t *samples = vips_image_get_data(image);
    for (size_t y = 0; y < HEIGHT; y++)
        for (size_t x = 0; x < WIDTH; x++)
            for (size_t c = 0; c < bands; c++)
                bytes[offset + (y * WIDTH + x) * bands + c] =
                    samples[((HEIGHT - 1 - y) * WIDTH + x) * bands + bands - 1 - c];
    g_object_unref(image);
    const char *path = temporary_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, total, file), total);
    fclose(file);
    return path;
}

static const char *save_any(const char *name, const char *options)
{
    return strstr(name, ".bmp") ? save_bmp(3, name) : save(ramp(3), name, options);
}

static dp_picture *load(const char *path)
{
    dp_picture *picture = NULL;
    assert_ok(dp_picture_load(path, 0, &picture, err));
    return picture;
}

/* Every pixel within `tolerance` of what `expected` gives for it. */
static void expect(const char *path, size_t width, size_t height, int tolerance,
                   void (*expected)(size_t x, size_t y, int rgb[3]))
{
    dp_picture *picture = load(path);
    assert_int_equal(picture->width_px, width);
    assert_int_equal(picture->height_px, height);
    for (size_t y = 0; y < height; y++)
        for (size_t x = 0; x < width; x++) {
            int rgb[3];
            expected(x, y, rgb);
            for (size_t c = 0; c < 3; c++) {
                int value = picture->rgb[3 * (y * width + x) + c];
                if (abs(value - rgb[c]) > tolerance)
                    fail_msg("%s: (%zu, %zu) channel %zu is %d, not %d", path, x, y, c, value, rgb[c]);
            }
        }
    dp_picture_free(&picture);
    assert_null(picture);
}

static void rgb_ramp(size_t x, size_t y, int rgb[3])
{
    rgb[0] = (int)x * 10, rgb[1] = (int)y * 15, rgb[2] = (int)(x * 5 + y * 7);
}

static void gray_ramp(size_t x, size_t y, int rgb[3])
{
    (void)y;
    rgb[0] = rgb[1] = rgb[2] = (int)x * 10;
}

static void rgb_over_black(size_t x, size_t y, int rgb[3])
{
    rgb_ramp(x, y, rgb);
    for (size_t c = 0; c < 3; c++)
        rgb[c] = (int)lround(rgb[c] * (255 - (double)x * 9) / 255);
}

static void gray_over_black(size_t x, size_t y, int rgb[3])
{
    rgb[0] = rgb[1] = rgb[2] = (int)lround((double)(x * 5 + y * 7) * (255 - (double)x * 9) / 255);
}

static void formats(void **state)
{
    (void)state;
    expect(save(ramp(3), "a.png", ""), WIDTH, HEIGHT, 0, rgb_ramp);
    expect(save(ramp(3), "interlaced.png", "[interlace]"), WIDTH, HEIGHT, 0, rgb_ramp);
    expect(save(ramp(3), "a.jpg", "[Q=100,subsample_mode=off]"), WIDTH, HEIGHT, 3, rgb_ramp);
    expect(save(ramp(3), "progressive.jpg", "[Q=100,subsample_mode=off,interlace]"), WIDTH, HEIGHT, 3, rgb_ramp);
    expect(save(ramp(3), "a.webp", "[lossless]"), WIDTH, HEIGHT, 0, rgb_ramp);
    expect(save_bmp(3, "a.bmp"), WIDTH, HEIGHT, 0, rgb_ramp);
    expect(save(ramp(3), "a.tif", ""), WIDTH, HEIGHT, 0, rgb_ramp);
    expect(save(ramp(3), "tiled.tif", "[tile,compression=lzw]"), WIDTH, HEIGHT, 0, rgb_ramp);
    expect(save(ramp(3), "a.ppm", ""), WIDTH, HEIGHT, 0, rgb_ramp);
    expect(save(ramp(1), "gray.png", ""), WIDTH, HEIGHT, 0, gray_ramp);
    expect(save(ramp(1), "gray.jpg", "[Q=100]"), WIDTH, HEIGHT, 2, gray_ramp);
    expect(save(ramp(1), "gray.tif", ""), WIDTH, HEIGHT, 0, gray_ramp);
    expect(save_bmp(1, "gray.bmp"), WIDTH, HEIGHT, 0, gray_ramp);
    expect(save(ramp(4), "alpha.png", ""), WIDTH, HEIGHT, 0, rgb_over_black);
    expect(save(ramp(4), "alpha.tif", ""), WIDTH, HEIGHT, 0, rgb_over_black);
    expect(save(ramp(2), "gray-alpha.png", ""), WIDTH, HEIGHT, 0, gray_over_black);
}

/* The name decides nothing, and square brackets in it are no options. */
static void names(void **state)
{
    (void)state;
    char odd[256];
    strcpy(odd, temporary_path("part[1].dat"));
    assert_int_equal(rename(save(ramp(3), "name.png", ""), odd), 0);
    expect(odd, WIDTH, HEIGHT, 0, rgb_ramp);
}

static void bits_of_one(size_t x, size_t y, int rgb[3])
{
    (void)y;
    rgb[0] = rgb[1] = rgb[2] = x * 10 >= 128 ? 255 : 0;
}

static void one_bit(void **state)
{
    (void)state;
    VipsImage *gray = ramp(1), *black_or_white = NULL;
    assert_int_equal(vips_moreeq_const1(gray, &black_or_white, 128, NULL), 0);
    g_object_unref(gray);
    g_object_ref(black_or_white);
    expect(save(black_or_white, "one.png", "[bitdepth=1]"), WIDTH, HEIGHT, 0, bits_of_one);
    expect(save(black_or_white, "one.tif", "[bitdepth=1]"), WIDTH, HEIGHT, 0, bits_of_one);
}

static uint16_t sample_16(size_t x, size_t y, size_t c)
{
    return (uint16_t)(x * 2713 + y * 331 + c * 97);
}

static void divided_by_257(size_t x, size_t y, int rgb[3])
{
    for (size_t c = 0; c < 3; c++)
        rgb[c] = (int)lround(sample_16(x, y, c) / 257.0);
}

static void gray_divided_by_257(size_t x, size_t y, int rgb[3])
{
    rgb[0] = rgb[1] = rgb[2] = (int)lround(sample_16(x, y, 0) / 257.0);
}

static VipsImage *deep(size_t bands)
{
    uint16_t samples[HEIGHT * WIDTH * 3];
    for (size_t i = 0; i < HEIGHT * WIDTH * bands; i++)
        samples[i] = sample_16(i / bands % WIDTH, i / bands / WIDTH, i % bands);
    VipsImage *image = vips_image_new_from_memory_copy(samples, HEIGHT * WIDTH * bands * 2, WIDTH, HEIGHT, (int)bands,
                                                       VIPS_FORMAT_USHORT);
    VipsImage *named = NULL;
    vips_copy(image, &named, "interpretation", bands == 1 ? VIPS_INTERPRETATION_GREY16 : VIPS_INTERPRETATION_RGB16,
              NULL);
    g_object_unref(image);
    return named;
}

static void sixteen_bit(void **state)
{
    (void)state;
    expect(save(deep(3), "deep.png", ""), WIDTH, HEIGHT, 0, divided_by_257);
    expect(save(deep(3), "deep.tif", ""), WIDTH, HEIGHT, 0, divided_by_257);
    expect(save(deep(1), "deep-gray.png", ""), WIDTH, HEIGHT, 0, gray_divided_by_257);
    expect(save(deep(1), "deep-gray.tif", ""), WIDTH, HEIGHT, 0, gray_divided_by_257);
}

static VipsImage *floating(double scale, double offset)
{
    VipsImage *image = ramp(3), *scaled = NULL;
    vips_linear1(image, &scaled, scale, offset, NULL);
    g_object_unref(image);
    return scaled;
}

static void float_tiff(void **state)
{
    (void)state;
    expect(save(floating(1.0 / 255, 0), "float.tif", ""), WIDTH, HEIGHT, 0, rgb_ramp);
    dp_picture *picture = NULL;
    const char *path = save(floating(1, 0), "large.tif", "");
    assert_fails(DP_E_PICTURE, "large.tif: holds a floating-point value outside [0, 1]",
                 dp_picture_load(path, 0, &picture, err));
    path = save(floating(0.003, -0.01), "negative.tif", "");
    assert_fails(DP_E_PICTURE, "outside [0, 1]", dp_picture_load(path, 0, &picture, err));
    path = save(floating(NAN, 0), "nan.tif", "");
    assert_fails(DP_E_PICTURE, "outside [0, 1]", dp_picture_load(path, 0, &picture, err));
    VipsImage *image = ramp(1), *signed_image = NULL;
    vips_cast(image, &signed_image, VIPS_FORMAT_SHORT, NULL);
    g_object_unref(image);
    path = save(signed_image, "signed.tif", "");
    assert_fails(DP_E_PICTURE, "signed.tif: has samples of type short", dp_picture_load(path, 0, &picture, err));
    assert_null(picture);
}

/* Four flat quarters; which colour ends where is what each orientation means. */
static void exif_orientation(void **state)
{
    (void)state;
    enum { W = 64, H = 32 };
    /* Stored quarters: a top left, b top right, c bottom left, d bottom right.  Upright, in the same order: */
    static const char *const upright[9] = {"", "abcd", "badc", "dcba", "cdab", "acbd", "cadb", "dbca", "bdac"};
    static const uint8_t colours[4] = {20, 90, 160, 230};
    uint8_t samples[H][W];
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++)
            samples[y][x] = colours[(y >= H / 2) * 2 + (x >= W / 2)];
    for (int orientation = 1; orientation <= 8; orientation++)
        for (int jpeg = 0; jpeg < 2; jpeg++) {
            VipsImage *image = vips_image_new_from_memory_copy(samples, sizeof samples, W, H, 1, VIPS_FORMAT_UCHAR);
            vips_image_set_int(image, VIPS_META_ORIENTATION, orientation);
            dp_picture *picture = load(save(image, jpeg ? "turned.jpg" : "turned.tif", jpeg ? "[Q=95]" : ""));
            size_t width = orientation < 5 ? W : H, height = orientation < 5 ? H : W;
            assert_int_equal(picture->width_px, width);
            assert_int_equal(picture->height_px, height);
            for (size_t y = 0; y < height; y++)
                for (size_t x = 0; x < width; x++) {
                    char quarter = upright[orientation][(y >= height / 2) * 2 + (x >= width / 2)];
                    if (abs(picture->rgb[3 * (y * width + x)] - colours[quarter - 'a']) > 2)
                        fail_msg("orientation %d, jpeg %d: (%zu, %zu) is %d", orientation, jpeg, x, y,
                                 picture->rgb[3 * (y * width + x)]);
                }
            dp_picture_free(&picture);
        }
}

/* No exact figures here: which profile stands for "CMYK" is the libvips installation's choice. */
static void cmyk(void **state)
{
    (void)state;
    enum { W = 40, H = 8 };
    static const uint8_t inks[5][4] = {
        {0, 0, 0, 0}, {0, 255, 255, 0}, {255, 0, 255, 0}, {255, 255, 0, 0}, {0, 0, 0, 255}};
    uint8_t samples[H][W][4];
    for (size_t y = 0; y < H; y++)
        for (size_t x = 0; x < W; x++)
            memcpy(samples[y][x], inks[x / 8], 4);
    for (int tiff = 0; tiff < 2; tiff++) {
        VipsImage *image = vips_image_new_from_memory_copy(samples, sizeof samples, W, H, 4, VIPS_FORMAT_UCHAR);
        VipsImage *named = NULL;
        vips_copy(image, &named, "interpretation", VIPS_INTERPRETATION_CMYK, NULL);
        g_object_unref(image);
        dp_picture *picture =
            load(save(named, tiff ? "inks.tif" : "inks.jpg", tiff ? "" : "[Q=100,subsample_mode=off]"));
        const uint8_t *row = picture->rgb + 3 * (4 * W + 4);
        const uint8_t *white = row, *red = row + 24, *green = row + 48, *blue = row + 72, *black = row + 96;
        for (size_t c = 0; c < 3; c++) {
            assert_in_range(white[c], 250, 255);
            assert_in_range(black[c], 0, 70);
        }
        assert_true(red[0] > 180 && red[1] < 90 && red[2] < 90);
        assert_true(green[1] > 120 && green[0] < 90 && green[2] < 110);
        assert_true(blue[2] > 100 && blue[0] < 90 && blue[1] < 90);
        dp_picture_free(&picture);
    }
}

/* A picture in another colour space with its profile, and one in sRGB with its profile. */
static void profiles(void **state)
{
    (void)state;
    VipsImage *image = ramp(3), *wide = NULL;
    assert_int_equal(vips_icc_transform(image, &wide, "p3", "input_profile", "srgb", NULL), 0);
    g_object_unref(image);
    /* Two roundings to 8 bit weigh most in dark red beside strong green; not converted, red would be 70 off there. */
    expect(save(wide, "p3.png", ""), WIDTH, HEIGHT, 8, rgb_ramp);
    image = ramp(3);
    VipsBlob *srgb = NULL;
    assert_int_equal(vips_profile_load("srgb", &srgb, NULL), 0);
    vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, VIPS_AREA(srgb)->data, VIPS_AREA(srgb)->length);
    vips_area_unref(VIPS_AREA(srgb));
    expect(save(image, "srgb.png", ""), WIDTH, HEIGHT, 0, rgb_ramp);
    image = ramp(3);
    vips_image_set_blob_copy(image, VIPS_META_ICC_NAME, "no profile at all", 17);
    expect(save(image, "broken.tif", ""), WIDTH, HEIGHT, 0, rgb_ramp);
}

static void several_pages(void **state)
{
    (void)state;
    VipsImage *pages[2] = {ramp(3), NULL}, *tall = NULL;
    assert_int_equal(vips_invert(pages[0], &pages[1], NULL), 0);
    assert_int_equal(vips_arrayjoin(pages, &tall, 2, "across", 1, NULL), 0);
    g_object_unref(pages[0]);
    g_object_unref(pages[1]);
    vips_image_set_int(tall, VIPS_META_PAGE_HEIGHT, HEIGHT);
    const char *path = save(tall, "pages.tif", "");
    const dp_picture_options tolerant = {.tolerant = 1};
    dp_picture *picture = NULL;
    assert_fails(DP_E_PICTURE, "holds 2 pages", dp_picture_load(path, 0, &picture, err));
    assert_null(picture);
    assert_ok(dp_picture_load_with(path, &tolerant, &picture, NULL, err));
    assert_int_equal(picture->height_px, HEIGHT);
    dp_picture_free(&picture);
}

/* ---------------------------------------------------------------------------------------------------------- bad files */

static const char *put(const char *name, const void *bytes, size_t n)
{
    const char *path = temporary_path(name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    fclose(file);
    return path;
}

static size_t read_all(const char *path, uint8_t *bytes, size_t capacity)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(bytes, 1, capacity, file);
    fclose(file);
    assert_true(n < capacity);
    return n;
}

static void not_pictures(void **state)
{
    (void)state;
    dp_picture *picture = NULL;
    assert_fails(DP_E_IO, "none.png: cannot open: No such file",
                 dp_picture_load(temporary_path("none.png"), 0, &picture, err));
    assert_fails(DP_E_IO, "/tmp: is a folder", dp_picture_load("/tmp", 0, &picture, err));
    assert_fails(DP_E_IO, "/dev/null: is not a regular file", dp_picture_load("/dev/null", 0, &picture, err));
    assert_fails(DP_E_PICTURE, "empty.png: is empty", dp_picture_load(put("empty.png", "", 0), 0, &picture, err));
    static const char *const texts[] = {
        "just some words",
        "3 2\n1 2 3\n4 5 6\n",
        "1,2,3\n4,5,6\n",
        "%PDF-1.4\n%%EOF\n",
        "\xff\xd8\xff",
        "\x89PNG\r\n\x1a\n",
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\"><rect width=\"5\" height=\"5\"/></svg>",
        "# ImageMagick pixel enumeration: 1,1,255,srgb\n0,0: (1,2,3)\n",
        "push graphic-context\n",
        "BM",
        "II*",
        "RIFF",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const char *path = put("text.png", texts[i], strlen(texts[i]));
        assert_fails(DP_E_PICTURE, "text.png: ", dp_picture_load(path, 0, &picture, err));
    }
    assert_null(picture);
}

/* Cut anywhere, a file loads whole or is refused with a sentence that names it; nothing is half loaded in silence. */
static void every_prefix(void **state)
{
    (void)state;
    static const struct {
        const char *name, *options;
    } kinds[] = {{"cut.png", ""},
                 {"cut.png", "[interlace]"},
                 {"cut.jpg", ""},
                 {"cut.jpg", "[interlace]"},
                 {"cut.ppm", ""},
                 {"cut.tif", "[compression=lzw]"},
                 {"cut.webp", "[lossless]"},
                 {"cut.bmp", ""}};
    static uint8_t bytes[1 << 16];
    for (size_t kind = 0; kind < sizeof kinds / sizeof *kinds; kind++) {
        const char *whole = save_any(kinds[kind].name, kinds[kind].options);
        dp_picture *reference = load(whole);
        size_t total = read_all(whole, bytes, sizeof bytes);
        size_t step = total > 400 ? total / 200 : 1;
        char path[256];
        strcpy(path, temporary_path("prefix"));
        for (size_t n = 1; n < total; n += n + step < total ? step : 1) {
            put("prefix", bytes, n);
            dp_picture *picture = NULL;
            dp_error err = {0};
            dp_status status = dp_picture_load(path, 0, &picture, &err);
            if (status == DP_OK) {
                if (memcmp(picture->rgb, reference->rgb, 3 * WIDTH * HEIGHT) != 0)
                    fail_msg("%s cut to %zu of %zu bytes loads, but not as it was", kinds[kind].name, n, total);
                dp_picture_free(&picture);
            } else if (status != DP_E_PICTURE || !strstr(err.message, "prefix: ") || picture) {
                fail_msg("%s cut to %zu of %zu bytes: status %d, \"%s\"", kinds[kind].name, n, total, (int)status,
                         err.message);
            }
        }
        dp_picture_free(&reference);
    }
}

struct reader {
    char good[256], bad[256];
    size_t wrong;
};

static void *read_often(void *argument)
{
    struct reader *reader = argument;
    for (size_t i = 0; i < 40; i++) {
        dp_picture *picture = NULL;
        reader->wrong += dp_picture_load(reader->good, 0, &picture, NULL) != DP_OK;
        reader->wrong += !picture || picture->rgb[3 * 23] != 230;
        dp_picture_free(&picture);
        dp_error err;
        reader->wrong +=
            dp_picture_load(reader->bad, 0, &picture, &err) != DP_E_PICTURE || !strstr(err.message, "half.png: ");
    }
    return NULL;
}

static void many_threads(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 16];
    static struct reader readers[4];
    pthread_t threads[4];
    size_t total = read_all(save(ramp(3), "whole.png", ""), bytes, sizeof bytes);
    put("half.png", bytes, total - total / 3);
    for (size_t i = 0; i < 4; i++) {
        strcpy(readers[i].good, temporary_path("whole.png"));
        strcpy(readers[i].bad, temporary_path("half.png"));
        assert_int_equal(pthread_create(&threads[i], NULL, read_often, &readers[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(readers[i].wrong, 0);
    }
}

/* A flipped byte must never crash; what it does to the pixels is the format's affair. */
static void flipped_bytes(void **state)
{
    (void)state;
    static const char *const names[] = {"flip.png", "flip.jpg", "flip.tif", "flip.webp", "flip.bmp"};
    static uint8_t bytes[1 << 16];
    for (size_t kind = 0; kind < sizeof names / sizeof *names; kind++) {
        size_t total = read_all(save_any(names[kind], ""), bytes, sizeof bytes);
        for (size_t i = 0; i < total && i < 200; i++) {
            bytes[i] ^= 0xa5;
            dp_picture *picture = NULL;
            dp_error err = {0};
            dp_status status = dp_picture_load(put("flipped", bytes, total), 1 << 20, &picture, &err);
            if (status != DP_OK && (status != DP_E_PICTURE || !strstr(err.message, "flipped: ")))
                fail_msg("%s, byte %zu: status %d, \"%s\"", names[kind], i, (int)status, err.message);
            dp_picture_free(&picture);
            bytes[i] ^= 0xa5;
        }
    }
}

static uint32_t crc(const uint8_t *bytes, size_t n)
{
    uint32_t value = 0xffffffff;
    for (size_t i = 0; i < n; i++) {
        value ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            value = value >> 1 ^ (value & 1 ? 0xedb88320u : 0);
    }
    return ~value;
}

static void bomb(void **state)
{
    (void)state;
    static uint8_t bytes[1 << 16];
    size_t total = read_all(save(ramp(3), "bomb.png", ""), bytes, sizeof bytes);
    const uint8_t side[4] = {0, 0, 60000 >> 8, 60000 & 255};
    memcpy(bytes + 16, side, 4); /* the header chunk: length, "IHDR", width, height, ..., checksum */
    memcpy(bytes + 20, side, 4);
    uint32_t sum = crc(bytes + 12, 17);
    const uint8_t sum_bytes[4] = {(uint8_t)(sum >> 24), (uint8_t)(sum >> 16), (uint8_t)(sum >> 8), (uint8_t)sum};
    memcpy(bytes + 29, sum_bytes, 4);
    dp_picture *picture = NULL;
    dp_run run;
    dp_run_init(&run);
    const char *path = put("bomb.png", bytes, total);
    assert_fails(DP_E_PICTURE, "bomb.png: is 60000x60000 pixels; the limit is 268435456",
                 dp_picture_load(path, run.max_picture_pixels, &picture, err));
    path = save(ramp(3), "small.png", "");
    assert_fails(DP_E_PICTURE, "small.png: is 24x16 pixels", dp_picture_load(path, WIDTH * HEIGHT - 1, &picture, err));
    assert_ok(dp_picture_load(path, WIDTH * HEIGHT, &picture, err));
    dp_picture_free(&picture);
    assert_fails(DP_E_ARGUMENT, "a picture of 0x5", dp_picture_new(0, 5, &picture, err));
    assert_fails(DP_E_ARGUMENT, "pixels", dp_picture_new(SIZE_MAX / 2, 5, &picture, err));
}

/* ------------------------------------------------------------------------------------------------------------ writing */

static void write_and_read(void **state)
{
    (void)state;
    dp_picture *picture = load(save(ramp(3), "in.png", ""));
    const char *path = temporary_path("out.png");
    assert_ok(dp_picture_save_png(picture, path, err));
    expect(path, WIDTH, HEIGHT, 0, rgb_ramp);
    uint8_t gray[HEIGHT * WIDTH];
    float map[HEIGHT * WIDTH];
    for (size_t i = 0; i < HEIGHT * WIDTH; i++) {
        gray[i] = (uint8_t)(i % WIDTH * 10);
        map[i] = (float)i * 0.37f - 5;
    }
    path = temporary_path("gray-out.png");
    assert_ok(dp_gray_save_png(gray, HEIGHT, WIDTH, path, err));
    expect(path, WIDTH, HEIGHT, 0, gray_ramp);
    VipsImage *image = vips_image_new_from_file(path, NULL);
    assert_int_equal(vips_image_get_bands(image), 1);
    g_object_unref(image);

    path = temporary_path("map.tiff");
    assert_ok(dp_map_save_tiff(map, HEIGHT, WIDTH, path, err));
    image = vips_image_new_from_file(path, NULL);
    assert_int_equal(vips_image_get_bands(image), 1);
    assert_int_equal(vips_image_get_format(image), VIPS_FORMAT_FLOAT);
    size_t bytes = 0;
    float *back = vips_image_write_to_memory(image, &bytes);
    assert_int_equal(bytes, sizeof map);
    assert_memory_equal(back, map, sizeof map);
    g_free(back);
    g_object_unref(image);
    float *loaded = NULL;
    size_t height = 0, width = 0;
    assert_ok(dp_map_load_tiff(path, &loaded, &height, &width, err));
    assert_int_equal(height, HEIGHT);
    assert_int_equal(width, WIDTH);
    assert_memory_equal(loaded, map, sizeof map);
    dp_memory_free(loaded);

    path = temporary_path("out.jpg");
    assert_ok(dp_picture_save_jpeg(picture, path, err));
    assert_fails(DP_E_PICTURE, "is not a distance map", dp_map_load_tiff(path, &loaded, &height, &width, err));
    assert_fails(DP_E_IO, "/no/such/folder", dp_picture_save_png(picture, "/no/such/folder/a.png", err));
    dp_picture_free(&picture);
}

/* A file-size limit stands for a full disk. */
static void full_disk(void **state)
{
    (void)state;
    const char *path = temporary_path("kept.tiff");
    static float map[256 * 256];
    map[7] = 7;
    assert_ok(dp_map_save_tiff(map, 8, 8, path, err));
    struct rlimit old, small;
    getrlimit(RLIMIT_FSIZE, &old);
    small = (struct rlimit){4096, old.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &small);
    dp_error err = {0};
    dp_status status = dp_map_save_tiff(map, 256, 256, path, &err);
    setrlimit(RLIMIT_FSIZE, &old);
    assert_int_equal(status, DP_E_IO);
    assert_non_null(strstr(err.message, "kept.tiff: cannot write"));
    VipsImage *image = vips_image_new_from_file(path, NULL);
    assert_non_null(image);
    assert_int_equal(vips_image_get_width(image), 8);
    g_object_unref(image);
}

/* ----------------------------------------------------------------------------------------------------------- resizing */

/* PyTorch 1.13, interpolate(mode="bicubic", antialias=True, align_corners=False), on the picture below:
 * first to 3 rows and 4 columns, then to 9 rows and 14 columns (row 4 of it), red alone. */
static const float torch_small[3][4] = {
    {111.10383f, 102.71917f, 102.51778f, 132.82849f},
    {113.06892f, 103.58067f, 146.20700f, 160.99706f},
    {128.01976f, 60.59222f, 123.68795f, 158.93437f},
};
static const float torch_large[14] = {
    104.71787f, 45.34964f,  7.54719f,  22.81250f,  83.91889f,  205.81682f, 199.27605f,
    196.13322f, 193.03554f, 63.95390f, 204.81250f, 267.09821f, 187.78784f, 52.60038f,
};

static void resize_as_torch(void **state)
{
    (void)state;
    enum { W = 11, H = 7 };
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(W, H, &picture, err));
    for (size_t i = 0; i < W * H; i++)
        for (size_t c = 0; c < 3; c++)
            picture->rgb[3 * i + c] = (uint8_t)(i * i * 37 % 256);
    float small[3][4][3], large[9][14][3];
    assert_ok(dp_picture_resize(picture, 3, 4, NULL, &small[0][0][0], err));
    assert_ok(dp_picture_resize(picture, 9, 14, NULL, &large[0][0][0], err));
    for (size_t c = 0; c < 3; c++) {
        for (size_t y = 0; y < 3; y++)
            for (size_t x = 0; x < 4; x++)
                assert_float_equal(small[y][x][c], torch_small[y][x], 1e-3);
        for (size_t x = 0; x < 14; x++)
            assert_float_equal(large[4][x][c], fminf(torch_large[x], 255), 1e-3); /* ours is held in 0..255 */
    }
    float *same = malloc(sizeof(float) * 3 * W * H);
    assert_ok(dp_picture_resize(picture, H, W, NULL, same, err));
    for (size_t i = 0; i < 3 * W * H; i++)
        assert_float_equal(same[i], picture->rgb[i], 1e-3);
    free(same);
    for (size_t top = 0; top < 9; top += 2) /* a part is cut from the whole */
        for (size_t left = 0; left < 14; left += 3) {
            float part[9 * 14 * 3];
            const dp_area area = {top, left, 9 - top, (14 - left + 1) / 2};
            assert_ok(dp_picture_resize(picture, 9, 14, &area, part, err));
            for (size_t y = 0; y < area.height; y++)
                assert_memory_equal(part + y * area.width * 3, large[top + y][left], area.width * 3 * sizeof(float));
        }
    assert_fails(DP_E_ARGUMENT, "0x5", dp_picture_resize(picture, 5, 0, NULL, &small[0][0][0], err));
    dp_picture_free(&picture);
}

/* Numbers of OpenCV 4.6 (warpAffine) and of Pillow's fixed-point rule written down in numpy. */
static void eight_bit_as_opencv_and_pillow(void **state)
{
    (void)state;
    enum { W = 11, H = 7 };
    static const uint8_t turned_45[H][W] = {
        {211, 124, 93, 162, 30, 87, 98, 223, 96, 159, 198},  {123, 143, 57, 104, 147, 182, 76, 211, 244, 144, 101},
        {86, 96, 88, 67, 94, 102, 91, 198, 198, 28, 183},    {120, 99, 95, 140, 119, 172, 149, 207, 164, 143, 167},
        {68, 122, 87, 122, 207, 96, 66, 185, 91, 115, 112},  {125, 153, 61, 62, 88, 8, 63, 120, 107, 156, 204},
        {170, 162, 37, 112, 111, 43, 51, 108, 139, 136, 159}};
    static const uint8_t resized[3][4] = {{111, 103, 102, 133}, {113, 104, 146, 161}, {128, 61, 124, 159}};
    dp_picture *picture = NULL, *turned = NULL, *small = NULL, *same = NULL;
    assert_ok(dp_picture_new(W, H, &picture, err));
    for (size_t i = 0; i < W * H; i++)
        memset(picture->rgb + 3 * i, (int)(i * i * 37 % 256), 3);
    assert_ok(dp_picture_rotate(picture, 45, &turned, err));
    assert_ok(dp_picture_resize_8bit(picture, 3, 4, &small, err));
    assert_ok(dp_picture_rotate(picture, 0, &same, err));
    assert_memory_equal(same->rgb, picture->rgb, 3 * W * H);
    for (size_t c = 0; c < 3; c++) {
        for (size_t i = 0; i < W * H; i++)
            assert_int_equal(turned->rgb[3 * i + c], turned_45[i / W][i % W]);
        for (size_t i = 0; i < 12; i++)
            assert_int_equal(small->rgb[3 * i + c], resized[i / 4][i % 4]);
    }
    dp_picture_free(&picture);
    dp_picture_free(&turned);
    dp_picture_free(&small);
    dp_picture_free(&same);
}

int main(void)
{
    if (vips_init("test_picture"))
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats),
        cmocka_unit_test(names),
        cmocka_unit_test(one_bit),
        cmocka_unit_test(sixteen_bit),
        cmocka_unit_test(float_tiff),
        cmocka_unit_test(exif_orientation),
        cmocka_unit_test(cmyk),
        cmocka_unit_test(profiles),
        cmocka_unit_test(several_pages),
        cmocka_unit_test(not_pictures),
        cmocka_unit_test(every_prefix),
        cmocka_unit_test(flipped_bytes),
        cmocka_unit_test(bomb),
        cmocka_unit_test(write_and_read),
        cmocka_unit_test(full_disk),
        cmocka_unit_test(resize_as_torch),
        cmocka_unit_test(eight_bit_as_opencv_and_pillow),
        cmocka_unit_test(many_threads),
    };
    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
