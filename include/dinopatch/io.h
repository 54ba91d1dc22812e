/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch/io.h - picture files: reading and writing them, masks, and the functions of dinopatch.h by path.
 *
 * Of the library libdinopatch-io, which stands on libdinopatch and on libvips.  The conventions of dinopatch.h hold. */
#ifndef DINOPATCH_IO_H
#define DINOPATCH_IO_H

#include "dinopatch/experimental.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ----------------------------------------------------------------------------------------------------------- files */

/* Reads JPEG, PNG, TIFF (8 and 16 bit, float), WebP, BMP, PNM (PBM, PGM, PPM), and HEIF/AVIF where the installed
 * libvips has it; the content decides, not the name, and other formats are refused: their decoders are not made for
 * files from strangers, the same for a TIFF compressed by JPEG 2000 and its like. Grey becomes RGB, CMYK and embedded
 * profiles become sRGB (a profile that describes sRGB, by its numbers, converts nothing), alpha is laid over black
 * where the file says that a channel is alpha, EXIF orientation is applied. 16-bit samples are spread so that white
 * becomes 65535, divided by 257 and rounded; float must lie within [0,1] and is multiplied by 255. Reduced pictures
 * and masks beside the picture are passed over. A file of several pictures (pages, an animation) is refused, and so is
 * one that is cut short or damaged; one that only lacks its end marker is not. notes may be NULL. The caller frees
 * *picture. Errors: DP_E_IO (missing, not readable, a folder), DP_E_PICTURE (empty, not a picture, of a format that is
 * not read, cut short or damaged, over the limit), DP_E_MEMORY.
 */
DP_API dp_status dp_picture_load_with(const char *path, const dp_picture_options *options, dp_picture **picture,
                                      dp_picture_notes *notes, dp_error *err);
/* The same with max_pixels alone. */
DP_API dp_status dp_picture_load(const char *path, size_t max_pixels, dp_picture **picture, dp_error *err);

/* dp_fit_add of a picture file, named as its path (at most 2^28 pixels; 16-bit files by their own samples).
 * Errors: as dp_picture_load and dp_fit_add. */
DP_API dp_status dp_fit_add_file(dp_fit *fit, const char *path, dp_error *err);
/* dp_inspector_run of a picture file. Errors: as dp_picture_load and dp_inspector_run. */
DP_API dp_status dp_inspector_run_file(dp_inspector *inspector, const char *path, unsigned what,
                                       const dp_result **result, dp_error *err);

/* Reads a mask: *mask [*height, *width], 1 where a pixel is marked, 0 on background; the caller frees with
 * dp_memory_free.  Background is what is black, zero or fully transparent, whatever the depth, colours or palette; in
 * lossy files (JPEG) what stays below a third of the largest value.  notes (may be NULL) say what is doubtful: a mask
 * without such a background, or one that marks most of its border. Errors: as dp_picture_load_with. */
DP_API dp_status dp_mask_load(const char *path, const dp_picture_options *options, uint8_t **mask, size_t *height,
                              size_t *width, dp_picture_notes *notes, dp_error *err);

/* The writers below write to a temporary name beside the target and rename: the file is whole or untouched.
 * Errors: DP_E_IO, DP_E_MEMORY. */
DP_API dp_status dp_picture_save_png(const dp_picture *picture, const char *path, dp_error *err);
/* For looking at only: JPEG, quality 82. */
DP_API dp_status dp_picture_save_jpeg(const dp_picture *picture, const char *path, dp_error *err);
/* gray [height, width]; 8 bit grey PNG. */
DP_API dp_status dp_gray_save_png(const uint8_t *gray, size_t height, size_t width, const char *path, dp_error *err);
/* map [height, width]; single-channel float32 TIFF, as the MVTec evaluation scripts read them. */
DP_API dp_status dp_map_save_tiff(const float *map, size_t height, size_t width, const char *path, dp_error *err);
/* The reverse: *map [*height, *width]; the caller frees with dp_memory_free.  Errors: DP_E_IO, DP_E_PICTURE (not one
 * channel of float32, cut short, more than 2^28 pixels), DP_E_MEMORY. */
DP_API dp_status dp_map_load_tiff(const char *path, float **map, size_t *height, size_t *width, dp_error *err);

/* ---------------------------------------------------------------------------------------------- files as a source */

/* Picture files by their paths [n], named as they are given.  The paths are borrowed and outlive the source. */
DP_API dp_source dp_source_files(const char *const *paths, size_t n);

/* A tar file of pictures, in the order in which they were put in: ustar, pax, GNU. It is opened once and keeps one
 * descriptor; its headers are read at once, a member when it is asked for, by any thread. */
typedef struct dp_tar dp_tar;
typedef struct dp_tar_member {
    const char *name;   /* as the tar file has it, without "./" in front; belongs to the tar */
    const char *fault;  /* why it must not be read as a picture: a link, a name that leads out, ...; NULL: it may be */
    uint64_t at, bytes; /* where its bytes are in the file */
} dp_tar_member;
/* Opens a tar file. Errors: DP_E_IO (missing, not readable, not a regular file), DP_E_PICTURE (no tar file, a compressed
 * one), DP_E_MEMORY. A tar file that is damaged or cut short opens with the members that are whole; dp_tar_fault tells. */
DP_API dp_status dp_tar_open(const char *path, dp_tar **tar, dp_error *err);
DP_API void dp_tar_close(dp_tar **tar);
/* What is wrong with the file itself, as the rest of a sentence; NULL: nothing. */
DP_API const char *dp_tar_fault(const dp_tar *tar);
/* The number of members that are no folders. */
DP_API size_t dp_tar_count(const dp_tar *tar);
/* Member `index`; NULL: there is none. Names may be equal. */
DP_API const dp_tar_member *dp_tar_member_at(const dp_tar *tar, size_t index);
/* Reads n bytes of a member, from byte `from` on. Errors: DP_E_ARGUMENT (it has no such bytes), DP_E_IO. */
DP_API dp_status dp_tar_read(const dp_tar *tar, size_t index, uint64_t from, void *out, size_t n, dp_error *err);

/* A picture in a tar file, or, with tar NULL, in the file of its name. */
typedef struct dp_kept_picture {
    const char *name;
    const dp_tar *tar;
    size_t member; /* of the tar */
} dp_kept_picture;
/* Pictures [n] in files and tar files. The pictures, their names and tars are borrowed and outlive the source. */
DP_API dp_source dp_source_kept(const dp_kept_picture *pictures, size_t n);

/* A region to inspect (dp_roi_from_mask) from a mask's file, read as dp_mask_load reads it.  max_pixels as in
 * dp_picture_load. Errors: as dp_picture_load and dp_roi_from_mask. */
DP_API dp_status dp_roi_open(const char *path, dp_roi_frame frame, const char *drawn_on, size_t max_pixels,
                             dp_roi **roi, dp_error *err);

/* dp_bank_fit_from of files. */
DP_API dp_status dp_bank_fit(dp_session *session, const dp_recipe *recipe, const char *const *paths, size_t n_paths,
                             dp_picture_fn on_picture, void *user, dp_bank **bank, dp_fit_counts *report,
                             dp_error *err);
/* The same with a region (NULL: none). */
DP_API dp_status dp_bank_fit_within(dp_session *session, const dp_recipe *recipe, const dp_roi *roi,
                                    const char *const *paths, size_t n_paths, dp_picture_fn on_picture, void *user,
                                    dp_bank **bank, dp_fit_counts *report, dp_error *err);
/* dp_bank_add_from of files. */
DP_API dp_status dp_bank_add(dp_session *session, const dp_bank *bank, const char *const *paths, size_t n_paths,
                             dp_picture_fn on_picture, void *user, dp_bank **larger, dp_fit_counts *report,
                             dp_error *err);
/* dp_find_twins_from of files. */
DP_API dp_status dp_find_twins(const dp_bank *bank, const char *const *paths, size_t n, const dp_run *run,
                               size_t *in_bank, size_t *earlier, dp_error *err);

/* One picture of a run: result NULL and message set where it failed.  The callback owns neither.
 * A result other than 0 stops the run with DP_E_CANCELLED. */
typedef int (*dp_result_fn)(void *user, size_t index, const char *path, const dp_picture *picture,
                            const dp_result *result, double milliseconds, const char *message);
/* dp_session_inspect_from of files by one view. */
DP_API dp_status dp_session_inspect_files(dp_session *session, const dp_bank *bank, const dp_view *view,
                                          const char *const *paths, size_t n_paths, dp_result_fn on_result, void *user,
                                          dp_error *err);
/* dp_session_inspect_from of files. */
DP_API dp_status dp_session_inspect_views(dp_session *session, const dp_bank *bank, const dp_view *views,
                                          size_t n_views, const char *const *paths, size_t n_paths,
                                          dp_view_result_fn on_result, void *user, dp_error *err);

#ifdef __cplusplus
}
#endif
#endif
