# SPDX-License-Identifier: Apache-2.0
# Where the source can be changed by one operator, constant or statement, and into what: FILE <tab> LINE <tab> COLUMN <tab> OLD <tab> NEW.
#
#     awk -f sites.awk FILE...
#
# Left alone: comments, strings, preprocessor lines, declarations of types, and lines about memory and messages, whose faults are looked for
# by other tests (allocations that fail, sanitizers).
function put(column, old, new) {
    printf "%s\t%d\t%d\t%s\t%s\n", FILENAME, FNR, column, old, new
}
# Every place of an operator in `code`; it stands between blanks in this code base.
function operators(code, old, new,    at, from) {
    from = 1
    while ((at = index(substr(code, from), " " old " ")) > 0) {
        put(from + at, old, new)
        from += at + length(old)
    }
}
function constants(code, old, new,    at, from, before, after) {
    from = 1
    while ((at = index(substr(code, from), old)) > 0) {
        at += from - 1
        before = substr(code, at - 1, 1)
        after = substr(code, at + 1, 1)
        if (before !~ /[A-Za-z0-9_.]/ && after !~ /[A-Za-z0-9_.]/)
            put(at, old, new)
        from = at + 1
    }
}
FNR == 1 { comment = 0 }
{
    code = $0
    if (comment) {
        at = index(code, "*/")
        if (!at)
            next
        blank = sprintf("%" at + 1 "s", "")
        code = blank substr(code, at + 2)
        comment = 0
    }
    while ((at = index(code, "/*")) > 0) {
        end = index(substr(code, at + 2), "*/")
        if (!end) {
            code = substr(code, 1, at - 1)
            comment = 1
        } else
            code = substr(code, 1, at - 1) sprintf("%" end + 3 "s", "") substr(code, at + end + 3)
    }
    while (match(code, /"[^"]*"/)) {
        blank = ""
        for (i = 0; i < RLENGTH; i++)
            blank = blank "\""
        gsub(/"/, "~", blank)
        code = substr(code, 1, RSTART - 1) blank substr(code, RSTART + RLENGTH)
    }
    if (code ~ /^#/ || code ~ /dp_fail|dp_malloc|dp_calloc|dp_memory_free|dp_mul_size|[fF]ail_memory|_close\(|typedef|^static .*\)$|^}/)
        next
    operators(code, "<", "<="); operators(code, "<=", "<"); operators(code, ">", ">="); operators(code, ">=", ">")
    operators(code, "==", "!="); operators(code, "!=", "==")
    operators(code, "+", "-"); operators(code, "-", "+"); operators(code, "*", "/"); operators(code, "/", "*"); operators(code, "%", "*")
    operators(code, "&&", "||"); operators(code, "||", "&&")
    operators(code, "+=", "-="); operators(code, "-=", "+="); operators(code, "*=", "/="); operators(code, "/=", "*=")
    constants(code, "0", "1"); constants(code, "1", "0"); constants(code, "2", "3")
    # A statement that is an assignment or a call alone on its line.
    if (code ~ /^ +[a-z_]+((->|\.|\[)[^=;]*)? ([-+*\/|&]?=) [^;]*; *$/ || code ~ /^ +[a-z_]+\([^;]*\); *$/ || code ~ /^ +[a-z_>.-]+(\+\+|--); *$/ || code ~ /^ +continue; *$/)
        put(match(code, /[^ ]/), "statement", "nothing")
}
