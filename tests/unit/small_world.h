/* SPDX-License-Identifier: Apache-2.0 */
/* small_world.h - a seeded checkpoint and a few seeded pictures, without alignment: the whole path takes some
 * milliseconds. */
#ifndef DP_TESTS_SMALL_WORLD_H
#define DP_TESTS_SMALL_WORLD_H

#include "format/safetensors.h"
#include "test.h"

enum { WORLD_PICTURES = 4, WORLD_SIDE = 56 };

typedef struct world {
    char *model_path, *paths[WORLD_PICTURES];
    dp_network *model; /* NULL if it was not opened */
} world;

static inline char *world_path(const char *name)
{
    return strdup(temporary_path(name));
}

/* Makes a picture of soft stripes and noise; another seed gives another picture. */
static inline dp_picture *world_picture(unsigned seed)
{
    dp_picture *picture = NULL;
    assert_ok(dp_picture_new(WORLD_SIDE, WORLD_SIDE, &picture, err));
    for (size_t i = 0; i < (size_t)WORLD_SIDE * WORLD_SIDE * 3; i++) {
        seed = seed * 1664525u + 1013904223u;
        picture->rgb[i] = (uint8_t)(90 + (i / 3 % WORLD_SIDE / 14 + i / 3 / WORLD_SIDE / 14) % 2 * 60 + (seed >> 27));
    }
    return picture;
}

static inline void world_save(const char *path, unsigned seed)
{
    dp_picture *picture = world_picture(seed);
    assert_ok(dp_picture_save_png(picture, path, err));
    dp_picture_free(&picture);
}

static inline char *world_model(const char *name, const char *architecture, uint64_t seed)
{
    dp_architecture shape;
    char *path = world_path(name);
    assert_ok(dp_architecture_parse(architecture, &shape, err));
    assert_ok(dp_network_synthesise(&shape, seed, path, err));
    return path;
}

static inline void world_open(world *w)
{
    w->model_path = world_model("world.safetensors", "demo", 1);
    w->model = NULL;
    assert_ok(dp_network_open(w->model_path, &w->model, err));
    for (unsigned i = 0; i < WORLD_PICTURES; i++) {
        char name[32];
        snprintf(name, sizeof name, "world-%u.png", i);
        w->paths[i] = world_path(name);
        world_save(w->paths[i], i + 1);
    }
}

static inline void world_close(world *w)
{
    dp_network_close(&w->model);
    free(w->model_path);
    for (size_t i = 0; i < WORLD_PICTURES; i++)
        free(w->paths[i]);
}

/* Returns a recipe for the pictures without alignment, 4 x 4 cells. */
static inline dp_recipe world_recipe(void)
{
    dp_recipe recipe;
    dp_recipe_preset(&recipe, DP_METHOD_DINOPATCH);
    recipe.align = DP_ALIGN_NONE;
    recipe.polarity = DP_POLARITY_NONE;
    recipe.canvas_height_px = recipe.canvas_width_px = WORLD_SIDE;
    return recipe;
}

static inline dp_session *world_session(const dp_network *model, dp_precision precision, size_t threads)
{
    dp_run run;
    dp_run_init(&run);
    run.threads = threads;
    dp_session *session = NULL;
    assert_ok(dp_session_open(model, precision, &run, &session, err));
    return session;
}

static inline dp_bank *world_fit(const world *w, dp_session *session, const dp_recipe *recipe)
{
    dp_bank *bank = NULL;
    assert_ok(
        dp_bank_fit(session, recipe, (const char *const *)w->paths, WORLD_PICTURES, NULL, NULL, &bank, NULL, err));
    return bank;
}

/* Overwrites bytes of a tensor in a checkpoint file: `n` bytes, repeated `times` times from element `first` on, one
 * every `bytes` bytes. */
static inline void world_poke(const char *path, const char *tensor, size_t first, size_t times, const void *number,
                              size_t bytes)
{
    dp_safetensors *file = NULL;
    assert_ok(dp_safetensors_open(path, &file, err));
    const dp_tensor *found = dp_safetensors_find(file, tensor);
    assert_non_null(found);
    assert_true(first + times <= found->count);
    long at = (long)(found->data - (const unsigned char *)dp_safetensors_bytes(file).data);
    dp_safetensors_close(&file);
    FILE *stream = fopen(path, "r+b");
    assert_non_null(stream);
    assert_int_equal(fseek(stream, at + (long)(first * bytes), SEEK_SET), 0);
    for (size_t i = 0; i < times; i++)
        assert_int_equal(fwrite(number, bytes, 1, stream), 1);
    assert_int_equal(fclose(stream), 0);
}

#endif
