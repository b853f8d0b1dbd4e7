#!/usr/bin/env bash
# nightly.sh - a million operations with faults in the simulator, under ASan and UBSan.
#
#   tools/nightly.sh [BUILD-FOLDER] [OPERATIONS] [FIRST-SEED]
#
# Prints operations, executions, faults by kind, and every seed that broke a rule; such a
# seed belongs into tests/sim/seeds.
set -euo pipefail
export PATH=/usr/bin:$PATH
cd "$(dirname "$0")/.."
folder=${1:-build-asan}
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1
[ -f "$folder/build.ninja" ] ||
	meson setup "$folder" -Db_sanitize=address,undefined -Db_lundef=false -Doptimization=1 -Dwerror=false \
		-Dcpp_args=-fno-sanitize=unreachable >/dev/null
ninja -C "$folder" --quiet tests/sim/sim
exec "$folder/tests/sim/sim" --operations "${2:-1000000}" "${3:-1}"
