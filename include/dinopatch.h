/* dinopatch.h - find defects in pictures of a product after seeing only good ones.
 *
 * The interface of libdinopatch, the core, which takes pictures from memory.  Picture files are read by dinopatch/io.h and results drawn by
 * dinopatch/draw.h, both of libdinopatch-io.  The data's way through the library, and through this file:
 *
 *     picture -> pose -> aligned canvas -> features -> bank -> distance map -> score -> decision
 *
 * Conventions
 *   - A function that can fail returns dp_status and takes a final `dp_error *err`, which may be NULL.  On failure its
 *     outputs are untouched, and err holds the code and one sentence that names the file and the reason.
 *   - `*_close` and `*_free` take the address of the caller's pointer, accept NULL, and set the pointer to NULL.
 *   - Sizes are size_t; a unit stands in the name (_px, _rad, _bytes).  Coordinates: x right, y down, pixel centres at
 *     integers.  Angles in radians, from the x axis towards the y axis.
 *   - Every pointer to numbers carries its shape in a comment, the last index running fastest.
 *   - Threads.  Every function may be called from any thread, and there is nothing to be initialised first.  What a function takes
 *     by a pointer to const it only reads: any number of threads may read the same object at the same time.  What it takes by
 *     a pointer that is not const it writes: nobody else may use that object meanwhile.  So dp_network and dp_bank, which never
 *     change once opened, are shared by as many threads as there are; a dp_session, which owns its workspace and its worker
 *     threads, and a dp_pixel_meter are used by one thread at a time, whichever it is.  `*_close` and `*_free` come after the
 *     last use by any thread.  A function with no object at all is as free as its outputs.  Each function below is bound by
 *     this; where there is more to say, it says "Threads:".
 *   - The library never prints, never exits and keeps no mutable global state of its own.
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
    DP_E_MISMATCH,    /* things that do not belong together: bank and checkpoint, bank and setting */
    DP_E_CORRUPT,     /* a checksum does not hold */
    DP_E_NUMERIC,     /* a value that is not finite where it must be */
    DP_E_UNSUPPORTED, /* known, but this build or machine cannot do it */
    DP_E_CANCELLED    /* the progress callback asked to stop */
} dp_status;

#define DP_ERROR_MESSAGE_BYTES 1024

typedef struct dp_error {
    dp_status status;
    char message[DP_ERROR_MESSAGE_BYTES]; /* UTF-8, one line, always terminated */
} dp_error;

/* A short English name of a status, "not a picture" for DP_E_PICTURE; static storage. */
DP_API const char *dp_status_name(dp_status status);

/* --------------------------------------------------------------------------------------------- how the work is run */

typedef enum dp_log_level { DP_LOG_INFO = 0, DP_LOG_WARNING = 1 } dp_log_level;

/* Instruction sets a session may be held to; DP_ISA_AUTO takes the best the machine has. */
typedef enum dp_isa {
    DP_ISA_AUTO = 0,
    DP_ISA_C,          /* plain C, the reference */
    DP_ISA_NEON,       /* Arm v8 */
    DP_ISA_AVX2,       /* x86-64: AVX2, FMA and F16C */
    DP_ISA_AVX512,     /* x86-64: AVX-512 F, BW, DQ and VL */
    DP_ISA_AVX512_VNNI /* the same and VNNI */
} dp_isa;

/* Threads, callbacks and limits: what changes how the work is done, never what comes out. */
typedef struct dp_run {
    size_t threads; /* 0: one per processor the process may use */
    dp_isa isa;     /* DP_ISA_AUTO, or a lower level for tests and comparisons.  The first session of a process that
                                 * asks for a level holds oneDNN to it for the whole process; where oneDNN is at work already
                                 * it cannot be held any more, and a warning is logged */
    size_t max_picture_pixels; /* a picture with more is refused before it is decoded; default 2^28 (268 megapixels) */
    int tolerant;              /* non-zero: damaged pictures are taken as far as they go, and a warning is logged */
    size_t
        max_memory_bytes; /* a bank that would need more is refused before the work begins; 0: what the machine, or the
                                   control group the process runs in, has free */
    size_t
        max_tokens; /* cells of the network's grid that one picture may have; more are refused before the network runs, for its
                                   attention takes time with their square.  Default 16,384 (1792x1792 pixels at patch 14), 0: no limit */
    void (*log)(void *user, dp_log_level level, const char *line);
    /* Called after each step of long work with what is done and what there is in all (0: unknown).
     * A result other than 0 stops the work with DP_E_CANCELLED. */
    int (*progress)(void *user, const char *stage, size_t done, size_t total);
    /* Asked between the parts of a step that takes long, as the blocks of a network are, many times a second: cheap.  A result other
     * than 0 stops the work with DP_E_CANCELLED.  May be NULL. */
    int (*stop)(void *user);
    void *user;              /* handed to the callbacks; they are called from the thread that called the library */
    double max_wait_seconds; /* for another process that changes the same bank; default INFINITY */
} dp_run;

DP_API void dp_run_init(dp_run *run);

/* ----------------------------------------------------------------------------------------------------------- align */

typedef enum dp_align_status {
    DP_ALIGN_OK = 0,
    DP_ALIGN_OFF,       /* alignment was not asked for */
    DP_ALIGN_FEW_EDGES, /* no object seen: too few border points */
    DP_ALIGN_ROUND,     /* both sigmas nearly equal: the axis means nothing */
    DP_ALIGN_CUT        /* the object runs over the border of the picture */
} dp_align_status;

/* "ok", "off", "few_edges", "round", "cut"; static storage. */
DP_API const char *dp_align_status_name(dp_align_status status);

/* Where the object lies.  Population covariance of all border points (Canny edges, every contour). */
typedef struct dp_pose {
    dp_align_status status;
    double centre_x_px, centre_y_px;
    double angle_rad; /* of the principal axis, in [0, pi) */
    double sigma_major_px, sigma_minor_px;
    double extent_minor_px;                     /* 99th percentile of the border points' distance from the axis */
    size_t picture_width_px, picture_height_px; /* of the picture it was found in */
    size_t n_edge_pixels, n_points; /* edge pixels; border points, counted as often as the contours visit them */
} dp_pose;

/* For memory that functions of this library hand out as plain arrays. */
DP_API void dp_memory_free(void *memory);

/* --------------------------------------------------------------------------------------------------------- network */

typedef struct dp_network dp_network;

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
    char sha256[65];    /* of the checkpoint file, lower-case hexadecimal; empty: there was no memory to compute it */
} dp_network_info;

/* The network that is built into the library, and the SHA-256 of its file.  docs/model.md says where it comes from and what it is good
 * for. */
#define DP_NETWORK_NANO "nano"
#define DP_NETWORK_NANO_SHA256 "c5359643c98a30493ad40a02f226c8aec851310774e4586c514b721efc8430f8"

/* Opens the built-in network where path is DP_NETWORK_NANO (dp_network_info.path is then that name, and no file is read), or a DINOv2
 * checkpoint (safetensors, Hugging Face, torch-hub or timm names; F32, F16, BF16), or a residual network of
 * convolutions as PatchCore uses it (ResNet-18, -50, WideResNet-50-2 and others of that build, under torchvision's names; it may end after
 * layer 2 or 3).  Shapes are read off the
 * tensors; a tensor that is unknown, missing or of a wrong shape is named.  The file is mapped, not read; it must
 * not change while the model is open.
 * Threads: sessions of several threads share the model; it is closed after the last of them.
 * Errors: DP_E_IO, DP_E_FORMAT, DP_E_CHECKPOINT, DP_E_NUMERIC (weights that are not finite), DP_E_MEMORY. */
DP_API dp_status dp_network_open(const char *path, dp_network **model, dp_error *err);
DP_API void dp_network_close(dp_network **model);
DP_API void dp_network_get_info(const dp_network *model, dp_network_info *info);

/* ------------------------------------------------------------------------------------------------------------ bank */

typedef struct dp_bank dp_bank;

/* Maps a bank from disk; its header, sizes and header checksum are checked, its features as they are read (dp_bank_verify
 * checks all).  Errors: DP_E_IO, DP_E_FORMAT, DP_E_CORRUPT, DP_E_MEMORY. */
DP_API dp_status dp_bank_open(const char *path, dp_bank **bank, dp_error *err);
/* Writes to a temporary name, syncs, renames: path holds the old bank or the new one, never a part.
 * Threads: of several that write the same path at once the last one's bank stays, whole. */
DP_API dp_status dp_bank_save(const dp_bank *bank, const char *path, dp_error *err);
DP_API void dp_bank_close(dp_bank **bank);

/* --------------------------------------------------------------------------------------------------------- inspect */

typedef enum dp_label {
    DP_LABEL_GOOD = 0,
    DP_LABEL_ANOMALOUS,
    DP_LABEL_NOT_INSPECTED, /* the picture could not be judged; dp_result.reason says why */
    DP_LABEL_NONE           /* it was scored, but there is no threshold to judge by */
} dp_label;
DP_API const char *dp_label_name(dp_label label); /* "good", "anomalous", "not_inspected", "none" */

/* A connected group (8 neighbours) of the map's pixels above the cell threshold.  A good picture has none.  An anomalous one has at least
 * one: where nothing of its map passes the cell threshold, as with a score that many slightly unusual cells raise, or where there is none,
 * the pixels of its largest cell are shown, and `peak` says that they stay below. */
typedef struct dp_defect {
    double x0_px, y0_px, x1_px, y1_px; /* box in pixels, x1 and y1 one past the last */
    double centre_x_px, centre_y_px;   /* centroid of its pixels */
    double area_px;                    /* pixels of it */
    double peak;                       /* the map's largest distance inside */
    size_t peak_cell;                  /* row * grid_cols + column of the cell behind the peak */
    size_t nearest_picture;            /* index of the nominal picture nearest to the peak; SIZE_MAX: not known */
    size_t
        nearest_cell; /* row * columns + column of the nearest patch in that picture's own grid; SIZE_MAX: not known */
    size_t
        nearest_version; /* 0: of the picture as it is; 1: of its mirror, where dp_recipe.mirror is set; from there on of
                                        * its rotations, in their order */
    double nearest_x_px,
        nearest_y_px; /* centre of the nearest patch, in pixels of that picture; NaN where it is not known: means
                                        * of several pictures, or a picture turned (rotations) */
} dp_defect;

#define DP_REASON_BYTES 256

typedef struct dp_result {
    double score, threshold; /* score NaN: no cell could be compared; threshold NaN: the bank has none */
    double cell_threshold;   /* NaN: the bank has none */
    double p_value;          /* dp_conformal_p among the good pictures' leave-one-out scores; NaN without them */
    dp_label label;
    char reason[DP_REASON_BYTES]; /* why the picture was not inspected; empty with every other label */
    dp_pose pose;
    int polarity;          /* +1 as found, -1 mirrored or turned, 0 not settled */
    double valid_fraction; /* of the canvas that comes from inside the picture */
    double crop_x0_px, crop_y0_px, crop_x1_px,
        crop_y1_px;            /* the part of the picture that crop_px or edge_px left, x1 and y1 one past the last; NaN
                                                              where nothing was cropped */
    double roi_fraction;       /* of the cells inside the picture, those in the region to inspect; 1: no region */
    double inspected_fraction; /* of the picture's pixels, those that were inspected; NaN where `inspected` is NULL */
    uint8_t *
        inspected; /* [height_px, width_px] 1: inspected, 0: outside crop or region, 2: background.  NULL where there is
                                          neither of these */
    double
        masked_fraction; /* of the cells that could be inspected, those that the mask of the background took; 0: no mask */
    double embed_ms, search_ms; /* milliseconds in the network (polarity included), and from its features to the
                                          distances: projection, nearest neighbours, weight of the largest */
    size_t grid_rows,
        grid_cols;       /* 0 and 0 where nothing of the picture could be compared: its label is not_inspected */
    float *grid;         /* [grid_rows, grid_cols] distances, post-processed, in the bank's pose; 0 where not valid */
    uint8_t *grid_valid; /* [grid_rows, grid_cols] */
    float *weights;      /* [grid_rows, grid_cols] by what the score max is multiplied (reweight) where that cell has
                                          the largest distance; NULL unless the view asks for it, and weights */
    size_t height_px, width_px;
    float
        *map; /* [height_px, width_px] distances in the picture's own pose, smoothed by map_sigma_px; 0 where unknown */
    dp_defect *defects; /* [n_defects], largest peak first */
    size_t n_defects;
} dp_result;

#ifdef __cplusplus
}
#endif
#endif
