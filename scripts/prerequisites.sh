# shellcheck shell=sh
# Sourced by scripts/build.sh: what has to be on the machine before anything can be built.

# require WANTED...: rust, compiler, pip, lints. One error lists everything missing with the lines that install it, and pip
# too when something else is missing: most pipelines need it.
require() {
  lacks='' apt='' rust=''
  for wanted do "require_$wanted"; done
  [ -z "$lacks" ] && return 0
  case " $* " in *' pip '*) ;; *) require_pip ;; esac
  {
    printf 'pipe: this machine lacks what is needed to build:\n%s\ninstall it with\n\n' "$lacks"
    [ -n "$apt" ] && echo "  $(as_root)apt-get update && $(as_root)apt-get install -y$apt"
    [ -n "$rust" ] && printf '%s\n' "$rust"
    printf '\nand repeat the command (docs/setup.md has more)\n'
  } >&2
  exit 3
}

require_rust() {
  # rustup's installer only reaches shells started after it.
  command -v cargo >/dev/null 2>&1 || PATH=$PATH:${CARGO_HOME:-${HOME-}/.cargo}/bin
  least=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' "${root:?}/Cargo.toml")
  if ! command -v cargo >/dev/null 2>&1; then
    lack "Rust $least or newer: no cargo on PATH" ''
    command -v curl >/dev/null 2>&1 || apt="$apt curl ca-certificates"
    rust="  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y"
  elif ! found=$(cd "$root" && rustc --version 2>/dev/null); then
    lack "Rust $least or newer: cargo is here, rustc does not start" ''
    rust='  rustup default stable'
  else
    found=${found#rustc }
    found=${found%% *}
    older "$found" "$least" || return 0
    lack "Rust $least or newer: $found is here" ''
    if command -v rustup >/dev/null 2>&1; then
      rust='  rustup update stable && rustup default stable'
    else
      command -v curl >/dev/null 2>&1 || apt="$apt curl ca-certificates"
      rust="  curl --proto '=https' --tlsv1.2 -sSf https://sh.rustup.rs | sh -s -- -y && . \"\$HOME/.cargo/env\""
    fi
  fi
}

require_compiler() {
  command -v "${CXX:-c++}" >/dev/null 2>&1 && command -v "${CC:-cc}" >/dev/null 2>&1 && return 0
  lack "a C++ compiler: no ${CXX:-c++} on PATH" g++
}

require_pip() {
  python3 -m pip --version >/dev/null 2>&1 && return 0
  lack 'python3 with pip: it fetches libtorch for the stages that train, quantize and evaluate' 'python3 python3-pip'
}

# Only check needs these; rustup's minimal profile leaves them out.
require_lints() {
  command -v cargo >/dev/null 2>&1 || return 0
  (cd "$root" && cargo fmt --version && cargo clippy --version) >/dev/null 2>&1 && return 0
  lack 'rustfmt and clippy' ''
  rust="${rust:+$rust
}  rustup component add rustfmt clippy"
}

# lack WHAT PACKAGES
lack() {
  lacks="$lacks${lacks:+
}  - $1"
  apt="$apt${2:+ $2}"
}

# Whether version $1 is below $2; both begin MAJOR.MINOR.
older() {
  major=${1%%.*} minor=${1#*.}
  least_major=${2%%.*} least_minor=${2#*.}
  minor=${minor%%[!0-9]*} least_minor=${least_minor%%[!0-9]*}
  [ "$major" -lt "$least_major" ] || { [ "$major" -eq "$least_major" ] && [ "$minor" -lt "$least_minor" ]; }
}

as_root() {
  [ "$(id -u)" = 0 ] || echo 'sudo '
}
