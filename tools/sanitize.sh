#!/usr/bin/env bash
# sanitize.sh - unit tests and simulator under AddressSanitizer and UBSan.
#
#   tools/sanitize.sh [BUILD-FOLDER] [arguments of meson test]
set -euo pipefail
export PATH=/usr/bin:$PATH
cd "$(dirname "$0")/.."
folder=${1:-build-asan}
[ $# -eq 0 ] || shift
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
# Instrumented code makes gcc 12 warn of what can not be; the plain builds have -Werror.
# toml++ 3.3 (our only C++) reaches its own "unreachable" on letters like an e with accent.
[ -f "$folder/build.ninja" ] ||
	meson setup "$folder" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dwerror=false \
		-Dcpp_args=-fno-sanitize=unreachable >/dev/null
ninja -C "$folder" --quiet
exec meson test -C "$folder" --print-errorlogs --timeout-multiplier 4 "$@"
