#!/bin/sh
# Builds build/libsystemd.so.0 when its source is newer. Prints nothing when there is nothing to do.
set -eu
cd "$(dirname "$0")"
out=build/libsystemd.so.0
../is-stale.sh "$out" ./*.c ./*.map ./build.sh || exit 0
mkdir -p build
# Built beside and renamed, so that a crun that is starting is never disturbed.
"${CC:-gcc}" -std=gnu17 -Os -Wall -Wextra -Werror -shared -fPIC -nostdlib -s \
  -Wl,-soname,libsystemd.so.0 -Wl,--version-script=libsystemd.map -o "$out.$$" libsystemd.c
mv "$out.$$" "$out"
echo "built native/without-systemd/$out" >&2
