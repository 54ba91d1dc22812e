# SPDX-License-Identifier: Apache-2.0
# From preprocessed public headers to a C program that prints sizes, offsets and values.  Function declarations go to the file
# `functions`, one a line.  No comments reach this, and one declaration ends where its last bracket closes and a ";" stands.
function flush_declaration(text,    name, body, parts, n, i, j, field, names, m) {
    gsub(/[ \t]+/, " ", text)
    sub(/^ /, "", text)
    if (text ~ /^typedef enum/) {
        body = text
        sub(/^[^{]*\{/, "", body)
        sub(/\}.*/, "", body)
        n = split(body, parts, ",")
        for (i = 1; i <= n; i++) {
            field = parts[i]
            sub(/=.*/, "", field)
            gsub(/ /, "", field)
            if (field != "")
                printf "    printf(\"enum %s = %%d\\n\", (int)%s);\n", field, field
        }
    } else if (text ~ /^typedef struct [a-z_0-9]+ \{/) {
        name = text
        sub(/^typedef struct /, "", name)
        sub(/ .*/, "", name)
        printf "    printf(\"struct %s: %%zu bytes\\n\", sizeof(%s));\n", name, name
        body = text
        sub(/^[^{]*\{/, "", body)
        sub(/\}[^}]*$/, "", body)
        n = split(body, parts, ";")
        for (i = 1; i <= n; i++) {
            field = parts[i]
            if (field ~ /\(\*/) { # a pointer to a function
                sub(/.*\(\*/, "", field)
                sub(/\).*/, "", field)
            }
            m = split(field, names, ",")
            for (j = 1; j <= m; j++) {
                sub(/\[.*/, "", names[j])
                sub(/ *$/, "", names[j])
                sub(/.*[ *]/, "", names[j])
                if (names[j] != "")
                    printf "    printf(\"struct %s.%s at %%zu, %%zu bytes\\n\", offsetof(%s, %s), sizeof(((%s *)0)->%s));\n", name,
                        names[j], name, names[j], name, names[j]
            }
        }
    } else if (text ~ /^typedef/) {
        print text > functions
    } else if (sub(/^__attribute__\(\(visibility\("default"\)\)\) /, "", text)) {
        print text > functions
    }
}
BEGIN {
    n = split(headers, names, " ")
    for (i = 1; i <= n; i++)
        printf "#include \"%s\"\n", names[i]
    print "#include <stdio.h>\nint main(void)\n{"
}
{
    declaration = declaration " " $0
    line = $0
    depth += gsub(/\{/, "{", line) - gsub(/\}/, "}", line)
    if (depth == 0 && $0 ~ /; *$/) {
        flush_declaration(declaration)
        declaration = ""
    }
}
END {
    print "    return 0;\n}"
}
