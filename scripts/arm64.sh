#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Tests the kernels for 64-bit Arm on another machine: compiles them with warnings as errors and runs their unit tests under qemu.
#
#     scripts/arm64.sh                needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static
#
# Other libraries (libvips, oneDNN and so on) are not needed: only the tests of the kernels are linked, and code that they never call
# is removed.  cmocka for Arm comes from the Debian archive into its own folder.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
source=$PWD

mkdir -p "$folder"/{apt/lists/partial,apt/cache/archives/partial,cmocka,include/openssl,objects}
touch "$folder/apt/status"
(
    cd "$folder"
    options=(-qq -o Dir::State="$folder/apt" -o Dir::State::Lists="$folder/apt/lists" -o Dir::State::status="$folder/apt/status"
        -o Dir::Cache="$folder/apt/cache" -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root)
    apt-get "${options[@]}" update
    apt-get "${options[@]}" download libcmocka-dev libcmocka0
    for package in ./*.deb; do dpkg -x "$package" cmocka; done
)
library=$folder/cmocka/usr/lib/aarch64-linux-gnu
ln -s /usr/include/oneapi "$folder/include/oneapi" # only declarations, the same for every processor

flags=(-std=c11 -O3 -g -ffp-contract=off -fno-math-errno -D_GNU_SOURCE -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror -ffunction-sections
    -fdata-sections -Iinclude -Isrc -Itests "-I$folder/include" "-I$folder/cmocka/usr/include")
for file in src/base/{error,isa,memory,pool,settings,statistics}.c src/network/{vit_c,vit_kernels,winograd,winograd_kernels,int8_c,int8_kernels,int8_pack,linear}.c \
    src/image/{resize,resize_kernels}.c src/bank/{bank,bank_pictures,builder,rows,scoring}.c \
    src/search/{distance,distance_c,distance_kernels,distance_scales,global,part,sweep_c,sweep_kernel}.c src/score/cell_score.c \
    tests/unit/simd_probe.c tests/unit/test_{network_kernels,winograd,resize,distance,sweep,simd}.c; do
    aarch64-linux-gnu-gcc "${flags[@]}" -c "$file" -o "$folder/objects/$(basename "$file" .c).o"
done
aarch64-linux-gnu-gcc "${flags[@]}" -DDP_SIMD_C -c tests/unit/simd_probe.c -o "$folder/objects/simd_probe_c.o"

# Prints empty functions for symbols that are referred to but never called here: files and checksums.
stubs() { # OBJECT...
    { aarch64-linux-gnu-gcc "$@" "${linked[@]}" -o "$folder/program" 2>&1 || true; } |
        sed -n "s/.*undefined reference to \`\([a-z0-9_]*\)'.*/\1/p" | sort -u |
        awk '{ printf "void %s(void);\nvoid %s(void)\n{\n}\n", $1, $1 }'
}

failed=0
for name in simd network_kernels winograd resize distance sweep; do
    mapfile -t objects < <(find "$folder/objects" -name '*.o' ! -name 'test_*')
    objects+=("$folder/objects/test_$name.o")
    linked=("-Wl,--gc-sections" "$library/libcmocka.so.0.7.0" -lm -lpthread -l:libgomp.so.1)
    stubs "${objects[@]}" >"$folder/stubs.c"
    aarch64-linux-gnu-gcc -w "$folder/stubs.c" "${objects[@]}" "${linked[@]}" -o "$folder/program"
    printf 'arm64: test_%s\n' "$name"
    (cd "$source" && qemu-aarch64-static -L /usr/aarch64-linux-gnu -E LD_LIBRARY_PATH="$library" "$folder/program") || failed=1
done
exit $failed
