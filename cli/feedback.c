/* SPDX-License-Identifier: Apache-2.0 */
/* feedback.c - what a person's word on a result means for a bank. */
#include "feedback.h"

#include <math.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------------------------- boxes */

bool cli_box_read(const json_t *object, dp_box *box)
{
    static const char *const keys[] = {"x", "y", "width", "height"};
    double numbers[4];
    for (size_t i = 0; i < 4; i++) {
        const json_t *value = json_object_get(object, keys[i]);
        if (!json_is_number(value) || fabs(numbers[i] = json_number_value(value)) > 1e9)
            return false;
    }
    if (!(numbers[2] > 0 && numbers[3] > 0))
        return false;
    *box = (dp_box){numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]};
    return true;
}

json_t *cli_box_json(const dp_box *box)
{
    return cli_json_pack("{s:o, s:o, s:o, s:o}", "x", cli_json_real(box->x0_px), "y", cli_json_real(box->y0_px),
                         "width", cli_json_real(box->x1_px - box->x0_px), "height",
                         cli_json_real(box->y1_px - box->y0_px));
}

bool cli_box_parse(const char *text, dp_box *box)
{
    double numbers[4];
    const char *const between = ",,x";
    for (size_t i = 0; i < 4; i++) {
        char *end;
        numbers[i] = g_ascii_strtod(text, &end);
        if (end == text || !(fabs(numbers[i]) < 1e9) || *end != (i < 3 ? between[i] : 0))
            return false;
        text = end + 1;
    }
    *box = (dp_box){numbers[0], numbers[1], numbers[0] + numbers[2], numbers[1] + numbers[3]};
    return numbers[2] > 0 && numbers[3] > 0;
}

/* ----------------------------------------------------------------------------------------------------------- excuses */

static bool overlap(const dp_box *a, const dp_box *b)
{
    return a->x0_px < b->x1_px && b->x0_px < a->x1_px && a->y0_px < b->y1_px && b->y0_px < a->y1_px;
}

static void join(cli_excuse *into, const cli_excuse *other)
{
    dp_box *a = &into->box;
    const dp_box *b = &other->box;
    *a = (dp_box){fmin(a->x0_px, b->x0_px), fmin(a->y0_px, b->y0_px), fmax(a->x1_px, b->x1_px),
                  fmax(a->y1_px, b->y1_px)};
    into->n_cells += other->n_cells;
    into->distance = fmax(into->distance, other->distance);
}

/* A box that grew may meet another one, and so on. */
static void add_place(GArray *places, cli_excuse place)
{
    for (guint i = 0; i < places->len;) {
        const cli_excuse *other = &g_array_index(places, cli_excuse, i);
        if (other->picture == place.picture && overlap(&other->box, &place.box)) {
            join(&place, other);
            g_array_remove_index(places, i);
            i = 0;
        } else {
            i++;
        }
    }
    g_array_append_val(places, place);
}

static int most_cells_first(gconstpointer a, gconstpointer b)
{
    const cli_excuse *x = a, *y = b;
    if (x->n_cells != y->n_cells)
        return x->n_cells < y->n_cells ? 1 : -1;
    return (x->picture > y->picture) - (x->picture < y->picture);
}

dp_status cli_excuses_find(const dp_bank *bank, const dp_inspector *inspector, const dp_box *box, GArray **places,
                           dp_error *err)
{
    dp_excuse *found;
    size_t n;
    dp_status status = dp_inspector_excuses(inspector, box, &found, &n, err);
    if (status)
        return status;
    *places = g_array_new(FALSE, FALSE, sizeof(cli_excuse));
    for (size_t i = 0; i < n; i++) {
        if (found[i].picture == SIZE_MAX || isnan(found[i].place.x0_px))
            continue;
        const dp_pose *pose = dp_bank_picture_pose(bank, found[i].picture);
        const dp_box in = found[i].place;
        dp_box box_px = {floor(fmax(in.x0_px, 0)), floor(fmax(in.y0_px, 0)),
                         ceil(fmin(in.x1_px, (double)pose->picture_width_px)),
                         ceil(fmin(in.y1_px, (double)pose->picture_height_px))};
        if (box_px.x0_px >= box_px.x1_px || box_px.y0_px >= box_px.y1_px) /* beside a picture smaller than a cell */
            box_px = (dp_box){floor(in.x0_px), floor(in.y0_px), ceil(in.x1_px), ceil(in.y1_px)};
        add_place(*places, (cli_excuse){found[i].picture, box_px, 1, found[i].distance});
    }
    dp_memory_free(found);
    g_array_sort(*places, most_cells_first);
    return DP_OK;
}

json_t *cli_excuse_json(const dp_bank *bank, const cli_excuse *excuse)
{
    json_t *object = cli_box_json(&excuse->box);
    cli_json_set(object, "picture", cli_json_text(dp_bank_picture_name(bank, excuse->picture)));
    cli_json_set(object, "cells", json_integer((json_int_t)excuse->n_cells));
    cli_json_set(object, "distance", cli_json_real(excuse->distance));
    return object;
}

size_t cli_bank_find(const dp_bank *bank, const char *name)
{
    size_t found = SIZE_MAX;
    const char *other;
    for (size_t i = 0; (other = dp_bank_picture_name(bank, i)) != NULL; i++) {
        if (strcmp(other, name) != 0)
            continue;
        if (found != SIZE_MAX)
            return SIZE_MAX;
        found = i;
    }
    return found;
}

/* -------------------------------------------------------------------------------------------------------------- cost */

struct scored {
    double score;
    const char *name;
};

static int highest_first(gconstpointer a, gconstpointer b)
{
    const struct scored *x = a, *y = b;
    return (x->score < y->score) - (x->score > y->score);
}

cli_cost cli_cost_of(const dp_bank *bank, double threshold)
{
    cli_cost cost = {.above = g_ptr_array_new()};
    g_autoptr(GArray) above = g_array_new(FALSE, FALSE, sizeof(struct scored));
    const char *name;
    for (size_t i = 0; (name = dp_bank_picture_name(bank, i)) != NULL; i++) {
        const struct scored one = {dp_bank_picture_score(bank, i), name};
        cost.n_good += !isnan(one.score);
        if (one.score > threshold)
            g_array_append_val(above, one);
    }
    g_array_sort(above, highest_first);
    for (guint i = 0; i < above->len; i++)
        g_ptr_array_add(cost.above, (char *)g_array_index(above, struct scored, i).name);
    cost.n_above = above->len;
    return cost;
}

void cli_cost_clear(cli_cost *cost)
{
    g_clear_pointer(&cost->above, g_ptr_array_unref);
}

json_t *cli_cost_json(const cli_cost *cost)
{
    json_t *names = json_array();
    for (guint i = 0; i < cost->above->len; i++)
        cli_json_append(names, cli_json_text(cost->above->pdata[i]));
    return cli_json_pack("{s:I, s:I, s:o}", "good", (json_int_t)cost->n_good, "above", (json_int_t)cost->n_above,
                         "pictures", names);
}

double cli_threshold_below(const dp_bank *bank, double score)
{
    double next = 0;
    if (!(score > 0))
        return NAN;
    for (size_t i = 0; dp_bank_picture_name(bank, i); i++) {
        double good = dp_bank_picture_score(bank, i);
        if (good < score)
            next = fmax(next, good);
    }
    double between = next + (score - next) / 2;
    return between < score ? between : next;
}

char *cli_threshold_told(const dp_bank *before, const dp_bank *after)
{
    dp_bank_details a, b;
    dp_bank_get_details(before, &a);
    dp_bank_get_details(after, &b);
    const dp_threshold_origin *origin = &b.threshold_origin;
    if (isnan(b.threshold))
        return g_strdup("no threshold: a threshold needs at least two pictures");
    if (origin->by == DP_ORIGIN_VALUE || origin->by == DP_ORIGIN_TUNE || origin->by == DP_ORIGIN_HELD_OUT) {
        cli_cost cost = cli_cost_of(after, b.threshold);
        char *text =
            g_strdup_printf("threshold %.6g kept, for it was %s; %zu of %zu good pictures lie%s above it", b.threshold,
                            origin->by == DP_ORIGIN_VALUE  ? "given by hand"
                            : origin->by == DP_ORIGIN_TUNE ? "chosen on pictures with labels"
                                                           : "found on held-out pictures",
                            cost.n_above, cost.n_good, cost.n_above == 1 ? "s" : "");
        cli_cost_clear(&cost);
        return text;
    }
    if (isnan(a.threshold))
        return g_strdup_printf("threshold %.6g", b.threshold);
    return g_strdup_printf("threshold %.6g (%.6g before), found again for a false-alarm rate of %g", b.threshold,
                           a.threshold, b.recipe.fpr);
}
