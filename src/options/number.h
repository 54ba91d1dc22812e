/* number.h - numbers as a person types them, and as they are shown. */
#ifndef DP_OPTIONS_NUMBER_H
#define DP_OPTIONS_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

/* How many of the characters are a plain decimal number: -12, 0.5, .5, 1e-3; 0: it does not begin with one. */
size_t dp_number_length(const char *text, bool whole);
/* The number in the first characters, with a point whatever the locale.  False: too large, or too small to be told from
 * 0. */
bool dp_number_read(const char *text, size_t length, double *value);
/* The fewest digits that give the value back; at most 32 bytes. */
void dp_number_write(double value, char *text, size_t size);

#endif
