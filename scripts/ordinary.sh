#!/bin/sh
# Runs the engine's tests once more without root's rights: where root may read and remove everything, an ordinary user may not.
# Called by ./check when it runs as root, after the tests were built.
#
# The tests run as the user 65534, who owns nothing but a temporary directory. Where that user cannot reach the checkout (a clone below
# a closed home directory), that is said and nothing is run: the same tests have passed as root.
set -eu
root=$(CDPATH='' cd -- "$(dirname "$0")/.." && pwd -P)
cd "$root"

programs=$(cargo test --target-dir target --workspace --no-run --message-format=json --quiet 2>/dev/null |
  sed -n '/"kind":\["\(lib\|test\)"\]/!d; /"name":"\(pipe\|e2e\)"/!d; s/.*"executable":"\([^"]*\)".*/\1/p' | sort -u)
[ -n "$programs" ] || { echo 'ordinary: no test program found' >&2 && exit 1; }

home=$(mktemp -d)
trap 'chmod -R u+rwX "$home" 2>/dev/null; rm -rf "$home"' EXIT
chown 65534:65534 "$home"

set -- setpriv --reuid 65534 --regid 65534 --clear-groups
if ! "$@" test -x "$root/target/debug/pipe" -a -r "$root/Cargo.toml" -a -w "$home" 2>/dev/null; then
  echo 'the user 65534 cannot reach this checkout: not run'
  exit 0
fi
echo 'as the user 65534:'
# Tests of signals begin with the default of each, also where this runs in the background, which ignores some.
signals=
env --default-signal true 2>/dev/null && signals=--default-signal
failed=no
for program in $programs; do
  # shellcheck disable=SC2086 # no word when env has no such option
  env $signals HOME="$home" TMPDIR="$home" "$@" "$program" --quiet || failed=yes
done
[ "$failed" = no ]
