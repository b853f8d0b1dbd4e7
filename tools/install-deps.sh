#!/usr/bin/env bash
# install-deps.sh - install with apt what the build or the tests need and this machine lacks.
#
#   tools/install-deps.sh [--build] [--test]      without options: both
#
# Silent when nothing is missing.  Works as root or through sudo; where neither is
# possible it names the packages and fails.  Packages of Debian 12.
set -euo pipefail

build=(gcc g++ libc6-dev make meson ninja-build pkg-config libevent-dev libjansson-dev
	libtomlplusplus-dev libsqlite3-dev libpcre2-dev libsodium-dev libzstd-dev libcmocka-dev)
tests=(clang clang-format clang-tidy python3 python3-pytest procps git tzdata e2fsprogs)

wanted=()
for option in "${@:---build --test}"; do
	case $option in
	--build) wanted+=("${build[@]}") ;;
	--test) wanted+=("${tests[@]}") ;;
	"--build --test") wanted+=("${build[@]}" "${tests[@]}") ;;
	*) echo "usage: install-deps.sh [--build] [--test]" >&2; exit 2 ;;
	esac
done

if ! command -v dpkg-query >/dev/null; then
	echo "install-deps.sh: this is no Debian; install the like of: ${wanted[*]}" >&2
	exit 0
fi

has() { [ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null)" = "ii " ]; }
missing=()
for package in "${wanted[@]}"; do
	has "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
	if ! sudo -n true 2>/dev/null; then
		echo "install-deps.sh: not root and no sudo; please run: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	root=(sudo -n)
fi

echo "installing: ${missing[*]}"
apt() { "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0 "$@" </dev/null; }
known() { # does apt know a version of every missing package?
	local package
	for package in "${missing[@]}"; do
		apt-cache show --no-all-versions "$package" >/dev/null 2>&1 || return 1
	done
}
install() { apt install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; }

log=$(mktemp)
trap 'rm -f "$log"' EXIT
known || apt update >"$log" 2>&1 || { cat "$log" >&2; exit 1; }
# A list that is known may still be too old to fetch from: once more, after an update.
install || { apt update >>"$log" 2>&1 && install; } || {
	cat "$log" >&2
	echo "install-deps.sh: could not install: ${missing[*]}" >&2
	exit 1
}
