/* json.c - machine-readable lines on stdout. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *cli_json_text(const char *bytes)
{
    char *text = g_utf8_make_valid(bytes, -1);
    json_t *value = json_string(text);
    g_free(text);
    return value;
}

void cli_json_bytes(json_t *object, const char *key, const char *bytes)
{
    if (g_utf8_validate(bytes, -1, NULL))
        return;
    char *name = g_strconcat(key, "_base64", NULL), *text = g_base64_encode((const guchar *)bytes, strlen(bytes));
    json_object_set_new(object, name, json_string(text));
    g_free(text);
    g_free(name);
}

json_t *cli_json_real(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static bool hidden;

void cli_hide_times(void)
{
    hidden = true;
}

bool cli_times_hidden(void)
{
    return hidden;
}

json_t *cli_json_ms(double ms)
{
    return hidden ? json_null() : cli_json_real(round(ms * 1000) / 1000);
}

json_t *cli_json_pose(const dp_pose *pose)
{
    json_t *object = json_object();
    json_object_set_new(object, "status", json_string(dp_align_status_name(pose->status)));
    bool found = pose->n_points > 0;
    json_object_set_new(object, "angle_deg", found ? cli_json_real(pose->angle_rad * 180 / G_PI) : json_null());
    json_object_set_new(object, "centre_px",
                        found ? json_pack("[o,o]", cli_json_real(pose->centre_x_px), cli_json_real(pose->centre_y_px))
                              : json_null());
    json_object_set_new(object, "sigma_major_px", found ? cli_json_real(pose->sigma_major_px) : json_null());
    json_object_set_new(object, "sigma_minor_px", found ? cli_json_real(pose->sigma_minor_px) : json_null());
    return object;
}

bool cli_json_print(json_t *value)
{
    /* Twelve digits carry a float exactly and a double beyond any use here. */
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(12));
    json_decref(value);
    bool good = text && puts(text) >= 0 && fflush(stdout) == 0;
    if (!good)
        cli_complain("standard output: cannot write: %s", text ? g_strerror(errno) : "not enough memory");
    free(text);
    return good;
}
