/* SPDX-License-Identifier: Apache-2.0 */
/* secret.c - passwords and tokens. */
#include "secret.h"
#include "../service/fault.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

dp_status secret_read(const char *path, char **secret, dp_error *err)
{
    char line[4096] = "";
    FILE *file = fopen(path, "re");
    if (!file)
        return service_fail(err, DP_E_IO, "%s: cannot be read: %s", path, g_strerror(errno));
    bool read = fgets(line, sizeof line, file) != NULL;
    (void)fclose(file);
    line[strcspn(line, "\r\n")] = '\0';
    dp_status status = read && *line ? DP_OK : service_fail(err, DP_E_IO, "%s: its first line is empty", path);
    if (!status)
        *secret = g_strdup(line);
    explicit_bzero(line, sizeof line);
    return status;
}

void secret_free(char **secret)
{
    if (*secret)
        explicit_bzero(*secret, strlen(*secret));
    g_free(*secret);
    *secret = NULL;
}
