#!/bin/sh
# scripts/tools.sh cargo-deny|shellcheck: puts that version of a checker into .deps/tools/bin which ./check is known to pass with,
# unless it is there. Safe to repeat and to interrupt. shellcheck is a wheel pinned by hash, a matter of seconds; cargo-deny is
# compiled from crates.io with the versions of its own lock file, a matter of minutes.
set -eu
cd "$(dirname "$0")/.."
bin=.deps/tools/bin

cargo_deny=0.20.2

case ${1-} in
  cargo-deny)
    [ "$("$bin/cargo-deny" --version 2>/dev/null)" = "cargo-deny $cargo_deny" ] && exit 0
    echo "check: building cargo-deny $cargo_deny, once (some minutes) ..." >&2
    # cargo shows its own progress on a terminal; elsewhere only warnings and errors.
    quiet=--quiet
    [ -t 2 ] && quiet=
    # shellcheck disable=SC2086 # no word when not quiet
    cargo install $quiet cargo-deny --locked --version "=$cargo_deny" --root .deps/tools --force >&2
    ;;
  shellcheck)
    cmp -s scripts/shellcheck.lock .deps/tools/shellcheck.lock && exit 0
    mkdir -p "$bin"
    # A user's own pip configuration may ask for --user or a virtual environment, which exclude --target.
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore \
      --no-warn-script-location --no-deps --upgrade --target .deps/tools/python --only-binary=:all: --require-hashes \
      -r scripts/shellcheck.lock >&2
    cp .deps/tools/python/bin/shellcheck "$bin/shellcheck"
    # The lock is copied last: an interrupted installation starts over.
    cp scripts/shellcheck.lock .deps/tools/shellcheck.lock
    ;;
  *)
    echo 'usage: scripts/tools.sh cargo-deny|shellcheck' >&2
    exit 2
    ;;
esac
