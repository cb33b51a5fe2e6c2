//! What goes along with an instance: whether it can run there, and the checksums by which the instance knows it again.

use contract::backend::{Bundle, Failed, FailedClass, Piece, Submit};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;

use crate::failure::{failed, helped};
use crate::place::Bucket;

/// The name under which the script of `user_data` lies beside the programs.
pub(super) const SETUP: &str = "pipe-setup";

/// The program that looks after the command on the instance: this one.
const KEEPER: &str = "pipe-aws";

/// What the instance is to fetch, as its boot reads it. The files are read here once.
pub(super) async fn pieces(submit: &Submit, bucket: &Bucket) -> Result<Vec<Value>, Failed> {
    if !submit.bundle.files.iter().any(|piece| piece.name == KEEPER) {
        return Err(failed(
            FailedClass::Invalid,
            "the bundle lacks pipe-aws, which looks after the command on the instance",
        ));
    }
    let setup = submit.setup.as_ref().map(|piece| Piece { name: SETUP.into(), ..piece.clone() });
    let mut pieces = Vec::new();
    for piece in submit.bundle.files.iter().chain(&setup) {
        if piece.name.is_empty() || piece.name.starts_with('.') || piece.name.contains(['/', '\0']) {
            return Err(failed(FailedClass::Invalid, format!("{:?} cannot name a file of a bundle", piece.name)));
        }
        let key = bucket.key(&piece.object)?;
        pieces.push(json!({"name": piece.name, "key": key, "sha256": checksum(piece).await?}));
    }
    Ok(pieces)
}

async fn checksum(piece: &Piece) -> Result<String, Failed> {
    let unreadable = |error: std::io::Error| {
        failed(FailedClass::Missing, format!("{} cannot be read: {error}", piece.file.display()))
    };
    let mut file = tokio::fs::File::open(&piece.file).await.map_err(unreadable)?;
    let (mut hash, mut buffer) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).await.map_err(unreadable)?;
        if read == 0 {
            return Ok(hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hash.update(&buffer[..read]);
    }
}

/// Refuses a bundle that cannot run on x86_64 with the system of this image.
pub(super) fn fits(bundle: &Bundle, image: &str) -> Result<(), Failed> {
    if bundle.architecture != "x86_64" {
        let message = format!("the programs are for {}, and the machines of the place are x86_64", bundle.architecture);
        return Err(failed(FailedClass::Invalid, message));
    }
    let Some(wanted) = &bundle.glibc else { return Ok(()) };
    let parsed = wanted.split_once('.').and_then(|(major, minor)| Some((major.parse().ok()?, minor.parse().ok()?)));
    let Some(needs): Option<(u32, u32)> = parsed else {
        return Err(failed(FailedClass::Invalid, format!("{wanted:?} is no version of glibc")));
    };
    match places::catalog::glibc_of(image) {
        Some(has) if has < needs => Err(helped(
            FailedClass::Invalid,
            format!("the programs need glibc {wanted}, and the image has {}.{}: {image}", has.0, has.1),
            "build them on a system as old as the image, or name a newer image",
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mismatch_is_refused_before_the_launch() {
        let check = |architecture: &str, glibc: Option<&str>, image: &str, fine: bool| {
            let bundle = Bundle { architecture: architecture.into(), glibc: glibc.map(Into::into), files: Vec::new() };
            assert_eq!(fits(&bundle, image).is_ok(), fine, "{architecture} {glibc:?} {image}");
        };
        check("x86_64", Some("2.35"), "/aws/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id", true);
        check("x86_64", Some("2.36"), "/aws/base-oss-nvidia-driver-gpu-ubuntu-22.04/latest/ami-id", false);
        check("x86_64", Some("2.36"), "ami-0123456789abcdef0", true);
        check("x86_64", None, "ubuntu20.04", true);
        check("aarch64", None, "ami-0123456789abcdef0", false);
        check("x86_64", Some("new"), "ami-0123456789abcdef0", false);
    }
}
