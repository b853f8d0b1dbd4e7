#!/bin/sh
# embed.sh - a file as a C string: embed.sh FILE NAME > NAME.h
set -eu
echo "static const char $2[] = {"
od -An -v -tu1 "$1" | sed 's/\([0-9][0-9]*\)/\1,/g'
echo "0 };"
