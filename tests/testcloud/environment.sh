#!/bin/sh
# Puts the servers for the tests of backends under .deps/testcloud: moto, on which testcloud.py rests, and SeaweedFS, a second and
# independent object store, as requirements.lock has them. Any python3 >= 3.11 with pip will do. Safe to repeat, to interrupt and to
# start twice at once; nothing happens once requirements.lock is installed for this python3.
set -eu
cd "$(dirname "$0")/../.."
here=tests/testcloud
dest=.deps/testcloud
fresh=.deps/testcloud.new
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
  3.? | 3.10) echo "check: the test cloud wants Python 3.11 or newer: python3 is $version" >&2 && exit 3 ;;
esac

mkdir -p .deps
exec 9>.deps/testcloud.flock
flock 9
lock=$(echo "python $version" | cat - "$here/requirements.lock")
[ "$(cat "$dest/.lock" 2>/dev/null)" = "$lock" ] && exit 0
rm -rf "$fresh"

echo 'check: installing the test cloud and SeaweedFS (100 MB to download, 260 MB on disk, about half a minute) ...' >&2
# A user's own pip configuration may ask for --user or a virtual environment, which exclude --target.
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
python3 -m pip install --quiet --progress-bar off --disable-pip-version-check --no-warn-script-location \
  --root-user-action=ignore --no-cache-dir --no-deps --only-binary=:all: --require-hashes --target "$fresh" \
  -r "$here/requirements.lock" 9>&- >&2 || {
  rm -rf "$fresh"
  echo 'check: the test cloud could not be installed; pip says why above (its index and proxy: docs/setup.md)' >&2
  exit 3
}
rm -rf "$dest"
mv "$fresh" "$dest"
# Written last: an interrupted installation starts over.
printf '%s\n' "$lock" >"$dest/.lock"
