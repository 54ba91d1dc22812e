# SPDX-License-Identifier: Apache-2.0
# Prints "A B" for each C file A that names a function which file B defines; tsort then finds the circles.
FNR == 1 { comment = 0 }
{
    rest = $0
    for (line = ""; rest != "";) { # leaves out comments
        at = index(rest, comment ? "*/" : "/*")
        if (!comment)
            line = line (at ? substr(rest, 1, at - 1) : rest)
        rest = at ? substr(rest, at + 2) : ""
        if (at)
            comment = !comment
    }
    gsub(/"([^"\\]|\\.)*"/, "", line)
    if (line ~ /^[A-Za-z][A-Za-z_0-9 *]*\(/ && line !~ /(^| )(static|typedef|extern) / && line !~ /;$/) {
        match(line, /[A-Za-z_0-9]+\(/)
        name = substr(line, RSTART, RLENGTH - 1)
        where[name] = where[name] " " FILENAME
        own[FILENAME, name] = 1
    }
    n = split(line, words, /[^A-Za-z_0-9]+/)
    for (i = 1; i <= n; i++)
        if (words[i] ~ /^[a-z]+_/)
            uses[FILENAME, words[i]] = 1
}
END {
    for (pair in uses) {
        split(pair, use, SUBSEP)
        if (use[2] in where && !(pair in own)) {
            n = split(where[use[2]], files, " ")
            for (i = 1; i <= n; i++)
                print use[1], files[i]
        }
    }
}
