/* SPDX-License-Identifier: Apache-2.0 */
/* ranks.c - inspects as one process of several. Rank 0 is the command; the others only hold rows of the bank. */
#include "ranks.h"
#include "mpi/ranks_module.h"

#include <dlfcn.h>
#include <glob.h>
#include <string.h>
#include <unistd.h>

static struct {
    const ranks_api *api; /* NULL: there is one process */
    dp_exchange exchange;
} ranks;

static char *beside_program(const char *below)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[MAX(n, 0)] = '\0';
    g_autofree char *folder = g_path_get_dirname(path);
    return g_build_filename(folder, below, RANKS_MODULE, NULL);
}

/* NULL: *why, g_free. The parts of MPI that are loaded later need its own symbols, so these are for all. */
static const ranks_api *load(char **why)
{
    g_autofree char *built = beside_program("cli"), *installed = beside_program(MODULE_FROM_PROGRAM);
    const char *const places[] = {built, installed, MODULE_FOLDER "/" RANKS_MODULE};
    for (size_t i = 0; i < G_N_ELEMENTS(places); i++) {
        if (!g_file_test(places[i], G_FILE_TEST_EXISTS))
            continue;
        void *module = dlopen(places[i], RTLD_NOW | RTLD_GLOBAL);
        const ranks_api *api = module ? dlsym(module, RANKS_SYMBOL) : NULL;
        if (api && api->version == RANKS_VERSION)
            return api;
        *why = g_strdup_printf("%s: %s", places[i],
                               module ? "is of another version of this program"
                                      : dlerror()); /* NOLINT(concurrency-mt-unsafe) */
        return NULL;
    }
    *why = g_strdup("this program was built without MPI; install libopenmpi-dev and build it with -Dmpi=enabled, or "
                    "start one process");
    return NULL;
}

/* What Open MPI, or another MPI with the interface of PMI, tells each process. 0: there is none. */
static guint64 told(const char *open_mpi, const char *pmi)
{
    const char *text = g_getenv(open_mpi);
    text = text ? text : g_getenv(pmi);
    return text ? g_ascii_strtoull(text, NULL, 10) : 0;
}

bool cli_ranks_begin(int argc, char **argv, int *code)
{
    for (int i = 1; i < argc; i++)
        if (g_str_has_prefix(argv[i], "--shard"))
            return true;
    if (told("OMPI_COMM_WORLD_SIZE", "PMI_SIZE") < 2)
        return true;
    g_autofree char *why = NULL;
    const bool first = told("OMPI_COMM_WORLD_RANK", "PMI_RANK") == 0;
    const ranks_api *api = load(&why);
    if (!api && first)
        cli_complain("%s", why);
    *code = EXIT_JOB_FAILED;
    if (!api || api->begin(&ranks.exchange))
        return false;
    ranks.api = api;
    if (!ranks.exchange.rank)
        return true;
    dp_error err;
    if (dp_exchange_serve(&ranks.exchange, &err)) {
        cli_complain("rank %zu of %zu: %s", ranks.exchange.rank, ranks.exchange.n, err.message);
        api->abort(EXIT_JOB_FAILED);
    }
    api->end();
    *code = EXIT_DONE;
    return false;
}

void cli_ranks_end(void)
{
    if (!ranks.api)
        return;
    dp_exchange_end(&ranks.exchange);
    ranks.api->end();
    ranks.api = NULL;
}

/* The files that a pattern stands for, sorted; a name that is there is none. NULL: complained, and *code. */
static GPtrArray *files_of(const char *path, int *code)
{
    GPtrArray *files = g_ptr_array_new_with_free_func(g_free);
    if (!strpbrk(path, "*?[") || g_file_test(path, G_FILE_TEST_EXISTS)) {
        g_ptr_array_add(files, g_strdup(path));
        return files;
    }
    glob_t found = {0};
    int status = glob(path, 0, NULL, &found);
    for (size_t i = 0; !status && i < found.gl_pathc; i++)
        g_ptr_array_add(files, g_strdup(found.gl_pathv[i]));
    globfree(&found);
    if (files->len)
        return files;
    cli_complain("--bank: no file is named like %s", path);
    *code = EXIT_JOB_FAILED;
    g_ptr_array_unref(files);
    return NULL;
}

bool cli_shared_open(const char *path, const dp_run *run, cli_shared *opened, int *code)
{
    dp_error err;
    *opened = (cli_shared){.paths = files_of(path, code)};
    if (!opened->paths)
        return false;
    const bool alone = !ranks.api && opened->paths->len == 1;
    dp_status status = alone ? dp_bank_open(opened->paths->pdata[0], &opened->own, &err)
                             : dp_shared_bank_open((const char *const *)opened->paths->pdata, opened->paths->len,
                                                   ranks.api ? &ranks.exchange : NULL, run, &opened->shared, &err);
    if (status) {
        *code = cli_failed(&err);
        return false;
    }
    opened->bank = alone ? opened->own : dp_shared_bank_get(opened->shared);
    return true;
}

void cli_shared_close(cli_shared *opened)
{
    dp_shared_bank_close(&opened->shared);
    dp_bank_close(&opened->own);
    if (opened->paths)
        g_ptr_array_unref(opened->paths);
    *opened = (cli_shared){0};
}
