#!/bin/sh
# Puts libtorch (CPU half) under .deps/libtorch from hash-pinned PyPI wheels. Any python3 with pip will do: the wheels
# are only unpacked. Safe to repeat, to interrupt and to start twice at once; nothing happens once the lock file's
# content is installed.
set -eu
cd "$(dirname "$0")/.."
dest=.deps/libtorch
wheel=.deps/libtorch.wheel
lock=scripts/libtorch.lock

case $(uname -s)-$(uname -m) in
  Linux-x86_64) ;;
  *)
    echo "pipe: $lock has libtorch for Linux on x86_64 only, this is $(uname -s) on $(uname -m);" \
      "pipelines without a stage that trains, quantizes or evaluates run here" >&2
    exit 3
    ;;
esac

mkdir -p .deps
exec 9>.deps/libtorch.flock
flock 9
cmp -s "$lock" "$dest/.lock" && exit 0
rm -rf "$wheel" "$dest"

echo 'pipe: fetching libtorch 2.13.0 (530 MB to download, 490 MB on disk, hash-checked) ...' >&2
# With --quiet pip hides its progress bar too.
verbosity='--quiet --progress-bar off'
[ -t 2 ] && verbosity='--progress-bar on'
# A user's own pip configuration may ask for --user or a virtual environment, which exclude --target.
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
# stdout to stderr: a caller may be printing a JSON document.
# shellcheck disable=SC2086
python3 -m pip install $verbosity --disable-pip-version-check --no-warn-script-location --root-user-action=ignore \
  --no-cache-dir --no-deps --no-compile --target "$wheel" --only-binary=:all: \
  --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux2014_x86_64 \
  --python-version 3.11 --implementation cp --abi cp311 --abi none --require-hashes -r "$lock" 9>&- >&2 || {
  rm -rf "$wheel"
  echo 'pipe: libtorch could not be fetched; pip says why above (its index and proxy: docs/setup.md)' >&2
  exit 3
}
mkdir -p "$dest/lib"
mv "$wheel/torch/include" "$dest/include"
for f in libtorch_cpu.so libc10.so libgomp.so.1; do mv "$wheel/torch/lib/$f" "$dest/lib/"; done
for f in libcudart.so.13 libcupti.so.13; do mv "$wheel/nvidia/cu13/lib/$f" "$dest/lib/"; done
# The wheel's libtorch.so is an empty shell that pulls in libtorch_cuda; this linker script pulls in the CPU half only.
echo 'INPUT ( -ltorch_cpu -lc10 )' >"$dest/lib/libtorch.so"
echo 2.13.0 >"$dest/build-version"
rm -rf "$wheel"
# The lock is copied last: an interrupted fetch starts over.
cp "$lock" "$dest/.lock"
