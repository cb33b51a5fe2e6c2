#!/bin/sh
# scripts/libtorch.sh [--cuda]: puts libtorch from hash-pinned PyPI wheels under .deps/libtorch (the half for CPUs), or with --cuda all
# of it and the libraries of CUDA under .deps/libtorch-cuda. Any python3 with pip will do: the wheels are only unpacked. Safe to
# repeat, to interrupt and to start twice at once; nothing happens once the lock file's content is installed.
set -eu
cd "$(dirname "$0")/.."
case ${1-} in
  '') name=libtorch size='530 MB to download, 490 MB on disk' ;;
  --cuda) name=libtorch-cuda size='about 2.5 GB to download, 3.7 GB on disk' ;;
  *)
    echo 'usage: scripts/libtorch.sh [--cuda]' >&2
    exit 2
    ;;
esac
dest=.deps/$name
wheel=.deps/$name.wheel
lock=scripts/$name.lock

case $(uname -s)-$(uname -m) in
  Linux-x86_64) ;;
  *)
    echo "pipe: $lock has libtorch for Linux on x86_64 only, this is $(uname -s) on $(uname -m);" \
      "pipelines without a stage that trains, quantizes or evaluates run here" >&2
    exit 3
    ;;
esac

mkdir -p .deps
exec 9>".deps/$name.flock"
flock 9
cmp -s "$lock" "$dest/.lock" && exit 0
rm -rf "$wheel" "$dest"

echo "pipe: fetching libtorch 2.13.0 ($size, hash-checked) ..." >&2
# With --quiet pip hides its progress bar too.
verbosity='--quiet --progress-bar off'
[ -t 2 ] && verbosity='--progress-bar on'
# A user's own pip configuration may ask for --user or a virtual environment, which exclude --target.
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0
# The oldest glibc of each wheel is in its name, and pip takes a name only if it is listed.
platforms='--platform manylinux2014_x86_64'
for minor in 5 12 17 18 25 27 28; do platforms="$platforms --platform manylinux_2_${minor}_x86_64"; done
# stdout to stderr: a caller may be printing a JSON document.
# shellcheck disable=SC2086
python3 -m pip install $verbosity --disable-pip-version-check --no-warn-script-location --root-user-action=ignore \
  --no-cache-dir --no-deps --no-compile --target "$wheel" --only-binary=:all: $platforms \
  --python-version 3.11 --implementation cp --abi cp311 --abi none --require-hashes -r "$lock" 9>&- >&2 || {
  rm -rf "$wheel"
  echo 'pipe: libtorch could not be fetched; pip says why above (its index and proxy: docs/setup.md)' >&2
  exit 3
}
mkdir -p "$dest/lib"
mv "$wheel/torch/include" "$dest/include"
torch="$wheel/torch/lib"
mv "$torch/libtorch_cpu.so" "$torch/libc10.so" "$torch/libgomp.so.1" "$dest/lib/"
if [ "$name" = libtorch ]; then
  for f in libcudart.so.13 libcupti.so.13; do mv "$wheel/nvidia/cu13/lib/$f" "$dest/lib/"; done
  # The wheel's libtorch.so is an empty shell that pulls in libtorch_cuda; this linker script pulls in the CPU half only.
  echo 'INPUT ( -ltorch_cpu -lc10 )' >"$dest/lib/libtorch.so"
else
  # Side by side, where libraries look for each other: every wheel has a directory of its own.
  for f in "$torch"/lib*.so* "$wheel"/nvidia/*/lib/lib*.so*; do
    case ${f##*/} in
      libtorch.so | libtorch_python.so | libshm.so) ;;
      *) mv "$f" "$dest/lib/" ;;
    esac
  done
  echo 'INPUT ( -ltorch_cpu -ltorch_cuda -lc10 -lc10_cuda )' >"$dest/lib/libtorch.so"
fi
echo 2.13.0 >"$dest/build-version"
rm -rf "$wheel"
# The lock is copied last: an interrupted fetch starts over.
cp "$lock" "$dest/.lock"
