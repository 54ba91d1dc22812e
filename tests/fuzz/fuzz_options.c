/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz_options.c - any command line.
 *
 * Input: the arguments after the program's name, each ended by a zero byte. The program is the real one with its main
 * renamed. The linker replaces the functions in which its work begins (opening a checkpoint, reading a picture,
 * downloading or making something) by functions that refuse. It runs in a folder with a few small files; arguments that
 * lead out of the folder are skipped. */
#include "fixture.h"
#include "fuzz.h"

#include "base/pool.h"
#include "cli.h"
#include "fetch/fetch.h"
#include "dinopatch/eval.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int dinopatch_main(int argc, char **argv);

/* ---------------------------------------------------------------------------------------- where the work would begin */

static dp_status refuse(dp_error *err)
{
    if (err) {
        err->status = DP_E_UNSUPPORTED;
        strcpy(err->message, "not here");
    }
    return DP_E_UNSUPPORTED;
}

#define REPLACED(name, ...)                                                                                            \
    dp_status __wrap_##name(__VA_ARGS__);                                                                              \
    dp_status __wrap_##name(__VA_ARGS__)

REPLACED(dp_network_open, const char *path, dp_network **model, dp_error *err)
{
    (void)path, (void)model;
    return refuse(err);
}

REPLACED(dp_network_synthesise, const dp_architecture *architecture, uint64_t seed, const char *path, dp_error *err)
{
    (void)architecture, (void)seed, (void)path;
    return refuse(err);
}

REPLACED(fetch_pull, const char *name, const char *destination, const fetch_settings *settings, const dp_run *run,
         char *sha256, dp_error *err)
{
    (void)name, (void)destination, (void)settings, (void)run, (void)sha256;
    return refuse(err);
}

REPLACED(dp_picture_load, const char *path, size_t max_pixels, dp_picture **picture, dp_error *err)
{
    (void)path, (void)max_pixels, (void)picture;
    return refuse(err);
}

REPLACED(dp_bootstrap, const double *scores, const uint8_t *labels, size_t n, size_t resamples, double confidence,
         uint64_t seed, dp_interval *auroc, dp_interval *average_precision, dp_interval *f1_max, dp_error *err)
{
    (void)scores, (void)labels, (void)n, (void)resamples, (void)confidence, (void)seed, (void)auroc,
        (void)average_precision, (void)f1_max;
    return refuse(err);
}

/* A thousand threads are allowed, and slow. */
dp_status __real_dp_pool_open(size_t threads, dp_pool **pool, dp_error *err);
REPLACED(dp_pool_open, size_t threads, dp_pool **pool, dp_error *err)
{
    return __real_dp_pool_open(threads > 2 ? 2 : threads, pool, err);
}

/* libFuzzer's own signals stay as they are. */
void __wrap_cli_signals_catch(void (*at_end)(void));
void __wrap_cli_signals_catch(void (*at_end)(void))
{
}

/* -------------------------------------------------------------------------------------------------------- the folder */

static int here = -1, there = -1;
static struct timespec made, made_below;

static void make_folder(void)
{
    struct stat st;
    fuzz_must(fchdir(there) == 0, "the folder is there");
    fuzz_empty_folder();
    dp_bank *bank = fixture_bank(FIXTURE_GRID);
    fuzz_must(dp_bank_save(bank, "b", NULL) == DP_OK, "a bank can be written");
    dp_bank_close(&bank);
    fuzz_must(mkdir("d", 0777) == 0 && mkdir("d/train", 0777) == 0 && mkdir("d/train/good", 0777) == 0
                  && mkdir("d/test", 0777) == 0 && mkdir("d/test/good", 0777) == 0 && mkdir("d/test/bad", 0777) == 0,
              "folders can be made");
    fuzz_put("m", "{}", 2);
    fuzz_put("p.png", "no picture", 10);
    fuzz_put("d/train/good/0.png", "", 0);
    fuzz_put("d/train/good/1.png", "", 0);
    fuzz_put("d/test/good/0.png", "", 0);
    fuzz_put("d/test/bad/0.png", "", 0);
    static const char scores[] = "{\"image_level\": {\"scores\": [0.1, 0.9], \"labels\": [0, 1]}}";
    fuzz_put("s.json", scores, sizeof scores - 1);
    fuzz_must(fstat(there, &st) == 0, "the folder has a time");
    made = st.st_mtim;
    fuzz_must(stat("d", &st) == 0, "the folder has a time");
    made_below = st.st_mtim;
    fuzz_must(fchdir(here) == 0, "the way back");
}

static bool touched(void)
{
    struct stat st;
    if (fstat(there, &st) != 0 || st.st_mtim.tv_sec != made.tv_sec || st.st_mtim.tv_nsec != made.tv_nsec)
        return true;
    return fstatat(there, "d", &st, 0) != 0 || st.st_mtim.tv_sec != made_below.tv_sec
           || st.st_mtim.tv_nsec != made_below.tv_nsec;
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc, (void)argv;
    static const char *const variables[] = {"DINOPATCH_MODEL", "DINOPATCH_ISA", "DINOPATCH_MIRROR", "HF_ENDPOINT"};
    for (size_t i = 0; i < sizeof variables / sizeof *variables; i++)
        unsetenv(variables[i]);
    setenv("HOME", fuzz_folder(), 1);
    setenv("XDG_CACHE_HOME", fuzz_folder(), 1);
    here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    there = open(fuzz_folder(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fuzz_must(here >= 0 && there >= 0, "folders can be opened");
    make_folder();
    fuzz_catch_stdout();
    return 0;
}

/* Whether an argument could name a file elsewhere. */
static bool leads_away(const char *argument)
{
    if (strstr(argument, ".."))
        return true;
    for (const char *slash = argument; (slash = strchr(slash, '/')); slash++)
        if (slash == argument || !g_ascii_isalnum(slash[-1]))
            return true;
    return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    enum { MOST = 24 };
    char program[] = "dinopatch", *words[MOST + 2] = {program}, *kept[MOST + 2] = {program};
    int n = 1;
    bool stays = true;
    for (size_t at = 0; at < bytes && n <= MOST && stays;) {
        size_t length = strnlen((const char *)data + at, bytes - at);
        words[n] = kept[n] = g_strndup((const char *)data + at, length);
        stays = !leads_away(words[n++]);
        at += length + 1;
    }
    words[n] = NULL;
    if (stays) {
        fuzz_must(fchdir(there) == 0, "the folder is there");
        int code = dinopatch_main(n, words);
        fuzz_must(fchdir(here) == 0, "the way back");
        size_t length;
        char *text = fuzz_caught(&length);
        fuzz_must(code >= EXIT_DONE && code <= EXIT_JOB_FAILED, "the exit code is one of five");
        fuzz_must(code != EXIT_USAGE || length == 0, "wrong usage prints nothing to stdout");
        free(text);
        if (touched())
            make_folder();
    }
    for (int i = 1; i < n; i++)
        g_free(kept[i]);
    return 0;
}
