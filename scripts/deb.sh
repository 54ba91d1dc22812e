#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Makes the Debian packages of the committed tree, or of a tree without git as it is, in OUT (dist/), and checks them with lintian.
#
#     OUT=dist scripts/deb.sh
set -eu
umask 022 # what is packed keeps it
source=$(CDPATH='' cd "$(dirname "$0")/.." && pwd -P)
out=${OUT:-$source/dist}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out" "$work/dinopatch"
if [ -e "$source/.git" ]; then
    git -C "$source" archive HEAD | tar -x -C "$work/dinopatch"
else
    cp -a "$source/." "$work/dinopatch/"
fi
version=$(sed -n 's/^#define DP_VERSION_[A-Z]* //p' "$source/include/dinopatch.h" | paste -s -d .)
stated=$(dpkg-parsechangelog -l "$work/dinopatch/debian/changelog" -S Version)
[ "$version" = "$stated" ] || { echo "deb: debian/changelog says $stated, include/dinopatch.h $version: add an entry" >&2; exit 1; }
# The system's own tools, whatever else is first on PATH.
(cd "$work/dinopatch" && PATH=/usr/sbin:/usr/bin:/sbin:/bin dpkg-buildpackage -b -us -uc >"$work/log" 2>&1) || { tail -n 60 "$work/log"; exit 1; }
sed -n 's/^dpkg-gensymbols: warning/deb: &/p' "$work/log"
rm -f "$out"/*dinopatch*.deb
cp "$work"/*.deb "$out/"
ls -l "$out"/*.deb
lintian --fail-on error --suppress-tags bad-distribution-in-changes-file "$work"/*.changes
