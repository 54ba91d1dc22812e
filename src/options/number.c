/* SPDX-License-Identifier: Apache-2.0 */
/* number.c - reads the numbers of options: decimal, whole or not, within their range; others are refused with the
 * reason.
 *
 * strtod and strtol accept more than anybody means to write (nan, inf, 0x1p4, a number before a letter), and clip what
 * is too large. Here a number is digits, with a point and an exponent where a fraction is allowed, and nothing before
 * or after it. */
#include "options/number.h"
#include "base/error.h"
#include "options/option_table.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_END 1e30              /* high: no upper end is shown */
#define EXACT 9007199254740992.0 /* whole numbers up to here are written with all their digits */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

size_t dp_number_length(const char *text, bool whole)
{
    const char *p = text + (*text == '-'), *digits = p;
    p += strspn(p, "0123456789");
    if (!whole && *p == '.' && is_digit(p[1]))
        p += 1 + strspn(p + 1, "0123456789");
    if (p == digits)
        return 0;
    if (!whole && (*p == 'e' || *p == 'E')) {
        const char *exponent = p + 1 + (p[1] == '-' || p[1] == '+');
        size_t n = strspn(exponent, "0123456789");
        if (n)
            p = exponent + n;
    }
    return (size_t)(p - text);
}

bool dp_number_read(const char *text, size_t length, double *value)
{
    char copy[512];
    if (length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (!plain)
        return false;
    errno = 0;
    *value = strtod_l(copy, NULL, plain);
    bool good = errno != ERANGE && isfinite(*value);
    freelocale(plain);
    return good;
}

void dp_number_write(double value, char *text, size_t size)
{
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), before = plain ? uselocale(plain) : (locale_t)0;
    bool whole = value == rint(value) && fabs(value) <= EXACT;
    if (whole)
        snprintf(text, size, "%.0f", value + 0.0);
    for (int precision = 6; precision <= 17 && !whole; precision++) {
        snprintf(text, size, "%.*g", precision, value);
        if (strtod(text, NULL) == value)
            break;
    }
    if (plain) {
        uselocale(before);
        freelocale(plain);
    }
}

/* -------------------------------------------------------------------------------------------------------- one option
 */

bool dp_option_holds(const dp_option *o, double value)
{
    int n = dp_option_choices(o);
    if (o->kind == DP_OPTION_CHOICE)
        return value >= 0 && value < n;
    if (o->kind == DP_OPTION_FLAG || (o->kind == DP_OPTION_WINDOW && value >= (double)DP_WINDOW_GLOBAL))
        return true;
    if (value == 0 && (o->flags & DP_OPTION_OFF || (o->kind == DP_OPTION_SHARE && o->low == 0)))
        return true;
    for (int i = 0; i < n && value <= o->high; i++)
        if (strtol(o->choices[i], NULL, 10) == (long)value)
            return true;
    if (n)
        return false;
    if (o->kind == DP_OPTION_SHARE)
        return (value > 0 && value < 1) || (value >= 1 && value <= o->high && value == floor(value));
    return (o->flags & DP_OPTION_ABOVE ? value > o->low : value >= o->low)
           && (o->flags & DP_OPTION_BELOW ? value < o->high : value <= o->high)
           && (!(o->flags & DP_OPTION_ODD) || fmod(value, 2) == 1);
}

/* "from 1 to 1000", "1 or 8", "above 0 and below 1". */
static void range_text(const dp_option *o, char *text, size_t size)
{
    char low[32], high[32];
    dp_number_write(o->low, low, sizeof low);
    dp_number_write(o->high, high, sizeof high);
    int n = dp_option_choices(o);
    if (n) {
        size_t at = 0;
        for (int i = 0; i < n && at < size; i++)
            at += (size_t)snprintf(text + at, size - at, "%s%s",
                                   i == 0       ? ""
                                   : i == n - 1 ? " or "
                                                : ", ",
                                   o->choices[i]);
    } else if (o->high >= NO_END) {
        snprintf(text, size, o->flags & DP_OPTION_ABOVE ? "above %s" : "of %s or more", low);
    } else if (o->flags & (DP_OPTION_ABOVE | DP_OPTION_BELOW)) {
        snprintf(text, size, "%s %s and %s %s", o->flags & DP_OPTION_ABOVE ? "above" : "from", low,
                 o->flags & DP_OPTION_BELOW ? "below" : "up to", high);
    } else {
        snprintf(text, size, "from %s to %s", low, high);
    }
}

void dp_option_wanted(const dp_option *o, char *text, size_t size)
{
    char range[128], most[32];
    range_text(o, range, sizeof range);
    dp_number_write(o->high, most, sizeof most);
    const char *off = o->flags & DP_OPTION_OFF ? ", or off" : "";
    if (o->kind == DP_OPTION_SHARE)
        snprintf(text, size, "give a share between 0 and 1 such as 0.5, or a whole number from 1 to %s%s%s", most,
                 o->low == 0 ? ", or 0" : "", off);
    else if (o->kind == DP_OPTION_AMOUNT)
        snprintf(text, size, "give a whole number, or a number with k, M, G or T, such as 500M or 2.5G");
    else
        snprintf(text, size, "give %s%s%s",
                 o->choices                   ? ""
                 : o->flags & DP_OPTION_ODD   ? "an odd number "
                 : o->kind == DP_OPTION_WHOLE ? "a whole number "
                                              : "a number ",
                 range, off);
}

/* Suggests how to write it, if that can be guessed: ", write 0.05". */
static void hint(const dp_option *o, const char *text, char *said, size_t size)
{
    size_t n = dp_number_length(text, false);
    double value;
    said[0] = '\0';
    if (n && !strcmp(text + n, "%") && o->kind != DP_OPTION_WHOLE && o->kind != DP_OPTION_AMOUNT
        && dp_number_read(text, n, &value)) {
        char number[32];
        dp_number_write(value / 100, number, sizeof number);
        snprintf(said, size, ", write %s", number);
    } else if (n && text[n] == ',' && text[n + 1] && strspn(text + n + 1, "0123456789") == strlen(text + n + 1)
               && n + strlen(text + n) < 32) {
        snprintf(said, size, ", write %.*s.%s", (int)n, text, text + n + 1);
    }
}

static bool read_amount(const char *unit, double *value)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcmp(unit, units[i].unit) != 0)
            continue;
        /* 2.3M is 2300000, but half a byte does not exist */
        double scaled = *value * units[i].factor, rounded = rint(scaled);
        *value = rounded;
        return !(fabs(rounded - scaled) > 1e-9 * rounded);
    }
    return false;
}

static bool read_value(const dp_option *o, const char *text, double *value)
{
    if (o->flags & DP_OPTION_OFF && !strcmp(text, "off")) {
        *value = 0;
        return true;
    }
    /* A count with a point is a share that is too large, such as 1.0; it is not a count of one. */
    bool share = o->kind == DP_OPTION_SHARE && strpbrk(text, ".eE"),
         whole = o->kind == DP_OPTION_WHOLE || (o->kind == DP_OPTION_SHARE && !share);
    size_t n = dp_number_length(text, whole);
    if (!n || !dp_number_read(text, n, value))
        return false;
    if (o->kind == DP_OPTION_AMOUNT) {
        if (!read_amount(text + n, value))
            return false;
    } else if (text[n]) {
        return false;
    }
    if (*value == 0 && o->low > 0) /* "off" is a value of its own */
        return false;
    return share ? (*value > 0 && *value < 1) || (*value == 0 && o->low == 0) : dp_option_holds(o, *value);
}

dp_status dp_option_read(const dp_option *o, const char *text, double *value, dp_error *err)
{
    double number;
    if (read_value(o, text, &number)) {
        *value = number + 0.0; /* no -0 */
        return DP_OK;
    }
    char take[256], how[64];
    size_t length = strlen(text);
    dp_option_wanted(o, take, sizeof take);
    hint(o, text, how, sizeof how);
    if (o->kind == DP_OPTION_AMOUNT || (length && dp_number_length(text, o->kind == DP_OPTION_WHOLE) == length))
        return dp_fail(err, DP_E_ARGUMENT, "%s", take);
    if (o->kind == DP_OPTION_WHOLE && length && dp_number_length(text, false) == length)
        return dp_fail(err, DP_E_ARGUMENT, "is not a whole number in plain digits; %s", take);
    return dp_fail(err, DP_E_ARGUMENT, "is not a decimal number%s; %s", how, take);
}
