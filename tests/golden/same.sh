#!/bin/sh
# same.sh PROGRAM FILE - fail with a diff when the program prints something else.
if "$1" | diff -u "$2" -; then
	exit 0
fi
echo "if the change is meant: $1 > $2"
exit 1
