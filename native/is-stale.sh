#!/bin/sh
# is-stale.sh FILE SOURCE...: whether FILE, a program or library, has to be built: it is not there, or older than a source.
set -eu
built=$1
shift
[ -x "$built" ] || exit 0
for source in "$@"; do
  if [ "$source" -nt "$built" ]; then exit 0; fi
done
exit 1
