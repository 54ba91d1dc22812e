#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs the Debian packages of the named groups (default: "build"), listed in debian-packages.txt.  If all are installed, it prints
# nothing and returns at once.  On other systems it looks for the tools and libraries and names those that are missing.
#
#     scripts/deps.sh [--check] [GROUP...]      --check: install nothing, fail if something is missing
# shellcheck disable=SC2086  # lists of packages are split on purpose

set -u
list=$(dirname "$0")/debian-packages.txt
check=
[ "${1:-}" = --check ] && { check=1; shift; }
[ $# -gt 0 ] || set -- build

say() { printf '%s\n' "$*" >&2; }

packages=
for group in "$@"; do
    found=$(awk -v group="$group" '$1 !~ /^#/ && $2 == group { print $1 }' "$list")
    [ -n "$found" ] || { say "deps: no package group \"$group\" in $list"; exit 2; }
    packages="$packages $found"
done
packages=$(printf '%s\n' $packages)

# A Node from elsewhere brings its own npm, and Debian's packages will not stand beside it.
if command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1; then
    packages=$(printf '%s\n' $packages | grep -vx -e nodejs -e npm)
fi

# Prints the missing tools and libraries by their own names, for any system.
missing_by_name() {
    for tool in meson ninja pkg-config "${CC:-cc}"; do
        command -v "$tool" >/dev/null 2>&1 || printf ' %s' "$tool"
    done
    for module in 'vips >= 8.10' glib-2.0 jansson cairo libcurl libcrypto libmicrohttpd sqlite3 cmocka; do
        pkg-config --exists "$module" 2>/dev/null || printf ' %s' "${module%% *}"
    done
    printf '#include <oneapi/dnnl/dnnl.h>\n' | "${CC:-cc}" -E -x c - >/dev/null 2>&1 || printf ' oneDNN'
}

if ! command -v dpkg-query >/dev/null 2>&1 || ! command -v apt-get >/dev/null 2>&1; then
    missing=$(missing_by_name)
    [ -z "$missing" ] && exit 0
    say "deps: this system has no apt-get, so nothing is installed automatically."
    say "      Please install these, with headers:$missing"
    say "      The Debian names of all packages: $(printf '%s ' $packages)"
    exit 1
fi

installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' $packages 2>/dev/null | sed -n 's/^installed //p')
missing=$(printf '%s\n' "$packages" | grep -vxF -e "${installed:-/}" | tr '\n' ' ')
missing=${missing% }
[ -z "$missing" ] && exit 0

if [ -n "$check" ]; then
    [ -z "$(missing_by_name)" ] && exit 0
    say "Packages are missing: $missing"
    say "\"make deps\" installs them."
    exit 1
fi

sudo=
if [ "$(id -u)" != 0 ]; then
    if ! command -v sudo >/dev/null 2>&1; then
        say "deps: packages are missing, and you are not root and have no sudo.  Run as root:"
        say "      apt-get install --no-install-recommends $missing"
        exit 1
    fi
    sudo=sudo
fi
say "deps: installing $missing"
$sudo apt-get -qq update || say "deps: cannot refresh the package lists; trying with the old lists"
# shellcheck disable=SC2086
if ! $sudo env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300 \
        install --no-install-recommends $missing >&2; then
    say "deps: apt-get cannot install: $missing"
    exit 1
fi
