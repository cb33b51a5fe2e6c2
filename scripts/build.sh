# shellcheck shell=sh
# Sourced by pipe and check, which set $root: builds the programs, each at most once per change of the sources.
#
# target/built/PROGRAM is a stamp: written by a build in this directory (programs have libtorch's path in them). A program
# is fresh while nothing it could be built from is newer than its stamp; directories count too, so a deletion is seen.
# That costs one find, where asking cargo costs a tenth of a second.

programs=${root:?}/target/debug
stamps=$root/target/built

# shellcheck source=scripts/prerequisites.sh
. "$root/scripts/prerequisites.sh"

# build PROGRAM: unless it is fresh. Ends the script when that fails, with cargo's words.
build() {
  case $1 in
    pipe-torch) fetched libtorch ;;
    pipe-torch-cuda) fetched libtorch-cuda --cuda ;;
  esac
  if fresh "$1"; then return 0; fi
  require rust compiler
  echo "pipe: building $1$(first_time "$1") ..." >&2
  begin
  if ! (compile "$1") </dev/null >&2; then
    abandon
    echo "pipe: $1 could not be built; cargo's words are above" >&2
    exit 3
  fi
  finish "$1"
}

# compile PROGRAM, in a subshell: from the root, for .cargo/config.toml; the target directory is named, as the caller's environment may
# name another. The worker for GPUs is the package pipe-torch with another libtorch and a directory of its own: in a common one cargo
# would compile the bindings to libtorch at each change from one to the other.
# shellcheck disable=SC2046 # no word when not quiet
compile() {
  cd "$root" || return
  if [ "$1" = pipe-torch-cuda ]; then
    LIBTORCH=$root/.deps/libtorch-cuda cargo build $(quiet) --target-dir target/cuda -p pipe-torch &&
      ln -f target/cuda/debug/pipe-torch "target/debug/$1"
  else
    cargo build $(quiet) --target-dir target -p "$1"
  fi
}

# Whether PROGRAM is there and newer than everything it could be built from.
fresh() {
  [ -x "$programs/$1" ] && [ -e "$stamps/$1" ] || return 1
  IFS= read -r built_in <"$stamps/$1" && [ "$built_in" = "$root" ] || return 1
  # One find answers for every younger stamp too.
  # shellcheck disable=SC3013 # every sh in use has -ot
  if [ -n "$looked_at" ] && ! [ "$stamps/$1" -ot "$looked_at" ]; then return 0; fi
  newer=$(cd "$root" && find src backends crates stages schemas build build.rs scripts/libtorch.lock Cargo.toml Cargo.lock .cargo \
    -newer "$stamps/$1" -print -quit 2>/dev/null) || return 1
  [ -z "$newer" ] || return 1
  looked_at=$stamps/$1
}
looked_at=

# begin, then finish PROGRAMS or abandon: the stamp's time is the build's start, so that an edit during it counts as newer.
begin() {
  mkdir -p "$stamps"
  printf '%s\n' "$root" >"$stamps/.$$"
}
finish() {
  for program do cp -p "$stamps/.$$" "$stamps/.$$.$program" && mv "$stamps/.$$.$program" "$stamps/$program"; done
  rm -f "$stamps/.$$"
}
abandon() {
  rm -f "$stamps/.$$"
}

# fetched NAME OPTIONS: libtorch in place, as the lock file of this name has it.
fetched() {
  cmp -s "$root/scripts/$1.lock" "$root/.deps/$1/.lock" && return 0
  require rust compiler pip
  shift
  "$root/scripts/libtorch.sh" "$@" || exit 3
}

# cargo shows its own progress on a terminal; elsewhere only warnings and errors.
quiet() {
  [ -t 2 ] || echo --quiet
}

# What to expect of a first build, 2 cores.
first_time() {
  [ -e "$stamps/$1" ] && return 0
  case $1 in
    pipe-aws) echo ' (the first time takes about ten minutes and 7 GB of memory)' ;;
    pipe-torch*) echo ' (the first time takes some minutes)' ;;
    *) echo ' (the first time takes about five minutes)' ;;
  esac
}
