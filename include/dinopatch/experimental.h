/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch/experimental.h - the parts of libdinopatch below its stable interface: what the program, tests and research use.
 *
 * Names, structs and behaviour here may change with every version.  The conventions of dinopatch.h hold. */
#ifndef DINOPATCH_EXPERIMENTAL_H
#define DINOPATCH_EXPERIMENTAL_H

#include "dinopatch.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --------------------------------------------------------------------------------------------- how the work is run */

/* The best level this machine has. */
DP_API dp_isa dp_isa_detect(void);
/* "c", "neon", "avx2", "avx512", "avx512vnni", "auto"; static storage. */
DP_API const char *dp_isa_name(dp_isa isa);
/* The reverse.  DP_E_ARGUMENT for an unknown name. */
DP_API dp_status dp_isa_parse(const char *name, dp_isa *isa, dp_error *err);

/* What a checkpoint or a bank from outside may ask for; held against the file before memory is spent on it.
 *
 * All limits of the library:
 *     pixels of a picture file     dp_run.max_picture_pixels, and max_pixels of dp_picture_load; asked of the header, before a pixel is
 *                                  decoded.  Loading takes 3 bytes a pixel and the file itself (but for a TIFF), and 3 to 8 more a pixel
 *                                  while an interlaced PNG, a progressive JPEG or 16-bit samples are decoded
 *     bytes of a picture file      16 a pixel of max_pixels and 256 MiB (but for a TIFF)
 *     cells of a picture           dp_run.max_tokens, of one tile where it is cut (tile_px); 2^22 in all tiles; 16,384 on a side.  What a picture is resized to (edge_px) is bounded by
 *                                  dp_run.max_picture_pixels, too
 *     pixels of a map              2^28 (dp_map_load_tiff)
 *     memory of a bank being made  dp_run.max_memory_bytes
 *     checkpoint, bank             the fields below; DP_MAX_LAYERS; 512 blocks; the levels of nested JSON: 2048; cells of one picture
 *                                  in a flat bank: 2^22
 *     threads                      1024
 * Sizes are multiplied with a check for overflow wherever a factor comes from outside. */
typedef struct dp_limits {
    size_t max_file_bytes; /* of the whole file, which is mapped, not read; 0, the default: none */
    size_t
        max_header_bytes; /* of its header, which is read; default 100,000,000, the limit of the safetensors format */
    size_t max_tensors;   /* in it; default 16,384 */
} dp_limits;

DP_API void dp_limits_init(dp_limits *limits);

/* Writes a file whole or not at all: under a temporary name beside it, synced, renamed over path.  All files of this library are
 * written so.  What a killed process left of path is removed; another that writes the same path now is not disturbed, and the later of
 * the two wins.  Errors: DP_E_IO, DP_E_MEMORY. */
DP_API dp_status dp_file_write(const char *path, const void *data, size_t bytes, dp_error *err);

/* For memory that functions of this library hand out as plain arrays. */
DP_API void dp_memory_free(void *memory);

/* -------------------------------------------------------------------------------------------------------- pictures */

typedef struct dp_picture {
    size_t width_px, height_px;
    uint8_t *rgb; /* [height_px, width_px, 3], sRGB */
} dp_picture;

/* How a picture is to be taken from a source. */
typedef struct dp_picture_options {
    size_t max_pixels; /* a picture with more is refused before it is decoded; 0: no limit */
    int tolerant;      /* non-zero: of a damaged file what is there is taken, the rest is black; of several pictures the
                          first; and notes say so */
    size_t
        white; /* of 16-bit files the sample that means white: 4095 for 12 bits, 65520 for 12 bits at the upper end, 65535 for all 16;
                          0: found in the file itself */
} dp_picture_options;

#define DP_NOTES_BYTES 512

/* What a user should know of a picture that was read. */
typedef struct dp_picture_notes {
    size_t bits;               /* of its samples: 16, or 8 for all others */
    size_t white;              /* of 16-bit samples: what was taken for white; 0: the format says it */
    char text[DP_NOTES_BYTES]; /* one line, without the file's name; "": nothing */
} dp_picture_notes;

/* A black picture of the given size.  Errors: DP_E_ARGUMENT (a side of 0, an overflow), DP_E_MEMORY. */
DP_API dp_status dp_picture_new(size_t width_px, size_t height_px, dp_picture **picture, dp_error *err);
DP_API void dp_picture_free(dp_picture **picture);

/* Where pictures come from: files (dinopatch/io.h), a camera, an archive, memory.  The library asks for each picture when it needs it,
 * some pictures more than once, and keeps none longer than it works on it.
 * Threads: name and load are called from threads of the library, several at a time. */
typedef struct dp_source {
    size_t n; /* pictures */
    /* The name of picture `index`, any bytes: messages and the bank call it so.  It stays valid while the source is in use. */
    const char *(*name)(void *user, size_t index);
    /* Makes picture `index`, by dp_picture_new or otherwise; the library frees it with dp_picture_free.  *notes and *err (each may be NULL)
     * are there to be filled, as by the functions of this header: a status other than DP_OK leaves *picture alone and sets *err. */
    dp_status (*load)(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                      dp_picture_notes *notes, dp_error *err);
    /* Finds dp_recipe.sample_white on n of the pictures, before the first of them is learned from; *white stays 0 where none has 16 bits.
     * NULL: no picture has. */
    dp_status (*find_white)(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white,
                            dp_error *err);
    void *user;
} dp_source;

/* Pictures in the caller's memory, which outlive the source and are only read. */
typedef struct dp_image_list {
    const dp_image *images;   /* [n] */
    const char *const *names; /* [n] */
    size_t n;
} dp_image_list;
/* The list as a source; 16-bit samples are taken as by dp_fit_add. */
DP_API dp_source dp_source_images(const dp_image_list *list);

/* -------------------------------------------------------------------------------------------------------- settings */

typedef enum dp_align {
    DP_ALIGN_PCA = 0,
    DP_ALIGN_NONE,
    DP_ALIGN_AUTO,    /* fit decides from the good pictures; never in a bank */
    DP_ALIGN_FEATURES /* the part is found by what the network `nano` sees of it, learned from the good pictures */
} dp_align;
typedef enum dp_polarity { DP_POLARITY_MIRROR = 0, DP_POLARITY_ROTATE, DP_POLARITY_NONE } dp_polarity;
typedef enum dp_layer_mix {
    DP_LAYERS_MEAN = 0,
    DP_LAYERS_CONCAT,  /* one vector of all blocks' features, one distance */
    DP_LAYERS_SEPARATE /* a distance for each block, in units of what good pictures show; their mean */
} dp_layer_mix;
/* Features of several layers made comparable, from the statistics of all good cells (docs/method.md, section 4). */
typedef enum dp_layer_norm {
    DP_LAYER_NORM_NONE = 0,
    DP_LAYER_NORM_RMS,      /* each layer divided by the root mean square length of its features */
    DP_LAYER_NORM_STANDARD, /* each feature minus its mean, by its standard deviation; then each layer as RMS */
    DP_LAYER_NORM_RAW       /* as the network leaves them: a residual stream without its final norm, or the layers of a
                             * residual network on the grid of the first of them */
} dp_layer_norm;
/* How separate blocks weigh in the mean of their distances. */
typedef enum dp_layer_weights {
    DP_WEIGHTS_TYPICAL = 0, /* each is divided by what good pictures show */
    DP_WEIGHTS_EQUAL        /* as they are: for metrics whose values are comparable, as the cosine's */
} dp_layer_weights;
typedef enum dp_precision { DP_FP32 = 0, DP_INT8 } dp_precision;
typedef enum dp_metric { DP_METRIC_L2 = 0, DP_METRIC_COSINE } dp_metric;
typedef enum dp_score {
    DP_SCORE_MAX = 0,
    DP_SCORE_MEAN,
    DP_SCORE_P99,
    DP_SCORE_TOP1P,
    DP_SCORE_TOP10, /* the mean of the 10 largest: of a canvas in tiles a mark that is small stays as visible as in one tile */
    DP_SCORE_RETRIEVED /* not of the map: mean Euclidean distance of the picture's vector to those of the pictures retrieved */
} dp_score;

typedef struct dp_interval {
    double low, high;
} dp_interval;

/* A part of a picture, in its pixels; x1 and y1 belong to it. */
typedef struct dp_box {
    double x0_px, y0_px, x1_px, y1_px;
} dp_box;

typedef enum dp_unit {
    DP_UNIT_CELLS = 0, /* of the map that is processed: the grid's cells */
    DP_UNIT_PIXELS     /* of the picture the user took */
} dp_unit;

/* Post-processing of a distance map before it is scored, in this order: median, Gaussian, thresholds, small objects
 * removed, small holes filled (the paper's; see docs/method.md).  Objects are connected by sides and corners, holes by
 * sides; without thresholds there are no objects, and min_object and max_hole do nothing. */
typedef struct dp_post {
    double low,
        high; /* distances >= low stay in connected groups that reach high somewhere, the others become 0; 0: none.  Without
                            high every group from low upward stays */
    size_t min_object; /* objects of fewer elements are removed; 0 and 1: none */
    size_t max_hole;   /* enclosed holes of at most this many elements are filled with their own distances; 0: none */
    dp_unit unit;      /* of min_object and max_hole */
    double gaussian;   /* sigma of a Gaussian, in elements; 0: none */
    size_t median;     /* side of the median's window, in elements, odd, at most 31; 0 and 1: none */
} dp_post;

/* All of it off. */
DP_API void dp_post_init(dp_post *post);
/* Non-zero where both say the same. */
DP_API int dp_post_equal(const dp_post *a, const dp_post *b);

/* map [rows, cols] -> out [rows, cols], which may be the same; valid [rows, cols] (NULL: all): what is not valid takes no
 * part and becomes 0.  element_px: area of an element in pixels of the picture, looked at for DP_UNIT_PIXELS only.
 * Errors: DP_E_ARGUMENT (a threshold that is negative, not finite or out of order, a filter that is too large),
 * DP_E_MEMORY. */
DP_API dp_status dp_post_apply(const dp_post *post, const float *map, const uint8_t *valid, size_t rows, size_t cols,
                               double element_px, float *out, dp_error *err);

/* How a bank keeps the features of the good pictures. */
typedef enum dp_layout {
    DP_LAYOUT_GRID =
        0,          /* for each location of the canvas: a search looks at the same place, or `window` cells around it */
    DP_LAYOUT_FLAT, /* in one list, searched as a whole; the pictures' grids may differ in size */
    DP_LAYOUT_MOMENTS /* number, mean and scatter of the features; each picture's own only with keep_features */
} dp_layout;

/* What the moments of a bank tell of a cell. */
typedef enum dp_moments_of {
    DP_MOMENTS_GAUSSIAN = 0, /* each place has its own: Mahalanobis distance (PaDiM) */
    DP_MOMENTS_SUBSPACE      /* all places together: squared distance from the leading components (SubspaceAD) */
} dp_moments_of;

/* In what a bank keeps them. */
typedef enum dp_storage {
    DP_STORAGE_F32 = 0,
    DP_STORAGE_F16, /* half the size; what is lost is far below what pictures differ by */
    DP_STORAGE_I8   /* a quarter: 8 bits and one scale per feature vector */
} dp_storage;

/* Whose background cells are masked.  The mask is found in each picture by itself, from its features: docs/method.md, section 12. */
typedef enum dp_background {
    DP_BACKGROUND_NONE = 0,
    DP_BACKGROUND_TEST,      /* of the picture that is inspected */
    DP_BACKGROUND_REFERENCE, /* of the good pictures: those cells stay out of the bank; a flat bank only */
    DP_BACKGROUND_BOTH
} dp_background;

/* How the mask is smoothed, and what a masked cell of an inspected picture is. */
typedef enum dp_background_rule {
    DP_BACKGROUND_CELLS = 0, /* 3x3 cells; a masked cell is not scored */
    DP_BACKGROUND_LIST /* as in AnomalyDINO's public code: along the list of cells; a masked cell has distance 0 and is scored */
} dp_background_rule;

/* Where a region to inspect lies. */
typedef enum dp_roi_frame {
    DP_ROI_NONE = 0, /* everywhere */
    DP_ROI_FIXED,    /* over the pixels of every picture; all have the mask's size */
    DP_ROI_OBJECT    /* it follows the object: drawn on one good picture, carried to the others by their poses */
} dp_roi_frame;

#define DP_WINDOW_GLOBAL ((size_t)-1)
#define DP_MAX_LAYERS 48

/* What makes a bank what it is; stored in the bank.  See docs/method.md for each stage. */
typedef struct dp_recipe {
    /* align */
    dp_align align;
    size_t blur_px;               /* side of the Gaussian kernel, odd; 5 */
    double canny_low, canny_high; /* thresholds on the L1 gradient; 50, 150 */
    double fill;                  /* share of the canvas width a straight rod fills; sqrt(3)/2 = canvas of 4 sigma */
    size_t canvas_height_px, canvas_width_px; /* multiples of the patch; height 0: chosen from the good pictures */
    size_t edge_px; /* without alignment: the smaller side of each picture is resized to this, the rest cropped at right
                                         and bottom to multiples of the patch; the canvas sizes are then 0.  0: the canvas */
    size_t
        crop_px; /* with edge_px: only the square of this side in the middle of the resized picture is looked at; it is
                                         the canvas, a multiple of the patch.  0: all of it */
    size_t
        short_px; /* the canvas is the whole picture with a short side of so many pixels, in the middle proportion of the
                                         good pictures; canvas, edge and crop are then 0 until fit settles the canvas.  0: the canvas */
    size_t
        tile_px; /* side of the tiles that go through the network, where the canvas is larger: fit rounds it to what the
                                         network takes. 0: the canvas goes through in one; with short_px fit chooses a side where the canvas has
                                         more cells than dp_run.max_tokens */
    dp_polarity polarity;
    size_t
        sample_white; /* of 16-bit pictures the sample that means white (dp_picture_options); found on the good pictures
                                         by fit where it is 0; 0 in a bank: none of them had 16 bits */
    /* embed */
    size_t layers[DP_MAX_LAYERS]; /* blocks whose output is used, 0 the first, (size_t)-1 the last, (size_t)-2 the one
                                         before; n_layers 0: the last block */
    size_t n_layers;
    dp_layer_mix layer_mix;
    dp_layer_weights layer_weights; /* of DP_LAYERS_SEPARATE */
    dp_precision precision;
    dp_layer_norm
        layer_norm; /* not NONE: features are layers of the network as it leaves them, side by side, normalised; layers and
                                         mix are those of DP_METHOD_AUTO */
    size_t neighbourhood; /* 1, or 3: each cell's features become the mean over its 3x3 neighbourhood (PatchCore) */
    size_t channels; /* with raw layers: this many of the numbers of a cell, drawn with the seed (PaDiM: 100); 0: all */
    /* bank */
    dp_layout layout;
    dp_moments_of moments;   /* of DP_LAYOUT_MOMENTS */
    double moments_ridge;    /* added to the variance of each feature of a place; 0.01 */
    double moments_variance; /* share of the variance that the leading components hold; 0.99 */
    int keep_features;       /* non-zero: the features of each picture stay in the bank beside the moments */
    dp_storage storage;
    double pca;     /* features are projected on their principal components: a share of the variance below 1 that
                                         is kept, or their number; 0: not */
    size_t kmeans;  /* each location keeps this many centres of its features; 0: the features themselves */
    double coreset; /* of a flat bank only these rows are kept, chosen by greedy k-centre: a share below 1, or their
                                         number; 0: all */
    double
        thin; /* of a flat bank only these rows are kept, fewer where they lie dense: a share below 1, or their number; 0: all */
    size_t shots; /* this many of the good pictures are learned from; 0: all */
    size_t
        seed; /* of the draws of shots, brightness, k-means, coreset and thinning; 0: the first shots, sorted by name */
    size_t rotations; /* 1, or 8 or 30: every good picture enters turned by so many steps of a whole turn */
    int mirror;       /* non-zero: every good picture also enters mirrored across the principal axis */
    double
        brightness; /* every good picture also enters with its brightness times a number from 1 - this to 1 + this, which
                                         seed and pixels draw; 0: not */
    dp_background background;
    dp_background_rule background_rule;
    dp_roi_frame roi; /* of the bank's region to inspect; set by fit, not read by it */
    double
        background_threshold; /* on the first principal component of a picture's features; 10, which is DINOv2's scale */
    /* distance */
    dp_metric metric;
    size_t window; /* cells to each side that are searched; DP_WINDOW_GLOBAL: all */
    size_t knn;    /* distances of the k nearest are averaged; 1 */
    double blend;  /* in 0..1: share of the distance to the whole bank beside that within the window; 0 */
    double
        order; /* order statistics over the distances to each picture: pictures of a subset, below 1 the share of all; 0: the nearest
                      picture decides */
    size_t
        retrieval; /* only the rows of this many good pictures are searched, those most like the picture: by the cosine of
                                         one vector a picture, which the bank keeps.  0: the rows of all, and no such vectors */
    /* score and decision */
    dp_post post; /* of the distance map, before it is scored; off */
    dp_score score;
    size_t reweight; /* the largest distance is weighted by this many neighbours of its nearest row (PatchCore: 9), with
                                         DP_SCORE_MAX and DP_LAYOUT_FLAT only; 0: not */
    double map_sigma_px; /* sigma of a Gaussian over the finished map, in pixels of the picture; 0: none */
    double fpr;          /* false-alarm rate the first thresholds aim at; 0.05 */
    unsigned preset; /* DP_PRESET_ bits: what dp_recipe_preset left to be fitted to the network; not stored in a bank */
} dp_recipe;

/* Parts of a preset that depend on the network; the window of DP_METHOD_AUTO depends on the canvas, and fit settles it.  dp_network_settle_recipe, and with it fit, fits those whose bit is set and whose values are
 * still the preset's.  Who wants the very values of the preset takes the bit away. */
enum {
    DP_PRESET_CANVAS = 1,
    DP_PRESET_LAYERS = 2,
    DP_PRESET_NEIGHBOURHOOD = 4,
    DP_PRESET_WINDOW = 8,
    DP_PRESET_SCORE = 16,
    DP_PRESET_THREE = 32,      /* layers: three of them, early to late */
    DP_PRESET_MIDDLE = 64,     /* layers: the mean of those at 55 to 70 % of the depth */
    DP_PRESET_ROTATIONS = 128, /* 30 rotations where there are at most 8 pictures */
    DP_PRESET_FOUR = 256,      /* layers: those of DP_METHOD_RAD */
    DP_PRESET_NORMED = 512,    /* layers.norm: none, or raw where the network has no final norm */
    DP_PRESET_SUPERADD = 1024, /* layers: those of SuperADD, 1/3 to 11/12 of the depth */
    DP_PRESET_MIXED = 2048     /* layers.mix: what a residual network can do */
};

/* The defaults, those of DP_METHOD_AUTO: docs/method.md says how they were measured. */
DP_API void dp_recipe_init(dp_recipe *recipe);

typedef enum dp_method {
    DP_METHOD_DINOPATCH =
        0, /* the paper's: aligned, canvas 784x784 (of a residual network 256x256), last block, grid, Euclidean, window 0 */
    DP_METHOD_ANOMALYDINO, /* Damm et al. 2025 and its public code: smaller side 448, no alignment, eight rotations of the good
                                pictures, one flat bank, 1 - cosine, mean of the top 1 %, map smoothed with sigma 4 */
    DP_METHOD_PATCHCORE, /* Roth et al. 2022: no alignment, one flat bank, a coreset of 10 %, Euclidean, the largest distance weighted by 9
                                neighbours, map smoothed with sigma 4.  On the features of a transformer: canvas 448x448, the fifth and
                                fourth block from the end (of one with fewer than five the two in its middle) concatenated, mean over 3x3
                                cells.  On a residual network, the paper's own: smaller side 256, the middle 224 pixels, layers 2 and 3
                                (2 alone where the network ends there), averaged with their neighbourhoods by the network itself */
    DP_METHOD_AUTO, /* dp_recipe_init: pose decided by the good pictures; the whole picture or the part, short side 256; several layers normalised (a residual network's layers 2 and 3, each
                                averaged over 3x3 cells; a transformer's residual stream at 1/4, 1/2 and 3/4 of its depth); grid, Euclidean,
                                window 1 (2 from a short side of 384 on), mean of the top 1 % */
    DP_METHOD_PADIM, /* Defard et al. 2021: three raw layers side by side, 100 of their numbers, a Gaussian for each place, largest
                                distance */
    DP_METHOD_SUBSPACE, /* SubspaceAD 2026: mean of the raw blocks in the middle, distance from the components with 99 % of the variance,
                                mean of the top 1 % */
    DP_METHOD_SUPERADD, /* SuperADD 2026: four raw blocks, each with distances of its own in one flat list of rows, which holds each picture
                                also in another brightness and is thinned where it is dense */
    DP_METHOD_RAD, /* RAD 2026: four blocks, 1 - cosine for each within a window of 1 cell, on the 150 pictures most alike; their mean */
    DP_METHOD_SPADE /* Cohen and Hoshen 2020: three raw layers side by side, nearest cell anywhere in the 50 pictures most alike; the
                                score is the mean distance of the vectors of these pictures */
} dp_method;

/* The settings of a published method; all fields are set.  Those that depend on the network are a transformer's until
 * dp_network_settle_recipe or fit sees which it is. */
DP_API void dp_recipe_preset(dp_recipe *recipe, dp_method method);

/* --------------------------------------------------------------------------------------------------------- options */

/* The table of options: one row for each setting of a recipe, by which it is set, read, checked, stored and explained.  docs/options.md
 * lists it. */
typedef enum dp_option_kind {
    DP_OPTION_CHOICE = 0, /* a word of `choices` */
    DP_OPTION_FLAG,       /* yes or no */
    DP_OPTION_WHOLE,      /* a whole number from low to high, or one of `choices` */
    DP_OPTION_REAL,       /* a number from low to high */
    DP_OPTION_SHARE,      /* a share between 0 and 1, both left out, or a count from 1 to high; low 0: also 0 */
    DP_OPTION_AMOUNT,     /* a whole number, which may end in k, M, G or T; no option of a recipe */
    DP_OPTION_WINDOW,     /* a whole number from low to high, or "global" */
    DP_OPTION_LAYERS,     /* "I,J,...", negative numbers from the end, or "auto" */
    DP_OPTION_CANVAS,     /* "HEIGHTxWIDTH", "auto" or "auto:WIDTH" */
    DP_OPTION_CANNY,      /* "LOW,HIGH" or "auto" */
    DP_OPTION_MAP         /* "KEY=VALUE,..." of the options map.KEY; what is not named is off; "none" */
} dp_option_kind;

/* What an option changes. */
typedef enum dp_option_stage { DP_STAGE_ALIGN = 0, DP_STAGE_FEATURES, DP_STAGE_BANK, DP_STAGE_SCORE } dp_option_stage;

enum {
    DP_OPTION_ABOVE = 1, /* low itself is left out */
    DP_OPTION_BELOW = 2, /* high itself is left out */
    DP_OPTION_ODD = 4,
    DP_OPTION_OFF = 8,      /* the word "off" stands for 0 */
    DP_OPTION_OVERRIDE = 16 /* an inspection may change it: it needs no new features */
};

typedef struct dp_option {
    const char *key;            /* "search.knn" */
    const char *alias;          /* long option of the command line, without dashes; NULL: none */
    const char *takes;          /* what its value looks like: "K", "l2|cosine" */
    const char *unit;           /* NULL: none */
    const char *help;           /* one line */
    const char *needs;          /* what else it calls for; NULL: nothing */
    const char *const *choices; /* NULL-ended; NULL: any value of the kind */
    dp_option_kind kind;
    dp_option_stage stage;
    unsigned flags;
    double low, high; /* of numbers */
} dp_option;

DP_API size_t dp_option_count(void);
DP_API const dp_option *dp_option_at(size_t index); /* static storage; NULL past the end */
/* The name of a choice by its number in the enumeration: "cosine" of "search.metric" and DP_METRIC_COSINE; static storage; "?" where there
 * is none. */
DP_API const char *dp_option_choice(const char *key, int value);
/* Reads a number of the option's kind and range.  Errors: DP_E_ARGUMENT, the message says what to give instead. */
DP_API dp_status dp_option_read(const dp_option *option, const char *text, double *value, dp_error *err);
/* Sets an option by its key from text.  The key "method" replaces all options by those of a published method, so it comes first.
 * What cannot stand beside the new value goes back to its default: "edge" and "crop" where a "canvas" is set, "search.blend" where a
 * flat bank or the global window leaves it no meaning, "score.reweight" where the score is not "max".
 * Errors (*recipe is untouched): DP_E_ARGUMENT, "KEY TEXT: " and what to give instead, or an unknown key. */
DP_API dp_status dp_recipe_set(dp_recipe *recipe, const char *key, const char *text, dp_error *err);
/* The text that sets the option as it is; the caller frees *text with dp_memory_free.  Errors: DP_E_ARGUMENT (an unknown key, "method",
 * which is not kept, a value out of range), DP_E_MEMORY. */
DP_API dp_status dp_recipe_get(const dp_recipe *recipe, const char *key, char **text, dp_error *err);
/* Whether every option lies in its range and all of them go together.  Errors: DP_E_ARGUMENT names the options by their keys. */
DP_API dp_status dp_recipe_check(const dp_recipe *recipe, dp_error *err);

/* ----------------------------------------------------------------------------------------------------------- align */

/* The pose of the object.  A picture that cannot be aligned is no error: pose->status says so and the figures found so
 * far are given.  Errors: DP_E_ARGUMENT, DP_E_MEMORY. */
DP_API dp_status dp_pose_find(const dp_picture *picture, const dp_recipe *recipe, dp_pose *pose, dp_error *err);

/* The edges the pose rests on: *edges [height_px, width_px], 255 on an edge, 0 elsewhere; the caller frees with
 * dp_memory_free. */
DP_API dp_status dp_edges_find(const dp_picture *picture, const dp_recipe *recipe, uint8_t **edges, dp_error *err);

/* A map between two planes: (u, v) -> (xu u + xv v + x0, yu u + yv v + y0). */
typedef struct dp_affine {
    double xu, xv, x0;
    double yu, yv, y0;
} dp_affine;

/* Pixel of the canvas -> pixel of the picture, as dp_canvas_warp uses it.
 *
 * A pose that is DP_ALIGN_OK or DP_ALIGN_UNLIKE: u runs along the principal axis, v across it (a rotation, never a mirroring), both scales
 * equal, the centre of the object in the centre of the canvas, the canvas 2 sqrt(3) sigma_major / fill wide.
 * Any other: the plain resize, x = (u + 0.5) picture_width / canvas_width - 0.5, and so for y.
 * turn, in both cases: 1 turns the canvas by 180 degrees about its centre, (u, v) -> (W - 1 - u, H - 1 - v). */
DP_API dp_affine dp_canvas_transform(const dp_pose *pose, double fill, int turn, size_t canvas_height,
                                     size_t canvas_width, size_t picture_height, size_t picture_width);

/* The aligned picture: rgb [height, width, 3] in 0..255 (not rounded), valid [height, width] 1 where the pixel comes
 * from inside the picture (not from the wrap padding).  turn: 0, or 1 to turn the object by 180 degrees.
 * A pose that is neither DP_ALIGN_OK nor DP_ALIGN_UNLIKE fills the canvas with the whole picture, resized (bicubic with antialias).
 * Either output may be NULL. */
DP_API dp_status dp_canvas_warp(const dp_picture *picture, const dp_pose *pose, double fill, int turn, size_t height,
                                size_t width, float *rgb, uint8_t *valid, dp_error *err);

/* The canvas height, a multiple of patch_px, that `canvas_height_px == 0` means for n good pictures: with alignment the
 * lowest that holds every object with a margin (see docs/method.md), without it the one that keeps the middle aspect ratio
 * of the pictures.  poses [n]; width_px and height_px [n] are the sizes of the pictures. */
DP_API size_t dp_canvas_height(const dp_recipe *recipe, size_t patch_px, size_t n, const dp_pose *poses,
                               const size_t *width_px, const size_t *height_px);

/* --------------------------------------------------------------------------------------------------------- network */

typedef struct dp_network_info {
    const char *kind;         /* "vit" or "resnet"; static storage */
    const char *architecture; /* of a residual network "resnet18", "resnet50", "wide_resnet50_2", or "resnet" for any
                                            other; of a transformer "dinov2", "dinov3" or "tipsv2"; static storage */
    size_t dim, depth, heads, patch_px, registers,
        hidden;                          /* of a residual network: 1024 features, 2 to 4 layers, patch 8 (the
                                            pixels of a cell of layer 2's grid), the others 0 */
    size_t position_rows, position_cols; /* grid the position embedding was trained on; 0 of DINOv3, which has none */
    int swiglu;                          /* non-zero: SwiGLU, zero: MLP with GELU */
    int stand_in;                        /* non-zero: seeded random weights, not a trained model */
    size_t parameters;
    const char *naming; /* "huggingface", "hub", "timm" or "torchvision" */
    const char *dtype;  /* "F32", "F16", "BF16" */
    const char *path;   /* absolute, or DP_NETWORK_NANO; owned by the model */
    char sha256
        [65]; /* of the checkpoint file, lower-case hexadecimal; empty: there was no memory to compute it.  Of shards: of their
                         * bytes one after another, in the order of their names */
    size_t n_files; /* 1; of a checkpoint in shards how many */
    const char
        *licence; /* its name: as the file says (metadata "licence" or "license"), or as the published weights of the
                            architecture have it; empty: not known; owned by the model */
    const char *
        unused; /* the first tensor that is no part of the network, as the head of a classifier; NULL: none; owned by the model */
    size_t n_unused; /* how many there are */
} dp_network_info;

#define DP_NETWORK_NANO_SHA256 "c5359643c98a30493ad40a02f226c8aec851310774e4586c514b721efc8430f8" /* of its file */

DP_API void dp_network_get_info(const dp_network *model, dp_network_info *info);
/* Names the licence of a checkpoint whose file does not; banks that are made with it keep it.  At most 47 printable ASCII characters;
 * anything else, or of a file that says itself, is ignored.  Call it before the model is shared. */
DP_API void dp_network_set_licence(dp_network *model, const char *licence);
/* dp_network_open with limits of the caller's (NULL: those of dp_limits_init); DP_E_FORMAT where the file is over one. */
DP_API dp_status dp_network_open_within(const char *path, const dp_limits *limits, dp_network **model, dp_error *err);
/* Fits what is left of a preset to the model (dp_recipe.preset, 0 afterwards), holds what the recipe says of the features against it, and
 * turns its layers into plain numbers: for a transformer in ascending order, at least one; for a residual network layers 1 to its depth by
 * torchvision's names, of which 2 must be there (its grid is that of the features) and 1 must not; none: 2 and 3, or 2 alone.  Errors: DP_E_ARGUMENT, also for int8 and for a mix of layers other
 * than DP_LAYERS_MEAN with a residual network. */
DP_API dp_status dp_network_settle_recipe(const dp_network *model, dp_recipe *recipe, dp_error *err);

typedef struct dp_architecture {
    size_t dim, depth, heads, patch_px, registers;
    size_t position_side; /* 0: rotary positions, and what else makes a transformer a DINOv3 */
    size_t hidden;        /* of the MLP; 0: four times dim, of SwiGLU two thirds of that */
    int swiglu;
    size_t resnet_blocks
        [4]; /* a residual network, if the first is not 0: blocks of each layer; then only what follows counts */
    size_t resnet_width[4]; /* channels inside the blocks of each layer */
    size_t resnet_out[4];   /* channels that leave each layer */
    size_t resnet_stem;     /* channels of the first convolution */
    int resnet_bottleneck;  /* three convolutions to a block; 0: two, and out = width */
} dp_architecture;

/* "vits14", "vitb14", "vitl14", "vitg14" (DINOv2), the same with "_reg", "dinov3_vits16", "dinov3_vits16plus", "dinov3_vitb16",
 * "dinov3_vitl16", "dinov3_vith16plus", "tipsv2_b14", "tipsv2_l14", "tipsv2_g14", "demo" (a small one), "resnet18", "resnet50", "wide_resnet50_2".  DP_E_ARGUMENT otherwise. */
DP_API dp_status dp_architecture_parse(const char *name, dp_architecture *architecture, dp_error *err);
/* Whether a model is of an architecture.  Errors: DP_E_CHECKPOINT; the message says in what they differ. */
DP_API dp_status dp_architecture_check(const dp_architecture *architecture, const dp_network *model, dp_error *err);
/* Writes a checkpoint of seeded random weights under Hugging Face (or torchvision) names, marked as a stand-in in its metadata.  Good
 * for timing and for trying the program out; it has learned nothing. */
DP_API dp_status dp_network_synthesise(const dp_architecture *architecture, uint64_t seed, const char *path,
                                       dp_error *err);

/* --------------------------------------------------------------------------------------------------------- session */

typedef struct dp_session dp_session;

/* A thread's workspace and workers.  The model must outlive the session.  precision: what the transformer computes in.
 * Weights are packed here, once per model and precision, and shared by its sessions.
 * Threads: several may open sessions of one model at the same time; the first packs the weights, the others wait for it. */
DP_API dp_status dp_session_open(const dp_network *model, dp_precision precision, const dp_run *run,
                                 dp_session **session, dp_error *err);
DP_API void dp_session_close(dp_session **session);

/* Features of one input.  rgb [height, width, 3] in 0..255; height and width multiples of the patch.  layers as in
 * dp_recipe.  tokens [height/patch, width/patch, dim * (mean ? 1 : n_layers)], caller-owned: patch tokens after the
 * final LayerNorm.  Of a residual network: PatchCore's features (docs/model.md), layers as dp_network_settle_recipe has them.  Errors: DP_E_ARGUMENT, DP_E_MEMORY, DP_E_NUMERIC. */
DP_API dp_status dp_session_embed(dp_session *session, const float *rgb, size_t height, size_t width,
                                  const size_t *layers, size_t n_layers, dp_layer_mix mix, float *tokens,
                                  dp_error *err);

/* Writes tokens [rows, cols, dim] as the single tensor `tokens` of a safetensors file, whole or not at all. */
DP_API dp_status dp_tokens_save(const float *tokens, size_t rows, size_t cols, size_t dim, const char *path,
                                dp_error *err);

/* ----------------------------------------------------------------------------------------------------------- bench */

typedef struct dp_bench_settings {
    size_t height_px, width_px; /* multiples of the patch */
    size_t repeat;              /* timed passes; 5 */
    size_t warm_up;             /* passes before them; 1 */
} dp_bench_settings;

/* Where a pass spends its time; the names as dp_bench_stage_name gives them. */
#define DP_BENCH_STAGES 9

typedef struct dp_bench_result {
    double median_s, min_s, max_s; /* of one pass: a picture already in memory to its tokens */
    size_t threads;
    dp_precision precision;
    dp_isa isa;
    double gflop;                 /* arithmetic of one pass (a multiply-add counts two) */
    double gflop_per_s;           /* gflop / median_s */
    double fma_bound_gflop_per_s; /* fp32 multiply-adds in registers alone, all threads, measured between the passes */
    double share_of_bound;        /* gflop_per_s / fma_bound_gflop_per_s; may pass 1 in int8 */
    size_t peak_rss_bytes;        /* of the process so far */
    size_t weights_bytes;         /* packed weights */
    double stage_s[DP_BENCH_STAGES]; /* of the pass with the median time */
} dp_bench_result;

/* 784 x 784, 5 repeats, 1 to warm up. */
DP_API void dp_bench_settings_init(dp_bench_settings *settings);
/* "patch", "qkv", "attention", "proj", "mlp_in", "mlp_out", "norm", "other"; static storage, NULL past the end. */
DP_API const char *dp_bench_stage_name(size_t stage);
/* Times the transformer on noise.  Errors: DP_E_ARGUMENT, DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_session_bench(dp_session *session, const dp_bench_settings *settings, dp_bench_result *result,
                                  dp_error *err);

/* ------------------------------------------------------------------------------------------------------------ bank */

/* What set a threshold. */
typedef enum dp_origin {
    DP_ORIGIN_UNKNOWN = 0, /* there is no threshold, or the bank is of a version that did not say */
    DP_ORIGIN_LEAVE_ONE_OUT, /* leave-one-out scores of the good pictures, as the bank was made: by fit, add, remove, merge, compress */
    DP_ORIGIN_CALIBRATE, /* leave-one-out scores, at a rate or in a way that was asked for later */
    DP_ORIGIN_VALUE,     /* a person */
    DP_ORIGIN_TUNE,      /* labelled pictures */
    DP_ORIGIN_HELD_OUT   /* scores of good pictures that the bank has not seen: dp_certify */
} dp_origin;
typedef struct dp_threshold_origin {
    dp_origin by;
    double fpr;           /* false-alarm rate it aims at; 0: at none (a value, tune) */
    size_t n_good, n_bad; /* pictures that it was found on */
    size_t k;             /* of a certificate: it is the k-th largest score; else 0 */
    double certified;     /* of a certificate: the false-alarm rate is within it with 95 % confidence; else 0 */
} dp_threshold_origin;
/* "leave-one-out", "calibrate", "value", "tune", "held-out", "unknown"; static storage. */
DP_API const char *dp_origin_name(dp_origin origin);

/* What the good pictures of a bank span.  Sizes 0, light NaN: not known. */
typedef struct dp_good_range {
    size_t min_width_px, max_width_px, min_height_px, max_height_px;
    double min_ratio, max_ratio; /* width / height */
    dp_interval dark, bright,
        fine; /* luminance of their darkest and brightest parts, and fine contrast, 0 to 255 (docs/method.md, section 8) */
} dp_good_range;

typedef struct dp_bank_details {
    size_t grid_rows, grid_cols, dim; /* locations, 1 x 1 in a flat bank; numbers per feature as they are stored */
    size_t dim_in;                    /* numbers per feature of a picture: more than dim where they are projected */
    size_t n_pictures;                /* good pictures */
    size_t n_scored;  /* those that have a leave-one-out score: what a threshold can promise rests on them */
    size_t n_rows;    /* feature rows at each location; in a flat bank: all of them */
    double threshold; /* of the score; NaN: none */
    dp_threshold_origin threshold_origin;
    double cell_threshold; /* of the map, see dp_good; NaN: none, or in a bank of an earlier version not found yet */
    double drift;          /* dp_learning_curve.drift as the bank was made; NaN: not known */
    size_t patch_px;       /* of the network it was made with; 0: not known */
    const char
        *model_path; /* absolute path of the checkpoint at the time of fitting, or DP_NETWORK_NANO; owned by the bank */
    char model_sha256[65];
    const char *model_licence; /* empty: not known; owned by the bank */
    int model_stand_in;
    dp_recipe recipe;
    dp_good_range range;  /* of the good pictures */
    size_t feature_bytes; /* of the features and their tables, in memory as in the file */
    size_t file_bytes;    /* 0: not on disk yet */
} dp_bank_details;

/* Called for each good picture once its fate is known; message NULL: it is in the bank.  May be NULL. */
typedef void (*dp_picture_fn)(void *user, size_t index, const char *name, const dp_pose *pose, const char *message);

/* What became of the pictures that fit or add was given. */
typedef struct dp_fit_counts {
    size_t n_failed; /* could not be used */
    size_t
        n_twins; /* have the pixels of one given before, or of one in the bank: each picture counts once.  They are no failures */
} dp_fit_counts;

/* A region to inspect: a mask that a person drew. */
typedef struct dp_roi dp_roi;
/* mask [height, width]: what is not 0 is inspected.  drawn_on: with DP_ROI_OBJECT the good picture it was drawn on, named as it is in the
 * source or by its file name alone; else NULL.  name: what messages call the mask.  The caller closes *roi; it never changes.
 * Errors: DP_E_ARGUMENT (nothing is marked, no picture named), DP_E_MEMORY. */
DP_API dp_status dp_roi_from_mask(const uint8_t *mask, size_t height, size_t width, dp_roi_frame frame,
                                  const char *drawn_on, const char *name, dp_roi **roi, dp_error *err);
DP_API void dp_roi_close(dp_roi **roi);

/* What a bank learns from. */
typedef struct dp_fit_input {
    const dp_source *source;
    const dp_roi *
        roi; /* for dp_bank_fit_from: the bank keeps the region, only there pictures are inspected and the good ones scored; the
                                 features of whole pictures are kept, and a good picture that a fixed mask does not fit is left out.
                                 NULL: everywhere */
    dp_picture_fn on_picture; /* may be NULL */
    void *user;               /* of on_picture */
} dp_fit_input;

/* Builds a bank from pictures of good parts, ends with their leave-one-out scores and a first threshold.  Pictures that
 * cannot be read, and those that are given twice, are reported to on_picture, counted in *report (may be NULL) and left out; none left is an
 * error.  Nearly equal pictures are taken, and said to run->log: leave-one-out scores rest on pictures of different parts.
 * run->progress is called after every picture.  What the bank will take is known before the first is embedded: it is said to run->log, and
 * refused with DP_E_MEMORY where it does not fit, with the settings that would.  The session's precision must be recipe->precision.
 * A picture that the network cannot take, whose features are not finite or of which no cell lies inside the canvas is left out like one that
 * cannot be read; where none is left, its fault is that of the fit (DP_E_NUMERIC: checkpoint or settings are broken).
 * Further errors: DP_E_ARGUMENT (the picture a region was drawn on is not among the good ones, was not aligned or has another size). */
DP_API dp_status dp_bank_fit_from(dp_session *session, const dp_recipe *recipe, const dp_fit_input *input,
                                  dp_bank **bank, dp_fit_counts *report, dp_error *err);
/* A fit cut over several processes (docs/scale.md), in three steps that end in the bank of dp_bank_fit_from, byte for byte.
 *
 * First: what the network and the good pictures decide, once for all shards, into a file. Further errors: DP_E_ARGUMENT (the
 * recipe draws shots, or there is a region: both need all pictures), DP_E_IO. */
DP_API dp_status dp_fit_settle_from(dp_session *session, const dp_recipe *recipe, const dp_fit_input *input,
                                    const char *path, dp_error *err);
/* What such a file, or a shard, was settled for: *details hold recipe, model_path and model_sha256; *network is the memory of
 * model_path, freed with dp_memory_free. Errors: DP_E_IO, DP_E_FORMAT, DP_E_MEMORY. */
DP_API dp_status dp_fit_settled_details(const char *path, dp_bank_details *details, char **network, dp_error *err);

typedef struct dp_fit_shard {
    size_t index, n;        /* shard `index` of n, from 0 */
    const size_t *pictures; /* [n_pictures] numbers in the source, ascending */
    size_t n_pictures;
    int resume; /* non-zero: goes on with what a stopped run left in PATH.unfinished, or with PATH; a picture whose pixels are
                   the same is not computed again */
} dp_fit_shard;
typedef struct dp_fit_shard_report {
    size_t n_failed; /* cannot be used; the shard keeps the reason, and the join counts them again */
    size_t n_taken;  /* were there already */
} dp_fit_shard_report;
/* Second: the network looks at the pictures of one shard. input->source has all pictures, in the same order for every shard.
 * The features are kept in path, written as PATH.unfinished until all are there. report may be NULL. Errors: those of
 * dp_bank_fit_from, DP_E_IO, DP_E_MISMATCH (another network, precision or shard). */
DP_API dp_status dp_fit_shard_from(dp_session *session, const char *settled_path, const dp_fit_input *input,
                                   const dp_fit_shard *shard, const char *path, dp_fit_shard_report *report,
                                   dp_error *err);
/* Third: the bank of all shards, given in any order. The session holds their network, which does not run. Errors: those of
 * dp_bank_fit_from, DP_E_MISMATCH (a shard is missing, given twice, not finished or of another fit: the message names it),
 * DP_E_FORMAT, DP_E_CORRUPT. */
DP_API dp_status dp_fit_join(dp_session *session, const char *const *paths, size_t n, dp_picture_fn on_picture,
                             void *user, dp_bank **bank, dp_fit_counts *report, dp_error *err);

/* The same with limits of the caller's (NULL: those of dp_limits_init); DP_E_FORMAT where the file is over one. */
DP_API dp_status dp_bank_open_within(const char *path, const dp_limits *limits, dp_bank **bank, dp_error *err);

DP_API void dp_bank_get_details(const dp_bank *bank, dp_bank_details *info);
/* Name of a good picture as given to dp_bank_fit, its leave-one-out score and pose; owned by the bank. */
DP_API const char *dp_bank_picture_name(const dp_bank *bank, size_t picture);
DP_API double dp_bank_picture_score(const dp_bank *bank, size_t picture); /* NaN where there is none */
/* [32] SHA-256 over size and pixels of a good picture (docs/bank-format.md), owned by the bank; NULL where there is no such picture, or the bank does not know (it was
 * made in version 1 of the format). */
DP_API const unsigned char *dp_bank_picture_digest(const dp_bank *bank, size_t picture);
DP_API const dp_pose *dp_bank_picture_pose(const dp_bank *bank,
                                           size_t picture); /* NULL where there is no such picture */
/* Reads every byte: DP_E_CORRUPT where the checksum does not hold, DP_E_NUMERIC where a feature is not finite. */
DP_API dp_status dp_bank_verify(const dp_bank *bank, dp_error *err);
/* Opens and verifies a file that holds a bank or a share of one. */
DP_API dp_status dp_bank_verify_file(const char *path, dp_error *err);

/* --------------------------------------------------------------------------- a bank whose rows are in several processes */

/* Writes share `index` (from 1) of `of` of a bank's rows, with all else of the bank, to a file that dp_shared_bank_open takes. The bank was
 * opened from a file. Errors: DP_E_ARGUMENT, DP_E_UNSUPPORTED (a bank of moments), DP_E_CORRUPT, DP_E_IO, DP_E_MEMORY. */
DP_API dp_status dp_bank_save_share(const dp_bank *bank, size_t index, size_t of, const char *path, dp_error *err);

/* Joins n values of `bytes` each into those of `into`. The order in which ranks are joined does not matter. */
typedef void (*dp_join_fn)(void *into, const void *other, size_t n, size_t bytes);

/* How the processes of a job speak, ranks 0 .. n - 1. All call these in the same order; a result other than 0: it failed. */
typedef struct dp_exchange {
    size_t rank, n;
    int (*spread)(void *user, void *data, size_t bytes); /* from rank 0 to all */
    /* data [n, bytes] of all ranks joined at rank 0; what the others have then is not said */
    int (*join)(void *user, void *data, size_t n, size_t bytes, dp_join_fn by);
    void *user;
} dp_exchange;

typedef struct dp_shared_bank dp_shared_bank;

/* Opens the file of a bank, or all n files of its shares in any order, so that each rank holds a part of its rows. Rank 0 calls it, while
 * the others are in dp_exchange_serve. exchange NULL: there is one process. run: isa, threads of each rank. Results of an inspection are those
 * of the whole bank in one process, byte for byte; what compares the good pictures with each other is refused.
 * Errors: as dp_bank_open; DP_E_MISMATCH (a share is missing, doubled or of another bank), DP_E_UNSUPPORTED (a bank of moments). */
DP_API dp_status dp_shared_bank_open(const char *const *paths, size_t n, const dp_exchange *exchange, const dp_run *run,
                                     dp_shared_bank **shared, dp_error *err);
/* The bank to inspect with, by one session at a time; it belongs to *shared. */
DP_API const dp_bank *dp_shared_bank_get(const dp_shared_bank *shared);
DP_API void dp_shared_bank_close(dp_shared_bank **shared);
/* Answers rank 0 until it calls dp_exchange_end. An error is of this rank alone: the job cannot go on. */
DP_API dp_status dp_exchange_serve(const dp_exchange *exchange, dp_error *err);
DP_API void dp_exchange_end(const dp_exchange *exchange);

/* What the distances of good pictures' cells to the other good pictures typically are, by which distances of different kinds become
 * comparable: see docs/method.md.  NaN: not found yet. */
typedef struct dp_distance_scales {
    dp_metric metric; /* of the search they hold for */
    size_t window, knn;
    double local[DP_MAX_LAYERS];  /* within the window, of each separate block; of others only the first is used */
    double global[DP_MAX_LAYERS]; /* searched in the whole bank */
} dp_distance_scales;

/* --------------------------------------------------------------------------------------------------------- inspect */

/* What inspection may change without new features.  dp_view_init takes the bank's own recipe and threshold. */
typedef struct dp_view {
    dp_metric metric;
    size_t window, knn;
    double blend, order;       /* see dp_recipe */
    uint64_t blocks;           /* of separate layers only those whose bit is set, bit 0 the first; 0: all */
    dp_distance_scales scales; /* the bank's; where they do not hold for metric, window and knn they are found anew */
    dp_post post;
    dp_score score;
    size_t reweight;   /* of the score max in a flat bank: see dp_recipe */
    int cell_weights;  /* non-zero: results hold the weight of every cell, for dp_tune */
    const dp_roi *roi; /* narrows the bank's own region; borrowed; NULL: does not */
    int any_size;      /* non-zero: pictures of another size or aspect ratio than the good ones are judged, too */
    double threshold;  /* of the score; NaN: none */
    dp_threshold_origin origin; /* of the threshold, for dp_bank_save_view */
    double cell_threshold;      /* of the map, see dp_good; NaN: none */
    dp_interval heat;           /* scale of heat maps, see dp_bank_calibrate; NaN: none */
    const double *good_scores;  /* [n_good_scores] of good pictures, for p-values; borrowed; NULL: no p-values */
    size_t n_good_scores;
    const double *
        good_peaks; /* [n_good_scores] largest distances in their maps, for dp_bank_save_view; borrowed; NULL: not known */
} dp_view;
DP_API void dp_view_init(const dp_bank *bank, dp_view *view);
/* Takes from a recipe how pictures are compared and scored: metric, window, knn, blend, order, post, score, reweight. Returns non-zero if
 * the view did it in another way. */
DP_API int dp_view_take_recipe(dp_view *view, const dp_recipe *recipe);
/* How many of n pictures the subsets of dp_recipe.order have: at least 1, at most n; 0: it is off. */
DP_API size_t dp_order_pictures(double order, size_t n);
/* The largest share of the weight, 0..1, that c of n pictures hold where the subsets have m: what they can hide of a defect that they show
 * as well. */
DP_API double dp_order_share(size_t n, size_t m, size_t c);
/* Finds view->scales where the view needs them and they do not hold for it, from leave-one-out distances of a sample of the good
 * pictures' cells.  Whatever takes a view does that by itself; done once before, it is not done again and again.
 * run (may be NULL): threads, isa.  Errors: DP_E_ARGUMENT (a blend in a flat bank or of a global search), DP_E_MISMATCH (the bank holds fewer
 * than two pictures' features, or its pictures do not differ), DP_E_MEMORY. */
DP_API dp_status dp_view_settle(const dp_bank *bank, dp_view *view, const dp_run *run, dp_error *err);
/* An inspector that judges by views [n_views] of a bank, with a session of the caller's, which outlives it. Errors: as
 * dp_inspector_open; DP_E_ARGUMENT (no view, views that do not share the region to inspect). */
DP_API dp_status dp_inspector_open_views(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                         dp_inspector **inspector, dp_error *err);
/* dp_inspector_run of a picture by the first view, with the map. */
DP_API dp_status dp_inspector_run_picture(dp_inspector *inspector, const dp_picture *picture, const dp_result **result,
                                          dp_error *err);

/* Why a cell of an inspected picture has a low distance: the row of the bank that lies nearest to it. */
typedef struct dp_excuse {
    double x_px, y_px; /* centre of the cell in the inspected picture */
    double distance;
    size_t picture; /* of the bank; SIZE_MAX: no single one */
    dp_box
        place; /* what the row's cell and the cells around it cover in that picture, for its features are a mean with theirs;
                       NaN: not known (the picture was entered turned) */
} dp_excuse;
/* The nearest rows of the cells of the last picture whose centres lie in the box, those that score highest first: *excuses [*n], freed with
 * dp_memory_free; *n 0: no such cell was inspected. box NULL: the cell with the largest distance. Errors: DP_E_ARGUMENT (no picture was
 * inspected), DP_E_MEMORY. */
DP_API dp_status dp_inspector_excuses(const dp_inspector *inspector, const dp_box *box, dp_excuse **excuses, size_t *n,
                                      dp_error *err);

/* Hands the map of the last result over: [height_px, width_px], the caller's, freed with dp_memory_free.  The result has it no more, and the
 * inspector takes memory for the next.  NULL where there is no map. */
DP_API float *dp_inspector_take_map(dp_inspector *inspector);

/* How long the search for one picture takes in a bank, without a model: noise of the bank's size is searched for, `repeat` times after
 * once to warm up, as the view says.  With pictures of their own sizes (edge_px) the grid is that of the bank's first.
 * *median_s, *min_s and *max_s each may be NULL.  run (may be NULL): threads, isa.
 * Errors: DP_E_ARGUMENT (repeat 0), DP_E_MEMORY, DP_E_UNSUPPORTED. */
DP_API dp_status dp_bank_bench(const dp_bank *bank, const dp_view *view, size_t repeat, const dp_run *run,
                               double *median_s, double *min_s, double *max_s, dp_error *err);
/* One picture of a run by one of several views: result NULL and message set where it failed.  The callback owns neither.  A picture that
 * fails before it can be viewed is told once, as of view 0.  A result other than 0 stops the run with DP_E_CANCELLED. */
typedef int (*dp_view_result_fn)(void *user, size_t index, size_t view, const char *name, const dp_picture *picture,
                                 const dp_result *result, double milliseconds, const char *message);
/* Scores many pictures in order by views [n_views] of one bank; the next picture is loaded and aligned while this one is in the network.
 * Each goes through the network once, then on_result is called with view after view.  A picture that fails is reported and the run goes
 * on. */
DP_API dp_status dp_session_inspect_from(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views,
                                         const dp_source *source, dp_view_result_fn on_result, void *user,
                                         dp_error *err);
/* Score of the cells of a result in another way than the view's; NaN where none is valid.  Errors: none; NaN without memory. */
DP_API double dp_result_score(const dp_result *result, dp_score how);

/* A patch of a grid in the picture that it was cut from.  The centre of row r, column c of the grid lies at (c, r). */
typedef struct dp_patch_view {
    const dp_picture *picture;  /* NULL: it cannot be shown */
    dp_affine cells_to_picture; /* grid to pixels of the picture */
    size_t row, col;            /* the patch */
    size_t rows, cols;          /* of the grid */
    const char *title, *words;  /* what it is, and what is said of it; UTF-8 */
    const char *missing;        /* why there is no picture; may be NULL */
} dp_patch_view;

/* A defect beside what it was compared with: the patch with its largest distance, and the patch of the good pictures that comes nearest to
 * it, both in the bank's pose.  It borrows from bank, pictures and `missing`. */
typedef struct dp_comparison {
    dp_patch_view defect, good;
} dp_comparison;

/*   picture   that was inspected
 *   nearest   the good picture result->defects[defect].nearest_picture, as it can be read now; NULL: it cannot, and missing (may be
 *             NULL) says why in its place.  So does this function where its size or pose is not the one that the bank knows.
 * dinopatch/draw.h draws it.  Errors: DP_E_ARGUMENT (no such defect, a picture that is not the result's), DP_E_MEMORY. */
DP_API dp_status dp_defect_compare(const dp_bank *bank, const dp_picture *picture, const dp_result *result,
                                   size_t defect, const dp_picture *nearest, const char *missing,
                                   dp_comparison **comparison, dp_error *err);
DP_API void dp_comparison_free(dp_comparison **comparison);

/* ----- calibration: thresholds from good pictures alone */

typedef struct dp_calibration {
    size_t n;         /* scores used: those that are not NaN */
    double threshold; /* a picture is anomalous when its score lies above it; NaN where n is 0 */
    double
        expected; /* false-alarm rate to expect of it if coming pictures are like these: j / (n + 1) of the j-th largest score */
    double low, high; /* 90 % range of the rate of this very threshold, Beta(j, n + 1 - j); j need not be whole */
    double fpr;       /* bound that holds: the next good picture is called anomalous with at most this probability */
    double fpr_least; /* the smallest rate that n pictures can support, 1 / (n + 1) */
    double fpr_95;    /* bound that holds: the rate of this very threshold lies below it with 95 % confidence */
    int supported; /* non-zero: n pictures are enough for the rate asked for; else the threshold is the largest score */
    size_t n_needed; /* good pictures that the rate asked for needs; at most 2^53 is said */
} dp_calibration;

/* The threshold for a false-alarm rate fpr, from scores [n] of good pictures (leave-one-out scores: a picture and its augmentations left
 * out together): at position (n + 1)(1 - fpr) of the sorted scores, at most the last, interpolated in the logarithm between two of them.
 * `fpr` and `fpr_95` are those of the score below an interpolated threshold: they hold, and are a little wide.
 * All hold for scores that are exchangeable with that of the next good picture (split conformal prediction; Vovk et
 * al., "Algorithmic Learning in a Random World").  A leave-one-out score is measured against one picture less than a new
 * one will be, so it is rather larger, which errs on the side of fewer false alarms.
 * Errors: DP_E_ARGUMENT (fpr outside (0,1)), DP_E_NUMERIC (an infinite score), DP_E_MEMORY. */
DP_API dp_status dp_calibrate(const double *scores, size_t n, double fpr, dp_calibration *calibration, dp_error *err);

#define DP_MOST_RATES 7

/* Rates for a table of thresholds, dp_calibrate at each of them, in rising order: .01, .02, .05, .1 and .2 where n scores support them, the
 * smallest they support where that is .01 or more, and fpr (or the smallest, where that is larger).  Returns how many; 0 of no score. */
DP_API size_t dp_calibration_rates(size_t n, double fpr, double rates[DP_MOST_RATES]);

#define DP_MOST_POINTS 64

/* What the scores of good pictures are on average where the bank has m pictures beside the one that is scored. */
typedef struct dp_learning_curve {
    size_t n_points;                 /* 0: the bank cannot say */
    size_t n_sampled;                /* pictures of the bank whose scores were averaged */
    size_t pictures[DP_MOST_POINTS]; /* [n_points] m: 1, 2, 4, 8, .. and all but one */
    double scores[DP_MOST_POINTS];   /* [n_points] over all subsets of m pictures: exact, no draws */
    double
        drift; /* scores without the fifth of the pictures, by their names, that a picture belongs to, divided by those without the picture
                     alone: above 1.08 light, lens or batch drifted.  NaN: not known (fewer than 20 pictures) */
} dp_learning_curve;

/* The learning curve of a bank by its own way of scoring (one neighbour, whatever its knn), from its pictures' features, without a network:
 * docs/method.md, section 8.  At most 32 pictures, evenly spaced by name, are scored; less of very large banks.  n_points is 0 of a bank of
 * layout flat, without its pictures' features, or of one picture.  run (may be NULL): threads, isa, progress (stage "learning curve").
 * Errors: DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
DP_API dp_status dp_bank_learning_curve(const dp_bank *bank, const dp_run *run, dp_learning_curve *curve,
                                        dp_error *err);

typedef struct dp_certificate {
    size_t n, k;      /* scores used; the threshold is the k-th largest of them */
    double threshold; /* NaN where n is 0 */
    double rate;      /* certified: with 95 % confidence the false-alarm rate of this threshold is within it */
    double expected;  /* k / (n + 1) */
    double low, high; /* 90 % range of the rate, Beta(k, n + 1 - k) */
    int supported;    /* non-zero: rate is within what was asked for */
    size_t n_needed;  /* scores that certify the rate asked for with k = 1; at most 2^53 is said */
} dp_certificate;

/* A certificate from scores [n] of good pictures that the bank has not seen: the lowest of them whose false-alarm rate is within fpr with 95 %
 * confidence, whatever the scores' distribution; where n is too small for that, the largest.  It holds for pictures that come as these did.
 * Errors: as dp_calibrate. */
DP_API dp_status dp_certify(const double *scores, size_t n, double fpr, dp_certificate *certificate, dp_error *err);

/* Conformal p-value of a new score against scores [n] of good pictures: (1 + number of them >= score) / (n + 1).  Small
 * means unlike the good ones; among good pictures it is at most p with a probability of at most p.  Scores that are NaN are
 * left out; a score that is NaN gives NaN. */
DP_API double dp_conformal_p(const double *scores, size_t n, double score);

/* What the good pictures of a bank show when each is searched without its own rows, its augmentations included.
 *
 * There are two thresholds, in units of their own.  The picture threshold holds for the score, which is a mean, a quantile or weighted by
 * neighbours, and decides the label.  The cell threshold holds for the distances in the delivered map: it draws boxes, contour and area.
 * Both are found by dp_calibrate at the same rate: one from the scores, one from the largest value of each picture's map, smoothed as it is
 * delivered; so the next good picture shows anything above the cell threshold, anywhere in it, with at most that probability. */
typedef struct dp_good {
    double *scores; /* [pictures of the bank], the caller's; NaN where there is none */
    double *peaks;  /* [pictures of the bank], the caller's: the largest value of each map; NaN where there is none */
    int optional;   /* in, non-zero: what a bank without its pictures' features cannot say is NaN, and no error */
    dp_interval
        heat; /* scale for heat maps, of the same maps: colours begin at the 95th percentile of all good cells; the middle of
                                 the scale is the largest distance a good picture showed.  NaN where the bank cannot say */
    dp_calibration of_scores; /* its threshold is the picture threshold */
    dp_calibration of_peaks;  /* its threshold is the cell threshold */
} dp_good;

/* Thresholds of a bank from its own pictures alone, no model needed, scored as the view says (its thresholds are not read).  Where the view
 * scores as the bank's recipe does, what is in the bank is taken as it is.  run (may be NULL): threads, and progress with the stage
 * "leave one out".
 * Errors (*good is untouched): DP_E_ARGUMENT, DP_E_MISMATCH (a bank of k-means centres or a coreset, scored in another way than its recipe),
 * DP_E_MEMORY, DP_E_CANCELLED, DP_E_NUMERIC. */
DP_API dp_status dp_bank_calibrate(const dp_bank *bank, const dp_view *view, double fpr, const dp_run *run,
                                   dp_good *good, dp_error *err);
/* Takes what good pictures [n] showed, which dp_bank_calibrate found: their scores and peaks, which the view borrows, and the scale of heat
 * maps. The thresholds of the view stay. */
DP_API void dp_view_take_good(dp_view *view, const dp_good *good, size_t n);

#ifdef __cplusplus
}
#endif
#endif
