/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - the files that an evaluation reads and writes, apart from its table. */
#include "eval.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

char *eval_safe_name(const char *category)
{
    return g_utf8_validate(category, -1, NULL) ? g_strdup(category) : g_strescape(category, NULL);
}

bool eval_write_file(const char *folder, const char *name, const char *text, size_t bytes)
{
    char *path = g_build_filename(folder, name, NULL);
    dp_error err;
    bool good = dp_file_write(path, text, bytes, &err) == DP_OK;
    if (!good)
        cli_complain("%s", err.message);
    g_free(path);
    return good;
}

bool eval_write_json(const char *folder, const char *name, const json_t *value)
{
    char *text = cli_json_dumped(value, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
    bool good = text && eval_write_file(folder, name, text, strlen(text));
    free(text);
    return good;
}

void eval_add_csv(GString *csv, const json_t *run, const dataset *set)
{
    for (guint i = 0; i < set->test->len; i++) {
        const dataset_item *item = &g_array_index(set->test, dataset_item, i);
        const char *texts[] = {set->category, item->split, item->defect, item->path};
        for (size_t t = 0; t < G_N_ELEMENTS(texts); t++) {
            char **parts = g_strsplit(texts[t], "\"", -1), *text = g_strjoinv("\"\"", parts);
            bool quote = strpbrk(text, ",\"\r\n") != NULL;
            g_string_append_printf(csv, quote ? "\"%s\"," : "%s,", text);
            g_free(text);
            g_strfreev(parts);
        }
        char key[32];
        g_snprintf(key, sizeof key, "%u", i);
        const json_t *score = json_object_get(json_object_get(json_object_get(run, "pictures"), key), "score");
        g_string_append_printf(csv, "%d,", item->label);
        if (json_is_number(score))
            g_string_append_printf(csv, "%.9g", json_number_value(score));
        g_string_append_c(csv, '\n');
    }
}

void eval_declare_inputs(cli_outputs *files, const GPtrArray *sets)
{
    for (guint s = 0; s < sets->len; s++) {
        const dataset *set = sets->pdata[s];
        cli_outputs_read_all(files, set->train, "a good picture of the data set");
        for (guint i = 0; i < set->test->len; i++) {
            const dataset_item *item = &g_array_index(set->test, dataset_item, i);
            cli_outputs_read(files, item->path, "a test picture of the data set");
            if (item->masks)
                cli_outputs_read_all(files, item->masks, "a mask of the data set");
        }
    }
}

static void digest_file(GChecksum *sum, const char *path)
{
    GStatBuf st = {0};
    char text[64];
    (void)g_stat(path, &st);
    g_snprintf(text, sizeof text, "%lld %lld.%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
               st.st_mtim.tv_nsec);
    g_checksum_update(sum, (const guchar *)path, (gssize)strlen(path) + 1);
    g_checksum_update(sum, (const guchar *)text, (gssize)strlen(text) + 1);
}

char *eval_files_digest(const GPtrArray *sets)
{
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    for (guint s = 0; s < sets->len; s++) {
        const dataset *set = sets->pdata[s];
        for (guint i = 0; i < set->train->len; i++)
            digest_file(sum, set->train->pdata[i]);
        for (guint i = 0; i < set->test->len; i++) {
            const dataset_item *item = &g_array_index(set->test, dataset_item, i);
            digest_file(sum, item->path);
            for (guint m = 0; item->masks && m < item->masks->len; m++)
                digest_file(sum, item->masks->pdata[m]);
        }
    }
    char *text = g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    return text;
}

char *eval_file_sha256(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return NULL;
    enum { CHUNK = 1 << 20 };
    guchar *bytes = g_malloc(CHUNK);
    GChecksum *sum = g_checksum_new(G_CHECKSUM_SHA256);
    for (size_t n; (n = fread(bytes, 1, CHUNK, file));)
        g_checksum_update(sum, bytes, (gssize)n);
    char *text = ferror(file) ? NULL : g_strdup(g_checksum_get_string(sum));
    g_checksum_free(sum);
    g_free(bytes);
    (void)fclose(file);
    return text;
}
