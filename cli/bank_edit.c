/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch bank add, remove, merge - changes the pictures of a bank. */
#include "bank_change.h"
#include "bank_verbs.h"
#include "feedback.h"
#include "models.h"
#include "outputs.h"
#include "used.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void print_result(const char *path, const dp_bank *before, const dp_bank *after)
{
    dp_bank_details a, b;
    dp_bank_get_details(before, &a);
    dp_bank_get_details(after, &b);
    printf("%s: %s (%zu before)\n", cli_shown(path), cli_count(b.n_pictures, "good picture"), a.n_pictures);
    g_autofree char *told = cli_threshold_told(before, after);
    printf("%s\n", told);
    if (!isnan(b.cell_threshold) && isnan(a.cell_threshold))
        printf("cell threshold %.6g\n", b.cell_threshold);
    else if (!isnan(b.cell_threshold))
        printf("cell threshold %.6g (%.6g before)\n", b.cell_threshold, a.cell_threshold);
}

static void on_picture(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (!message)
        return;
    cli_complain("%s", message);
    if (!strstr(message, "in the bank already") && !strstr(message, "taken once")) /* a twin is no missing picture */
        cli_used_left_out(user, path, message);
}

/* Of the last picture only the region answers. */
static dp_status keep_region(dp_bank **bank, const dp_box *region, const dp_run *run, dp_error *err)
{
    dp_bank_details info;
    dp_bank *part;
    dp_bank_get_details(*bank, &info);
    const dp_bank_place place = {.picture = info.n_pictures - 1, .box = *region, .outside = 1};
    dp_status status = dp_bank_quarantine(*bank, &place, 1, run, &part, err);
    if (!status) {
        dp_bank_close(bank);
        *bank = part;
    }
    return status;
}

int cli_bank_add(int argc, char **argv)
{
    char *path = NULL, *model_name = NULL, *out = NULL, *region = NULL;
    gboolean allow_few = FALSE, overwrite = FALSE;
    dp_box box;
    cli_used used;
    cli_run run;
    int code;
    const cli_option entries[] = {
        {"bank", 'b', 0, CLI_FILE, &path, "the bank to add to", "B"},
        {"model", 'm', 0, CLI_FILE, &model_name, "checkpoint (default: the one that the bank names)", "M"},
        {"out", 'o', 0, CLI_FILE, &out, "write another bank instead", "OUT"},
        {"region", 0, 0, CLI_TEXT, &region,
         "of one picture only this part, in pixels: left, top, width and height; the rest of it is put in quarantine",
         "X,Y,WxH"},
        CLI_ALLOW_FEW_ENTRY(&allow_few),
        CLI_OVERWRITE_ENTRY(&overwrite),
        CLI_MAX_MEMORY_ENTRY(&run),
        CLI_OPTION_END};
    if (!cli_parse(&argc, &argv, entries, cli_run_group(&run), "--bank B PICTURES_OR_FOLDERS...",
                   "Adds pictures of good parts to a bank. The pictures already in it are not computed again.", NULL,
                   &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (!path)
        return cli_usage("--bank is missing");
    if (argc < 2)
        return cli_usage("give pictures of good parts");
    if (region && !cli_box_parse(region, &box))
        return cli_usage("--region %s: give left, top, width and height in pixels, as 120,40,32x32", region);
    size_t n_failed = 0;
    dp_fit_counts report;
    dp_bank *bank = NULL, *larger = NULL;
    dp_bank_lock *lock = NULL;
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bank_details info;
    dp_error err;
    cli_outputs *files = cli_outputs_new(overwrite);
    GPtrArray *inputs = cli_inputs(argv + 1, argc - 1, &n_failed);
    cli_used_begin(&used);
    code = EXIT_JOB_FAILED;
    if (!inputs->len) {
        cli_complain("no pictures to add");
        goto done;
    }
    if (region && inputs->len > 1) {
        code = cli_usage("--region needs one picture");
        goto done;
    }
    cli_outputs_read_all(files, inputs, "a picture to be added");
    if (!cli_outputs_bank(files, out ? out : path, path, model_name, &code))
        goto done;
    if (dp_bank_lock_take(out ? out : path, &run.run, &lock, &err) || dp_bank_open(path, &bank, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    dp_bank_get_details(bank, &info);
    if (!cli_model_open_for_bank(model_name, &info, &model, &code))
        goto done;
    cli_progress_begin("add", run.quiet);
    if (dp_session_open(model, info.recipe.precision, &run.run, &session, &err)
        || dp_bank_add(session, bank, (const char *const *)inputs->pdata, inputs->len, on_picture, &used, &larger,
                       &report, &err)) {
        cli_progress_end();
        code = cli_failed(&err);
        goto done;
    }
    if (larger && region && keep_region(&larger, &box, &run.run, &err)) {
        cli_progress_end();
        code = cli_failed(&err);
        goto done;
    }
    cli_progress_end();
    dp_bank_details after = info;
    if (larger)
        dp_bank_get_details(larger, &after);
    size_t n_added = after.n_pictures - info.n_pictures, asked = n_added + report.n_failed;
    if (!cli_used_enough(n_added, asked)) {
        cli_used_complain(&used, n_added, asked, allow_few ? NULL : "nothing was added");
        code = EXIT_SOME_FAILED;
        if (!allow_few)
            goto done;
    }
    if ((larger || out) && dp_bank_save(larger ? larger : bank, out ? out : path, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    if (larger)
        print_result(out ? out : path, bank, larger);
    else
        printf("%s: still %s: nothing was added\n", cli_shown(out ? out : path),
               cli_count(info.n_pictures, "good picture"));
    if (report.n_twins)
        printf("%zu picture%s left out: already in the bank, or given twice\n", report.n_twins,
               report.n_twins == 1 ? " was" : "s were");
    code = n_failed + report.n_failed > 0 ? EXIT_SOME_FAILED : EXIT_DONE;
done:
    cli_outputs_free(files);
    g_ptr_array_unref(inputs);
    cli_used_end(&used);
    dp_bank_lock_release(&lock);
    dp_bank_close(&larger);
    dp_bank_close(&bank);
    dp_session_close(&session);
    dp_network_close(&model);
    return code;
}

/* Finds the pictures of a bank by name. The lists hold index + 1: of the first picture of a name, and for each picture
 * of the next one with the same name; 0 ends a list. */
struct index {
    GHashTable *names, *files;     /* by the whole name; by the file name */
    size_t *next_name, *next_file; /* [n] */
};

static void index_put(GHashTable *table, size_t *next, const char *name, size_t p)
{
    next[p] = GPOINTER_TO_SIZE(g_hash_table_lookup(table, name));
    g_hash_table_insert(table, (char *)name,
                        GSIZE_TO_POINTER(p + 1)); /* NOLINT(performance-no-int-to-ptr): how GLib keeps a number */
}

static struct index index_new(const dp_bank *bank, size_t n)
{
    struct index index = {g_hash_table_new(g_str_hash, g_str_equal), g_hash_table_new(g_str_hash, g_str_equal),
                          g_new0(size_t, n + 1), g_new0(size_t, n + 1)};
    for (size_t p = n; p-- > 0;) { /* backwards, so that each list ascends */
        const char *name = dp_bank_picture_name(bank, p), *slash = strrchr(name, '/');
        index_put(index.names, index.next_name, name, p);
        if (slash)
            index_put(index.files, index.next_file, slash + 1, p);
    }
    return index;
}

static void index_free(struct index *index)
{
    g_hash_table_unref(index->names);
    g_hash_table_unref(index->files);
    g_free(index->next_name);
    g_free(index->next_file);
}

/* Adds the indices of the pictures with this name. If there are none, adds the one picture with this file name. False:
 * none or several; complained. */
static bool find_pictures(const struct index *index, const char *name, GArray *found)
{
    size_t at = GPOINTER_TO_SIZE(g_hash_table_lookup(index->names, name));
    for (size_t p = at; p; p = index->next_name[p - 1]) {
        size_t picture = p - 1;
        g_array_append_val(found, picture);
    }
    if (at)
        return true;
    guint same = 0;
    size_t one = GPOINTER_TO_SIZE(g_hash_table_lookup(index->files, name));
    for (size_t p = one; p; p = index->next_file[p - 1])
        same++;
    one--;
    if (same == 1)
        g_array_append_val(found, one);
    else if (same)
        cli_complain("%s: %u pictures of the bank have this name; give its folder too", name, same);
    else
        cli_complain("%s: is not in the bank", name);
    return same == 1;
}

int cli_bank_remove(int argc, char **argv)
{
    cli_bank_change change = {0};
    dp_bank_details info;
    dp_error err;
    int code;
    if (!cli_bank_change_parse(
            &change, &argc, &argv, "--bank B NAME...",
            "Removes pictures from a bank. Name them as 'bank info --suspects' does, or by file name.", &code))
        return code;
    if (argc < 2)
        return cli_usage("name a picture of the bank");
    if (!cli_bank_change_open(&change, &code))
        return code;
    dp_bank_get_details(change.bank, &info);
    GArray *found = g_array_new(FALSE, FALSE, sizeof(size_t));
    struct index index = index_new(change.bank, info.n_pictures);
    bool all = true;
    for (int i = 1; i < argc; i++)
        all = find_pictures(&index, argv[i], found) && all;
    index_free(&index);
    code = EXIT_JOB_FAILED;
    if (all) { /* one unknown name stops the command: half a removal helps nobody */
        cli_progress_begin("remove", change.run.quiet);
        dp_status status = dp_bank_remove(change.bank, (const size_t *)(const void *)found->data, found->len,
                                          &change.run.run, &change.changed, &err);
        code = cli_bank_change_save(&change, status, &err);
        if (code == EXIT_DONE)
            print_result(cli_bank_change_out(&change), change.bank, change.changed);
    }
    g_array_free(found, TRUE);
    cli_bank_change_close(&change);
    return code;
}

static void on_joined(void *user, size_t index, const char *path, const dp_pose *pose, const char *message)
{
    if (!message)
        return;
    cli_complain("%s", message);
    if (!strstr(message, "taken once")) /* a twin is no missing picture */
        cli_used_left_out(user, path, message);
}

/* Makes the bank of all shards of a fit, as one fit would. Returns an exit code. */
static int join(char **shards, size_t n, const char *out, const char *model_name, bool allow_few, const cli_run *run)
{
    dp_bank_details made_for = {0}, info;
    dp_fit_counts report = {0};
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_bank *bank = NULL;
    dp_bank_lock *lock = NULL;
    char *network = NULL;
    dp_error err;
    cli_used used;
    int code = EXIT_JOB_FAILED;
    cli_used_begin(&used);
    if (dp_fit_settled_details(shards[0], &made_for, &network, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    if (!cli_model_open_for_bank(model_name, &made_for, &model, &code))
        goto done;
    cli_progress_begin("merge", run->quiet);
    if (dp_bank_lock_take(out, &run->run, &lock, &err)
        || dp_session_open(model, made_for.recipe.precision, &run->run, &session, &err)
        || dp_fit_join(session, (const char *const *)shards, n, on_joined, &used, &bank, &report, &err)) {
        cli_progress_end();
        code = cli_failed(&err);
        goto done;
    }
    cli_progress_end();
    dp_bank_get_details(bank, &info);
    const size_t asked = info.n_pictures + report.n_failed;
    const bool enough = cli_used_enough(info.n_pictures, asked);
    code = EXIT_SOME_FAILED;
    if (!enough)
        cli_used_complain(&used, info.n_pictures, asked, allow_few ? NULL : "no bank was written");
    if (!enough && !allow_few)
        goto done;
    if (dp_bank_save(bank, out, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    printf("%s: %s of %zu shard%s", cli_shown(out), cli_count(info.n_pictures, "good picture"), n, n == 1 ? "" : "s");
    if (report.n_failed)
        printf("; %zu left out", report.n_failed);
    if (report.n_twins)
        printf("; %zu picture%s given twice", report.n_twins, report.n_twins == 1 ? " was" : "s were");
    if (isnan(info.threshold))
        printf("\nno threshold: a threshold needs at least two pictures\n");
    else
        printf("\nthreshold %.6g, cell threshold %.6g\n", info.threshold, info.cell_threshold);
    code = enough && !report.n_failed ? EXIT_DONE : EXIT_SOME_FAILED;
done:
    cli_used_end(&used);
    dp_memory_free(network);
    dp_bank_lock_release(&lock);
    dp_bank_close(&bank);
    dp_session_close(&session);
    dp_network_close(&model);
    return code;
}

/* Whether a file is a shard of a fit, or what shards begin from. */
static bool is_shard(const char *path)
{
    dp_bank_details details;
    char *network = NULL;
    const bool yes = !dp_fit_settled_details(path, &details, &network, NULL);
    dp_memory_free(network);
    return yes;
}

/* text [32] */
static const char *threshold_text(double threshold, char *text)
{
    g_snprintf(text, 32, isnan(threshold) ? "none" : "%.6g", threshold);
    return text;
}

int cli_bank_merge(int argc, char **argv)
{
    char *out = NULL;
    gboolean overwrite = FALSE;
    cli_run run;
    int code;
    char *model_name = NULL;
    gboolean allow_few = FALSE;
    const cli_option entries[] = {
        {"out", 'o', 0, CLI_FILE, &out, "the bank to write; may be one of the two banks", "OUT"},
        {"model", 'm', 0, CLI_FILE, &model_name, "of shards: the network (default: the one they were made with)", "M"},
        CLI_ALLOW_FEW_ENTRY(&allow_few),
        CLI_OVERWRITE_ENTRY(&overwrite),
        CLI_MAX_MEMORY_ENTRY(&run),
        CLI_OPTION_END};
    if (!cli_parse(
            &argc, &argv, entries, cli_run_group(&run), "--out OUT A B | SHARD...",
            "Makes one bank of two with the same recipe and checkpoint, or of all shards of 'dinopatch fit --shard'.",
            "The shards may come in any order; the bank is that of one fit of all pictures, byte for byte.", &code)
        || !cli_run_resolve(&run, &code))
        return code;
    if (!out)
        return cli_usage("--out is missing");
    if (argc > 1 && is_shard(argv[1])) {
        cli_outputs *parts = cli_outputs_new(overwrite);
        for (int i = 1; i < argc; i++)
            cli_outputs_read(parts, argv[i], "a shard of the fit");
        cli_outputs_read_model(parts, model_name, NULL);
        cli_outputs_write_bank(parts, out);
        const bool fits = cli_outputs_check(parts, &code) && cli_outputs_begin(parts, NULL, &code);
        cli_outputs_free(parts);
        return fits ? join(argv + 1, (size_t)argc - 1, out, model_name, allow_few, &run) : code;
    }
    if (argc != 3)
        return cli_usage("give two banks, or all shards of a fit");
    if (model_name || allow_few)
        return cli_usage("--%s is for shards", model_name ? "model" : "allow-few");
    dp_bank *a = NULL, *b = NULL, *merged = NULL;
    dp_bank_lock *lock = NULL;
    dp_error err;
    cli_outputs *files = cli_outputs_new(overwrite);
    cli_outputs_source(files, argv[2]);
    bool ready = cli_outputs_bank(files, out, argv[1], NULL, &code);
    cli_outputs_free(files);
    if (!ready)
        return code;
    dp_status status = dp_bank_lock_take(out, &run.run, &lock, &err);
    if (!status)
        status = dp_bank_open(argv[1], &a, &err);
    if (!status)
        status = dp_bank_open(argv[2], &b, &err);
    if (!status) {
        cli_progress_begin("merge", run.quiet);
        status = dp_bank_merge(a, b, &run.run, &merged, &err);
        if (!status)
            status = dp_bank_save(merged, out, &err);
        cli_progress_end();
    }
    code = status ? cli_failed(&err) : EXIT_DONE;
    if (!status) {
        dp_bank_details x, y, z;
        dp_bank_get_details(a, &x);
        dp_bank_get_details(b, &y);
        dp_bank_get_details(merged, &z);
        char texts[6][32];
        printf("%s: %s (%zu and %zu", cli_shown(out), cli_count(z.n_pictures, "good picture"), x.n_pictures,
               y.n_pictures);
        size_t n_twins = x.n_pictures + y.n_pictures - z.n_pictures;
        if (n_twins)
            printf("; %zu %s in both", n_twins, n_twins == 1 ? "is" : "are");
        bool again = z.threshold_origin.by == DP_ORIGIN_LEAVE_ONE_OUT || z.threshold_origin.by == DP_ORIGIN_CALIBRATE;
        g_autofree char *told =
            again ? g_strdup_printf("threshold %s (%s and %s), computed again for a false-alarm "
                                    "rate of %g",
                                    threshold_text(z.threshold, texts[0]), threshold_text(x.threshold, texts[1]),
                                    threshold_text(y.threshold, texts[2]), z.recipe.fpr)
                  : cli_threshold_told(a, merged);
        printf(")\n%s\n", told);
        printf("cell threshold %s (%s and %s)\n", threshold_text(z.cell_threshold, texts[3]),
               threshold_text(x.cell_threshold, texts[4]), threshold_text(y.cell_threshold, texts[5]));
    }
    dp_bank_lock_release(&lock);
    dp_bank_close(&merged);
    dp_bank_close(&a);
    dp_bank_close(&b);
    return code;
}
