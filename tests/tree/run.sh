#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# The house's rules that a script can check: dependencies point one way, and programs see the public header only.
#
#     run.sh SOURCE_FOLDER
set -u
cd "$1" || exit 1
failures=0

report() { # NAME FINDINGS
    printf '[ RUN      ] %s\n' "$1"
    if [ -z "$2" ]; then
        printf '[       OK ] %s\n' "$1"
    else
        printf '%s\n[  FAILED  ] %s\n' "$2" "$1"
        failures=$((failures + 1))
    fi
}

# A folder of src/ may include headers of itself and of the folders before it.
order='base simd format options image align geometry network register extract bank search reduce score pipeline edit eval'
report dependencies-point-one-way "$(
    allowed=
    for folder in $order; do
        allowed="$allowed $folder"
        grep -n '#include "' "src/$folder"/*.[ch] | awk -v allowed="$allowed dinopatch" '
            BEGIN { n = split(allowed, names, " "); for (i = 1; i <= n; i++) ok[names[i]] = 1 }
            {
                match($0, /#include "[^"]*"/)
                path = substr($0, RSTART + 10, RLENGTH - 11)
                split(path, parts, "/")
                if (index(path, "/") && !(parts[1] in ok))
                    print
            }'
    done
)"

# The files of a library or program stand in an order too: none uses what uses it.
report no-circle-of-files "$(
    for room in src io cli research; do
        find $room -name '*.c' | sort | xargs awk -f tests/tree/uses.awk | sort -u | tsort 2>&1 >/dev/null
    done
)"

report every-folder-has-its-place "$(
    for path in src/*/; do
        folder=$(basename "$path")
        case " $order " in *" $folder "*) ;; *) printf 'src/%s stands in no order\n' "$folder" ;; esac
    done
)"

# The core knows no picture files, no drawing, no network; what stands on it sees of it no more than said here.
report core-stands-alone "$(
    grep -nE '#[[:space:]]*include[[:space:]]*[<"](vips|glib|gio|gobject|cairo|curl|dinopatch/(io|draw)\.h|io/|cli/|\.\.)' src/*/*.[ch]
    grep -n '#include "' src/*/*.[ch] | sed -n 's/^\([^:]*:[0-9]*\):#include "\(.*\)"$/\1 \2/p' | while read -r place name; do
        [ -f "src/$name" ] || [ -f "include/$name" ] || [ -f "$(dirname "$place")/$name" ] || printf '%s includes %s\n' "$place" "$name"
    done
)"
report io-sees-headers-and-base "$(
    grep -nE '#include ".*"' io/*.[ch] io/*/*.[ch] | grep -vE '#include "(dinopatch\.h|dinopatch/[a-z]+\.h|base/[a-z0-9_]+\.h|(picture|draw)/[a-z0-9_]+\.h)"'
)"
report only-fetch-knows-the-network "$(
    grep -rnE '#[[:space:]]*include[[:space:]]*<(curl|openssl)' cli demo io --include='*.[ch]' | grep -vE '^cli/(fetch/|watch/webhook\.c:)'
)"

# Who looks for a file by its name finds one.
report file-names-are-told-apart "$(
    find src cli bench demo examples research -name '*.[ch]' 2>/dev/null | awk -F/ '$NF in seen { print $0 " and " seen[$NF] } { seen[$NF] = $0 }'
)"

# One vector vocabulary: src/simd.  base/isa.c asks which instruction sets there are.
report vectors-stay-in-simd "$(
    grep -nE '#[[:space:]]*include <((([a-z]?mm|x86|imm|avx[0-9a-z]*)intrin)|cpuid|arm_(neon|sve|acle))\.h>' src/*/*.[ch] cli/*.[ch] |
        grep -v '^src/simd/vector_[a-z0-9]*\.h:' | grep -v '^src/base/isa\.c:.*<cpuid\.h>'
    grep -nE '(^|[^a-z_])(vector_size|_mm[0-9]*_[a-z]|__m(128|256|512)|v[a-z0-9]+q_[a-z0-9_]*[fsu](8|16|32)\()' src/*/*.[ch] | grep -v '^src/simd/'
)"

report programs-see-the-public-header-only "$(
    find cli demo examples research -name '*.[ch]' 2>/dev/null | sort | while read -r file; do
        grep -n '#include "[^"]*/' "$file" | while read -r line; do
            name=${line#*\"} name=${name%%\"*}
            case $name in ../*) name=${name#../} ;; dinopatch/*) [ -f "include/$name" ] && continue ;; esac
            case $file:$name in research/*:cli/*) continue ;; esac # what the commands share, which is bound by this itself
            [ -f "${file%%/*}/$name" ] || echo "$file:$line" # a folder of the program's own is no door to the library
        done
    done
)"

# What a jansson call returns is looked at in one place; a value that could not be made would be left out in silence.
report json-is-made-in-one-place "$(
    grep -nE '(^|[^_a-z])json_(v?pack(_ex)?|dumps|object_set(_new)?|array_append(_new)?)\(' cli/*.[ch] cli/*/*.[ch] research/*.[ch] | grep -v '^cli/json\.c:'
)"

# Memory comes from base/memory.h, which multiplies with a check: there is no product of sizes in a call, but one whose check a comment
# names.
report sizes-are-multiplied-with-a-check "$(
    grep -nE '(^|[^_a-z])(malloc|calloc|realloc|reallocarray|alloca)\(' src/*/*.[ch] io/*.[ch] io/*/*.[ch] | grep -v '^src/base/memory\.c'
    grep -nE 'dp_[mc]alloc(_2d)?\([^;]*[]a-z_)] \* ' src/*/*.[ch] io/*.[ch] io/*/*.[ch] | grep -v '/\* checked'
)"

# docs/glossary.md: words that were replaced do not come back. The glossary itself names them.
report words-of-the-glossary "$(
    grep -rnwiE 'nominal|workbench|living|memory bank|LAYOUT_POOL|layout=pool|prototypes?' src include cli io docs man examples README.md |
        grep -v '^docs/glossary\.md:'
)"

# A library speaks to C, Python and the command line alike: its messages name an option by its key, never as --option.
report messages-name-options-by-key "$(
    grep -nE '"[^"]*--[a-z][a-z-]+' src/*/*.[ch] io/*.[ch] io/*/*.[ch] | grep -vE ':[[:space:]]*(/?\*)'
)"

# REUSE.toml speaks for the files that cannot say it themselves.
report sources-name-their-licence "$(
    find include src io cli demo examples bench research tests python scripts man \
        \( -name '*.[ch]' -o -name '*.cpp' -o -name '*.js' -o -name '*.py' -o -name '*.sh' -o -name '*.awk' -o -name '*.1' -o -name meson.build \) \
        -not -path '*/corpus/*' 2>/dev/null | sort | while read -r file; do
        head -n 3 "$file" | grep -q 'SPDX-License-[I]dentifier: Apache-2.0' || echo "$file: begin it with the SPDX line of the other files, in a comment"
    done
)"

# include/dinopatch.h names the version; everything else asks it.
report version-stands-in-one-place "$(
    version=$(sed -n 's/^#define DP_VERSION_[A-Z]* //p' include/dinopatch.h | paste -s -d .)
    grep -nF "$version" meson.build python/dinopatch/*.py pyproject.toml man/*.1 cmake/* src/*/*.[ch] cli/*.[ch] io/*.[ch]
    grep -qF "## $version" CHANGELOG.md || echo "CHANGELOG.md: has no section for $version"
    head -n 1 debian/changelog | grep -qF "($version)" || echo "debian/changelog: does not begin with $version"
)"

# A function with more than eight parameters is missing a struct. These are not: innermost loops of kernels, whose pointers and sizes are
# kept in registers,
many='all_pairs|tile|tile_rows|panel_block|thin_row'
# and functions of public headers, whose callers would fill a struct for one call: pictures as paths and count, results and err.
many="$many|dp_bootstrap|dp_session_embed|dp_canvas_warp|dp_session_inspect_views|dp_bank_fit|dp_bank_fit_within|dp_bank_add|dp_defect_draw"
report functions-have-at-most-eight-parameters "$(
    for file in src/*/*.c io/*.c io/*/*.c cli/*.c cli/*/*.c demo/*.c research/*.c; do
        awk -v file="$file" -v many="$(echo "$many" | tr '\n' '|')" '
            BEGIN { n = split(many, names, "|"); for (i = 1; i <= n; i++) ok[names[i]] = 1 }
            /^[A-Za-z].*\(/ && !/;$/ { head = ""; open = 1 }
            open { head = head $0 }
            open && /^{/ {
                open = 0
                match(head, /[a-z_0-9]+\(/)
                name = substr(head, RSTART, RLENGTH - 1)
                while (gsub(/\([^()]*\)\(/, "(", head)) ;
                list = substr(head, index(head, "(") + 1)
                while (gsub(/\([^()]*\)/, "", list) > 0 && list ~ /\([^()]*\)/) ;
                count = gsub(/,/, ",", list) + 1
                if (count > 8 && !(name in ok))
                    print file ": " name " has " count " parameters; give it a struct"
            }
            /;$/ && open { open = 0 }' "$file"
    done
)"

# The pinned version: others lay out some lines in another way.
format=$(command -v clang-format-14)
if [ -n "$format" ]; then
    report code-is-formatted "$(
        find include src io cli demo examples bench research tests -name '*.[ch]' | sort | xargs -n 40 "$format" --style=file -n 2>&1 |
            sed -n 's/^\([^:]*:[0-9]*\):.*warning: code should be clang-formatted.*/\1: run clang-format-14 --style=file -i on it/p'
    )"
else
    printf '[ RUN      ] code-is-formatted\n[  SKIPPED ] code-is-formatted: clang-format-14 is missing; "scripts/deps.sh ci" installs it\n'
fi

report headers-stand-alone "$(
    strict='-Wall -Wextra -pedantic -Werror -fsyntax-only -Iinclude'
    file=${TMPDIR:-/tmp}/dinopatch-header-$$.c
    for header in dinopatch.h dinopatch/edit.h dinopatch/eval.h dinopatch/experimental.h dinopatch/io.h dinopatch/draw.h; do
        printf '#include "%s"\nint main(void) { return 0; }\n' "$header" >"$file"
        for compiler in "${CC:-cc}" gcc clang; do
            # shellcheck disable=SC2086
            command -v ${compiler%% *} >/dev/null && $compiler -std=c11 $strict "$file" 2>&1
        done
        for compiler in "${CXX:-c++}" g++ clang++; do
            # shellcheck disable=SC2086
            command -v ${compiler%% *} >/dev/null && $compiler -x c++ -std=c++11 $strict "$file" 2>&1
        done
    done
    rm -f "$file"
)"
[ "$failures" = 0 ]
