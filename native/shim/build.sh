#!/bin/sh
# Builds build/slipway-shim when its source is newer. Prints nothing when there is nothing to do.
set -eu
cd "$(dirname "$0")"
out=build/slipway-shim
../is-stale.sh "$out" ./*.c ./*.h ./build.sh || exit 0
mkdir -p build
# Built beside and renamed, so that a shim that is running, or a second build at the same time, is never disturbed.
"${CC:-gcc}" -std=gnu17 -Os -static -Wall -Wextra -Werror -ffunction-sections -Wl,--gc-sections -s \
  -o "$out.$$" ./*.c
mv "$out.$$" "$out"
echo "built native/shim/$out" >&2
