//! `./pipe` of a checkout: the programs that it builds before it starts the engine. Cargo and its compiler are stand-ins.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::project::{Ran, checkout};

/// Notes its words, and makes a program of the package's name that wants `pipe-torch` for any pipeline.
const CARGO: &str = r#"#!/bin/sh
echo "${LIBTORCH-none} $*" >>"$LEDGER"
while [ $# -gt 0 ]; do
  case $1 in
    --target-dir) directory=$2 ;;
    -p) package=$2 ;;
  esac
  shift
done
mkdir -p "$directory/debug"
printf '#!/bin/sh\nif [ "$1" = plan ]; then echo pipe-torch; fi\n' >"$directory/debug/$package.new"
chmod +x "$directory/debug/$package.new"
mv "$directory/debug/$package.new" "$directory/debug/$package"
"#;

struct Checkout {
    directory: tempfile::TempDir,
}

impl Checkout {
    fn new() -> Checkout {
        let made = Checkout { directory: tempfile::tempdir().unwrap() };
        for path in ["pipe", "Cargo.toml", "Cargo.lock", "build.rs", "stages/pipe-torch/Cargo.toml"] {
            made.copy(path);
        }
        for script in ["build.sh", "prerequisites.sh", "libtorch.sh", "libtorch.lock", "libtorch-cuda.lock"] {
            made.copy(&format!("scripts/{script}"));
        }
        for directory in ["src", "backends", "crates", "schemas", "build", ".cargo"] {
            fs::create_dir(made.path(directory)).unwrap();
        }
        for (program, text) in [("cargo", CARGO), ("rustc", "#!/bin/sh\necho rustc 1.999.0\n")] {
            made.program(&format!("bin/{program}"), text);
        }
        for compiler in ["cc", "c++"] {
            made.program(&format!("bin/{compiler}"), "#!/bin/sh\n");
        }
        made.fetched("libtorch");
        fs::write(made.path("p.yaml"), "pipeline: p\n").unwrap();
        made
    }

    fn path(&self, relative: &str) -> PathBuf {
        fs::canonicalize(self.directory.path()).unwrap().join(relative)
    }

    fn copy(&self, path: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::copy(checkout().join(path), self.path(path)).unwrap();
    }

    fn program(&self, path: &str, text: &str) {
        fs::create_dir_all(self.path(path).parent().unwrap()).unwrap();
        fs::write(self.path(path), text).unwrap();
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// As scripts/libtorch.sh leaves it.
    fn fetched(&self, name: &str) {
        let directory = self.path(".deps").join(name);
        fs::create_dir_all(&directory).unwrap();
        fs::copy(self.path(&format!("scripts/{name}.lock")), directory.join(".lock")).unwrap();
    }

    /// `./pipe run p.yaml`: the builds that it started.
    fn builds(&self) -> Vec<String> {
        let ledger = self.path("ledger");
        let mut command = Command::new(self.path("pipe"));
        command.args(["run", "p.yaml"]).current_dir(self.path("")).env_clear().env("LEDGER", &ledger);
        command.env("PATH", format!("{}:/usr/bin:/bin", self.path("bin").display()));
        let ran = Ran::from(command.output().unwrap());
        assert_eq!(ran.status, 0, "{}", ran.stderr);
        let text = fs::read_to_string(&ledger).unwrap_or_default();
        let _ = fs::remove_file(ledger);
        text.lines().map(str::to_owned).collect()
    }
}

#[test]
fn the_worker_for_gpus_is_built_beside_the_other_once_its_libraries_were_fetched() {
    let checkout = Checkout::new();
    let build = |libtorch: &str, target: &str, package: &str| {
        format!("{libtorch} build --quiet --target-dir {target} -p {package}")
    };
    assert_eq!(checkout.builds(), [build("none", "target", "pipe"), build("none", "target", "pipe-torch")]);
    assert_eq!(checkout.builds(), [""; 0], "nothing changed");

    checkout.fetched("libtorch-cuda");
    let libtorch = checkout.path(".deps/libtorch-cuda").display().to_string();
    assert_eq!(checkout.builds(), [build(&libtorch, "target/cuda", "pipe-torch")]);
    let same = |one: &str, other: &str| {
        let read = |path: &Path| fs::metadata(path).map(|of| std::os::unix::fs::MetadataExt::ino(&of)).unwrap();
        read(&checkout.path(one)) == read(&checkout.path(other))
    };
    assert!(same("target/debug/pipe-torch-cuda", "target/cuda/debug/pipe-torch"));
    assert!(!same("target/debug/pipe-torch-cuda", "target/debug/pipe-torch"));
    assert_eq!(checkout.builds(), [""; 0], "nothing changed");
}
