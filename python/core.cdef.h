/* SPDX-License-Identifier: Apache-2.0 */
/* core.cdef.h - what the Python package uses of the public headers; the compiler holds it against them. */
const char *dp_version(void);

typedef enum { DP_OK, DP_E_ARGUMENT, DP_E_MEMORY, DP_E_IO, DP_E_PICTURE, DP_E_FORMAT, DP_E_CHECKPOINT, DP_E_MISMATCH, DP_E_CORRUPT,
               DP_E_NUMERIC, DP_E_UNSUPPORTED, DP_E_CANCELLED, ... } dp_status;
typedef struct { dp_status status; char message[...]; ...; } dp_error;

typedef enum { DP_GRAY8, DP_GRAY16, DP_RGB8, DP_BGR8, DP_RGB16, ... } dp_format;
typedef struct {
    size_t size;
    const void *pixels;
    size_t width, height, stride_bytes;
    dp_format format;
    size_t white;
    ...;
} dp_image;
typedef struct { const dp_image *images; const char *const *names; size_t n; ...; } dp_image_list;
typedef struct dp_run dp_run;
typedef struct { ...; } dp_picture;
typedef struct { ...; } dp_picture_options;
typedef struct { ...; } dp_picture_notes;
typedef struct {
    size_t n;
    const char *(*name)(void *user, size_t index);
    dp_status (*load)(void *user, size_t index, const dp_picture_options *options, dp_picture **picture, dp_picture_notes *notes,
                      dp_error *err);
    dp_status (*find_white)(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white, dp_error *err);
    void *user;
    ...;
} dp_source;
dp_source dp_source_images(const dp_image_list *list);

typedef enum { DP_LOG_INFO, DP_LOG_WARNING, ... } dp_log_level;
struct dp_run {
    size_t threads;
    size_t max_picture_pixels;
    size_t max_memory_bytes;
    void (*log)(void *user, dp_log_level level, const char *line);
    int (*progress)(void *user, const char *stage, size_t done, size_t total);
    int (*stop)(void *user);
    void *user;
    ...;
};
void dp_run_defaults(dp_run *run, size_t size);

typedef struct { const char *key, *alias, *takes, *unit, *help, *needs; unsigned flags; ...; } dp_option;
#define DP_OPTION_OVERRIDE ...
size_t dp_option_count(void);
const dp_option *dp_option_at(size_t index);

typedef struct dp_network dp_network;
dp_status dp_network_open(const char *path, dp_network **network, dp_error *err);
typedef struct { const char *kind, *architecture, *path; int stand_in; char sha256[...]; ...; } dp_network_info;
void dp_network_get_info(const dp_network *network, dp_network_info *info);
typedef struct dp_session dp_session;
typedef enum { DP_FP32, DP_INT8, ... } dp_precision;
dp_status dp_session_open(const dp_network *network, dp_precision precision, const dp_run *run, dp_session **session, dp_error *err);

typedef struct { double low, high; ...; } dp_interval;
typedef struct { int by; double fpr; size_t n_good, n_bad, k; double certified; ...; } dp_threshold_origin;
typedef enum { DP_ORIGIN_CALIBRATE, DP_ORIGIN_VALUE, DP_ORIGIN_HELD_OUT, DP_ORIGIN_TUNE, ... } dp_origin;
const char *dp_origin_name(dp_origin origin);
typedef struct { double low, high; size_t min_object, max_hole; double gaussian; size_t median; ...; } dp_post;
void dp_post_init(dp_post *post);
typedef enum { DP_SCORE_MAX, ... } dp_score;
typedef enum { DP_STORAGE_F32, ... } dp_storage;
typedef struct {
    dp_precision precision;
    dp_post post;
    dp_score score;
    double fpr, pca, coreset;
    size_t kmeans, seed;
    dp_storage storage;
    ...;
} dp_recipe;
typedef enum { DP_METHOD_AUTO, ... } dp_method;
void dp_recipe_preset(dp_recipe *recipe, dp_method method);
dp_status dp_recipe_set(dp_recipe *recipe, const char *key, const char *text, dp_error *err);
dp_status dp_recipe_check(const dp_recipe *recipe, dp_error *err);
dp_status dp_recipe_get(const dp_recipe *recipe, const char *key, char **text, dp_error *err);

typedef struct dp_bank dp_bank;
dp_status dp_bank_open(const char *path, dp_bank **bank, dp_error *err);
dp_status dp_bank_save(const dp_bank *bank, const char *path, dp_error *err);
dp_status dp_bank_verify(const dp_bank *bank, dp_error *err);
typedef struct {
    size_t grid_rows, grid_cols, dim, n_pictures, n_scored, n_rows;
    double threshold;
    dp_threshold_origin threshold_origin;
    double cell_threshold;
    double drift;
    const char *model_path;
    char model_sha256[...];
    dp_recipe recipe;
    size_t feature_bytes, file_bytes;
    ...;
} dp_bank_details;
void dp_bank_get_details(const dp_bank *bank, dp_bank_details *details);
typedef struct { size_t size; double fpr_promised; size_t canvas_height_px, canvas_width_px; const char *network_licence; ...; } dp_bank_info;
void dp_bank_get_info(const dp_bank *bank, dp_bank_info *info);
const char *dp_bank_picture(const dp_bank *bank, size_t picture, double *score);
typedef struct { const char *option, *value, *reason; ...; } dp_choice;
const dp_choice *dp_bank_choices(const dp_bank *bank, size_t *n);
dp_status dp_bank_suspects(const dp_bank *bank, size_t *pictures, double *robust_z, dp_error *err);

typedef int dp_align_status;
const char *dp_align_status_name(dp_align_status status);
typedef struct {
    dp_align_status status;
    double centre_x_px, centre_y_px, angle_rad, sigma_major_px, sigma_minor_px, extent_minor_px;
    ...;
} dp_pose;
typedef enum { DP_LABEL_GOOD, DP_LABEL_ANOMALOUS, DP_LABEL_NOT_INSPECTED, DP_LABEL_NONE, ... } dp_label;
const char *dp_label_name(dp_label label);
typedef struct {
    double x0_px, y0_px, x1_px, y1_px, centre_x_px, centre_y_px, area_px, peak;
    size_t nearest_picture;
    double nearest_x_px, nearest_y_px;
    ...;
} dp_defect;
typedef struct {
    double score, threshold, cell_threshold, p_value, nearest_similarity;
    dp_label label;
    char reason[...];
    dp_pose pose;
    int polarity;
    double valid_fraction, crop_x0_px, crop_y0_px, crop_x1_px, crop_y1_px, roi_fraction, inspected_fraction;
    uint8_t *inspected;
    double masked_fraction, embed_ms, search_ms;
    size_t grid_rows, grid_cols;
    float *grid;
    uint8_t *grid_valid;
    float *weights;
    size_t height_px, width_px;
    float *map;
    dp_defect *defects;
    size_t n_defects;
    ...;
} dp_result;
#define DP_RESULT_MAP ...
typedef struct dp_inspector dp_inspector;
dp_status dp_inspector_open(const dp_network *network, const dp_bank *bank, const dp_run *run, dp_inspector **inspector, dp_error *err);
dp_status dp_inspector_run(dp_inspector *inspector, const dp_image *image, unsigned what, const dp_result **result, dp_error *err);
float *dp_inspector_take_map(dp_inspector *inspector);
void dp_memory_free(void *memory);

typedef struct { size_t n_failed, n_twins; ...; } dp_fit_counts;
typedef struct dp_roi dp_roi;
typedef enum { DP_ROI_FIXED, DP_ROI_OBJECT, ... } dp_roi_frame;
dp_status dp_roi_from_mask(const uint8_t *mask, size_t height, size_t width, dp_roi_frame frame, const char *drawn_on, const char *name,
                           dp_roi **roi, dp_error *err);
typedef struct {
    const dp_source *source;
    const dp_roi *roi;
    void (*on_picture)(void *user, size_t index, const char *name, const dp_pose *pose, const char *message);
    void *user;
    ...;
} dp_fit_input;
dp_status dp_bank_fit_from(dp_session *session, const dp_recipe *recipe, const dp_fit_input *input, dp_bank **bank, dp_fit_counts *report,
                           dp_error *err);
dp_status dp_bank_add_from(dp_session *session, const dp_bank *bank, const dp_fit_input *input, dp_bank **larger, dp_fit_counts *report,
                           dp_error *err);
dp_status dp_bank_remove(const dp_bank *bank, const size_t *pictures, size_t n, const dp_run *run, dp_bank **smaller, dp_error *err);
dp_status dp_bank_merge(const dp_bank *a, const dp_bank *b, const dp_run *run, dp_bank **merged, dp_error *err);
dp_status dp_find_twins_from(const dp_bank *bank, const dp_source *source, const dp_run *run, size_t *in_bank, size_t *earlier,
                             dp_error *err);

typedef struct { double pca; size_t kmeans; double coreset; size_t seed; dp_storage storage; ...; } dp_compression;
void dp_compression_init(const dp_bank *bank, dp_compression *compression);
typedef struct {
    size_t bytes_before, bytes_after;
    double kept_variance, search_before_s, search_after_s, threshold_before, threshold_after, mean_change, max_change, rank_correlation;
    int calibrated;
    ...;
} dp_compression_report;
dp_status dp_bank_compress(const dp_bank *bank, const dp_compression *how, const dp_run *run, dp_bank **compressed,
                           dp_compression_report *report, dp_error *err);
typedef struct { size_t n_points; size_t pictures[...]; double scores[...]; double drift; ...; } dp_learning_curve;
dp_status dp_bank_learning_curve(const dp_bank *bank, const dp_run *run, dp_learning_curve *curve, dp_error *err);

typedef struct {
    dp_post post;
    dp_score score;
    size_t reweight;
    int cell_weights;
    double threshold;
    dp_threshold_origin origin;
    double cell_threshold;
    dp_interval heat;
    ...;
} dp_view;
void dp_view_init(const dp_bank *bank, dp_view *view);
dp_status dp_view_settle(const dp_bank *bank, dp_view *view, const dp_run *run, dp_error *err);
dp_status dp_bank_save_view(const dp_bank *bank, const dp_view *view, double fpr, const char *path, dp_error *err);
typedef struct { size_t n; double threshold, expected, low, high, fpr, fpr_least, fpr_95; int supported; size_t n_needed; ...; } dp_calibration;
dp_status dp_calibrate(const double *scores, size_t n, double fpr, dp_calibration *calibration, dp_error *err);
size_t dp_calibration_rates(size_t n, double fpr, double rates[]);
typedef struct { size_t n, k; double threshold, rate, expected, low, high; int supported; size_t n_needed; ...; } dp_certificate;
dp_status dp_certify(const double *scores, size_t n, double fpr, dp_certificate *certificate, dp_error *err);
typedef struct { double *scores, *peaks; int optional; dp_interval heat; dp_calibration of_scores, of_peaks; ...; } dp_good;
int dp_view_take_recipe(dp_view *view, const dp_recipe *recipe);
void dp_view_take_good(dp_view *view, const dp_good *good, size_t n);
dp_status dp_bank_calibrate(const dp_bank *bank, const dp_view *view, double fpr, const dp_run *run, dp_good *good, dp_error *err);

dp_status dp_session_inspect_from(dp_session *session, const dp_bank *bank, const dp_view *views, size_t n_views, const dp_source *source,
                                  int (*on_result)(void *user, size_t index, size_t view, const char *name, const dp_picture *picture,
                                                   const dp_result *result, double milliseconds, const char *message),
                                  void *user, dp_error *err);
typedef struct { uint64_t true_positives, false_positives, true_negatives, false_negatives; double accuracy, precision, recall, f1; ...; } dp_confusion;
typedef struct {
    size_t rows, cols, n;
    const float *const *maps;
    const uint8_t *const *valid;
    const uint8_t *labels;
    const float *const *weights;
    ...;
} dp_tune_set;
typedef struct { size_t trials, folds; uint64_t seed; dp_post post; dp_score score; ...; } dp_tune_settings;
void dp_tune_settings_init(dp_tune_settings *settings);
typedef struct { double auroc; dp_confusion confusion; ...; } dp_tune_figures;
typedef struct {
    size_t trials, folds;
    dp_post post;
    dp_score score;
    double threshold;
    dp_tune_figures tuned, untuned, held_out;
    double untuned_fold_auroc, held_out_deviation;
    ...;
} dp_tune_result;
dp_status dp_tune(const dp_tune_set *set, const dp_tune_settings *settings, const dp_run *run, dp_tune_result *result, dp_error *err);

typedef struct dp_drift dp_drift;
typedef struct { size_t n; double p_value, log10_capital, rising; int alarm; ...; } dp_drift_state;
dp_status dp_drift_open(double bound, uint64_t seed, dp_drift **drift, dp_error *err);
dp_status dp_drift_add(dp_drift *drift, double score, dp_drift_state *state, dp_error *err);

/* One argument instead of the address of a pointer, for ffi.gc. */
void close_bank(void *bank);
void close_network(void *network);
void close_session(void *session);
void close_roi(void *roi);
void close_drift(void *drift);
void close_inspector(void *inspector);

extern "Python" void on_log(void *user, dp_log_level level, const char *line);
extern "Python" int on_progress(void *user, const char *stage, size_t done, size_t total);
extern "Python" int on_stop(void *user);
extern "Python" const char *source_name(void *user, size_t index);
extern "Python" dp_status source_load(void *user, size_t index, const dp_picture_options *options, dp_picture **picture,
                                      dp_picture_notes *notes, dp_error *err);
extern "Python" dp_status source_find_white(void *user, const size_t *pictures, size_t n, const dp_run *run, size_t *white, dp_error *err);
extern "Python" int on_result(void *user, size_t index, size_t view, const char *name, const dp_picture *picture, const dp_result *result,
                              double milliseconds, const char *message);
extern "Python" void on_picture(void *user, size_t index, const char *name, const dp_pose *pose, const char *message);
