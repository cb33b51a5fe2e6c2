#!/bin/sh
# tests/reference/check_package.sh GGUF: builds the wheel of integrations/sys-scan-graph, installs it into a fresh environment, checks
# its types, and runs its tests there with the program of the wheel and the model GGUF.
set -eu
model=$(CDPATH='' cd -- "$(dirname -- "$1")" && pwd -P)/${1##*/}
cd "$(dirname "$0")/../.."
here=tests/reference
package=integrations/sys-scan-graph
work=$PWD/target/reference/package
mkdir -p "$work"

wheel=$(scripts/wheel.sh "$work")
passed=$work/passed
now=$(find "$wheel" "$model" "$package/tests" "$package/pyproject.toml" pipelines/data/reports "$here/package.txt" "$here/check_package.sh" \
  -type f ! -path '*__pycache__*' -exec sha256sum {} + | sort -k2)
if [ "$(cat "$passed" 2>/dev/null)" = "$now" ]; then
  echo 'ok   package: as it passed before'
  exit 0
fi

# Without pip: Debian's python3 has no ensurepip. The tools are kept from one check to the next, the package is not.
environment=$PWD/.deps/package
unset PYTHONPATH PIPE_ASK PIPE_SERVER_KEY
export PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore
tools=$(python3 -c 'import sys; print(sys.version)' | cat - "$here/package.txt")
if [ "$(cat "$environment/tools" 2>/dev/null)" != "$tools" ]; then
  rm -rf "$environment"
  python3 -m venv --without-pip "$environment"
  echo 'check: installing llama.cpp and mypy for the tests of the Python package (50 MB to download) ...' >&2
  python3 -m pip --python "$environment/bin/python" install --quiet --progress-bar off --no-deps -r "$here/package.txt" >&2
  printf '%s\n' "$tools" >"$environment/tools"
fi
python3 -m pip --python "$environment/bin/python" install --quiet --no-index --no-deps --force-reinstall "$wheel"

cd "$package"
python=$environment/bin/python
log=$work/check.log
export MYPYPATH=src:tests:tests/standin
if ! { "$python" -m mypy --cache-dir "$work/mypy" && PIPE_TEST_MODEL=$model "$python" -m unittest discover -s tests; } >"$log" 2>&1; then
  cat "$log" >&2
  echo 'check: the tests of the Python package failed' >&2
  exit 1
fi
sed -n 's/^Ran \([0-9]*\) tests in .*/ok   package: \1 tests of the wheel passed/p' "$log"
printf '%s\n' "$now" >"$passed"
