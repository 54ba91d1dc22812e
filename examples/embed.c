/* SPDX-License-Identifier: Apache-2.0 */
/* embed.c - the features of one picture, for whatever else they may be good for.
 *
 *     cc embed.c $(pkg-config --cflags --libs dinopatch-io) -o embed
 *     ./embed CHECKPOINT PICTURE OUT.safetensors */
#include <dinopatch/io.h>
#include <dinopatch/experimental.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: %s CHECKPOINT PICTURE OUT.safetensors\n", argv[0]);
        return 2;
    }
    const dp_pose whole = {.status = DP_ALIGN_OFF}; /* the picture fills the canvas */
    dp_network *model = NULL;
    dp_session *session = NULL;
    dp_picture *picture = NULL;
    float *rgb = NULL, *tokens = NULL;
    dp_network_info info;
    dp_error err;
    dp_status status = dp_network_open(argv[1], &model, &err);
    if (status)
        goto done;
    dp_network_get_info(model, &info);
    size_t cells = 8, side = cells * info.patch_px;
    rgb = malloc(side * side * 3 * sizeof *rgb);
    tokens = malloc(cells * cells * info.dim * sizeof *tokens); /* [cells, cells, dim] */
    if (!rgb || !tokens) {
        fprintf(stderr, "not enough memory\n");
        status = DP_E_MEMORY;
        goto freed;
    }
    status = dp_picture_load(argv[2], 0, &picture, &err);
    if (!status)
        status = dp_canvas_warp(picture, &whole, 1, 0, side, side, rgb, NULL, &err);
    if (!status)
        status = dp_session_open(model, DP_FP32, NULL, &session, &err);
    if (!status)
        status = dp_session_embed(session, rgb, side, side, NULL, 0, DP_LAYERS_MEAN, tokens, &err);
    if (!status)
        status = dp_tokens_save(tokens, cells, cells, info.dim, argv[3], &err);
    if (!status)
        printf("%s: %zux%zu cells of %zu features\n", argv[3], cells, cells, info.dim);
done:
    if (status)
        fprintf(stderr, "%s: %s\n", dp_status_name(status), err.message);
freed:
    free(rgb);
    free(tokens);
    dp_picture_free(&picture);
    dp_session_close(&session);
    dp_network_close(&model);
    return status ? 1 : 0;
}
