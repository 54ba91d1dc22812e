/* SPDX-License-Identifier: Apache-2.0 */
/* library.c - lets each allocation of the library fail in turn, in one process: nothing may crash, leak or give a wrong
 * result.
 *
 *     library MODEL PICTURES [--runs N]         PICTURES: a folder with upright.png, rot30.png, rot90.png, rot200.png
 *
 * It goes through the life of a bank: model and session, fit, save, open, add, remove, merge, compress, calibrate,
 * inspect. The linker wraps the allocation functions of base/memory.h (--wrap), and a hook of jansson its own.
 * Jansson's allocations never fail while it parses: jansson 2.14 does not check whether its text buffer could grow
 * (lex_save in its load.c), and writes past the end. --runs N tries at most N of the allocations, spread evenly. With
 * the address sanitizer, leaks are checked after each. */
#include "dinopatch/edit.h"
#include "dinopatch/draw.h"
#include "dinopatch/io.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *__real_dp_malloc(size_t count, size_t size);
void *__real_dp_calloc(size_t count, size_t size);
char *__real_dp_strdup(const char *text);
void *__wrap_dp_malloc(size_t count, size_t size);
void *__wrap_dp_calloc(size_t count, size_t size);
char *__wrap_dp_strdup(const char *text);
json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__real_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error);
int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

static size_t calls, fail_at; /* 0: none */

static bool fails(void)
{
    return __atomic_add_fetch(&calls, 1, __ATOMIC_RELAXED) == fail_at;
}

void *__wrap_dp_malloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_dp_malloc(count, size);
}

void *__wrap_dp_calloc(size_t count, size_t size)
{
    return fails() ? NULL : __real_dp_calloc(count, size);
}

char *__wrap_dp_strdup(const char *text)
{
    return fails() ? NULL : __real_dp_strdup(text);
}

static bool parsing;

static void *json_memory(size_t bytes)
{
    return !parsing && fails() ? NULL : malloc(bytes);
}

json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error)
{
    parsing = true;
    json_t *value = __real_json_loads(text, flags, error);
    parsing = false;
    return value;
}

json_t *__wrap_json_loadb(const char *text, size_t bytes, size_t flags, json_error_t *error)
{
    parsing = true;
    json_t *value = __real_json_loadb(text, bytes, flags, error);
    parsing = false;
    return value;
}

static const char *model_path;
static char pictures[4][600];
static size_t left_out;
static double scores[2];

static void on_picture(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    (void)user;
    (void)index;
    (void)path;
    (void)pose;
    left_out += message != NULL;
}

static int on_result(void *user, size_t index, const char *path, const dp_picture *picture, const dp_result *result,
                     double ms, const char *message)
{
    (void)user;
    (void)path;
    (void)picture;
    (void)ms;
    left_out += message != NULL;
    scores[index] = result ? result->score : 0;
    return 0;
}

/* All steps, as far as they go. */
static dp_status live(dp_error *err)
{
    const char *paths[4] = {pictures[0], pictures[1], pictures[2], pictures[3]};
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bank *fitted = NULL, *opened = NULL, *larger = NULL, *smaller = NULL, *added = NULL, *merged = NULL,
            *compressed = NULL;
    dp_run run;
    dp_recipe recipe;
    dp_compression how;
    dp_view view;
    double good[8], peaks[8];
    dp_good shown = {.scores = good, .peaks = peaks};
    size_t first = 0;
    dp_run_init(&run);
    run.threads = 1;
    run.max_memory_bytes = (size_t)1 << 30;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.canvas_height_px = recipe.canvas_width_px = 56;
    recipe.polarity = DP_POLARITY_NONE;
    dp_status status = dp_network_open(model_path, &model, err);
    if (!status)
        status = dp_session_open(model, recipe.precision, &run, &session, err);
    if (!status)
        status = dp_bank_fit(session, &recipe, paths, 3, on_picture, NULL, &fitted, NULL, err);
    if (!status)
        status = dp_bank_save(fitted, "one.bank", err);
    if (!status)
        status = dp_bank_open("one.bank", &opened, err);
    if (!status)
        status = dp_bank_verify(opened, err);
    if (!status)
        status = dp_bank_add(session, opened, paths + 3, 1, on_picture, NULL, &larger, NULL, err);
    if (!status)
        status = dp_bank_remove(larger, &first, 1, &run, &smaller, err);
    if (!status)
        status = dp_bank_fit(session, &recipe, paths, 1, on_picture, NULL, &added, NULL, err);
    if (!status)
        status = dp_bank_merge(smaller, added, &run, &merged, err);
    if (!status) {
        dp_compression_init(merged, &how);
        how.pca = 0.9;
        how.storage = DP_STORAGE_F16;
        status = dp_bank_compress(merged, &how, &run, &compressed, NULL, err);
    }
    if (!status) {
        dp_view_init(compressed, &view);
        view.score = DP_SCORE_MAX;
        status = dp_bank_calibrate(compressed, &view, 0.3, &run, &shown, err);
    }
    if (!status) {
        view.heat = shown.heat;
        view.threshold = shown.of_scores.threshold;
        view.cell_threshold = shown.of_peaks.threshold;
        view.good_scores = good;
        view.good_peaks = peaks;
        view.n_good_scores = 4;
        status = dp_bank_save_view(compressed, &view, 0.3, "two.bank", err);
    }
    if (!status)
        status = dp_session_inspect_files(session, compressed, &view, paths, 2, on_result, NULL, err);
    dp_bank_close(&fitted);
    dp_bank_close(&opened);
    dp_bank_close(&larger);
    dp_bank_close(&smaller);
    dp_bank_close(&added);
    dp_bank_close(&merged);
    dp_bank_close(&compressed);
    dp_session_close(&session);
    dp_network_close(&model);
    return status;
}

static size_t read_file(const char *path, char *data, size_t room)
{
    FILE *file = fopen(path, "rb");
    size_t n = file ? fread(data, 1, room, file) : 0;
    if (file)
        fclose(file);
    return n;
}

int main(int argc, char **argv)
{
    static const char *const names[4] = {"upright.png", "rot30.png", "rot90.png", "rot200.png"};
    static char expected[1 << 20], is[1 << 20];
    if (argc < 3) {
        fprintf(stderr, "usage: library MODEL PICTURES [--runs N]\n");
        return 2;
    }
    size_t most = argc > 4 && !strcmp(argv[3], "--runs") ? strtoul(argv[4], NULL, 10) : 0, faults = 0, of[3] = {0};
    model_path = realpath(argv[1], NULL);
    char *folder = realpath(argv[2], NULL), work[] = "/tmp/dinopatch-library-XXXXXX";
    if (!model_path || !folder || !mkdtemp(work) || chdir(work) != 0)
        return 1;
    for (int i = 0; i < 4; i++)
        snprintf(pictures[i], sizeof pictures[i], "%s/%s", folder, names[i]);
    free(folder);
    json_set_alloc_funcs(json_memory, free);
    printf("[ RUN      ] library: each allocation fails in turn\n");
    fflush(stdout);
    dp_error err = {0};
    if (live(&err)) {
        printf("undisturbed: %s\n", err.message);
        faults++;
    }
    calls = 0;
    left_out = 0;
    if (live(&err) || left_out) /* the second time: what libraries keep for good is there */
        faults++;
    size_t n = calls, bytes = read_file("two.bank", expected, sizeof expected), runs = 0;
    double expected_scores[2] = {scores[0], scores[1]};
    size_t step = most && n > most ? (n + most - 1) / most : 1;
    for (size_t at = 1 + step / 2; at <= n && faults < 10; at += step, runs++) {
        calls = 0;
        left_out = 0;
        fail_at = at;
        unlink("two.bank");
        err = (dp_error){0};
        dp_status status = live(&err);
        fail_at = 0;
        of[status ? 2 : left_out ? 1 : 0]++;
        if (status && (err.status != status || !err.message[0])) {
            printf("allocation %zu of %zu: status %d, but the error says %d: '%s'\n", at, n, (int)status,
                   (int)err.status, err.message);
            faults++;
        }
        if (!status && !left_out
            && (read_file("two.bank", is, sizeof is) != bytes || memcmp(is, expected, bytes) != 0
                || memcmp(scores, expected_scores, sizeof scores))) {
            printf("allocation %zu of %zu: no error, and another bank or other scores\n", at, n);
            faults++;
        }
        if (__lsan_do_recoverable_leak_check && __lsan_do_recoverable_leak_check()) {
            printf("allocation %zu of %zu leaks: %s\n", at, n, err.message);
            faults++;
        }
    }
    printf("%zu of %zu allocations: done all the same %zu times, a picture left out %zu, failed %zu%s\n", runs, n,
           of[0], of[1], of[2], __lsan_do_recoverable_leak_check ? "; leaks looked for" : "");
    unlink("one.bank");
    unlink("two.bank");
    if (chdir("/") != 0 || rmdir(work) != 0) {
        printf("%s: files are left\n", work);
        faults++;
    }
    printf(faults ? "[  FAILED  ] %s\n" : "[       OK ] %s\n", "library: each allocation fails in turn");
    return faults != 0;
}
