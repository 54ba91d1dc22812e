/* SPDX-License-Identifier: Apache-2.0 */
/* table.c - the figures of a run as a row, and mean and deviation over seeds and categories. */
#include "eval.h"

#include <math.h>

const char *const eval_columns[EVAL_COLUMNS] = {"image_auroc", "image_ap",     "image_f1_max", "pixel_auroc",
                                                "pixel_ap",    "pixel_f1_max", "aupro_30",     "aupro_05"};

void eval_row(const json_t *run, double row[EVAL_COLUMNS])
{
    for (int i = 0; i < EVAL_COLUMNS; i++) {
        const json_t *value = json_object_get(json_object_get(run, "figures"), eval_columns[i]);
        row[i] = json_is_number(value) ? json_number_value(value) : NAN;
    }
}

json_t *eval_row_json(const double row[EVAL_COLUMNS])
{
    json_t *object = json_object();
    for (int i = 0; i < EVAL_COLUMNS; i++)
        if (i < 3 || !isnan(row[i]))
            cli_json_set(object, eval_columns[i], cli_json_real(row[i]));
    return object;
}

void eval_print_heading(void)
{
    printf("%-20s %8s %8s %8s %8s %8s %8s %8s %8s\n", "", "AUROC", "AP", "F1-max", "px AUROC", "px AP", "px F1",
           "AU-PRO30", "AU-PRO05");
}

void eval_print_row(const char *name, const double row[EVAL_COLUMNS])
{
    printf("%-20s", cli_shown(name));
    for (int i = 0; i < EVAL_COLUMNS; i++) {
        if (isnan(row[i]))
            printf(" %8s", "-");
        else
            printf(" %8.4f", row[i]);
    }
    putchar('\n');
    fflush(stdout);
}

void eval_print_not_possible(const char *name, const char *reason)
{
    printf("%-20s not possible: %s\n", cli_shown(name), reason);
    fflush(stdout);
}

void eval_mean(const double (*rows)[EVAL_COLUMNS], size_t n, double mean[EVAL_COLUMNS], double deviation[EVAL_COLUMNS])
{
    for (int k = 0; k < EVAL_COLUMNS; k++) {
        double sum = 0, squares = 0;
        size_t counted = 0;
        for (size_t i = 0; i < n; i++)
            if (!isnan(rows[i][k])) {
                sum += rows[i][k];
                counted++;
            }
        mean[k] = counted ? sum / (double)counted : NAN;
        for (size_t i = 0; i < n; i++)
            if (!isnan(rows[i][k]))
                squares += (rows[i][k] - mean[k]) * (rows[i][k] - mean[k]);
        deviation[k] = counted > 1 ? sqrt(squares / (double)(counted - 1)) : NAN;
    }
}
