#!/bin/sh
# Puts the Python packages of requirements.txt under .deps/python. Any python3 >= 3.11 with pip will do. Safe to repeat, to
# interrupt and to start twice at once; nothing happens once requirements.txt is installed for this python3.
set -eu
cd "$(dirname "$0")/../.."
here=tests/reference
dest=.deps/python
fresh=.deps/python.new
version=$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')
case $version in
  3.? | 3.10) echo "check: the reference checks want Python 3.11 or newer: python3 is $version" >&2 && exit 3 ;;
esac

mkdir -p .deps
exec 9>.deps/python.flock
flock 9
lock=$(echo "python $version" | cat - "$here/requirements.txt" "$here/stub_nvidia.py" "$here/pcre.py")
[ "$(cat "$dest/.lock" 2>/dev/null)" = "$lock" ] && exit 0
rm -rf "$fresh"

echo 'check: installing the Python readers (700 MB to download, 1.2 GB on disk, about a minute) ...' >&2
# A user's own pip configuration may ask for --user or a virtual environment, which exclude --target.
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
# Bytecode is left to the first import: most of these modules are never imported.
python3 -m pip install --quiet --progress-bar off --disable-pip-version-check --no-warn-script-location \
  --root-user-action=ignore --no-cache-dir --no-deps --no-compile --target "$fresh" -r "$here/requirements.txt" 9>&- >&2 || {
  rm -rf "$fresh"
  echo 'check: the Python readers could not be installed; pip says why above (its index and proxy: docs/setup.md)' >&2
  exit 3
}
python3 "$here/stub_nvidia.py" "$fresh" >/dev/null
cp "$here/pcre.py" "$fresh/"
rm -rf "$fresh/torch/include" "$fresh/torch/test"
# The wheel's largest file is the one that scripts/libtorch.sh has unpacked already, on Python 3.11 at least.
shared=.deps/libtorch/lib/libtorch_cpu.so
if cmp -s "$shared" "$fresh/torch/lib/libtorch_cpu.so"; then ln -f "$shared" "$fresh/torch/lib/libtorch_cpu.so"; fi
rm -rf "$dest"
mv "$fresh" "$dest"
# Written last: an interrupted installation starts over.
printf '%s\n' "$lock" >"$dest/.lock"
