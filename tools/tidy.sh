#!/usr/bin/env bash
# tidy.sh - clang-tidy 14, one file at a time, two at once; a file that passed is not looked at again.
#
#   tools/tidy.sh [FILE...]      without files: all of src/
#
# What passed is remembered in $BUILD/tidy by a hash of the file, the headers that it includes and
# .clang-tidy.  Prints what is found; the last line counts; fails when anything was found.
set -euo pipefail
export PATH=/usr/bin:$PATH LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."
BUILD=${BUILD:-build}
[ -f "$BUILD/build.ninja" ] || meson setup "$BUILD" >/dev/null

mkdir -p "$BUILD/tidy"

if [ "${1:-}" = --one ]; then
	file=$2 # a source, then its headers
	key=$(cat .clang-tidy "${@:2}" | sha256sum | cut -d' ' -f1)
	[ ! -e "$BUILD/tidy/$key" ] || exit 0
	if found=$(clang-tidy -p "$BUILD" --quiet "$file" 2>/dev/null); then
		touch "$BUILD/tidy/$key"
	else
		echo "$found"
		echo "$file" >>"$BUILD/tidy/found"
	fi
	exit 0
fi

: >"$BUILD/tidy/found"
files=("$@")
[ $# -gt 0 ] || mapfile -t files < <(git ls-files 'src/*.c')
# Of each object its source and the headers of this tree, as the build knows them.
declare -A needs
while read -r source rest; do
	needs[$source]="$source $rest"
done < <(ninja -C "$BUILD" -t deps | awk '
	/^[^ ].*: #deps/ { if (line) print line; line = ""; next }
	/^    \.\.\/.*/ { sub(/^ *\.\.\//, ""); line = line (line ? " " : "") $0 }
	END { if (line) print line }')
for file in "${files[@]}"; do
	printf '%s\n' "${needs[$file]:-$file}"
done | xargs -P 2 -L 1 "$0" --one
n=$(sort -u "$BUILD/tidy/found" | wc -l)
echo "${#files[@]} files, $n with findings"
[ "$n" -eq 0 ]
