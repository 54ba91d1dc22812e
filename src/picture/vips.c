/* vips.c - libvips is started on first use and kept quiet.
 *
 * It is never stopped: it is of the whole process, and the program around this library may use it too.  Two settings
 * are made for the process, both at the start: its cache of operations holds nothing (a picture is loaded once, and a file may
 * change between two loads), and its warnings are not printed (what matters comes back as an error). */
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
    g_log_set_handler("VIPS", G_LOG_LEVEL_WARNING | G_LOG_LEVEL_MESSAGE | G_LOG_LEVEL_INFO | G_LOG_LEVEL_DEBUG, ignore, NULL);
}

dp_status dp_vips_start(dp_error *err)
{
    pthread_once(&once, start);
    if (failed)
        return dp_fail(err, DP_E_UNSUPPORTED, "libvips cannot be started");
    return DP_OK;
}

void dp_vips_reason(char *reason, size_t bytes)
{
    char *log = vips_error_buffer_copy();
    char *line = log, *rest = NULL;
    /* The first line is the fault; those after it are what the callers made of it. */
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
