/* SPDX-License-Identifier: Apache-2.0 */
/* Tests one model and one bank with many threads. Each thread has its own session, all read the same two objects, and
 * the results are those of a single thread. The thread sanitizer runs this program too. */
#include "one_result.h"
#include "small_world.h"
#include "dinopatch/edit.h"

#include <pthread.h>
#include <stdbool.h>

enum { THREADS = 6, ROUNDS = 3 };

struct shared {
    const world *w;
    const dp_bank *bank;
    const dp_picture *pictures[WORLD_PICTURES];
    double scores[WORLD_PICTURES]; /* as one thread finds them */
    float *maps[WORLD_PICTURES];
    const char *common; /* a bank that all of them write */
    pthread_barrier_t start;
};

struct worker {
    pthread_t thread;
    struct shared *shared;
    size_t index;
    const char *wrong; /* cmocka's assertions belong to the main thread */
};

static dp_session *session_of(const struct shared *s, size_t threads)
{
    dp_run run;
    dp_run_init(&run);
    run.threads = threads;
    dp_session *session = NULL;
    return dp_session_open(s->w->model, DP_FP32, &run, &session, NULL) ? NULL : session;
}

static const char *inspect_all(struct shared *s, dp_session *session)
{
    dp_view view;
    dp_view_init(s->bank, &view);
    for (size_t i = 0; i < WORLD_PICTURES; i++) {
        dp_result *result = NULL;
        if (inspect_once(session, s->bank, &view, s->pictures[i], &result, NULL))
            return "a picture could not be inspected";
        bool same = result->score == s->scores[i]
                    && !memcmp(result->map, s->maps[i], result->height_px * result->width_px * sizeof *result->map);
        free_result(&result);
        if (!same)
            return "another score or map than a single thread's";
    }
    return NULL;
}

/* What else may be asked of a bank and a model from any thread. */
static const char *ask(const struct shared *s, const char *name)
{
    dp_bank_details info;
    dp_network_info model;
    dp_view view;
    double scores[WORLD_PICTURES], peaks[WORLD_PICTURES], robust[WORLD_PICTURES];
    dp_good good = {.scores = scores, .peaks = peaks};
    size_t order[WORLD_PICTURES];
    dp_error err;
    dp_bank_get_details(s->bank, &info);
    dp_network_get_info(s->w->model, &model);
    if (strcmp(info.model_sha256, model.sha256) != 0 || info.n_pictures != WORLD_PICTURES)
        return "another description";
    if (strcmp(dp_bank_picture_name(s->bank, 1), s->w->paths[1]) != 0 || !dp_bank_picture_pose(s->bank, 1))
        return "another picture";
    if (dp_bank_verify(s->bank, &err))
        return "a bank that does not hold";
    if (dp_bank_suspects(s->bank, order, robust, &err))
        return "no suspects";
    dp_view_init(s->bank, &view);
    view.score = DP_SCORE_MEAN;
    dp_run run;
    dp_run_init(&run);
    run.threads = 2;
    if (dp_bank_calibrate(s->bank, &view, 0.1, &run, &good, &err))
        return "no calibration";
    dp_bank *smaller = NULL, *again = NULL;
    const size_t gone = 2;
    if (dp_bank_remove(s->bank, &gone, 1, &run, &smaller, &err))
        return "a picture that stays";
    if (dp_bank_save(smaller, name, &err) || dp_bank_open(name, &again, &err))
        return "a bank that cannot be saved";
    dp_bank_close(&again);
    /* All write this one, and whoever reads it finds a whole bank. */
    const char *wrong = NULL;
    if (dp_bank_save(smaller, s->common, &err) || dp_bank_open(s->common, &again, &err))
        wrong = "a path that two cannot write at once";
    else if (dp_bank_verify(again, &err))
        wrong = "a bank that is mixed of two";
    dp_bank_close(&smaller);
    dp_bank_close(&again);
    return wrong;
}

static void *work(void *argument)
{
    struct worker *worker = argument;
    struct shared *s = worker->shared;
    char name[300];
    snprintf(name, sizeof name, "%s-%zu.bank", s->w->model_path, worker->index);
    pthread_barrier_wait(&s->start);
    for (int round = 0; round < ROUNDS && !worker->wrong; round++) {
        dp_session *session = session_of(s, 1 + worker->index % 2);
        worker->wrong = session ? inspect_all(s, session) : "no session";
        dp_session_close(&session);
        if (!worker->wrong)
            worker->wrong = ask(s, name);
    }
    return NULL;
}

static void many_threads_share(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    struct shared s = {.w = &w};
    dp_session *session = world_session(w.model, DP_FP32, 1);
    dp_recipe recipe = world_recipe();
    dp_bank *fitted = world_fit(&w, session, &recipe), *bank = NULL;
    const char *path = temporary_path("shared.bank");
    assert_ok(dp_bank_save(fitted, path, err));
    assert_ok(dp_bank_open(path, &bank, err));
    dp_bank_close(&fitted);
    s.bank = bank;
    s.common = temporary_path("common.bank");
    dp_view view;
    dp_view_init(bank, &view);
    dp_picture *pictures[WORLD_PICTURES];
    for (unsigned i = 0; i < WORLD_PICTURES; i++) {
        s.pictures[i] = pictures[i] = world_picture(i + 20);
        dp_result *result = NULL;
        assert_ok(inspect_once(session, bank, &view, pictures[i], &result, err));
        s.scores[i] = result->score;
        s.maps[i] = result->map;
        result->map = NULL;
        free_result(&result);
    }
    dp_session_close(&session);
    /* A model that no session has used yet: its weights are packed by whoever comes first. */
    dp_network_close(&w.model);
    assert_ok(dp_network_open(w.model_path, &w.model, err));

    struct worker workers[THREADS] = {0};
    pthread_barrier_init(&s.start, NULL, THREADS);
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].shared = &s;
        workers[i].index = i;
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    for (size_t i = 0; i < THREADS; i++)
        if (workers[i].wrong)
            fail_msg("thread %zu: %s", i, workers[i].wrong);
    pthread_barrier_destroy(&s.start);
    for (size_t i = 0; i < WORLD_PICTURES; i++) {
        dp_picture_free(&pictures[i]);
        dp_memory_free(s.maps[i]);
    }
    dp_bank_close(&bank);
    world_close(&w);
}

/* A session may move from one thread to the next, as long as only one uses it at a time. */
struct moved {
    dp_session *session;
    const dp_bank *bank;
    const dp_picture *picture;
    double score;
};

static void *use(void *argument)
{
    struct moved *m = argument;
    dp_view view;
    dp_view_init(m->bank, &view);
    dp_result *result = NULL;
    m->score = inspect_once(m->session, m->bank, &view, m->picture, &result, NULL) ? -1 : result->score;
    free_result(&result);
    return NULL;
}

static void a_session_moves_between_threads(void **state)
{
    (void)state;
    world w;
    world_open(&w);
    dp_session *session = world_session(w.model, DP_FP32, 2);
    dp_recipe recipe = world_recipe();
    dp_bank *bank = world_fit(&w, session, &recipe);
    dp_picture *picture = world_picture(33);
    struct moved m = {session, bank, picture, 0};
    use(&m);
    double here = m.score;
    assert_true(here > 0);
    for (int i = 0; i < 3; i++) {
        pthread_t thread;
        m.score = 0;
        assert_int_equal(pthread_create(&thread, NULL, use, &m), 0);
        pthread_join(thread, NULL);
        assert_true(m.score == here);
    }
    dp_picture_free(&picture);
    dp_bank_close(&bank);
    dp_session_close(&session);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_threads_share),
        cmocka_unit_test(a_session_moves_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
