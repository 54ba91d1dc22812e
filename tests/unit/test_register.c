/* SPDX-License-Identifier: Apache-2.0 */
/* Tests the pose from features: correlation against its formula, motions, and drawn parts found where they were put. */
#include "base/pool.h"
#include "base/random.h"
#include "register/correlate.h"
#include "register/learn_reference.h"
#include "register/refine.h"
#include "test.h"

#include <math.h>
#include <string.h>

#define NEAR(a, b, most) assert_true(fabs((a) - (b)) <= (most))

/* ------------------------------------------------------------------------------------------------------- correlation */

enum { TEMPLATES = 3, SIDE = 4, ROWS = 7, COLS = 9, DIM = 5 };

/* The formula at the head of correlate.c in double, for the template's cell (0, 0) on cell (top, left). */
static double score_by_formula(const float *r, const float *w, const float *f, int top, int left)
{
    double dot = 0, own = 0, its = 0;
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int d = 0; d < DIM && w[y * SIDE + x] > 0; d++) {
                const double a = (double)r[(y * SIDE + x) * DIM + d];
                const int row = top + y, col = left + x;
                const double b =
                    row < 0 || row >= ROWS || col < 0 || col >= COLS ? 0 : (double)f[(row * COLS + col) * DIM + d];
                dot += a * b, own += a * a, its += b * b;
            }
    return its > 0 ? dot / sqrt(own * its) : 0;
}

static void correlation_is_that_of_the_formula(void **state)
{
    (void)state;
    float r[TEMPLATES * SIDE * SIDE * DIM], w[TEMPLATES * SIDE * SIDE], f[ROWS * COLS * DIM];
    dp_random random = dp_random_at(3, 0);
    for (size_t i = 0; i < ROWS * COLS * DIM; i++)
        f[i] = (float)dp_random_unit(&random) - 0.5f;
    for (size_t i = 0; i < TEMPLATES * SIDE * SIDE; i++) {
        w[i] = i % 5 != 2;
        for (size_t d = 0; d < DIM; d++)
            r[i * DIM + d] = w[i] > 0 ? (float)dp_random_unit(&random) - 0.5f : 0;
    }
    for (size_t y = 0; y < SIDE; y++) /* the second one is cut out of the grid, with a fault */
        for (size_t x = 0; x < SIDE; x++)
            for (size_t d = 0; d < DIM && w[SIDE * SIDE + y * SIDE + x] > 0; d++)
                r[(SIDE * SIDE + y * SIDE + x) * DIM + d] =
                    f[((y + 2) * COLS + x + 4) * DIM + d] + 0.1f * (float)dp_random_unit(&random);
    const dp_templates templates = {TEMPLATES, SIDE, DIM, r, w};
    dp_fit_place best[TEMPLATES], again[TEMPLATES];
    dp_pool *pool = NULL;
    assert_ok(dp_correlate(&templates, f, ROWS, COLS, NULL, best, err));
    assert_ok(dp_pool_open(3, &pool, err));
    assert_ok(dp_correlate(&templates, f, ROWS, COLS, pool, again, err));
    dp_pool_close(&pool);
    assert_memory_equal(best, again, sizeof best);
    for (size_t k = 0; k < TEMPLATES; k++) {
        double most = -1, row = 0, col = 0;
        for (int top = -SIDE / 2; top < ROWS - SIDE / 2; top++)
            for (int left = -SIDE / 2; left < COLS - SIDE / 2; left++) {
                double score = score_by_formula(r + k * SIDE * SIDE * DIM, w + k * SIDE * SIDE, f, top, left);
                if (score > most) {
                    most = score;
                    row = top + (SIDE - 1) / 2.0;
                    col = left + (SIDE - 1) / 2.0;
                }
            }
        NEAR(best[k].score, most, 1e-5);
        assert_true(fabs(best[k].row - row) <= 0.5 && fabs(best[k].col - col) <= 0.5);
    }
    assert_true(best[1].score > 0.95);
}

/* ------------------------------------------------------------------------------------------------------------- motion */

static void a_motion_is_undone(void **state)
{
    (void)state;
    const dp_look look = {8, 12, 1.5};
    const dp_placement at = {100, 50, 0.7, 3};
    const dp_motion motion = {{5, -3, 4, -6}};
    const dp_placement moved = dp_placement_move(&at, &look, &motion),
                       back = dp_placement_unmove(&moved, &look, &motion);
    NEAR(back.x_px, at.x_px, 1e-9);
    NEAR(back.y_px, at.y_px, 1e-9);
    NEAR(back.angle_rad, at.angle_rad, 1e-12);
    NEAR(back.scale_px, at.scale_px, 1e-12);
    assert_true(hypot(moved.x_px - at.x_px, moved.y_px - at.y_px) > 20);
}

/* ------------------------------------------------------------------------------------------------------- drawn parts */

enum { SIDE_PX = 224, N = 4 };

/* Softly from 1 inside to 0 outside. */
static double inside(double distance)
{
    return fmin(fmax(0.5 - distance, 0), 1);
}

/* Light of the part at (u, v) px from its middle: an arm with a head at one end and a fin at the side, or a ring. */
static double part_at(double u, double v, bool ring)
{
    if (ring)
        return inside(fabs(hypot(u, v) - 38) - 14);
    const double arm = inside(fmax(fabs(u) - 60, fabs(v) - 9)), head = inside(hypot(u - 52, v) - 22),
                 fin = inside(fmax(fabs(u + 30) - 12, fabs(v - 18) - 12));
    return fmin(1, arm + 0.6 * head + 0.5 * fin);
}

static dp_picture *draw(const dp_placement *at, bool ring, uint64_t seed)
{
    dp_picture *picture = NULL;
    dp_random random = dp_random_at(seed, 0);
    assert_ok(dp_picture_new(SIDE_PX, SIDE_PX, &picture, err));
    const double c = cos(at->angle_rad) / at->scale_px, s = sin(at->angle_rad) / at->scale_px;
    for (size_t y = 0; y < SIDE_PX; y++)
        for (size_t x = 0; x < SIDE_PX; x++) {
            const double dx = (double)x - at->x_px, dy = (double)y - at->y_px,
                         light =
                             60 + 150 * part_at(c * dx + s * dy, c * dy - s * dx, ring) + 8 * dp_random_unit(&random);
            for (size_t k = 0; k < 3; k++)
                picture->rgb[3 * (y * SIDE_PX + x) + k] = (uint8_t)(light * (1 - 0.05 * (double)k));
        }
    return picture;
}

struct world {
    dp_network *network;
    dp_session *session;
    dp_finder finder;
    dp_picture *pictures[N];
    dp_small smalls[N];
    dp_placement at[N];
    dp_reference *reference;
};

static void open_world(struct world *w, bool ring, size_t threads, bool learns)
{
    dp_run run;
    dp_random random = dp_random_at(11, 0);
    *w = (struct world){0};
    dp_run_init(&run);
    run.threads = threads;
    assert_ok(dp_network_open(DP_NETWORK_NANO, &w->network, err));
    assert_ok(dp_session_open(w->network, DP_FP32, &run, &w->session, err));
    assert_ok(dp_finder_open(w->session, &w->finder, err));
    for (size_t i = 0; i < N; i++) {
        w->at[i] =
            (dp_placement){112 + 24 * (dp_random_unit(&random) - 0.5), 112 + 24 * (dp_random_unit(&random) - 0.5),
                           M_PI * (2 * dp_random_unit(&random) - 1), exp(0.2 * (dp_random_unit(&random) - 0.5))};
        w->pictures[i] = draw(&w->at[i], ring, i);
        assert_ok(dp_small_make(w->pictures[i], &w->smalls[i], err));
    }
    if (learns)
        assert_ok(dp_reference_learn(&w->finder, w->smalls, N, NULL, &w->reference, err));
}

static struct world arms; /* of two tests: learning takes its time */

static int open_arms(void **state)
{
    (void)state;
    open_world(&arms, false, 1, true);
    return 0;
}

static void close_world(struct world *w)
{
    for (size_t i = 0; i < N; i++) {
        dp_small_free(&w->smalls[i]);
        dp_picture_free(&w->pictures[i]);
    }
    dp_reference_close(&w->reference);
    dp_finder_close(&w->finder);
    dp_session_close(&w->session);
    dp_network_close(&w->network);
}

static int close_arms(void **state)
{
    (void)state;
    close_world(&arms);
    return 0;
}

static dp_match find(struct world *w, const dp_picture *picture)
{
    dp_match match = {0};
    assert_ok(dp_reference_match(&w->finder, w->reference, picture, &match, err));
    return match;
}

/* Where the plane's origin lies on the drawn part is the reference's own affair: two pictures are compared. */
static void a_part_is_found_where_it_was_put_by_any_number_of_threads(void **state)
{
    (void)state;
    struct world *const w = &arms;
    assert_false(w->reference->round);
    assert_true(w->reference->width > 1.5 * w->reference->height); /* its longer side lies along u */
    const dp_placement first = {108, 115, 0.3, 1},
                       others[] = {{112, 112, 3.3, 1.05}, {130, 100, -1.7, 0.85}, {96, 120, 1.2, 1.2}};
    dp_picture *picture = draw(&first, false, 99);
    const dp_match base = find(w, picture);
    dp_picture_free(&picture);
    assert_true(base.score > w->reference->least_score && base.margin > 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        picture = draw(&others[i], false, 100 + i);
        const dp_match match = find(w, picture);
        dp_picture_free(&picture);
        const double turn = others[i].angle_rad - first.angle_rad, growth = others[i].scale_px / first.scale_px,
                     dx = base.at.x_px - first.x_px, dy = base.at.y_px - first.y_px,
                     x = others[i].x_px + growth * (cos(turn) * dx - sin(turn) * dy),
                     y = others[i].y_px + growth * (sin(turn) * dx + cos(turn) * dy);
        const double degrees = fabs(remainder(match.at.angle_rad - base.at.angle_rad - turn, 2 * M_PI)) * 180 / M_PI,
                     px = hypot(match.at.x_px - x, match.at.y_px - y),
                     scale = fabs(log(match.at.scale_px / base.at.scale_px / growth));
        if (degrees > 1 || px > 1.2 || scale > 0.02)
            fail_msg("picture %zu: off by %.2f degrees, %.2f px, scale %.3f; score %.3f", i, degrees, px, scale,
                     match.score);
    }
    dp_picture *strange = draw(&first, false, 7);
    dp_random random = dp_random_at(5, 5);
    for (size_t i = 0; i < 3 * SIDE_PX * SIDE_PX; i++)
        strange->rgb[i] = (uint8_t)dp_random_below(&random, 256);
    assert_true(find(w, strange).score < w->reference->least_score);
    dp_picture_free(&strange);
    struct world other; /* threads change no bit */
    open_world(&other, false, 3, true);
    const dp_reference *a = w->reference, *b = other.reference;
    const size_t fine = dp_look_cells(&a->look) * a->basis.dim, turned = a->n_angles * a->side * a->side * a->basis.dim;
    assert_memory_equal(&a->look, &b->look, sizeof a->look);
    assert_int_equal(a->side, b->side);
    assert_memory_equal(a->mean, b->mean, fine * sizeof(float));
    assert_memory_equal(a->slopes, b->slopes, DP_SLOPES * fine * sizeof(float));
    assert_memory_equal(a->turned, b->turned, turned * sizeof(float));
    dp_match x = find(w, w->pictures[2]), y = find(&other, other.pictures[2]);
    x.kind = y.kind = NULL;
    assert_memory_equal(&x, &y, sizeof x);
    close_world(&other);
}

static void a_foreign_picture_spoils_nothing(void **state)
{
    (void)state;
    struct world *const w = &arms;
    dp_small smalls[N + 1];
    dp_reference *reference = NULL;
    dp_picture *foreign = NULL;
    assert_ok(dp_picture_new(SIDE_PX, SIDE_PX, &foreign, err));
    for (size_t i = 0; i < (size_t)SIDE_PX * SIDE_PX; i++) /* stripes */
        memset(foreign->rgb + 3 * i, (i % SIDE_PX + i / SIDE_PX) % 24 < 8 ? 220 : 40, 3);
    for (size_t i = 0; i <= N; i++)
        assert_ok(dp_small_make(i == 1 ? foreign : w->pictures[i ? i - 1 : 0], &smalls[i], err));
    assert_ok(dp_reference_learn(&w->finder, smalls, N + 1, NULL, &reference, err));
    const dp_reference *without = w->reference;
    NEAR(reference->width, without->width, 0.06 * without->width);
    NEAR(reference->height, without->height, 0.06 * without->height);
    NEAR(reference->good_score, without->good_score, 0.02);
    dp_match match;
    assert_ok(dp_reference_match(&w->finder, reference, foreign, &match, err));
    assert_true(match.score < reference->least_score);
    for (size_t i = 0; i <= N; i++)
        dp_small_free(&smalls[i]);
    dp_picture_free(&foreign);
    dp_reference_close(&reference);
}

struct asked {
    bool go_on;
    size_t times;
    double apart[2]; /* mean distance of pictures at the same cell: as they are, posed */
};

static double distance_of(const dp_rough *rough, const float *const *grids, const uint8_t *const *valid)
{
    double sum = 0, n = 0;
    for (size_t i = 0; i < rough->n; i++)
        for (size_t j = 0; j < i; j++)
            for (size_t c = 0; c < rough->side * rough->side; c++) {
                double square = 0;
                for (size_t d = 0; d < rough->dim; d++) {
                    const double apart = (double)grids[i][c * rough->dim + d] - (double)grids[j][c * rough->dim + d];
                    square += apart * apart;
                }
                sum += valid[i][c] && valid[j][c] ? sqrt(square) : 0;
                n += valid[i][c] && valid[j][c];
            }
    return sum / n;
}

static dp_status ask(void *user, const dp_rough *rough, bool *worth, dp_error *error)
{
    struct asked *asked = user;
    (void)error;
    asked->times++;
    asked->apart[0] = distance_of(rough, rough->as_they_are, rough->valid);
    asked->apart[1] = distance_of(rough, rough->posed, rough->posed_valid);
    *worth = asked->go_on;
    return DP_OK;
}

static void learning_ends_where_rough_poses_promise_nothing(void **state)
{
    (void)state;
    struct world *const w = &arms;
    struct asked asked = {.go_on = false};
    const dp_rough_look look = {ask, &asked};
    dp_reference *reference = NULL;
    assert_ok(dp_reference_learn(&w->finder, w->smalls, N, &look, &reference, err));
    assert_true(!reference && asked.times == 1);
    assert_true(asked.apart[1] < 0.7 * asked.apart[0]); /* they lie anyhow, and roughly in one pose are more alike */
    asked.go_on = true;
    assert_ok(dp_reference_learn(&w->finder, w->smalls, N, &look, &reference, err));
    assert_true(asked.times == 3 && dp_reference_equal(reference, w->reference)); /* to look changes no bit */
    dp_reference_close(&reference);
}

/* A second kind: a cross with a foot. */
static dp_picture *draw_cross(const dp_placement *at, uint64_t seed)
{
    dp_picture *picture = draw(at, true, seed);
    const double c = cos(at->angle_rad) / at->scale_px, s = sin(at->angle_rad) / at->scale_px;
    for (size_t y = 0; y < SIDE_PX; y++)
        for (size_t x = 0; x < SIDE_PX; x++) {
            const double dx = (double)x - at->x_px, dy = (double)y - at->y_px, u = c * dx + s * dy, v = c * dy - s * dx,
                         light = fmax(inside(fmax(fabs(u) - 58, fabs(v) - 7)), inside(fmax(fabs(u) - 7, fabs(v) - 58))),
                         foot = inside(fmax(fabs(u - 50) - 10, fabs(v) - 34));
            for (size_t k = 0; k < 3; k++)
                picture->rgb[3 * (y * SIDE_PX + x) + k] =
                    (uint8_t)(225 - 150 * fmin(1, light + foot) + 8 * (double)((x * 7 + y * 13) % 5) / 5);
        }
    return picture;
}

static void two_kinds_are_learned_and_told_apart(void **state)
{
    (void)state;
    struct world w;
    enum { EACH = N };
    dp_small smalls[2 * EACH];
    dp_picture *pictures[EACH];
    dp_reference *reference = NULL;
    open_world(&w, false, 1, false);
    for (size_t i = 0; i < EACH; i++) {
        pictures[i] = draw_cross(&w.at[EACH - 1 - i], 40 + i);
        assert_ok(dp_small_make(w.pictures[i], &smalls[2 * i], err));
        assert_ok(dp_small_make(pictures[i], &smalls[2 * i + 1], err));
    }
    assert_ok(dp_reference_learn(&w.finder, smalls, 2 * EACH, NULL, &reference, err));
    assert_int_equal(dp_reference_kinds(reference), 2);
    dp_match found[2][EACH];
    for (size_t i = 0; i < 2 * EACH; i++) {
        dp_match *match = &found[i % 2][i / 2];
        assert_ok(dp_reference_match_small(&w.finder, reference, &smalls[i], match, err));
        assert_true(match->kind == found[i % 2][0].kind && match->score > 0.8);
        const dp_placement *at = &w.at[i % 2 ? EACH - 1 - i / 2 : i / 2], *first = &w.at[i % 2 ? EACH - 1 : 0];
        NEAR(remainder(match->at.angle_rad - found[i % 2][0].at.angle_rad - at->angle_rad + first->angle_rad, 2 * M_PI),
             0, 0.03);
    }
    assert_true(found[0][0].kind != found[1][0].kind);
    dp_reference *copy = dp_reference_copy(reference);
    assert_true(copy && dp_reference_equal(copy, reference) && !dp_reference_equal(copy, reference->next));
    dp_reference_close(&copy);
    for (size_t i = 0; i < 2 * EACH; i++)
        dp_small_free(&smalls[i]);
    for (size_t i = 0; i < EACH; i++)
        dp_picture_free(&pictures[i]);
    dp_reference_close(&reference);
    close_world(&w);
}

static void a_round_part_keeps_its_angle(void **state)
{
    (void)state;
    struct world w;
    open_world(&w, true, 1, true);
    assert_true(w.reference->round);
    for (size_t i = 0; i < N; i++) {
        const dp_match match = find(&w, w.pictures[i]);
        NEAR(match.at.angle_rad, 0, 1e-12);
        assert_true(hypot(match.at.x_px - w.at[i].x_px, match.at.y_px - w.at[i].y_px) < 2);
    }
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(correlation_is_that_of_the_formula),
        cmocka_unit_test(a_motion_is_undone),
        cmocka_unit_test(a_part_is_found_where_it_was_put_by_any_number_of_threads),
        cmocka_unit_test(a_foreign_picture_spoils_nothing),
        cmocka_unit_test(learning_ends_where_rough_poses_promise_nothing),
        cmocka_unit_test(two_kinds_are_learned_and_told_apart),
        cmocka_unit_test(a_round_part_keeps_its_angle),
    };
    return cmocka_run_group_tests(tests, open_arms, close_arms);
}
