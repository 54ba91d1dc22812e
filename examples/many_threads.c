/* many_threads.c - one model and one bank, shared by several threads that each have a session of their own.
 *
 *     cc many_threads.c $(pkg-config --cflags --libs dinopatch-io) -pthread -o many_threads
 *     ./many_threads CHECKPOINT BANK PICTURE... */
#include <dinopatch/io.h>
#include <dinopatch/experimental.h>

#include <pthread.h>
#include <stdio.h>

enum { THREADS = 2 };

struct work {
    const dp_network *model; /* these two are only read */
    const dp_bank *bank;
    char **paths;
    size_t n, first;
    dp_status status;
    dp_error err; /* one for each thread */
};

static void *inspect(void *argument)
{
    struct work *work = argument;
    dp_bank_details info;
    dp_run run;
    dp_view view;
    dp_session *session = NULL;
    dp_bank_get_details(work->bank, &info);
    dp_view_init(work->bank, &view);
    dp_run_init(&run);
    run.threads = 1; /* the pictures are shared out instead */
    work->status = dp_session_open(work->model, info.recipe.precision, &run, &session, &work->err);
    for (size_t i = work->first; i < work->n && !work->status; i += THREADS) {
        dp_picture *picture = NULL;
        dp_result *result = NULL;
        work->status = dp_picture_load(work->paths[i], 0, &picture, &work->err);
        if (!work->status)
            work->status = dp_session_inspect(session, work->bank, &view, picture, &result, &work->err);
        if (result)
            printf("%s: %s, score %.3f\n", work->paths[i], dp_label_name(result->label), result->score);
        dp_result_free(&result);
        dp_picture_free(&picture);
    }
    dp_session_close(&session);
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: %s CHECKPOINT BANK PICTURE...\n", argv[0]);
        return 2;
    }
    dp_network *model = NULL;
    dp_bank *bank = NULL;
    dp_error err;
    int code = 1;
    if (dp_network_open(argv[1], &model, &err) || dp_bank_open(argv[2], &bank, &err)) {
        fprintf(stderr, "%s\n", err.message);
        goto done;
    }
    code = 0;
    struct work work[THREADS];
    pthread_t threads[THREADS];
    for (size_t t = 0; t < THREADS; t++) {
        work[t] = (struct work){.model = model, .bank = bank, .paths = argv + 3, .n = (size_t)argc - 3, .first = t};
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
done:
    dp_bank_close(&bank);
    dp_network_close(&model);
    return code;
}
