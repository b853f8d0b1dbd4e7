#!/bin/sh
# prelink.sh LD OBJCOPY AR IN.a OUT.a - one object whose hidden names are local.
#
# libhero_proc.a carries our base layer; without this a program with a str_add of its own
# could not link it.
set -eu
ld=$1 objcopy=$2 ar=$3 in=$4 out=$5
"$ld" -r --whole-archive "$in" -o "$out.o"
"$objcopy" --localize-hidden "$out.o"
rm -f "$out"
"$ar" rcs "$out" "$out.o"
rm -f "$out.o"
