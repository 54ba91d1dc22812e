/* SPDX-License-Identifier: Apache-2.0 */
/* Compares figures with those of scikit-learn (AU-PRO: an exact reference), as recorded in metrics.json. */
#include "test.h"
#include "dinopatch/eval.h"

#include <jansson.h>
#include <math.h>

static json_t *golden;

static int load(void **state)
{
    (void)state;
    golden = json_load_file(GOLDEN_FOLDER "/metrics.json", 0, NULL);
    return golden ? 0 : -1;
}

static int unload(void **state)
{
    (void)state;
    json_decref(golden);
    return 0;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    assert_true(json_is_number(value));
    return json_number_value(value);
}

static void near(const char *name, const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s, %s: %.12g, expected %.12g", name, what, got, expected);
}

static void image_level(void **state)
{
    (void)state;
    const char *name;
    json_t *set;
    size_t sets = 0;
    json_object_foreach(json_object_get(golden, "image_level"), name, set)
    {
        json_t *list = json_object_get(set, "scores");
        size_t n = json_array_size(list);
        double *scores = malloc(n * sizeof *scores);
        uint8_t *labels = malloc(n);
        for (size_t i = 0; i < n; i++) {
            scores[i] = json_number_value(json_array_get(list, i));
            labels[i] = json_integer_value(json_array_get(json_object_get(set, "labels"), i)) != 0;
        }
        dp_measures m;
        double auroc = 0;
        assert_ok(dp_measure(scores, labels, n, &m, err));
        assert_ok(dp_auroc(scores, labels, n, &auroc, err));
        near(name, "auroc", m.auroc, number(set, "auroc"), 1e-9);
        near(name, "dp_auroc", auroc, number(set, "auroc"), 1e-9);
        near(name, "average precision", m.average_precision, number(set, "average_precision"), 1e-9);
        near(name, "f1", m.f1_max, number(set, "f1_max"), 1e-9);
        near(name, "f1 threshold", m.f1_threshold, number(set, "f1_threshold"), 1e-9);
        near(name, "accuracy", m.at_f1.accuracy, number(set, "accuracy_at_f1"), 1e-9);
        near(name, "precision", m.at_f1.precision, number(set, "precision_at_f1"), 1e-9);
        near(name, "recall", m.at_f1.recall, number(set, "recall_at_f1"), 1e-9);
        /* The decision threshold makes the same calls. */
        dp_confusion c;
        assert_ok(dp_confusion_at(scores, labels, n, m.decision_threshold, &c, err));
        assert_memory_equal(&c, &m.at_f1, sizeof c);
        free(scores), free(labels);
        sets++;
    }
    assert_int_equal(sets, 5);
}

static void pixel_level(void **state)
{
    (void)state;
    json_t *pixels = json_object_get(golden, "pixel_level"), *shape = json_object_get(pixels, "shape");
    size_t n = (size_t)json_integer_value(json_array_get(shape, 0));
    size_t height = (size_t)json_integer_value(json_array_get(shape, 1));
    size_t width = (size_t)json_integer_value(json_array_get(shape, 2));
    float *map = malloc(height * width * sizeof *map);
    uint8_t *mask = malloc(height * width);
    dp_pixel_meter *meter = NULL;
    assert_ok(dp_pixel_meter_open(&meter, err));
    for (size_t k = 0; k < n; k++) {
        const json_t *values = json_array_get(json_object_get(pixels, "maps"), k);
        const json_t *marks = json_array_get(json_object_get(pixels, "masks"), k);
        for (size_t i = 0; i < height * width; i++) {
            map[i] = (float)json_number_value(json_array_get(values, i));
            mask[i] = (uint8_t)json_integer_value(json_array_get(marks, i));
        }
        assert_ok(dp_pixel_meter_add(meter, map, mask, height, width, err));
    }
    const double limits[2] = {0.3, 0.05};
    double aupro[2];
    dp_measures m;
    for (int round = 0; round < 2; round++) { /* measuring leaves the meter as it was */
        assert_ok(dp_pixel_meter_measure(meter, &m, limits, 2, aupro, err));
        near("pixels", "auroc", m.auroc, number(pixels, "auroc"), 1e-9);
        near("pixels", "average precision", m.average_precision, number(pixels, "average_precision"), 1e-9);
        near("pixels", "aupro 0.3", aupro[0], number(pixels, "aupro_30"), 1e-9);
        near("pixels", "aupro 0.05", aupro[1], number(pixels, "aupro_05"), 1e-9);
    }
    dp_pixel_meter_close(&meter);
    free(map), free(mask);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(image_level), cmocka_unit_test(pixel_level)};
    return cmocka_run_group_tests_name("golden metrics", tests, load, unload);
}
