/* SPDX-License-Identifier: Apache-2.0 */
/* bench_vit.c - times the transformer through the public interface and prints one JSON line.
 * usage: bench_vit MODEL.safetensors|ARCHITECTURE HEIGHTxWIDTH [fp32|int8] [REPEAT] [THREADS] [ISA]
 * An architecture (vitb14, ...) is written as a seeded stand-in to /tmp first, kept there and used again. */
#include "dinopatch/experimental.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail(const dp_error *err)
{
    fprintf(stderr, "bench_vit: %s\n", err->message);
    return 4;
}

static void print_line(void *user, dp_log_level level, const char *line)
{
    (void)user, (void)level;
    fprintf(stderr, "bench_vit: %s\n", line);
}

int main(int argc, char **argv)
{
    dp_error err = {0};
    dp_bench_settings settings;
    dp_bench_result r;
    dp_run run;
    dp_run_init(&run);
    dp_bench_settings_init(&settings);
    if (argc < 3 || sscanf(argv[2], "%zux%zu", &settings.height_px, &settings.width_px) != 2) {
        fprintf(stderr,
                "usage: bench_vit MODEL.safetensors|ARCHITECTURE HEIGHTxWIDTH [fp32|int8] [REPEAT] [THREADS] [ISA]\n");
        return 2;
    }
    dp_precision precision = argc > 3 && !strcmp(argv[3], "int8") ? DP_INT8 : DP_FP32;
    settings.repeat = argc > 4 ? strtoul(argv[4], NULL, 10) : 5;
    run.threads = argc > 5 ? strtoul(argv[5], NULL, 10) : 0;
    run.log = print_line;
    if (argc > 6 && dp_isa_parse(argv[6], &run.isa, &err))
        return fail(&err);
    char path[256];
    dp_architecture architecture;
    snprintf(path, sizeof path, "%s", argv[1]);
    if (!dp_architecture_parse(argv[1], &architecture, NULL)) {
        snprintf(path, sizeof path, "/tmp/dinopatch-%s.safetensors", argv[1]);
        if (access(path, R_OK) != 0 && dp_network_synthesise(&architecture, 1, path, &err))
            return fail(&err);
    }
    dp_network *model = NULL;
    dp_session *session = NULL;
    if (dp_network_open(path, &model, &err) || dp_session_open(model, precision, &run, &session, &err)
        || dp_session_bench(session, &settings, &r, &err))
        return fail(&err);
    printf("{\"model\":\"%s\",\"height\":%zu,\"width\":%zu,\"precision\":\"%s\",\"isa\":\"%s\",\"threads\":%zu,"
           "\"median_s\":%.4f,"
           "\"min_s\":%.4f,\"max_s\":%.4f,\"gflop\":%.1f,\"gflop_per_s\":%.1f,\"fma_bound_gflop_per_s\":%.1f,\"share_"
           "of_bound\":%.3f,"
           "\"peak_rss_mb\":%.1f,\"weights_mb\":%.1f,\"stages\":{",
           argv[1], settings.height_px, settings.width_px, precision == DP_INT8 ? "int8" : "fp32", dp_isa_name(r.isa),
           r.threads, r.median_s, r.min_s, r.max_s, r.gflop, r.gflop_per_s, r.fma_bound_gflop_per_s, r.share_of_bound,
           (double)r.peak_rss_bytes / 1e6, (double)r.weights_bytes / 1e6);
    for (size_t i = 0; dp_bench_stage_name(i); i++)
        printf("%s\"%s\":%.4f", i ? "," : "", dp_bench_stage_name(i), r.stage_s[i]);
    printf("}}\n");
    dp_session_close(&session);
    dp_network_close(&model);
    return 0;
}
