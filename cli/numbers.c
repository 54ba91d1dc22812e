/* numbers.c - reads the numbers that a user types: plain decimal ones, whole or not, within their range, or refused with the reason.
 *
 * strtod and strtol take more than anybody means to write on a command line (nan, inf, 0x1p4, what stands before a letter), and clip what
 * is too large.  Here a number is digits, where a fraction is allowed with a point and an exponent, and nothing before or behind it. */
#include "cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* How many of the characters are a plain decimal number: -12, 0.5, .5, 1e-3; 0: it does not begin with one. */
static size_t plain_length(const char *text, bool whole)
{
    const char *p = text + (*text == '-'), *digits = p;
    size_t n = strspn(p, "0123456789");
    p += n;
    if (!whole && *p == '.' && g_ascii_isdigit(p[1])) {
        size_t fraction = strspn(p + 1, "0123456789");
        n += fraction;
        p += 1 + fraction;
    }
    if (!n || (p == digits))
        return 0;
    if (!whole && (*p == 'e' || *p == 'E')) {
        const char *exponent = p + 1 + (p[1] == '-' || p[1] == '+');
        size_t m = strspn(exponent, "0123456789");
        if (m)
            p = exponent + m;
    }
    return (size_t)(p - text);
}

/* False: too large, or too small to be told from 0. */
static bool convert(const char *text, size_t length, double *value)
{
    char *copy = g_strndup(text, length);
    errno = 0;
    *value = g_ascii_strtod(copy, NULL);
    bool good = errno != ERANGE && isfinite(*value);
    g_free(copy);
    return good;
}

static bool within(const cli_option *o, double value)
{
    return (o->flags & CLI_ABOVE ? value > o->least : value >= o->least) && (o->flags & CLI_BELOW ? value < o->most : value <= o->most)
           && (!(o->flags & CLI_ODD) || fmod(value, 2) == 1);
}

/* "from 1 to 1000"; g_free. */
static char *range_text(const cli_option *o)
{
    char *least = g_strdup_printf("%.15g", o->least), *most = g_strdup_printf("%.15g", o->most), *text;
    if (o->most >= CLI_NO_END)
        text = o->flags & CLI_ABOVE ? g_strdup_printf("above %s", least) : g_strdup_printf("of %s or more", least);
    else if (o->flags & (CLI_ABOVE | CLI_BELOW))
        text = g_strdup_printf("%s %s and %s %s", o->flags & CLI_ABOVE ? "above" : "from", least, o->flags & CLI_BELOW ? "below" : "up to", most);
    else
        text = g_strdup_printf("from %s to %s", least, most);
    g_free(least);
    g_free(most);
    return text;
}

/* What the option takes: "give a whole number from 1 to 1000"; g_free. */
static char *wanted(const cli_option *o)
{
    char *range = range_text(o), *text;
    if (o->arg == CLI_SHARE)
        text = g_strdup_printf("give a share between 0 and 1 such as 0.5, or a whole number from 1 to %.15g%s", o->most,
                               o->flags & CLI_OR_ZERO ? ", or 0" : "");
    else if (o->arg == CLI_SIZE)
        text = g_strdup("give a whole number, or one with k, M, G or T behind it, such as 500M or 2.5G");
    else
        text = g_strdup_printf("give %s %s", o->flags & CLI_ODD ? "an odd number" : o->arg == CLI_WHOLE ? "a whole number" : "a number", range);
    g_free(range);
    return text;
}

/* How it would be written, where that can be guessed: ", write 0.05"; static. */
static const char *hint(const cli_option *o, const char *text)
{
    static char said[64];
    size_t n = plain_length(text, false);
    double value;
    said[0] = '\0';
    if (n && !strcmp(text + n, "%") && convert(text, n, &value) && o->arg != CLI_WHOLE && o->arg != CLI_SIZE)
        g_snprintf(said, sizeof said, ", write %.10g", value / 100);
    else if (n && text[n] == ',' && strspn(text + n + 1, "0123456789") == strlen(text + n + 1) && text[n + 1] && n + strlen(text + n) < 32)
        g_snprintf(said, sizeof said, ", write %.*s.%s", (int)n, text, text + n + 1);
    return said;
}

static bool read_value(const cli_option *o, const char *text, double *value)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1}, {"k", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}};
    /* A count with a point in it is a share that is too large, as 1.0 is: it is not taken for one piece. */
    bool whole = o->arg == CLI_WHOLE || (o->arg == CLI_SHARE && !strpbrk(text, ".eE"));
    size_t n = plain_length(text, whole);
    if (!n || !convert(text, n, value))
        return false;
    if (o->arg == CLI_SHARE) {
        if (text[n])
            return false;
        if (whole)
            return (*value >= 1 && *value <= o->most) || (*value == 0 && o->flags & CLI_OR_ZERO);
        return (*value > 0 && *value < 1) || (*value == 0 && o->flags & CLI_OR_ZERO);
    }
    double factor = 0;
    for (size_t i = 0; i < (o->arg == CLI_SIZE ? G_N_ELEMENTS(units) : 1); i++)
        if (!strcmp(text + n, units[i].unit))
            factor = units[i].factor;
    *value *= factor;
    if (o->arg == CLI_SIZE) { /* 2.3M is 2300000, but half a byte is none */
        double rounded = rint(*value);
        if (fabs(rounded - *value) > 1e-9 * rounded)
            return false;
        *value = rounded;
    }
    return factor > 0 && within(o, *value);
}

char *cli_number_read(const cli_option *o, const char *text, double *value)
{
    double number;
    if (read_value(o, text, &number)) {
        *value = number + 0.0; /* no -0 */
        return NULL;
    }
    const bool plain = plain_length(text, o->arg == CLI_WHOLE) == strlen(text) && *text;
    const char *how = hint(o, text);
    char *take = wanted(o);
    char *reason = plain || o->arg == CLI_SIZE ? g_strdup(take)
                   : o->arg == CLI_WHOLE && plain_length(text, false) == strlen(text) && *text
                       ? g_strdup_printf("is not a whole number in plain digits; %s", take)
                       : g_strdup_printf("is not a plain decimal number%s; %s", how, take);
    g_free(take);
    return reason;
}

bool cli_number_is(const char *text, int kind, double least, double most, double *value)
{
    const cli_option o = {.arg = kind, .least = least, .most = most};
    char *reason = cli_number_read(&o, text, value);
    g_free(reason);
    return !reason;
}
