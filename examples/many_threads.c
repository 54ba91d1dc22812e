/* SPDX-License-Identifier: Apache-2.0 */
/* many_threads.c - one bank, shared by several threads that each have an inspector of their own.
 *
 *     cc many_threads.c $(pkg-config --cflags --libs dinopatch-io) -pthread -o many_threads
 *     ./many_threads BANK PICTURE... */
#include <dinopatch/io.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 2 };

struct work {
    const dp_network *network; /* these two are only read */
    const dp_bank *bank;
    char **paths;
    size_t n, first;
    dp_status status;
    dp_error err; /* one for each thread */
};

static void *inspect(void *argument)
{
    struct work *work = argument;
    dp_inspector *inspector = NULL;
    const dp_result *result = NULL;
    dp_run run;
    dp_run_init(&run);
    run.threads = 1; /* the pictures are shared out instead */
    work->status = dp_inspector_open(work->network, work->bank, &run, &inspector, &work->err);
    for (size_t i = work->first; i < work->n && !work->status; i += THREADS) {
        work->status = dp_inspector_run_file(inspector, work->paths[i], 0, &result, &work->err);
        if (!work->status)
            printf("%s: %s, score %.3f\n", work->paths[i], dp_label_name(result->label), result->score);
    }
    dp_inspector_close(&inspector);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: %s BANK PICTURE...\n", argv[0]);
        return 2;
    }
    dp_network *network = NULL;
    dp_bank *bank = NULL;
    dp_bank_info info = {.size = sizeof info};
    dp_error err;
    dp_status status = dp_bank_open(argv[1], &bank, &err);
    if (!status) {
        dp_bank_get_info(bank, &info);
        status = dp_network_open(info.network_path, &network, &err);
    }
    if (status) {
        fprintf(stderr, "%s\n", err.message);
        dp_bank_close(&bank);
        return 1;
    }
    int code = 0;
    struct work work[THREADS];
    pthread_t threads[THREADS];
    for (size_t t = 0; t < THREADS; t++) {
        work[t] = (struct work){.network = network, .bank = bank, .paths = argv + 2, .n = (size_t)argc - 2, .first = t};
        if (pthread_create(&threads[t], NULL, inspect, &work[t]) != 0)
            return 1;
    }
    for (size_t t = 0; t < THREADS; t++) {
        pthread_join(threads[t], NULL);
        if (work[t].status) {
            fprintf(stderr, "%s\n", work[t].err.message);
            code = 1;
        }
    }
    dp_bank_close(&bank);
    dp_network_close(&network);
    return code;
}
