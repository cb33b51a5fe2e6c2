//! Files behind URLs: curl downloads each by its digest and goes on where it left off.

use std::path::Path;
use std::process::Command;

use contract::stage::At;
use contract::{Context, StageError};

use crate::checksum::sha256;
use crate::params::RemoteFile;
use crate::program::{self, Ended};

/// curl: the server cannot send a part of the file.
const NO_RANGE: i32 = 33;

/// curl: the server refused, as it does when nothing is left to send.
const REFUSED: i32 = 22;

/// Brings `files` into the directory `to`.
pub(crate) fn fetch(files: &[RemoteFile], to: &Path, context: &Context) -> Result<(), StageError> {
    let mut names: Vec<&str> = files.iter().map(RemoteFile::name).collect::<Result<_, _>>()?;
    names.sort_unstable();
    if let Some(twice) = names.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(StageError::invalid_input(format!("from.urls: two of them end with {}", twice[0])));
    }
    let kept = context.checkpoints().join("files");
    std::fs::create_dir_all(&kept).at(&kept)?;
    for file in files {
        let part = kept.join(&file.sha256);
        if !part.exists() || sha256(&part).at(&part)? != file.sha256 {
            download(file, &part, context)?;
        }
        let place = to.join(file.name()?);
        // On another disk it is copied.
        if std::fs::rename(&part, &place).is_err() {
            std::fs::copy(&part, &place).at(&place)?;
            std::fs::remove_file(&part).at(&part)?;
        }
    }
    Ok(())
}

fn download(file: &RemoteFile, part: &Path, context: &Context) -> Result<(), StageError> {
    context.info(format!("curl downloads {}", file.url));
    let mut ended = curl(file, part, context)?;
    let goes_on = |ended: &Ended| matches!(ended, Ended::Badly { code: Some(NO_RANGE | REFUSED), .. });
    if goes_on(&ended) && part.exists() {
        std::fs::remove_file(part).at(part)?;
        ended = curl(file, part, context)?;
    }
    if let Ended::Badly { said, .. } = ended {
        let help = format!(
            "without a network, bring it by hand: download {} on a machine with one, put it into a directory of this project and wire \
             that as `directory` in place of `from`",
            file.url
        );
        return Err(StageError::resources(format!("curl could not download {}: {said}", file.url)).help(help));
    }
    let found = sha256(part).at(part)?;
    if found != file.sha256 {
        std::fs::remove_file(part).at(part)?;
        let message = format!("{} has the SHA-256 {found}, from.urls says {}", file.url, file.sha256);
        return Err(StageError::invalid_input(message)
            .help("compare with what its publisher says; change the param only when you trust the file"));
    }
    Ok(())
}

fn curl(file: &RemoteFile, part: &Path, context: &Context) -> Result<Ended, StageError> {
    let mut command = Command::new("curl");
    command.args(["--fail", "--location", "--silent", "--show-error", "--netrc-optional", "--retry", "3"]);
    command.args(["--proto", "=http,https", "--proto-redir", "=http,https", "--continue-at", "-"]);
    command.arg("--output").arg(part).arg("--url").arg(&file.url);
    let mut tick = || {
        let so_far = std::fs::metadata(part).map_or(0, |metadata| metadata.len());
        context.progress(so_far, None, "bytes");
    };
    program::run(command, context, &mut tick)
}
