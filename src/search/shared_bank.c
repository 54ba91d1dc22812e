/* SPDX-License-Identifier: Apache-2.0 */
/* shared_bank.c - a bank whose rows lie in several processes, the ranks 0 .. n - 1 of a job.
 *
 * Rank 0 does the work of an inspection: it runs the network and asks for distances. The others only have rows. For each
 * search rank 0 spreads the request and the features of the picture; every rank offers its own rows to them
 * (dp_distance_offer), and what each found is joined at rank 0:
 *
 *     of each cell the k nearest, in the order of (distance, cell of the bank, row);      the least distance to each picture
 *
 * The kernels give the same bits for a row wherever it lies, Euclidean distances are compared before the root is taken, and
 * the order of a bank's rows (picture by picture within a cell) breaks ties as in one process. So both are what one process
 * finds, whatever the number of ranks, and joining needs no order of its own.
 *
 * Who has which rows: of n ranks and files f = 0 .. m - 1, rank r has the files r m / n .. (r + 1) m / n - 1. Where there are
 * fewer files than ranks, those ranks whose file is the same share its rows. The tables of a bank (norms, pictures, poses,
 * thresholds; some hundredths of its bytes) are in each file, the features of a row in one. */
#include "search/shared_bank.h"
#include "bank/bank.h"
#include "base/error.h"
#include "base/isa.h"
#include "base/memory.h"
#include "search/part.h"

#include <stdlib.h>
#include <string.h>

/* ---------------------------------------------------------------------------------------------------- what is sent */

enum request_kind { ASK_OPEN, ASK_SEARCH, ASK_ROWS, ASK_CLOSE, ASK_END };

struct request {
    uint32_t kind;
    int32_t metric, isa;
    uint32_t has_valid, has_among, has_each;
    uint64_t block, window, knn, rows, cols, top, band, order, dim;
    uint64_t n;                /* cells; rows; bytes of paths */
    uint64_t threads, n_paths; /* open */
};

/* What a rank says of one file. Where a rank has nothing to say, all bytes are 0. */
struct about {
    uint64_t there, index, of;
    char whole[65];
};

struct fault {
    int32_t status;
    char text[500];
};

struct dp_shared_bank {
    dp_exchange exchange; /* n 1: nobody else */
    dp_elsewhere elsewhere;
    dp_bank **banks; /* [n_banks] the files that this rank has */
    dp_part **parts; /* [n_banks, blocks] opened when they are first searched */
    size_t n_banks;
    dp_pool *pool; /* of a rank that serves */
    /* of a rank that serves: room for a request */
    float *features, *each;
    uint8_t *valid, *among;
    dp_neighbour *nearest;
};

static dp_status silent(dp_error *err)
{
    return dp_fail(err, DP_E_IO, "the other processes that hold rows of the bank do not answer");
}

static dp_status spread(const dp_exchange *x, void *data, size_t bytes, dp_error *err)
{
    return x->n > 1 && bytes && x->spread(x->user, data, bytes) ? silent(err) : DP_OK;
}

static dp_status join(const dp_exchange *x, void *data, size_t n, size_t bytes, dp_join_fn by, dp_error *err)
{
    return x->n > 1 && n && x->join(x->user, data, n, bytes, by) ? silent(err) : DP_OK;
}

/* ----------------------------------------------------------------------------------------------------- how to join */

static bool is_before(const dp_neighbour *a, const dp_neighbour *b)
{
    if (a->distance != b->distance)
        return a->distance < b->distance;
    return a->cell != b->cell ? a->cell < b->cell : a->row < b->row;
}

void dp_join_nearest(void *into, const void *other, size_t n, size_t bytes)
{
    const size_t knn = bytes / sizeof(dp_neighbour);
    for (size_t i = 0; i < n; i++) {
        dp_neighbour *mine = (dp_neighbour *)into + i * knn;
        const dp_neighbour *theirs = (const dp_neighbour *)other + i * knn;
        for (size_t k = 0; k < knn && is_before(&theirs[k], &mine[knn - 1]); k++) {
            size_t at = knn - 1;
            for (; at > 0 && is_before(&theirs[k], &mine[at - 1]); at--)
                mine[at] = mine[at - 1];
            mine[at] = theirs[k];
        }
    }
}

static void join_least(void *into, const void *other, size_t n, size_t bytes)
{
    (void)bytes;
    for (size_t i = 0; i < n; i++)
        if (((const float *)other)[i] < ((float *)into)[i])
            ((float *)into)[i] = ((const float *)other)[i];
}

/* Where all ranks but one say 0, or all say the same. */
static void join_bits(void *into, const void *other, size_t n, size_t bytes)
{
    for (size_t i = 0; i < n * bytes; i++)
        ((unsigned char *)into)[i] |= ((const unsigned char *)other)[i];
}

/* The first fault. */
static void join_faults(void *into, const void *other, size_t n, size_t bytes)
{
    for (size_t i = 0; i < n; i++)
        if (!((struct fault *)into)[i].status && ((const struct fault *)other)[i].status)
            memcpy((struct fault *)into + i, (const struct fault *)other + i, bytes);
}

/* Tells rank 0 how a step ended here; what rank 0 returns is how it ended anywhere. */
static dp_status conclude(const dp_exchange *x, dp_status status, const dp_error *own, dp_error *err)
{
    struct fault fault = {.status = (int32_t)status};
    if (status)
        memcpy(fault.text, own->message, strnlen(own->message, sizeof fault.text - 1));
    dp_status sent = join(x, &fault, 1, sizeof fault, join_faults, err);
    if (sent || !fault.status || x->rank)
        return sent;
    return dp_fail(err, (dp_status)fault.status, "%s", fault.text);
}

/* ------------------------------------------------------------------------------------------------- one rank's rows */

/* *part: block of the rows that the rank has in a file. */
static dp_status part_of(dp_shared_bank *s, size_t bank, size_t block, dp_pool *pool, const dp_part **part,
                         dp_error *err)
{
    const dp_rows *rows = &s->banks[bank]->rows;
    dp_part *found = &s->parts[bank][block];
    dp_status status = found->rows.dim ? DP_OK : dp_part_open(rows, block, true, pool, found, err);
    *part = found;
    return status;
}

static dp_status offer(dp_shared_bank *s, const struct request *r, const float *features, const uint8_t *valid,
                       const dp_search *search, dp_pool *pool, const dp_offers *into, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t b = 0; b < s->n_banks && !status; b++) {
        const dp_part *part;
        status = part_of(s, b, (size_t)r->block, pool, &part, err);
        if (!status)
            status = dp_distance_offer(&part->rows, features, valid, search, pool, into, err);
        if (!status)
            status = dp_bank_check_unchanged(s->banks[b], err);
    }
    return status;
}

/* Fills out [n, dim] with those of the rows that are here, and the others with zeros. */
static dp_status read_rows(dp_shared_bank *s, size_t block, const uint32_t *places, size_t n, float *out, dp_error *err)
{
    dp_status status = DP_OK;
    for (size_t b = 0; b < s->n_banks && !status; b++) {
        const dp_part *part;
        status = part_of(s, b, block, NULL, &part, err);
        const dp_rows *rows = &part->rows;
        for (size_t i = 0; i < n && !status; i++) {
            if (b == 0)
                memset(out + i * rows->dim, 0, rows->dim * sizeof *out);
            if (places[i] >= dp_rows_begin(rows) && places[i] < dp_rows_end(rows))
                dp_rows_widen(rows, places[i] / rows->n_rows, places[i] % rows->n_rows, 1, out + i * rows->dim);
        }
    }
    return status;
}

/* ------------------------------------------------------------------------------------------------ rank 0 asks them */

static dp_status search_all(void *user, const dp_rows *rows, const float *features, const uint8_t *valid,
                            const dp_search *search, dp_pool *pool, const dp_offers *into, dp_error *err)
{
    dp_shared_bank *s = user;
    const dp_exchange *x = &s->exchange;
    const size_t cells = search->band * search->cols;
    struct request r = {.kind = ASK_SEARCH,
                        .metric = search->metric,
                        .isa = search->isa,
                        .has_valid = valid != NULL,
                        .has_among = search->among != NULL,
                        .has_each = into->each != NULL,
                        .block = rows->block,
                        .window = search->window,
                        .knn = search->knn,
                        .rows = search->rows,
                        .cols = search->cols,
                        .top = search->top,
                        .band = search->band,
                        .order = search->order,
                        .dim = rows->dim,
                        .n = cells};
    dp_error own = {0};
    dp_status status = spread(x, &r, sizeof r, err);
    if (!status)
        status = spread(x, (void *)features, cells * rows->dim * sizeof *features, err); /* only read here */
    if (!status && valid)
        status = spread(x, (void *)valid, cells, err);
    if (!status && search->among)
        status = spread(x, (void *)search->among, rows->n_pictures, err);
    if (status)
        return status;
    dp_status mine = offer(s, &r, features, valid, search, pool, into, &own);
    status = join(x, into->nearest, cells, search->knn * sizeof *into->nearest, dp_join_nearest, err);
    if (!status && into->each)
        status = join(x, into->each, cells * rows->n_pictures, sizeof *into->each, join_least, err);
    return status ? status : conclude(x, mine, &own, err);
}

static dp_status fetch(void *user, const dp_rows *rows, const uint32_t *places, size_t n, float *out, dp_error *err)
{
    dp_shared_bank *s = user;
    const dp_exchange *x = &s->exchange;
    struct request r = {.kind = ASK_ROWS, .block = rows->block, .dim = rows->dim, .n = n};
    dp_error own = {0};
    dp_status status = spread(x, &r, sizeof r, err);
    if (!status)
        status = spread(x, (void *)places, n * sizeof *places, err); /* only read here */
    if (status)
        return status;
    dp_status mine = read_rows(s, rows->block, places, n, out, &own);
    status = join(x, out, n, rows->dim * sizeof *out, join_bits, err);
    return status ? status : conclude(x, mine, &own, err);
}

/* ------------------------------------------------------------------------------------------------------------- open */

static void release(dp_shared_bank *s)
{
    for (size_t b = 0; b < s->n_banks; b++) {
        for (size_t i = 0; s->parts && s->parts[b] && s->banks[b] && i < s->banks[b]->rows.blocks; i++)
            dp_part_close(&s->parts[b][i]);
        if (s->parts)
            dp_memory_free(s->parts[b]);
        if (s->banks)
            dp_bank_close(&s->banks[b]);
    }
    dp_memory_free(s->banks);
    dp_memory_free(s->parts);
    dp_memory_free(s->features);
    dp_memory_free(s->each);
    dp_memory_free(s->valid);
    dp_memory_free(s->among);
    dp_memory_free(s->nearest);
    dp_pool_close(&s->pool);
    dp_memory_free(s);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Leaves the rank, which is number i of n with this file, its rows of a file. */
static dp_status take_rows(dp_bank *bank, size_t i, size_t n, dp_error *err)
{
    dp_rows *rows = &bank->rows;
    const size_t first = dp_rows_begin(rows), held = dp_rows_end(rows) - first, begin = held * i / n,
                 end = held * (i + 1) / n;
    if (rows->moments)
        return dp_fail(err, DP_E_UNSUPPORTED,
                       "%s: distances of this bank follow from moments, not from rows that several processes could "
                       "share; inspect with one process, or cut the pictures into shards",
                       dp_bank_name(bank));
    if (begin == end)
        return dp_fail(err, DP_E_ARGUMENT, "%s: %zu rows are too few for %zu processes", dp_bank_name(bank), held, n);
    rows->features = dp_rows_stored(rows, 0, first + begin);
    rows->first = first + begin;
    rows->held = end - begin;
    rows->complete = false; /* so nobody compares the good pictures here */
    return DP_OK;
}

/* Opens the files of this rank, and says what they are: about [n]. */
static dp_status open_files(dp_shared_bank *s, const char *const *paths, size_t n, struct about *about, dp_error *err)
{
    const size_t rank = s->exchange.rank, ranks = s->exchange.n, first = rank * n / ranks,
                 end = n < ranks ? first + 1 : (rank + 1) * n / ranks;
    size_t before = rank, after = rank;
    while (n < ranks && before > 0 && (before - 1) * n / ranks == first)
        before--;
    while (n < ranks && after + 1 < ranks && (after + 1) * n / ranks == first)
        after++;
    s->banks = dp_calloc(end - first, sizeof *s->banks);
    s->parts = dp_calloc(end - first, sizeof *s->parts);
    if (!s->banks || !s->parts)
        return dp_fail_memory(err, "the files of a bank", (end - first) * sizeof *s->banks);
    for (size_t f = first; f < end; f++) {
        dp_bank *bank;
        dp_status status = dp_bank_open_share(paths[f], &bank, err);
        if (status)
            return status;
        s->banks[s->n_banks++] = bank;
        about[f] = (struct about){.there = 1, .index = bank->share.index, .of = bank->share.of};
        memcpy(about[f].whole, bank->share.whole, sizeof about[f].whole);
        if (ranks > 1 || n > 1)
            status = take_rows(bank, rank - before, after - before + 1, err);
        s->parts[s->n_banks - 1] = dp_calloc(bank->rows.blocks, sizeof **s->parts);
        if (!status && !s->parts[s->n_banks - 1])
            status = dp_fail_memory(err, "the blocks of features", bank->rows.blocks * sizeof **s->parts);
        if (status)
            return status;
    }
    return DP_OK;
}

/* Checks that the files are all shares of one bank, each once. */
static dp_status check_shares(const char *const *paths, const struct about *about, size_t n, dp_error *err)
{
    if (n == 1 && !about[0].of)
        return DP_OK;
    for (size_t f = 0; f < n; f++) {
        if (!about[f].of)
            return dp_fail(err, DP_E_MISMATCH, "%s: is a whole bank, but several files are given; give it alone",
                           paths[f]);
        if (strcmp(about[f].whole, about[0].whole) != 0 || about[f].of != about[0].of)
            return dp_fail(err, DP_E_MISMATCH, "%s and %s are shares of different banks, or of different splits",
                           paths[0], paths[f]);
        for (size_t g = 0; g < f; g++)
            if (about[g].index == about[f].index)
                return dp_fail(err, DP_E_MISMATCH, "%s and %s are both share %zu of %zu", paths[g], paths[f],
                               (size_t)about[f].index, (size_t)about[f].of);
    }
    for (size_t i = 1; i <= about[0].of; i++) {
        bool there = false;
        for (size_t f = 0; f < n; f++)
            there = there || about[f].index == i;
        if (!there)
            return dp_fail(err, DP_E_MISMATCH, "%s: share %zu of %zu of this bank is missing; give all of them",
                           paths[0], i, (size_t)about[0].of);
    }
    return DP_OK;
}

/* What every rank does: paths [n] in the order of their names. */
static dp_status open_all(dp_shared_bank *s, const char *const *paths, size_t n, dp_error *err)
{
    dp_error own = {0};
    struct about *about = dp_calloc(n, sizeof *about);
    if (!about)
        return dp_fail_memory(err, "the files of a bank", n * sizeof *about);
    dp_status mine = open_files(s, paths, n, about, &own), status = conclude(&s->exchange, mine, &own, err);
    dp_status sent = join(&s->exchange, about, n, sizeof *about, join_bits, err);
    status = status ? status : sent;
    if (!status && !s->exchange.rank)
        status = check_shares(paths, about, n, err);
    dp_memory_free(about);
    return status ? status : mine;
}

dp_status dp_shared_bank_open(const char *const *paths, size_t n, const dp_exchange *exchange, const dp_run *run,
                              dp_shared_bank **shared, dp_error *err)
{
    dp_shared_bank *s = dp_calloc(1, sizeof *s);
    const char **sorted = dp_malloc(n, sizeof *sorted);
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(paths[i]) + 1;
    char *text = dp_malloc(bytes, 1);
    dp_isa isa;
    dp_status status = !n                    ? dp_fail(err, DP_E_ARGUMENT, "there is no file of a bank")
                       : s && sorted && text ? dp_isa_resolve(run->isa, &isa, err)
                                             : dp_fail_memory(err, "the files of a bank", bytes);
    if (!status) {
        s->exchange = exchange ? *exchange : (dp_exchange){.n = 1};
        s->elsewhere = (dp_elsewhere){search_all, fetch, s};
        memcpy(sorted, paths, n * sizeof *sorted);
        qsort(sorted, n, sizeof *sorted, by_name);
        for (size_t i = 0, at = 0; i < n; at += strlen(sorted[i]) + 1, i++)
            memcpy(text + at, sorted[i], strlen(sorted[i]) + 1);
        struct request r = {.kind = ASK_OPEN, .isa = isa, .n = bytes, .threads = run->threads, .n_paths = n};
        status = spread(&s->exchange, &r, sizeof r, err);
        if (!status)
            status = spread(&s->exchange, text, bytes, err);
        if (!status)
            status = open_all(s, sorted, n, err);
    }
    if (!status && (s->exchange.n > 1 || n > 1))
        s->banks[0]->rows.elsewhere = &s->elsewhere;
    dp_memory_free(sorted);
    dp_memory_free(text);
    if (status && s)
        release(s);
    else if (!status)
        *shared = s;
    return status;
}

const dp_bank *dp_shared_bank_get(const dp_shared_bank *shared)
{
    return shared->banks[0];
}

void dp_shared_bank_close(dp_shared_bank **pointer)
{
    if (!pointer || !*pointer)
        return;
    struct request r = {.kind = ASK_CLOSE};
    (void)spread(&(*pointer)->exchange, &r, sizeof r, NULL); /* who does not hear it has ended */
    release(*pointer);
    *pointer = NULL;
}

/* ------------------------------------------------------------------------------------- the other ranks answer it */

static dp_status serve_open(const dp_exchange *exchange, const struct request *r, dp_shared_bank **shared,
                            dp_error *err)
{
    dp_shared_bank *s = dp_calloc(1, sizeof *s);
    char *text = dp_malloc(r->n, 1);
    const char **paths = dp_malloc(r->n_paths, sizeof *paths);
    if (!s || !text || !paths) {
        dp_memory_free(s);
        dp_memory_free(text);
        dp_memory_free(paths);
        return dp_fail_memory(err, "the files of a bank", r->n);
    }
    s->exchange = *exchange;
    dp_status status = spread(exchange, text, r->n, err);
    for (size_t i = 0, at = 0; i < r->n_paths && !status; at += strlen(paths[i]) + 1, i++)
        paths[i] = text + at;
    if (!status)
        status = dp_pool_open(r->threads, &s->pool, err);
    if (!status) {
        dp_error own;
        dp_isa isa;
        (void)open_all(s, paths, r->n_paths, &own); /* rank 0 has heard of it, and closes the bank */
        status = dp_isa_resolve((dp_isa)r->isa, &isa, err);
    }
    dp_memory_free(text);
    dp_memory_free(paths);
    if (status)
        release(s);
    else
        *shared = s;
    return status;
}

/* Returns room for n values in the place of the old. */
static void *room(void *old, size_t n, size_t bytes)
{
    dp_memory_free(old);
    return dp_malloc_2d(n ? n : 1, 1, bytes);
}

static dp_status serve_search(dp_shared_bank *s, const struct request *r, dp_error *err)
{
    const dp_exchange *x = &s->exchange;
    const size_t cells = (size_t)r->n, pictures = s->banks[0]->rows.n_pictures;
    s->features = room(s->features, cells * r->dim, sizeof *s->features);
    s->valid = room(s->valid, cells, 1);
    s->among = room(s->among, pictures, 1);
    s->nearest = room(s->nearest, cells * r->knn, sizeof *s->nearest);
    s->each = room(s->each, r->has_each ? cells * pictures : 1, sizeof *s->each);
    if (!s->features || !s->valid || !s->among || !s->nearest || !s->each)
        return dp_fail_memory(err, "the features of one picture", cells * r->dim * sizeof *s->features);
    dp_status status = spread(x, s->features, cells * r->dim * sizeof *s->features, err);
    if (!status && r->has_valid)
        status = spread(x, s->valid, cells, err);
    if (!status && r->has_among)
        status = spread(x, s->among, pictures, err);
    if (status)
        return status;
    const dp_search search = {.metric = (dp_metric)r->metric,
                              .window = r->window,
                              .knn = r->knn,
                              .leave_out = DP_NO_PICTURE,
                              .isa = (dp_isa)r->isa,
                              .rows = r->rows,
                              .cols = r->cols,
                              .top = r->top,
                              .band = r->band,
                              .order = r->order,
                              .among = r->has_among ? s->among : NULL};
    for (size_t i = 0; i < cells * r->knn; i++)
        s->nearest[i] = (dp_neighbour){INFINITY, DP_NO_ROW, DP_NO_ROW};
    for (size_t i = 0; i < (r->has_each ? cells * pictures : 0); i++)
        s->each[i] = INFINITY;
    dp_error own = {0};
    const dp_offers into = {s->nearest, r->has_each ? s->each : NULL};
    dp_status mine = offer(s, r, s->features, r->has_valid ? s->valid : NULL, &search, s->pool, &into, &own);
    status = join(x, s->nearest, cells, r->knn * sizeof *s->nearest, dp_join_nearest, err);
    if (!status && r->has_each)
        status = join(x, s->each, cells * pictures, sizeof *s->each, join_least, err);
    return status ? status : conclude(x, mine, &own, err);
}

static dp_status serve_rows(dp_shared_bank *s, const struct request *r, dp_error *err)
{
    const dp_exchange *x = &s->exchange;
    dp_error own = {0};
    uint32_t *places = dp_malloc(r->n, sizeof *places);
    float *out = dp_malloc_2d(r->n, r->dim, sizeof *out);
    dp_status status = places && out ? spread(x, places, r->n * sizeof *places, err)
                                     : dp_fail_memory(err, "rows of the bank", r->n * r->dim * sizeof *out);
    if (!status) {
        dp_status mine = read_rows(s, r->block, places, r->n, out, &own);
        status = join(x, out, r->n, r->dim * sizeof *out, join_bits, err);
        if (!status)
            status = conclude(x, mine, &own, err);
    }
    dp_memory_free(places);
    dp_memory_free(out);
    return status;
}

dp_status dp_exchange_serve(const dp_exchange *exchange, dp_error *err)
{
    dp_shared_bank *s = NULL;
    dp_status status = DP_OK;
    for (struct request r; !status && !(status = spread(exchange, &r, sizeof r, err)) && r.kind != ASK_END;) {
        if (r.kind != ASK_OPEN && !s)
            continue; /* it was closed already */
        if (s && (r.kind == ASK_OPEN || r.kind == ASK_CLOSE)) {
            release(s);
            s = NULL;
        }
        if (r.kind == ASK_OPEN)
            status = serve_open(exchange, &r, &s, err);
        else if (r.kind == ASK_SEARCH)
            status = serve_search(s, &r, err);
        else if (r.kind == ASK_ROWS)
            status = serve_rows(s, &r, err);
    }
    if (s)
        release(s);
    return status;
}

void dp_exchange_end(const dp_exchange *exchange)
{
    struct request r = {.kind = ASK_END};
    (void)spread(exchange, &r, sizeof r, NULL); /* who does not hear it has ended */
}

dp_status dp_bank_verify_file(const char *path, dp_error *err)
{
    dp_bank *bank = NULL;
    dp_status status = dp_bank_open_share(path, &bank, err);
    if (!status)
        status = dp_bank_verify(bank, err);
    dp_bank_close(&bank);
    return status;
}
