# SPDX-License-Identifier: Apache-2.0
# Whether the file actual is what the file expected describes: <*> in a line is any text, a line <...> any lines.
#
#     awk -v expected=FILE -v actual=FILE -f match.awk /dev/null

function line_matches(pattern, text,    parts, n, i, at) {
    n = split(pattern, parts, /<\*>/)
    if (n <= 1)
        return pattern == text
    if (substr(text, 1, length(parts[1])) != parts[1])
        return 0
    text = substr(text, length(parts[1]) + 1)
    for (i = 2; i < n; i++) {
        at = index(text, parts[i])
        if (!at)
            return 0
        text = substr(text, at + length(parts[i]))
    }
    return length(text) >= length(parts[n]) && substr(text, length(text) - length(parts[n]) + 1) == parts[n]
}

# wanted[i..] against found[j..]
function rest_matches(i, j,    k) {
    for (; i <= wanted_lines; i++) {
        if (wanted[i] == "<...>") {
            for (k = j; k <= found_lines + 1; k++)
                if (rest_matches(i + 1, k))
                    return 1
            return 0
        }
        if (j > found_lines || !line_matches(wanted[i], found[j++]))
            return 0
    }
    return j == found_lines + 1
}

BEGIN {
    while ((getline line < expected) > 0)
        wanted[++wanted_lines] = line
    while ((getline line < actual) > 0)
        found[++found_lines] = line
    exit !rest_matches(1, 1)
}
