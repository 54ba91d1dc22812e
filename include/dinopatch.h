/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch.h - finds defects in pictures of a product after seeing only good ones.
 *
 * The stable interface of libdinopatch, which takes pictures from memory:
 *
 *     dp_fit_begin(NULL, NULL, NULL, &fit, &err);            learn: the built-in network, automatic settings
 *     dp_fit_add(fit, &image, "1.png", &err);                once for each good picture
 *     dp_fit_end(fit, &bank, &err);
 *     dp_inspector_open(NULL, bank, NULL, &inspector, &err); judge:
 *     dp_inspector_run(inspector, &image, DP_RESULT_MAP, &result, &err);
 *
 * Satellites: dinopatch/io.h reads picture files and dinopatch/draw.h draws results (libdinopatch-io); dinopatch/edit.h
 * changes banks, dinopatch/eval.h measures; dinopatch/experimental.h is the rest, which may change with any version.
 *
 * Conventions
 *   - A function that can fail returns dp_status and takes a final `dp_error *err`, which may be NULL. On failure its
 *     outputs are untouched, and err holds the status and one sentence that names the fact and the remedy.
 *   - `*_close` and `*_free` take the address of the caller's pointer, accept NULL, and set the pointer to NULL.
 *   - Sizes are size_t; a unit stands in the name (_px, _rad, _bytes). x runs right, y down; pixel centres lie at
 *     integers. Angles are in radians, from the x axis towards the y axis.
 *   - Every pointer to numbers carries its shape in a comment; the last index runs fastest.
 *   - ABI. A struct that the caller allocates begins with its size, or is written by the library up to a size that the
 *     caller gives; all others belong to the library. New fields come at the end. So a program keeps running with later
 *     versions of the same soname.
 *   - Threads. What a function takes by a pointer to const it only reads: any number of threads may share it
 *     (dp_network, dp_bank, dp_options). What it takes by another pointer it changes: one thread at a time (dp_fit,
 *     dp_inspector). A network outlives the fits and inspectors that use it, a bank its inspectors.
 *   - The library never prints, never exits, and keeps no state outside its objects.
 */
#ifndef DINOPATCH_H
#define DINOPATCH_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef DP_API
#if defined(__GNUC__)
#define DP_API __attribute__((visibility("default")))
#else
#define DP_API
#endif
#endif

#define DP_VERSION_MAJOR 0
#define DP_VERSION_MINOR 1
#define DP_VERSION_PATCH 0

/* The version of the library in use, "major.minor.patch"; static storage. */
DP_API const char *dp_version(void);

/* ------------------------------------------------------------------------------------------------ status and errors */

typedef enum dp_status {
    DP_OK = 0,
    DP_E_ARGUMENT,    /* a setting out of its range, a combination that means nothing */
    DP_E_MEMORY,      /* not enough memory */
    DP_E_IO,          /* a file or folder cannot be read or written */
    DP_E_PICTURE,     /* not a picture, cut short, or larger than the limits allow */
    DP_E_FORMAT,      /* a safetensors or JSON file that breaks its format */
    DP_E_CHECKPOINT,  /* a checkpoint of no network that this library knows */
    DP_E_MISMATCH,    /* bank and network, or bank and setting, do not belong together */
    DP_E_CORRUPT,     /* a checksum does not hold */
    DP_E_NUMERIC,     /* a value that is not finite where it must be */
    DP_E_UNSUPPORTED, /* known, but this build or machine cannot do it */
    DP_E_CANCELLED    /* a callback asked to stop */
} dp_status;

#define DP_ERROR_MESSAGE_BYTES 1024

typedef struct dp_error {
    dp_status status;
    char message[DP_ERROR_MESSAGE_BYTES]; /* UTF-8, one line, always terminated */
} dp_error;

/* A short English name of a status, "not a picture" for DP_E_PICTURE; static storage. */
DP_API const char *dp_status_name(dp_status status);

/* ----------------------------------------------------------------------------------------------------------- images */

typedef enum dp_format {
    DP_GRAY8 = 0,
    DP_GRAY16, /* 16 bits in the machine's byte order, at even addresses */
    DP_RGB8,
    DP_BGR8,
    DP_RGB16
} dp_format;

/* A picture in the caller's memory, sRGB. It is only read, and not after the call it is given to.
 * DP_RGB8 without padding is read where it lies; every other format is converted on the way. */
typedef struct dp_image {
    size_t size;        /* sizeof(dp_image) */
    const void *pixels; /* [height, width, channels of the format], rows stride_bytes apart */
    size_t width, height;
    size_t stride_bytes; /* 0: one row follows the other */
    dp_format format;
    size_t white; /* of 16-bit samples the one that means white, 4095 for 12 bits at the lower end; 0: fit finds it in
                     the good pictures and keeps it in the bank */
} dp_image;

/* --------------------------------------------------------------------------------------------- how the work is run */

typedef enum dp_log_level { DP_LOG_INFO = 0, DP_LOG_WARNING = 1 } dp_log_level;

/* Instruction sets; DP_ISA_AUTO takes the best that the machine has. */
typedef enum dp_isa {
    DP_ISA_AUTO = 0,
    DP_ISA_C,          /* plain C, the reference */
    DP_ISA_NEON,       /* Arm v8 */
    DP_ISA_AVX2,       /* x86-64: AVX2, FMA and F16C */
    DP_ISA_AVX512,     /* x86-64: AVX-512 F, BW, DQ and VL */
    DP_ISA_AVX512_VNNI /* the same and VNNI */
} dp_isa;

/* Threads, callbacks and limits: how the work is done. None of them changes a result. */
typedef struct dp_run {
    size_t size;    /* sizeof(dp_run); dp_run_init sets it */
    size_t threads; /* 0: one for each processor the process may use */
    dp_isa isa; /* DP_ISA_AUTO, or a lower level. The first session that asks for one binds oneDNN in the whole process;
                       once oneDNN is at work it is too late, and a warning is logged */
    size_t max_picture_pixels; /* a larger picture is refused; default 2^28 */
    int tolerant;            /* non-zero: of a damaged file what is there is taken, of several pictures the first, and a
                                  warning is logged */
    size_t max_memory_bytes; /* a bank that needs more is refused before the work begins; 0: what the machine, or the
                                  process's control group, has free */
    size_t max_tokens; /* cells that go through the network at once, for its time grows with their square; 0: no limit;
                          default 16,384 (1792x1792 pixels at patch 14) */
    void (*log)(void *user, dp_log_level level, const char *line);
    /* Called after each step of long work with what is done and what there is in all (0: not known). A result other than
     * 0 stops the work with DP_E_CANCELLED; so does one of `stop`, which is asked many times a second. */
    int (*progress)(void *user, const char *stage, size_t done, size_t total);
    int (*stop)(void *user);
    void *user;              /* for the callbacks, which are called from the thread that called the library */
    double max_wait_seconds; /* for another process that changes the same bank; default INFINITY */
} dp_run;

/* Sets the first `size` bytes of *run to the defaults. dp_run_init(&run) is the usual call. */
DP_API void dp_run_defaults(dp_run *run, size_t size);
#define dp_run_init(run) dp_run_defaults((run), sizeof *(run))

/* ---------------------------------------------------------------------------------------------------------- options */

/* Settings of a fit, by the keys of the one table that docs/options.md lists. What is not set, fit decides. */
typedef struct dp_options dp_options;

/* Errors: DP_E_MEMORY. */
DP_API dp_status dp_options_new(dp_options **options, dp_error *err);
DP_API void dp_options_free(dp_options **options);
/* Sets an option from text: dp_options_set(options, "size", "384", &err). The key "method" replaces all others,
 * so it comes first. Errors: DP_E_ARGUMENT; the message says what to give instead. */
DP_API dp_status dp_options_set(dp_options *options, const char *key, const char *text, dp_error *err);

/* ---------------------------------------------------------------------------------------------------------- network */

typedef struct dp_network dp_network;

/* The network that is built into the library; docs/model.md says where it comes from and what it is good for. */
#define DP_NETWORK_NANO "nano"

/* Opens the built-in network (DP_NETWORK_NANO), or a checkpoint: a vision transformer or a residual network as
 * docs/model.md lists them, in safetensors. The file is mapped and must not change while it is open.
 * Errors: DP_E_IO, DP_E_FORMAT, DP_E_CHECKPOINT, DP_E_NUMERIC (weights that are not finite), DP_E_MEMORY. */
DP_API dp_status dp_network_open(const char *path, dp_network **network, dp_error *err);
DP_API void dp_network_close(dp_network **network);

/* ------------------------------------------------------------------------------------------------------------- bank */

typedef struct dp_bank dp_bank;

/* Maps a bank from disk. Its header is checked, its features as they are read.
 * Errors: DP_E_IO, DP_E_FORMAT, DP_E_CORRUPT, DP_E_MEMORY. */
DP_API dp_status dp_bank_open(const char *path, dp_bank **bank, dp_error *err);
/* Writes under a temporary name, syncs, renames: path holds the old file or the whole bank. Errors: DP_E_IO,
 * DP_E_MEMORY. */
DP_API dp_status dp_bank_save(const dp_bank *bank, const char *path, dp_error *err);
DP_API void dp_bank_close(dp_bank **bank);

typedef struct dp_bank_info {
    size_t size;           /* sizeof(dp_bank_info), set by the caller */
    size_t n_pictures;     /* good pictures in it */
    size_t n_scored;       /* those with a leave-one-out score: what the threshold rests on */
    double threshold;      /* a picture with a higher score is anomalous; NaN: there is none */
    double cell_threshold; /* distances above it are drawn as defects; NaN: there is none */
    double fpr;            /* false-alarm rate that the threshold aims at; 0: at none */
    double fpr_promised;   /* the next good picture is a false alarm with at most this probability; NaN: not known */
    size_t canvas_height_px, canvas_width_px; /* what the network sees; 0: each picture has its own */
    size_t grid_rows, grid_cols;              /* cells of it */
    size_t feature_bytes;                     /* in memory */
    const char *network_path;    /* DP_NETWORK_NANO, or the file when the bank was made; owned by the bank */
    const char *network_sha256;  /* of the checkpoint, lower-case hexadecimal; owned by the bank */
    const char *network_licence; /* name of the checkpoint's licence, empty: not known; owned by the bank */
} dp_bank_info;

/* Fills *info up to info->size. */
DP_API void dp_bank_get_info(const dp_bank *bank, dp_bank_info *info);
/* The name of a good picture and its leave-one-out score (NaN: none); NULL past the last. Owned by the bank. */
DP_API const char *dp_bank_picture(const dp_bank *bank, size_t picture, double *score);

/* One thing that fit chose: the option by its key, its value as text, and why. */
typedef struct dp_choice {
    const char *option, *value, *reason;
} dp_choice;
/* What fit chose and why, [*n], owned by the bank; *n 0: nothing was left open, or the bank is of an earlier version. */
DP_API const dp_choice *dp_bank_choices(const dp_bank *bank, size_t *n);

/* -------------------------------------------------------------------------------------------------------------- fit */

typedef struct dp_fit dp_fit;

/* What became of one picture. */
typedef struct dp_fit_picture {
    const char *name;
    const char *reason; /* why it was left out; NULL: it is in the bank */
} dp_fit_picture;

typedef struct dp_fit_report {
    size_t n_given, n_used;
    size_t n_twins;                 /* have the pixels of another: each picture counts once */
    size_t n_failed;                /* could not be used */
    const dp_fit_picture *pictures; /* [n_given], in the order given */
} dp_fit_report;

/* Begins to learn. network NULL: the built-in one. options NULL: all automatic. run NULL: the defaults. options and run
 * are copied; the network stays the caller's. Errors: DP_E_ARGUMENT, DP_E_MEMORY. */
DP_API dp_status dp_fit_begin(const dp_network *network, const dp_options *options, const dp_run *run, dp_fit **fit,
                              dp_error *err);
/* Hands over a good picture; name (copied) is what messages and the bank call it. Fit looks at pictures more than once,
 * so the library keeps a copy in the image's own format until dp_fit_close: 3 bytes a pixel for RGB8. Errors:
 * DP_E_ARGUMENT, DP_E_PICTURE (over run->max_picture_pixels), DP_E_MEMORY (also: the copies pass run->max_memory_bytes,
 * or what the machine has free; dinopatch/experimental.h has a fit that asks for each picture when it needs it). */
DP_API dp_status dp_fit_add(dp_fit *fit, const dp_image *image, const char *name, dp_error *err);
/* Learns, and finds the thresholds. The caller closes *bank. Pictures that cannot be used are left out, and the report
 * says why; none left is an error. A bank of fewer pictures than asked for is the caller's to accept.
 * Errors: DP_E_ARGUMENT, DP_E_PICTURE (none can be used), DP_E_NUMERIC, DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_fit_end(dp_fit *fit, dp_bank **bank, dp_error *err);
/* After dp_fit_end, whether it succeeded or not: what became of the pictures. Owned by fit. */
DP_API const dp_fit_report *dp_fit_get_report(const dp_fit *fit);
DP_API void dp_fit_close(dp_fit **fit);

/* ---------------------------------------------------------------------------------------------------------- inspect */

typedef enum dp_align_status {
    DP_ALIGN_OK = 0,
    DP_ALIGN_OFF,       /* alignment was not asked for */
    DP_ALIGN_FEW_EDGES, /* no object seen: too few border points */
    DP_ALIGN_ROUND,     /* both sigmas nearly equal: the axis means nothing */
    DP_ALIGN_CUT,       /* the object runs over the border of the picture */
    DP_ALIGN_UNLIKE /* align=features: the part is unlike the one that was learned; the pose is the one that fits best */
} dp_align_status;

/* "ok", "off", "few_edges", "round", "cut", "unlike"; static storage. */
DP_API const char *dp_align_status_name(dp_align_status status);

/* Where the part lies. With align=pca: centre and population covariance of the border points of its edges. With
 * align=features: the middle of the part that was learned, the direction of its longer side as angle, in (-pi, pi], and
 * the sigmas of a rectangle with its sides. */
typedef struct dp_pose {
    dp_align_status status;
    double centre_x_px, centre_y_px;
    double angle_rad; /* of the principal axis, in [0, pi) */
    double sigma_major_px, sigma_minor_px;
    double extent_minor_px;                     /* 99th percentile of the border points' distance from the axis */
    size_t picture_width_px, picture_height_px; /* of the picture it was found in */
    size_t n_edge_pixels, n_points; /* edge pixels; border points, counted as often as the contours visit them */
    double score;                   /* align=features: correlation with the part that was learned, 1 at best; else 0 */
    double margin; /* score minus that of the next best angle; 0: the part is round, its angle is left as it is */
} dp_pose;

typedef enum dp_label {
    DP_LABEL_GOOD = 0,
    DP_LABEL_ANOMALOUS,
    DP_LABEL_NOT_INSPECTED, /* the picture could not be judged; dp_result.reason says why */
    DP_LABEL_NONE           /* it was scored, but there is no threshold to judge by */
} dp_label;
DP_API const char *dp_label_name(dp_label label); /* "good", "anomalous", "not_inspected", "none" */

/* A connected group (8 neighbours) of pixels of the map above the cell threshold. A good picture has none. An anomalous
 * one has at least one: if nothing passes the cell threshold, it is the largest cell, and `peak` lies below. */
typedef struct dp_defect {
    double x0_px, y0_px, x1_px, y1_px; /* box in pixels, x1 and y1 one past the last */
    double centre_x_px, centre_y_px;   /* centroid of its pixels */
    double area_px;                    /* pixels of it */
    double peak;                       /* the largest distance inside */
    size_t peak_cell;                  /* row * grid_cols + column of the cell behind the peak */
    size_t nearest_picture;            /* the good picture nearest to the peak; SIZE_MAX: not known */
    size_t nearest_cell;               /* row * columns + column of the nearest cell in its grid; SIZE_MAX: not known */
    size_t nearest_version; /* 0: of the picture as it is; above: of its mirror, its rotations, its other brightness */
    double nearest_x_px, nearest_y_px; /* centre of that cell in pixels of that picture; NaN: not known */
} dp_defect;

#define DP_REASON_BYTES 256

typedef struct dp_result {
    double score, threshold; /* score NaN: no cell could be compared; threshold NaN: the bank has none */
    double cell_threshold;   /* NaN: the bank has none */
    double p_value;          /* share of good pictures that score at least as high, this one counted; NaN: not known */
    dp_label label;
    char reason[DP_REASON_BYTES]; /* why it was not inspected, or how an anomalous one is unlike the part; else empty */
    dp_pose pose;
    int polarity;                                          /* +1 as found, -1 mirrored or turned, 0 not settled */
    double valid_fraction;                                 /* of the canvas: lies inside the picture */
    double crop_x0_px, crop_y0_px, crop_x1_px, crop_y1_px; /* the part that was looked at; NaN: all of it */
    double roi_fraction; /* of the cells inside the picture: lie in the region to inspect; 1: there is no region */
    double inspected_fraction; /* of the picture's pixels: were inspected; NaN where `inspected` is NULL */
    uint8_t *inspected;     /* [height_px, width_px] 1: yes, 0: outside crop or region, 2: background; NULL: all were */
    double masked_fraction; /* of the cells that could be inspected: background */
    double embed_ms, search_ms;  /* milliseconds in the network, and from features to distances */
    size_t grid_rows, grid_cols; /* 0: nothing of the picture could be compared */
    float *grid;                 /* [grid_rows, grid_cols] distances in the bank's pose; 0 where not valid */
    uint8_t *grid_valid;         /* [grid_rows, grid_cols] */
    float *weights;              /* [grid_rows, grid_cols] for tuning (dp_view.cell_weights); else NULL */
    size_t height_px, width_px;
    float *map;         /* [height_px, width_px] distances in the picture, smoothed; 0 where not known */
    dp_defect *defects; /* [n_defects], largest peak first */
    size_t n_defects;
    double nearest_similarity; /* cosine to the vector of the good picture most like it; NaN: the bank has no vectors */
} dp_result;

enum {
    DP_RESULT_MAP = 1 /* map, inspected and defects as well; without it they are NULL, and cost nothing */
};

/* Judges pictures by a bank; it owns all that this needs. Memory is taken for the first picture of a size, and again only
 * for one with more edges or defects than any before. One inspector serves one thread at a time; threads share network
 * and bank. */
typedef struct dp_inspector dp_inspector;

/* network NULL: the one that the bank names, the built-in one or a file, opened by the inspector. run (may be NULL) is
 * copied. Errors: DP_E_MISMATCH (the bank was made with another network), those of dp_network_open, DP_E_UNSUPPORTED
 * (precision int8 on a machine without it), DP_E_MEMORY. */
DP_API dp_status dp_inspector_open(const dp_network *network, const dp_bank *bank, const dp_run *run,
                                   dp_inspector **inspector, dp_error *err);
/* Judges one picture. what: 0 for score and label, or DP_RESULT_MAP. *result belongs to the inspector and holds until the
 * next run or close. A picture that cannot be judged is no error: its label is DP_LABEL_NOT_INSPECTED, with the reason.
 * Errors: DP_E_ARGUMENT, DP_E_PICTURE (over run->max_picture_pixels), DP_E_NUMERIC, DP_E_MEMORY, DP_E_CANCELLED. */
DP_API dp_status dp_inspector_run(dp_inspector *inspector, const dp_image *image, unsigned what,
                                  const dp_result **result, dp_error *err);
DP_API void dp_inspector_close(dp_inspector **inspector);

#ifdef __cplusplus
}
#endif
#endif
