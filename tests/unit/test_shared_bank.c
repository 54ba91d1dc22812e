/* SPDX-License-Identifier: Apache-2.0 */
/* Tests that a bank whose rows are in several processes answers as the whole one does: threads stand for the processes. */
#include "bank_fixture.h"

#include "bank/bank.h"
#include "search/shared_bank.h"

#include <math.h>
#include <pthread.h>

enum { SIDE = 9, DIM = 12, PICTURES = 11, MOST_RANKS = 5, CELLS = SIDE * SIDE };

/* ------------------------------------------------------------------------------------------------ threads as processes */

struct hub {
    pthread_barrier_t barrier;
    void *data[MOST_RANKS];
    size_t n;
};

struct rank {
    struct hub *hub;
    size_t rank;
    pthread_t thread;
    dp_status status;
};

static int spread(void *user, void *data, size_t bytes)
{
    const struct rank *r = user;
    r->hub->data[r->rank] = data;
    pthread_barrier_wait(&r->hub->barrier);
    if (r->rank)
        memcpy(data, r->hub->data[0], bytes);
    pthread_barrier_wait(&r->hub->barrier);
    return 0;
}

/* Joins the ranks from the last one down, so that nothing depends on their order. */
static int join(void *user, void *data, size_t n, size_t bytes, dp_join_fn by)
{
    const struct rank *r = user;
    r->hub->data[r->rank] = data;
    pthread_barrier_wait(&r->hub->barrier);
    for (size_t i = r->hub->n - 1; !r->rank && i > 0; i--)
        by(data, r->hub->data[i], n, bytes);
    pthread_barrier_wait(&r->hub->barrier);
    return 0;
}

static dp_exchange exchange_of(struct rank *r)
{
    return (dp_exchange){.rank = r->rank, .n = r->hub->n, .spread = spread, .join = join, .user = r};
}

static void *serve(void *user)
{
    struct rank *r = user;
    const dp_exchange exchange = exchange_of(r);
    r->status = dp_exchange_serve(&exchange, NULL);
    return NULL;
}

/* Starts ranks 1 .. n - 1. */
static void begin_ranks(struct hub *hub, struct rank *ranks, size_t n)
{
    *hub = (struct hub){.n = n};
    pthread_barrier_init(&hub->barrier, NULL, (unsigned)n);
    for (size_t r = 0; r < n; r++)
        ranks[r] = (struct rank){.hub = hub, .rank = r};
    for (size_t r = 1; r < n; r++)
        assert_int_equal(pthread_create(&ranks[r].thread, NULL, serve, &ranks[r]), 0);
}

static void end_ranks(struct hub *hub, struct rank *ranks)
{
    const dp_exchange exchange = exchange_of(&ranks[0]);
    dp_exchange_end(&exchange);
    for (size_t r = 1; r < hub->n; r++) {
        pthread_join(ranks[r].thread, NULL);
        assert_int_equal(ranks[r].status, DP_OK);
    }
    pthread_barrier_destroy(&hub->barrier);
}

/* ------------------------------------------------------------------------------------------------------- the whole bank */

/* Features are small whole numbers: many rows are equally far. */
static void save_bank(dp_storage storage, uint64_t seed, const char *path)
{
    dp_bank_builder *builder = empty_bank_in(storage, SIDE, SIDE, DIM, PICTURES, 1);
    dp_bank *bank = NULL;
    for (size_t p = 0; p < PICTURES; p++) {
        float *features = random_floats(CELLS * DIM, &seed);
        uint8_t *valid = dp_malloc(CELLS, 1);
        for (size_t i = 0; i < CELLS * DIM; i++)
            features[i] = rintf(features[i]);
        for (size_t i = 0; i < CELLS; i++)
            valid[i] = uniform(&seed) > -0.7f;
        size_t index;
        dp_pose pose = {.status = DP_ALIGN_OFF};
        assert_ok(dp_bank_builder_add(builder, "p", &pose, &index, err));
        assert_ok(dp_bank_builder_put(builder, p, 0, features, valid, err));
        dp_memory_free(features);
        dp_memory_free(valid);
    }
    assert_ok(dp_bank_builder_finish(&builder, &bank, err));
    assert_ok(dp_bank_save(bank, path, err));
    dp_bank_close(&bank);
}

/* Saves the shares; the caller frees the paths. */
static void split(const char *path, size_t n, char **paths)
{
    dp_bank *bank = NULL;
    assert_ok(dp_bank_open(path, &bank, err));
    for (size_t i = 0; i < n; i++) {
        char name[64];
        snprintf(name, sizeof name, "share-%zu-of-%zu.bank", i + 1, n);
        paths[i] = strdup(temporary_path(name));
        assert_ok(dp_bank_save_share(bank, i + 1, n, paths[i], err));
        assert_ok(dp_bank_verify_file(paths[i], err));
    }
    dp_bank_close(&bank);
}

static void free_paths(char **paths, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(paths[i]);
}

/* ----------------------------------------------------------------------------------------------------------- the tests */

struct found {
    dp_neighbour nearest[CELLS * 3];
    float grid[CELLS];
    uint8_t valid[CELLS];
};

static void search(const dp_rows *rows, const float *features, const uint8_t *valid, const dp_search *how,
                   struct found *found)
{
    dp_pool *pool = NULL;
    memset(found, 0, sizeof *found);
    assert_ok(dp_pool_open(2, &pool, err));
    assert_ok(dp_distance_map(rows, features, valid, how, pool,
                              &(dp_distances){found->nearest, found->grid, found->valid}, err));
    dp_pool_close(&pool);
}

static const dp_search searches[] = {
    {.metric = DP_METRIC_L2, .window = 0, .knn = 1, .leave_out = DP_NO_PICTURE},
    {.metric = DP_METRIC_L2, .window = 1, .knn = 3, .leave_out = DP_NO_PICTURE},
    {.metric = DP_METRIC_COSINE, .window = 2, .knn = 1, .leave_out = DP_NO_PICTURE},
    {.metric = DP_METRIC_L2, .window = DP_WINDOW_GLOBAL, .knn = 3, .leave_out = DP_NO_PICTURE},
    {.metric = DP_METRIC_COSINE, .window = DP_WINDOW_GLOBAL, .knn = 2, .leave_out = DP_NO_PICTURE},
    {.metric = DP_METRIC_L2, .window = 1, .knn = 1, .leave_out = DP_NO_PICTURE, .order = 4},
    {.metric = DP_METRIC_L2, .window = 1, .knn = 1, .leave_out = DP_NO_PICTURE, .top = 2, .band = 3},
};

static void same_as_the_whole(const char *whole_path, const char *const *paths, size_t n_files, size_t n_ranks)
{
    struct hub hub;
    struct rank ranks[MOST_RANKS];
    dp_bank *whole = NULL;
    dp_shared_bank *shared = NULL;
    dp_run run;
    dp_run_init(&run);
    run.threads = 2;
    uint64_t seed = 99;
    float *features = random_floats(CELLS * DIM, &seed);
    uint8_t valid[CELLS];
    for (size_t i = 0; i < CELLS * DIM; i++)
        features[i] = rintf(features[i]);
    for (size_t i = 0; i < CELLS; i++)
        valid[i] = i % 7 != 3;
    assert_ok(dp_bank_open(whole_path, &whole, err));
    begin_ranks(&hub, ranks, n_ranks);
    const dp_exchange exchange = exchange_of(&ranks[0]);
    assert_ok(dp_shared_bank_open(paths, n_files, &exchange, &run, &shared, err));
    const dp_rows *rows = &dp_shared_bank_get(shared)->rows;
    if (n_ranks > 1 || n_files > 1)
        assert_true(rows->held < dp_rows_places(rows));
    for (size_t i = 0; i < sizeof searches / sizeof *searches; i++) {
        static struct found one, many;
        search(&whole->rows, features, i % 2 ? valid : NULL, &searches[i], &one);
        search(rows, features, i % 2 ? valid : NULL, &searches[i], &many);
        if (memcmp(&one, &many, sizeof one) != 0)
            fail_msg("search %zu of %zu files on %zu ranks differs from that of the whole bank", i, n_files, n_ranks);
    }
    const uint32_t places[] = {0, 5, CELLS * PICTURES - 1, 5, CELLS * PICTURES / 2};
    float got[5 * DIM], expected[5 * DIM];
    assert_ok(dp_rows_fetch(&whole->rows, places, 5, expected, err));
    assert_ok(dp_rows_fetch(rows, places, 5, got, err));
    assert_memory_equal(got, expected, sizeof got);
    dp_shared_bank_close(&shared);
    end_ranks(&hub, ranks);
    dp_bank_close(&whole);
    dp_memory_free(features);
}

static void any_number_of_ranks_and_files(void **state)
{
    (void)state;
    const dp_storage storages[] = {DP_STORAGE_F32, DP_STORAGE_F16, DP_STORAGE_I8};
    for (size_t t = 0; t < 3; t++) {
        char *path = strdup(temporary_path("whole.bank"));
        save_bank(storages[t], 3 + t, path);
        for (size_t ranks = 1; ranks <= MOST_RANKS; ranks++)
            same_as_the_whole(path, (const char *const *)&path, 1, ranks);
        for (size_t n = 2; n <= 5; n++) {
            char *paths[5];
            split(path, n, paths);
            for (size_t ranks = 1; ranks <= 4; ranks++)
                same_as_the_whole(path, (const char *const *)paths, n, ranks);
            free_paths(paths, n);
        }
        free(path);
    }
}

static void wrong_files_are_named(void **state)
{
    (void)state;
    char *path = strdup(temporary_path("whole.bank")), *other = strdup(temporary_path("other.bank")), *paths[3],
         *foreign[2];
    dp_shared_bank *shared = NULL;
    dp_bank *bank = NULL;
    dp_run run;
    dp_run_init(&run);
    save_bank(DP_STORAGE_F32, 3, path);
    save_bank(DP_STORAGE_F32, 4, other);
    split(path, 3, paths);
    split(other, 2, foreign);
    const struct {
        const char *files[3];
        size_t n;
        dp_status status;
        const char *says;
    } cases[] = {
        {{paths[0], paths[2]}, 2, DP_E_MISMATCH, "share 2 of 3 of this bank is missing"},
        {{paths[0], paths[1], paths[1]}, 3, DP_E_MISMATCH, "are both share 2 of 3"},
        {{paths[0], paths[1], foreign[1]}, 3, DP_E_MISMATCH, "are shares of different banks"},
        {{paths[0], paths[1], path}, 3, DP_E_MISMATCH, "is a whole bank, but several files are given"},
        {{paths[0], paths[1], "/nowhere/part.bank"}, 3, DP_E_IO, "/nowhere/part.bank: "},
    };
    for (size_t ranks = 1; ranks <= 4; ranks++) {
        struct hub hub;
        struct rank all[MOST_RANKS];
        begin_ranks(&hub, all, ranks);
        const dp_exchange exchange = exchange_of(&all[0]);
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            assert_fails(cases[i].status, cases[i].says,
                         dp_shared_bank_open(cases[i].files, cases[i].n, &exchange, &run, &shared, err));
        }
        end_ranks(&hub, all);
    }
    assert_fails(DP_E_MISMATCH, "is share 2 of 3 of a bank", dp_bank_open(paths[1], &bank, err));
    free_paths(paths, 3);
    free_paths(foreign, 2);
    free(path);
    free(other);
}

static void a_damaged_share_is_found(void **state)
{
    (void)state;
    char *path = strdup(temporary_path("whole.bank")), *paths[2];
    save_bank(DP_STORAGE_F32, 3, path);
    split(path, 2, paths);
    FILE *file = fopen(paths[1], "r+b");
    assert_non_null(file);
    fseek(file, -(long)(CELLS * PICTURES * DIM), SEEK_END); /* in the features, which are most of it */
    int byte = fgetc(file);
    fseek(file, -1, SEEK_CUR);
    fputc(byte ^ 4, file);
    fclose(file);
    assert_ok(dp_bank_verify_file(paths[0], err));
    assert_fails(DP_E_CORRUPT, "features are damaged", dp_bank_verify_file(paths[1], err));
    free_paths(paths, 2);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(any_number_of_ranks_and_files),
                                       cmocka_unit_test(wrong_files_are_named),
                                       cmocka_unit_test(a_damaged_share_is_found)};
    return cmocka_run_group_tests_name("shared_bank", tests, NULL, NULL);
}
