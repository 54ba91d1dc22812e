#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs into a temporary folder, runs what was installed from there and from where it is moved to, and builds examples/ against it, by
# pkg-config alone: with the shared libraries, with the static ones, and as C++; and by CMake alone, where it is here.  Then runs them.
#
#     run.sh SOURCE_FOLDER BUILD_FOLDER RENDER
set -u
source=$(CDPATH='' cd "$1" && pwd -P)
build=$(CDPATH='' cd "$2" && pwd -P)
render=$(realpath "$3")
top=$(mktemp -d "${TMPDIR:-/tmp}/dinopatch-install-XXXXXX")
trap 'rm -rf "$top"' EXIT
cc=${CC:-cc}
failed=0

begin() { printf '[ RUN      ] %s\n' "$1"; }
finish() { # NAME CODE
    if [ "$2" = 0 ]; then
        printf '[       OK ] %s\n' "$1"
    else
        printf '[  FAILED  ] %s\n' "$1"
        failed=1
    fi
}

begin install
meson install -C "$build" --no-rebuild --quiet --destdir "$top/root" >"$top/log" 2>&1 || cat "$top/log"
pc=$(find "$top/root" -name dinopatch.pc)
finish install $?
[ -n "$pc" ] || { echo "no dinopatch.pc was installed"; exit 1; }
prefix=$(sed -n 's/.*"name": "prefix", "value": "\([^"]*\)".*/\1/p' "$build/meson-info/intro-buildoptions.json" | head -n 1)
export PKG_CONFIG_PATH="$(dirname "$pc")"
config() { pkg-config "$@" dinopatch; } # its paths are relative to where the .pc file lies
config_io() { pkg-config "$@" dinopatch-io; }
libdir=$(realpath "$(config --variable=libdir)")
unset LD_LIBRARY_PATH

begin what-is-installed
(
    code=0
    for file in bin/dinopatch include/dinopatch.h include/dinopatch/edit.h include/dinopatch/eval.h include/dinopatch/experimental.h include/dinopatch/io.h include/dinopatch/draw.h share/man/man1/dinopatch.1 share/doc/dinopatch/LICENSE share/doc/dinopatch/README.md \
        share/doc/dinopatch/docs/method.md share/bash-completion/completions/dinopatch share/zsh/site-functions/_dinopatch \
        share/fish/vendor_completions.d/dinopatch.fish; do
        [ -f "$top/root$prefix/$file" ] || { echo "$file is missing"; code=1; }
    done
    for name in libdinopatch libdinopatch-io; do
        soname=$(readelf -d "$libdir/$name.so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')
        [ "$soname" = $name.so.1 ] && [ -e "$libdir/$soname" ] || { echo "the soname of $name is '$soname'"; code=1; }
        [ -f "$libdir/$name.a" ] || { echo "$name.a is missing"; code=1; }
    done
    for name in DinoPatchConfig.cmake DinoPatchConfigVersion.cmake; do
        [ -f "$libdir/cmake/DinoPatch/$name" ] || { echo "$name is missing"; code=1; }
    done
    [ "$(config_io --modversion)" = "$(config --modversion)" ] || { echo "the versions of the two .pc files differ"; code=1; }
    [ "$(config --modversion)" = "$("$top/root$prefix/bin/dinopatch" --version | awk '{ print $2 }')" ] || {
        echo "the versions of dinopatch.pc and of the program differ"
        code=1
    }
    [ "$(find "$top/root" -name '*.h' | wc -l)" = 6 ] || { echo "more than six headers"; code=1; }
    exit $code
)
finish what-is-installed $?

# The core links oneDNN (with its OpenMP), LAPACK, jansson, libcrypto and C's own libraries; no more, and its .pc file asks for no more.
# Runtimes of sanitizers are those of the build.
begin what-the-libraries-link
(
    code=0
    needed() { readelf -d "$libdir/$1.so" | sed -n 's/.*NEEDED.*\[\([^]]*\)\.so.*/\1/p' | grep -vE '^(lib(asan|ubsan|tsan|clang_rt.*)|ld-linux.*)$'; }
    more=$(needed libdinopatch | grep -vxE 'lib(dnnl|gomp|lapacke?|blas|jansson|crypto|c|m|pthread)')
    [ -z "$more" ] || { echo "libdinopatch links" $more; code=1; }
    for name in libdinopatch libvips libcairo; do
        needed libdinopatch-io | grep -qx "$name\(-2.0\)\?" || { echo "libdinopatch-io does not link $name"; code=1; }
    done
    more=$(ldd "$libdir/libdinopatch.so" | grep -oE 'lib(vips|glib-2\.0|gobject-2\.0|cairo|curl)\.so' | sort -u)
    [ -z "$more" ] || { echo "libdinopatch draws in" $more; code=1; }
    [ "$(config --print-requires-private | awk '{ print $1 }' | LC_ALL=C sort | tr '\n' ' ')" = 'jansson libcrypto ' ] ||
        { echo "dinopatch.pc requires" $(config --print-requires-private); code=1; }
    [ "$(config_io --print-requires | awk '{ print $1 }')" = dinopatch ] &&
        [ "$(config_io --print-requires-private | awk '{ print $1 }' | LC_ALL=C sort | tr '\n' ' ')" = 'cairo glib-2.0 vips ' ] ||
        { echo "dinopatch-io.pc requires" $(config_io --print-requires) $(config_io --print-requires-private); code=1; }
    exit $code
)
finish what-the-libraries-link $?

# Nothing but the program's own idea of where its library is: no LD_LIBRARY_PATH, no ldconfig.
starts() { # BIN LIBDIR: it runs, with the libraries below
    "$1/dinopatch" --version >/dev/null || return 1
    for name in libdinopatch libdinopatch-io; do
        [ "$(dirname "$(realpath "$(ldd "$1/dinopatch" | sed -n "s/.*$name.so.1 => \\(.*\\) (0x.*/\\1/p")")")" = "$(realpath "$2")" ] || return 1
    done
    # The second finds the first beside it, whoever loads it.
    [ "$(dirname "$(realpath "$(ldd "$2/libdinopatch-io.so" | sed -n 's/.*libdinopatch.so.1 => \(.*\) (0x.*/\1/p')")")" = "$(realpath "$2")" ]
}
begin starts-where-it-lies
starts "$top/root$prefix/bin" "$libdir"
finish starts-where-it-lies $?

begin starts-after-a-move
(
    cp -a "$top/root$prefix" "$top/moved elsewhere" && cd / && starts "$top/moved elsewhere/bin" "$top/moved elsewhere/${libdir#"$(realpath "$top/root$prefix")/"}" &&
        ln -s "$top/moved elsewhere/bin/dinopatch" "$top/link" && "$top/link" --version >/dev/null &&
        pc=$(find "$top/moved elsewhere" -name dinopatch.pc) && flags=$(PKG_CONFIG_PATH="$(dirname "$pc")" pkg-config --cflags dinopatch-io) &&
        case $flags in *moved*elsewhere/*include*) ;; *) echo "cflags after the move: $flags"; exit 1 ;; esac
)
finish starts-after-a-move $?

# What the compiler and the linker put in against faults of memory (meson.build).
begin hardened
(
    code=0
    plain=$(grep -q -e '-fsanitize=' -e ' -O0 ' "$build/build.ninja" || echo yes)
    for file in "$top/root$prefix/bin/dinopatch" "$libdir/libdinopatch.so" "$libdir/libdinopatch-io.so"; do
        lacks() { echo "$(basename "$file"): $1"; code=1; }
        readelf -h "$file" | grep -q 'Type: *DYN' || lacks 'not position independent'
        readelf -dW "$file" | grep -q 'FLAGS_1.*NOW' || lacks 'symbols are bound late'
        readelf -dW "$file" | grep -q TEXTREL && lacks 'relocations in its code'
        readelf -lW "$file" | grep -q GNU_RELRO || lacks 'tables stay writable (no RELRO)'
        readelf -lW "$file" | grep GNU_STACK | grep -q ' RW ' || lacks 'an executable stack'
        readelf -lW "$file" | grep -q ' RWE ' && lacks 'a segment that can be written and executed'
        [ -z "$plain" ] && continue
        readelf --dyn-syms -W "$file" | grep -q __stack_chk_fail || lacks 'no stack protector'
        readelf --dyn-syms -W "$file" | grep -q 'printf_chk' || lacks 'no _FORTIFY_SOURCE'
    done
    exit $code
)
finish hardened $?

# The built-in network: no file of one is installed, none lies in the folder or the home.
begin needs-no-model-file
(
    [ -z "$(find "$top/root" -name '*.safetensors')" ] || { echo "a checkpoint is installed"; exit 1; }
    mkdir -p "$top/empty/home" && cd "$top/empty" && unset DINOPATCH_MODEL XDG_CACHE_HOME && export HOME="$top/empty/home" &&
        "$render" pictures --size 112 --train 3 --good 1 --bad 1 >/dev/null 2>&1 &&
        "$top/root$prefix/bin/dinopatch" fit --quiet --out good.bank pictures/screw/train/good &&
        "$top/root$prefix/bin/dinopatch" inspect --quiet --bank good.bank pictures/screw/test/good | grep ' score '
)
finish needs-no-model-file $?

# Each command and each option that --help names, offered by each shell that is here.
begin completions
"$source/tests/install/completions.sh" "$top/root$prefix"
finish completions $?

# From here on: programs that others build, which look where the loader is told to.
export LD_LIBRARY_PATH="$libdir"
cd "$top" || exit 1
program="$top/root$prefix/bin/dinopatch"
"$render" pictures --size 112 --train 3 --good 1 --bad 1 >/dev/null 2>&1
"$program" model synth --arch demo --out model.safetensors >/dev/null 2>&1
"$program" fit --quiet --method auto --out good.bank pictures/screw/train/good >/dev/null 2>&1
good=$(find pictures/screw/train -name '*.png' | sort)
new=$(find pictures/screw/test -name '*.png' | sort | head -n 2)

# $good and $new are lists of names without spaces.
run_all() { # FOLDER: what the three print goes to FOLDER/output
    "$1/fit_and_inspect" $good -- $new >"$1/output" &&
        "$1/embed" model.safetensors pictures/screw/test/good/000.png tokens.safetensors >>"$1/output" &&
        "$1/many_threads" good.bank $new >"$1/threads" && LC_ALL=C sort "$1/threads" >>"$1/output" &&
        head -c $((2 * 336 * 112)) /dev/zero | "$1/camera_loop" good.bank 112 112 >>"$1/output" && "$1/cpp_use" >>"$1/output" &&
        [ "$(grep -c ': [a-z_]*, score ' "$1/output")" = 8 ] && grep -q '^stained plate: anomalous' "$1/output" &&
        grep -q '^frame 1: not_inspected' "$1/output" || { cat "$1/output"; return 1; }
}

# The flags of a sanitizer build, which the installed library needs in the program as well.
sanitize=$(sed -n 's/.*-fsanitize=\([a-z,]*\).*/-fsanitize=\1/p' "$build/build.ninja" | head -n 1)
coverage=$(grep -q -e ' --coverage' "$build/build.ninja" && echo --coverage)
build_all() { # FOLDER COMPILER LIBRARIES
    mkdir -p "$1"
    # shellcheck disable=SC2086
    case $2 in
    gcc* | cc* | *gcc\ *) cxx=g++ ;;
    clang*) cxx=clang++ ;;
    *) cxx=${CXX:-c++} ;;
    esac
    # shellcheck disable=SC2086
    $cxx -std=c++17 -Wall -Wextra -pedantic -Werror $sanitize $(config_io --cflags) "$source/examples/cpp_use.cpp" $3 -pthread $sanitize \
        $coverage -o "$1/cpp_use" || return 1
    for name in fit_and_inspect embed many_threads camera_loop; do
        # shellcheck disable=SC2086
        $2 -Wall -Wextra -pedantic -Werror $sanitize $(config_io --cflags) "$source/examples/$name.c" $3 -pthread $sanitize $coverage \
            -o "$1/$name" || return 1
    done
}

begin shared-libraries
build_all shared "$cc -std=c11" "$(config_io --libs)" && run_all shared && ldd shared/embed | grep -q "libdinopatch-io.so.1 => $libdir" &&
    ldd shared/embed | grep -q "libdinopatch.so.1 => $libdir"
finish shared-libraries $?

# The libraries themselves statically, what they stand on as the system has it.
begin static-libraries
needs="$(pkg-config --libs "$(config --print-requires-private | tr '\n' ' ') $(config_io --print-requires-private | tr '\n' ' ')") \
    $(sed -n 's/^Libs.private: //p' "$pc" "${pc%.pc}-io.pc" | tr '\n' ' ')"
build_all static "$cc -std=c11" "-L$libdir -Wl,-Bstatic -ldinopatch-io -ldinopatch -Wl,-Bdynamic $needs" &&
    run_all static && ! ldd static/embed | grep -q libdinopatch && diff shared/output static/output
finish static-libraries $?

# The same by find_package, from where the installed files were moved to.
begin cmake
if ! command -v cmake >/dev/null; then
    echo 'skipped: cmake is not installed'
    finish cmake 0
else
    (
        mkdir -p consumer && cd consumer && cat >CMakeLists.txt <<'END' &&
cmake_minimum_required(VERSION 3.16)
project(consumer C CXX)
find_package(DinoPatch 0.1 REQUIRED)
foreach(name fit_and_inspect embed many_threads)
  add_executable(${name} ${EXAMPLES}/${name}.c)
  target_link_libraries(${name} DinoPatch::io)
endforeach()
add_executable(camera_loop ${EXAMPLES}/camera_loop.c)
target_link_libraries(camera_loop DinoPatch::dinopatch)
add_executable(cpp_use ${EXAMPLES}/cpp_use.cpp)
set_target_properties(cpp_use PROPERTIES CXX_STANDARD 17)
target_link_libraries(cpp_use DinoPatch::dinopatch)
find_package(Threads REQUIRED)
target_link_libraries(many_threads Threads::Threads)
file(WRITE ${CMAKE_BINARY_DIR}/core.c "#include <dinopatch.h>\nint main(void) { return dp_version() ? 0 : 1; }\n")
add_executable(core ${CMAKE_BINARY_DIR}/core.c)
target_link_libraries(core DinoPatch::dinopatch)
END
            cmake -S . -B build -DCMAKE_C_COMPILER="${cc%% *}" -DCMAKE_C_FLAGS="$sanitize $coverage" -DCMAKE_CXX_FLAGS="$sanitize $coverage" -DEXAMPLES="$source/examples" \
                -DCMAKE_PREFIX_PATH="$top/moved elsewhere" >log 2>&1 && cmake --build build >>log 2>&1 || { cat log; exit 1; }
        unset LD_LIBRARY_PATH
        build/core && ! ldd build/core | grep -q -e libvips -e libdinopatch-io && ldd build/embed | grep -q "libdinopatch-io.so.1 => $top/moved elsewhere/" &&
            cd .. && run_all consumer/build && diff shared/output consumer/build/output
    )
    finish cmake $?
fi

for compiler in g++ clang++; do
    [ "$compiler" = g++ ] || [ -z "$sanitize" ] || continue # each compiler has a runtime of its own
    command -v $compiler >/dev/null || continue
    begin "headers-in-$compiler"
    printf '#include <dinopatch/draw.h>\n#include <dinopatch/io.h>\nint main() { return dp_version() && dp_source_files(nullptr, 0).n == 0 ? 0 : 1; }\n' \
        >plain.cc
    # shellcheck disable=SC2046,SC2086
    $compiler -std=c++11 -Wall -Wextra -pedantic -Werror $sanitize $(config_io --cflags) plain.cc $(config_io --libs) $coverage -o plain && ./plain
    finish "headers-in-$compiler" $?
done
exit $failed
