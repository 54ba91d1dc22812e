#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The binary interface of a library against its list in this folder: exported symbols, declarations, sizes, offsets, values, soname.
#
#     run.sh SOURCE_FOLDER LIBRARY LIST HEADER...      headers below include/, all that belong to the library
#
# It is compared with the list of the last release too: that of the newest tag v* behind the commit, where git has it.
# What changed is printed as a difference.  ACCEPT=1, or `make abi`, writes the list anew.
set -eu
source=$(CDPATH='' cd "$1" && pwd -P)
library=$2
list=$3
shift 3
cc=${CC:-cc}
here=$source/tests/abi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
failed=0
report() { # NAME FINDINGS_FILE
    printf '[ RUN      ] %s\n' "$1"
    if [ -s "$2" ]; then
        cat "$2"
        printf '[  FAILED  ] %s\n' "$1"
        failed=1
    else
        printf '[       OK ] %s\n' "$1"
    fi
}

# The text of these headers alone: the preprocessor's marks say which file a line comes from.
for header in "$@"; do
    printf '#include "%s"\n' "$header"
done >"$folder/all.h"
$cc -std=c11 -E -I"$source/include" "$folder/all.h" | awk -v headers="$*" -v include="$source/include/" '
    BEGIN { n = split(headers, names, " "); for (i = 1; i <= n; i++) own["\"" include names[i] "\""] = 1 }
    /^# [0-9]+ "/ { inside = $3 in own; next }
    inside' >"$folder/plain"
awk -v functions="$folder/functions" -v headers="$*" -f "$here/list.awk" "$folder/plain" >"$folder/list.c"
$cc -std=c11 -I"$source/include" -o "$folder/list" "$folder/list.c"
# Sanitizers and gcov (mangle_path) bring names of their own along.
nm -D --defined-only "$library" | awk '$3 !~ /^__/ && $3 != "mangle_path" { print $3 }' | LC_ALL=C sort >"$folder/exported"
grep -v '^typedef' "$folder/functions" | sed 's/(.*//; s/.*[ *]//' | LC_ALL=C sort >"$folder/declared"

# What the header declares is what the library exports, and nothing else.
LC_ALL=C comm -3 "$folder/declared" "$folder/exported" |
    sed 's/^\t\(.*\)/exported, but not declared: \1/; t; s/^/declared, but not exported: /' >"$folder/findings"
report exported-is-what-is-declared "$folder/findings"
grep -v '^dp_' "$folder/exported" | sed 's/^/without the prefix dp_: /' >"$folder/findings" || :
report exported-names-have-the-prefix "$folder/findings"

{
    printf '# The binary interface: tests/abi/run.sh compares it with the library, "make abi" writes it anew.\n'
    readelf -d "$library" | sed -n 's/.*SONAME.*\[\(.*\)\]/soname \1/p'
    LC_ALL=C sort "$folder/functions"
    sed -nE 's/^#define (DP_[A-Z_]+) +([^ /].*[^ ])( *\/\*.*)?$/define \1 \2/p' $(printf "$source/include/%s " "$@") | grep -v -e DP_API -e DP_VERSION || :
    "$folder/list"
} >"$folder/abi.txt"
if [ "${ACCEPT:-}" = 1 ]; then
    cp "$folder/abi.txt" "$here/$list"
fi
if diff -u --label "$list (as listed)" --label 'now' "$here/$list" "$folder/abi.txt" >"$folder/findings"; then
    :
else
    cat >>"$folder/findings" <<'END'
The binary interface has changed.  Lines that are only added keep old programs running; a line that is gone or different
breaks them: once the interface is stable, raise `soversion` in meson.build with it.  Where the change is meant:
    make abi
and commit the lists of tests/abi/.
END
fi
report interface-is-as-listed "$folder/findings"

# A line of the last release that is gone breaks programs built with it: those of another soname do not load this library.
release=$(git -C "$source" describe --tags --abbrev=0 --match 'v[0-9]*' 2>"$folder/log" || :)
if [ -n "$release" ] && git -C "$source" show "$release:tests/abi/$list" >"$folder/released" 2>"$folder/log"; then
    : >"$folder/findings"
    if [ "$(grep '^soname ' "$folder/released")" = "$(grep '^soname ' "$folder/abi.txt")" ]; then
        for file in released abi.txt; do LC_ALL=C sort -u "$folder/$file" >"$folder/sorted.$file"; done
        LC_ALL=C comm -23 "$folder/sorted.released" "$folder/sorted.abi.txt" | grep -v '^#' |
            sed "s/^/in $release, and gone or changed; raise \`soversion\` in meson.build: /" >"$folder/findings" || :
    fi
    report programs-of-the-last-release-run "$folder/findings"
else
    printf '[ RUN      ] programs-of-the-last-release-run\n[  SKIPPED ] programs-of-the-last-release-run: no tag v* with a list here\n'
fi

# The Debian package lists the same functions, each with the version that brought it.
soname=$(sed -n 's/^soname //p' "$folder/abi.txt")
symbols=$(grep -l "^$soname " "$source"/debian/*.symbols)
sed -n 's/^ \(.*\)@Base .*/\1/p' "$symbols" | LC_ALL=C sort >"$folder/packaged"
if [ "${ACCEPT:-}" = 1 ]; then
    version=$(sed -n 's/^#define DP_VERSION_[A-Z]* //p' "$source/include/dinopatch.h" | paste -sd.)
    LC_ALL=C comm -13 "$folder/packaged" "$folder/exported" | sed "s/.*/ &@Base $version/" >"$folder/new"
    { head -n 1 "$symbols"; sed 1d "$symbols" | LC_ALL=C sort - "$folder/new"; } >"$folder/symbols"
    cp "$folder/symbols" "$symbols"
fi
LC_ALL=C comm -3 "$folder/packaged" "$folder/exported" |
    sed "s|^\t\(.*\)|exported, but not in debian/${symbols##*/}: \1; \`make abi\` adds it|; t; s|^|in debian/${symbols##*/}, but not exported: |" >"$folder/findings"
report package-lists-what-is-exported "$folder/findings"
exit $failed
