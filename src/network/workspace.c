/* SPDX-License-Identifier: Apache-2.0 */
/* workspace.c - memory, positions and matrix products of a session; they grow to the largest input so far and are
 * then kept. */
#include "network/workspace.h"
#include "base/error.h"
#include "base/memory.h"
#include "network/position.h"

void dp_workspace_release(dp_session *s)
{
    void *const buffers[] = {s->x,  s->y,        s->q,        s->k,  s->v,  s->h,        s->gated,    s->position,
                             s->a8, s->a8_scale, s->prepared, s->k8, s->v8, s->k8_scale, s->v8_scale, s->k8_start};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        dp_memory_free(buffers[i]);
    s->x = s->y = s->q = s->k = s->v = s->h = s->gated = s->position = s->a8_scale = s->k8_scale = s->v8_scale = NULL;
    s->a8 = NULL;
    s->prepared = NULL;
    s->k8 = s->v8 = NULL;
    s->k8_start = NULL;
    s->room_n = s->position_rows = s->position_cols = 0;
}

/* Allocates a * b elements; counts the bytes and records failures. */
struct room {
    size_t bytes;
    bool short_of_memory;
};

static void *reserve(struct room *room, size_t a, size_t b, size_t element)
{
    size_t count, bytes;
    void *memory = NULL;
    if (dp_mul_size(a, b, &count) && dp_mul_size(count, element, &bytes)) {
        room->bytes += bytes;
        memory = dp_malloc(count, element);
    }
    room->short_of_memory |= !memory;
    return memory;
}

static void reserve_int8(dp_session *s, struct room *room, size_t n)
{
    size_t n4 = (n + 3) / 4 * 4;
    size_t groups = ((s->hidden > s->dim ? s->hidden : s->dim) + DP_INT8_GROUP - 1) / DP_INT8_GROUP;
    s->a8 = reserve(room, n, groups, DP_INT8_GROUP);
    s->a8_scale = reserve(room, n, groups, sizeof(float));
    s->prepared = reserve(room, s->heads, 1, sizeof *s->prepared);
    s->k8 = reserve(room, n4, s->dim, 1);
    s->v8 = reserve(room, n4, s->dim, 1);
    s->k8_scale = reserve(room, n4, s->heads, sizeof(float));
    s->k8_start = reserve(room, n4, s->heads, sizeof(int32_t));
    s->v8_scale = reserve(room, s->dim, 1, sizeof(float));
    for (size_t head = 0; !room->short_of_memory && head < s->heads; head++)
        s->prepared[head] = (dp_int8_head){s->k8 + head * n4 * HEAD, s->k8_scale + head * n4, s->k8_start + head * n4,
                                           s->v8 + head * n4 * HEAD, s->v8_scale + head * HEAD};
}

static dp_status make_room(dp_session *s, dp_error *err)
{
    if (s->n <= s->room_n)
        return DP_OK;
    dp_workspace_release(s);
    struct room room = {0};
    size_t n = s->n, inner = s->inner > s->patch_floats ? s->inner : s->patch_floats;
    s->x = reserve(&room, n, s->dim, sizeof(float));
    s->y = reserve(&room, n, s->dim, sizeof(float));
    s->q = reserve(&room, n, s->dim, sizeof(float));
    s->k = reserve(&room, n, s->dim, sizeof(float));
    s->v = reserve(&room, n, s->dim, sizeof(float));
    s->h = reserve(&room, n, inner, sizeof(float));
    s->position = reserve(&room, n, s->dim, sizeof(float));
    if (s->inner > s->hidden)
        s->gated = reserve(&room, n, s->hidden, sizeof(float));
    if (s->bytes)
        reserve_int8(s, &room, n);
    if (room.short_of_memory) {
        dp_workspace_release(s);
        return dp_fail(err, DP_E_MEMORY, "not enough memory for %zu tokens (%zu bytes)", n, room.bytes);
    }
    s->room_n = n;
    return DP_OK;
}

static dp_status make_position(dp_session *s, dp_error *err)
{
    const dp_transformer *c = &s->model->checkpoint;
    if (s->position_rows == s->rows && s->position_cols == s->cols)
        return DP_OK;
    s->position_rows = s->position_cols = 0;
    const dp_position_filter filter = {c->position_offset, c->position_antialias, c->position_linear};
    dp_status status = DP_OK;
    if (c->rotary)
        dp_rotary_table(s->model->periods, s->rows, s->cols, s->position);
    else
        status = dp_position_interpolate(&(dp_position_table){s->model->position, c->position_side, s->dim}, &filter,
                                         s->rows, s->cols, s->position, err);
    if (status)
        return status;
    s->position_rows = s->rows;
    s->position_cols = s->cols;
    return DP_OK;
}

struct preparation {
    dp_session *session;
    dp_status status;
    dp_error *err;
};

/* Prepares the plans. Runs as a task, because oneDNN must see one thread when it makes its primitives. */
static void prepare_plans(void *context, size_t index, size_t worker)
{
    struct preparation *p = context;
    dp_session *s = p->session;
    (void)index, (void)worker;
    for (int i = 0; i < PLANS && !p->status; i++) {
        const dp_tiles *tiles = i == PLAN_PATCH ? &s->patch_tiles : &s->tiles;
        p->status = dp_linear_plan_rows(s->plans[i], tiles->base, p->err);
        if (!p->status && tiles->longer)
            p->status = dp_linear_plan_rows(s->plans[i], tiles->base + 1, p->err);
    }
}

dp_status dp_workspace_prepare(dp_session *s, dp_error *err)
{
    dp_status status = make_room(s, err);
    if (!status)
        status = make_position(s, err);
    if (status)
        return status;
    struct preparation preparation = {s, DP_OK, err};
    dp_pool_run(s->pool, 1, prepare_plans, &preparation);
    return preparation.status;
}
