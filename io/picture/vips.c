/* SPDX-License-Identifier: Apache-2.0 */
/* vips.c - starts libvips on first use and keeps it quiet.
 *
 * libvips is never stopped, because it belongs to the whole process and the program may use it too. Three settings of
 * the process are made at the start. Its cache of operations is empty: a picture is loaded once, and a file may change
 * between two loads. Its warnings are not printed: errors carry what matters. Loaders that are not made for untrusted
 * files are blocked: those that libvips itself marks, and by name all others that this library does not use. So a file
 * cannot reach such a decoder in any way. */
#include "picture/vips.h"
#include "base/error.h"

#include <pthread.h>
#include <string.h>
#include <vips/vips.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int failed;

static void ignore(const gchar *domain, GLogLevelFlags level, const gchar *message, gpointer user)
{
    (void)domain, (void)level, (void)message, (void)user;
}

static void start(void)
{
    failed = vips_init("dinopatch");
    if (failed)
        return;
    vips_cache_set_max(0);
    static const char *const refused[] = {
        "VipsForeignLoadMagick", "VipsForeignLoadMagick7", "VipsForeignLoadJp2k",  "VipsForeignLoadJxl",
        "VipsForeignLoadNsgif",  "VipsForeignLoadOpenexr", "VipsForeignLoadRad",   "VipsForeignLoadFits",
        "VipsForeignLoadPpm",    "VipsForeignLoadPdf",     "VipsForeignLoadSvg",   "VipsForeignLoadOpenslide",
        "VipsForeignLoadMat",    "VipsForeignLoadAnalyze", "VipsForeignLoadNifti", "VipsForeignLoadCsv",
        "VipsForeignLoadMatrix", "VipsForeignLoadRaw",     "VipsForeignLoadVips",  "VipsForeignLoadQuicklook",
    };
    vips_block_untrusted_set(TRUE);
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        vips_operation_block_set(refused[i], TRUE);
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG, ignore,
                      NULL);
}

dp_status dp_vips_start(dp_error *err)
{
    pthread_once(&once, start);
    if (failed)
        return dp_fail(err, DP_E_UNSUPPORTED, "cannot start libvips");
    return DP_OK;
}

void dp_vips_reason(char *reason, size_t bytes)
{
    char *log = vips_error_buffer_copy();
    char *line = log, *rest = NULL;
    /* The first line is the fault; the next lines are what the callers made of it. */
    for (char *token = strtok_r(log, "\r\n", &rest); token; token = strtok_r(NULL, "\r\n", &rest))
        if (*token) {
            line = token;
            break;
        }
    char *colon = strstr(line, ": ");
    if (colon)
        line = colon + 2;
    snprintf(reason, bytes, "%s", *line ? line : "no reason given");
    g_free(log);
}
