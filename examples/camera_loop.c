/* SPDX-License-Identifier: Apache-2.0 */
/* camera_loop.c - judges raw frames as a camera delivers them: BGR, each row padded to a multiple of 16 bytes.
 *
 *     cc camera_loop.c $(pkg-config --cflags --libs dinopatch) -o camera_loop
 *     SOURCE_OF_FRAMES | ./camera_loop BANK WIDTH HEIGHT
 *
 * The core library alone. The inspector reads the frame where it lies; after the first one it takes no more memory. */
#include <dinopatch.h>

#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    dp_bank *bank = NULL;
    dp_inspector *inspector = NULL;
    const dp_result *result = NULL;
    dp_error err = {0};
    if (argc != 4) {
        fprintf(stderr, "usage: %s BANK WIDTH HEIGHT < FRAMES\n", argv[0]);
        return 2;
    }
    size_t width = strtoul(argv[2], NULL, 10), height = strtoul(argv[3], NULL, 10), stride = (3 * width + 15) / 16 * 16,
           bytes = stride * height;
    unsigned char *frame = malloc(bytes + 1);
    if (!frame)
        return 1;
    dp_image image = {.size = sizeof image,
                      .pixels = frame,
                      .width = width,
                      .height = height,
                      .stride_bytes = stride,
                      .format = DP_BGR8};
    dp_status status = dp_bank_open(argv[1], &bank, &err);
    if (!status)
        status = dp_inspector_open(NULL, bank, NULL, &inspector, &err); /* the network that the bank names */
    for (size_t n = 0; !status && bytes > 0 && fread(frame, 1, bytes, stdin) == bytes; n++) {
        status = dp_inspector_run(inspector, &image, 0, &result, &err); /* score and label; no map is made */
        if (status)
            break;
        printf("frame %zu: %s, score %.3f, %s\n", n, dp_label_name(result->label), result->score, result->reason);
        if (result->label != DP_LABEL_GOOD)
            puts("    -> take it off the line"); /* also what could not be judged */
    }
    if (status)
        fprintf(stderr, "%s\n", err.message);
    dp_inspector_close(&inspector);
    dp_bank_close(&bank);
    free(frame);
    return status ? 1 : 0;
}
