/* settings.c - defaults, and the names of what can be chosen. */
#include "dinopatch.h"

#include <math.h>

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)

const char *dp_version(void)
{
    return TEXT(DP_VERSION_MAJOR) "." TEXT(DP_VERSION_MINOR) "." TEXT(DP_VERSION_PATCH);
}

void dp_run_init(dp_run *run)
{
    *run = (dp_run){.max_picture_pixels = (size_t)1 << 28};
}

void dp_post_init(dp_post *post)
{
    *post = (dp_post){.reading = DP_READING_HYSTERESIS};
}

void dp_recipe_init(dp_recipe *recipe)
{
    *recipe = (dp_recipe){
        .align = DP_ALIGN_PCA,
        .blur_px = 5,
        .canny_low = 50,
        .canny_high = 150,
        .fill = sqrt(3.0) / 2,
        .canvas_height_px = 784,
        .canvas_width_px = 784,
        .polarity = DP_POLARITY_ROTATE,
        .precision = DP_FP32,
        .metric = DP_METRIC_L2,
        .window = 0,
        .knn = 1,
        .score = DP_SCORE_P99,
        .fpr = 0.01,
    };
    dp_post_init(&recipe->post);
}

const char *dp_align_status_name(dp_align_status status)
{
    switch (status) {
    case DP_ALIGN_OK: return "ok";
    case DP_ALIGN_OFF: return "off";
    case DP_ALIGN_FEW_EDGES: return "few_edges";
    case DP_ALIGN_ROUND: return "round";
    case DP_ALIGN_CUT: return "cut";
    }
    return "unknown";
}

const char *dp_label_name(dp_label label)
{
    switch (label) {
    case DP_LABEL_GOOD: return "good";
    case DP_LABEL_ANOMALOUS: return "anomalous";
    case DP_LABEL_UNKNOWN: return "unknown";
    }
    return "unknown";
}
