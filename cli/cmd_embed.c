/* SPDX-License-Identifier: Apache-2.0 */
/* dinopatch embed - writes the feature grid of one picture to a safetensors file. */
#include "models.h"
#include "outputs.h"
#include "recipe.h"

#include <math.h>
#include <stdio.h>

int cmd_embed(int argc, char **argv)
{
    char *model_name = NULL, *size = NULL, *out = NULL;
    gboolean overwrite = FALSE;
    const cli_option own_entries[] = {
        {"model", 'm', 0, CLI_FILE, &model_name, "network: a file, or a name like vits14 (default: nano, built in)",
         "M"},
        {"size", 's', 0, CLI_TEXT, &size, "input in pixels, multiples of the patch (default 784x784)", "HxW"},
        {"out", 'o', 0, CLI_FILE, &out, "the file to write: tensor `tokens` [rows, cols, dim], F32", "FILE"},
        CLI_OVERWRITE_ENTRY(&overwrite),
        CLI_OPTION_END};
    cli_recipe options;
    cli_run run;
    int code;
    const cli_option *entries = cli_recipe_entries(&options, CLI_RECIPE_FEATURES, own_entries);
    bool parsed = cli_parse(
        &argc, &argv, entries, cli_run_group(&run), "[--model M] --out FILE.safetensors PICTURE",
        "Resizes a picture (bicubic, antialiased), runs the transformer and writes the patch tokens.", NULL, &code);
    dp_recipe recipe;
    cli_recipe_begin(CLI_RECIPE_FEATURES, &recipe);
    if (!parsed || !cli_run_resolve(&run, &code) || !cli_recipe_resolve(&options, &recipe, &code))
        return code;
    if (argc != 2)
        return cli_usage(argc < 2 ? "give a picture" : "give one picture");
    if (!out)
        return cli_usage("--out is missing");
    size_t height = 784, width = 784;
    if (size && !cli_parse_size(size, &height, &width))
        return cli_usage("--size %s: give HEIGHTxWIDTH with sides from 1 to 65536", size);

    cli_outputs *files = cli_outputs_new(overwrite);
    cli_outputs_read(files, argv[1], "the picture to embed");
    cli_outputs_read_model(files, model_name, NULL);
    cli_outputs_read(files, options.config, "the options in use");
    cli_outputs_write(files, out);
    dp_network *model = NULL;
    bool ready = cli_outputs_check(files, &code) && cli_model_open(model_name, &model, &code)
                 && cli_outputs_begin(files, NULL, &code);
    cli_outputs_free(files);
    if (!ready) {
        dp_network_close(&model);
        return code;
    }
    dp_network_info info;
    dp_network_get_info(model, &info);
    code = EXIT_JOB_FAILED;
    dp_session *session = NULL;
    dp_picture *picture = NULL;
    float *rgb = NULL, *tokens = NULL;
    dp_error err;
    const dp_pose whole = {.status = DP_ALIGN_OFF};
    if (height % info.patch_px || width % info.patch_px) {
        code = cli_usage("--size %zux%zu: the sides are not multiples of the patch (%zu pixels)", height, width,
                         info.patch_px);
        goto done;
    }
    if (height / info.patch_px * (width / info.patch_px) > run.run.max_tokens) { /* a side has at most 65,536 pixels */
        code = cli_usage("--size %zux%zu: %zu cells, more than the limit of %zu for one picture; give a smaller "
                         "--size, or --max-tokens %zu",
                         height, width, height / info.patch_px * (width / info.patch_px), run.run.max_tokens,
                         height / info.patch_px * (width / info.patch_px));
        goto done;
    }
    if (dp_network_settle_recipe(model, &recipe, &err)) {
        code = cli_failed(&err);
        goto done;
    }
    size_t rows = height / info.patch_px, cols = width / info.patch_px;
    size_t dim = info.dim * (recipe.layer_mix != DP_LAYERS_MEAN ? recipe.n_layers : 1);
    rgb = g_try_new(float, height *width * 3);
    tokens = g_try_new(float, rows *cols *dim);
    if (!rgb || !tokens) {
        cli_complain("not enough memory for a %zux%zu input; give a smaller --size", height, width);
        goto done;
    }
    if (cli_picture_load(argv[1], &run.run, &picture, &err)
        || dp_canvas_warp(picture, &whole, 1, 0, height, width, rgb, NULL, &err)
        || dp_session_open(model, recipe.precision, &run.run, &session, &err)) {
        code = cli_failed(&err);
    } else if (dp_session_embed(session, rgb, height, width, recipe.layers, recipe.n_layers, recipe.layer_mix, tokens,
                                &err)) {
        char *message = g_strdup(err.message);
        g_snprintf(err.message, sizeof err.message, "%s: %s", argv[1], message);
        g_free(message);
        code = cli_failed(&err);
    } else {
        code = dp_tokens_save(tokens, rows, cols, dim, out, &err) ? cli_failed(&err) : EXIT_DONE;
    }
done:
    g_free(rgb);
    g_free(tokens);
    dp_picture_free(&picture);
    dp_session_close(&session);
    dp_network_close(&model);
    return code;
}
