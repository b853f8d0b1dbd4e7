#!/usr/bin/env bash
# test.sh - build and run every test; the last line is `N passed, N failed`.
#
#   ./test.sh              everything
#   ./test.sh --quick      without what is marked slow; fewer seeds of the simulator
#   ./test.sh -k PATTERN   system tests whose name matches (pytest -k), and nothing else
#   ./test.sh --graphs     graphs of other projects, every root through every way in, and nothing else
#
# Works on a fresh Debian 12: what is missing is installed.  BUILD names the build folder.
set -uo pipefail
export PATH=/usr/bin:$PATH LC_ALL=C.UTF-8
cd "$(dirname "$0")" || exit 1

quick=0 pattern= graphs=0
while [ $# -gt 0 ]; do
	case $1 in
	--quick) quick=1 ;;
	--graphs) graphs=1 ;;
	-k) pattern=${2:?-k needs a pattern}; shift ;;
	*) sed -n '2,9s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
	esac
	shift
done

BUILD=${BUILD:-build}
passed=0 failed=0
results=$(mktemp -d)
trap 'rm -rf "$results"' EXIT

finish() {
	echo "$passed passed, $failed failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
	exit
}
say() { printf '\n== %s\n' "$*"; }

# A step that is one test by itself.
step() {
	local what=$1
	shift
	say "$what"
	if "$@"; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		echo "FAILED: $what"
		return 1
	fi
}

# Adds "passed failed" as printed by the rest of the line.
add() {
	local sums
	sums=$("$@") || { failed=$((failed + 1)); return 1; }
	passed=$((passed + ${sums% *}))
	failed=$((failed + ${sums#* }))
	[ "${sums#* }" -eq 0 ]
}

configure() {
	[ -f "$BUILD/build.ninja" ] || meson setup "$BUILD" >"$results/setup" || { cat "$results/setup"; return 1; }
}
build() { configure && ninja -C "$BUILD" --quiet; }

run_meson() {
	local arguments=(--no-rebuild --print-errorlogs) status counted
	[ $quick -eq 0 ] || arguments+=(--no-suite slow)
	rm -f "$BUILD/meson-logs/testlog.json"
	meson test -C "$BUILD" "${arguments[@]}"
	status=$?
	add tools/count-tests.py meson "$BUILD/meson-logs/testlog.json"
	counted=$?
	# A failure that the file does not show (meson itself, say) is one too.
	[ $status -eq 0 ] || [ $counted -ne 0 ] || failed=$((failed + 1))
}

run_pytest() {
	local arguments=(-q --tb=short --junitxml="$results/system.xml") status counted
	[ $quick -eq 0 ] || arguments+=(-m "not slow")
	[ -z "$pattern" ] || arguments+=(-k "$pattern")
	HERO_PROC_BUILD=$BUILD /usr/bin/python3 -m pytest "${arguments[@]}" "$1"
	status=$?
	[ $status -ne 5 ] || [ -z "$pattern" ] || return 0 # none of that name here
	add tools/count-tests.py junit "$results/system.xml"
	counted=$?
	[ $status -eq 0 ] || [ $counted -ne 0 ] || failed=$((failed + 1))
}

# Nothing to do, and nothing counted, where the collection of graphs is not beside the project.
run_graphs() {
	local status
	HERO_PROC_BUILD=$BUILD tests/graphs/run.py --counts "$results/graphs" "$@"
	status=$?
	if [ -f "$results/graphs" ]; then
		add cat "$results/graphs"
	elif [ $status -ne 0 ]; then
		failed=$((failed + 1))
	fi
}

run_inject() {
	HERO_PROC_BUILD=$BUILD tests/inject/run.py --counts "$results/inject" "$@"
	add cat "$results/inject"
}

run_big() {
	HERO_PROC_BUILD=$BUILD tests/big/run.py --counts "$results/big" "$@"
	add cat "$results/big"
}

say "what the build and the tests need"
tools/install-deps.sh --build --test || { failed=1; finish; }
step "build with gcc, warnings are errors" build || finish
if [ $graphs -eq 1 ]; then
	run_graphs --all
	finish
fi
if [ -z "$pattern" ]; then
	step "layers: every include is an allowed arrow" tools/check-layers.sh src
	step "circles: no folder has more files that call each other in a loop" env BUILD="$BUILD" tools/check-circles
	say "unit tests and simulator"
	run_meson
fi
say "scenarios: the files that the simulator played, over real processes"
run_pytest tests/scenario
say "system tests: real processes, a private supervisor each"
run_pytest tests/system
if [ -z "$pattern" ] && [ $quick -eq 0 ]; then
	step "chaos: a minute of bad weather, nothing is lost" env HERO_PROC_BUILD="$BUILD" tests/chaos/run --seed 2 --seconds 60
	say "a hundred injected failures, named by why"
	run_inject
	say "graphs of other projects"
	run_graphs
	say "a chain and a layer of a thousand processes"
	run_big --sizes 1000 --descriptors 4200
fi
echo
finish
