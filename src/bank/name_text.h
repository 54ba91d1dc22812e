/* SPDX-License-Identifier: Apache-2.0 */
/* name_text.h - file names with any bytes as UTF-8 text. */
#ifndef DP_BANK_NAME_TEXT_H
#define DP_BANK_NAME_TEXT_H

/* Returns a name of any bytes as UTF-8: a byte that is not part of valid UTF-8 becomes \xHH (two lower-case hexadecimal
 * digits), a backslash becomes two; everything else stays. NULL: no memory; free with dp_memory_free. */
char *dp_name_to_text(const char *name);
/* Converts back. NULL: no memory, or, with *broken set, a text that dp_name_to_text never writes. */
char *dp_name_from_text(const char *text, int *broken);

#endif
