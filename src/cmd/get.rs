//! `pipe get`: copies outputs out of the store. The copies are the user's own: no link ties them to the store.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::complete::names;
use super::failure::Failure;
use super::made::{self, Made, WhereArguments};
use super::project::Project;
use super::{Exit, output};
use crate::report::units;
use crate::spec::suggest;
use crate::store::{Artifact, Store, remove_tree};

/// `pipe get`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  pipe get model ./model                        the one output of `model`
  pipe get quantized.gguf /srv/models/a.gguf    one of several
  pipe get evaluation results/ --run last~1     all outputs, as an earlier run left them
  pipe get quantized.gguf /srv/models/a.gguf --force

The copy is read back from the store's bytes and hashed on the way; nothing links it to the store, so it may be edited.
A DEST that is a directory, or ends with /, gets the output under its own name. What stands there is kept unless --force.")]
pub struct GetArguments {
    /// The stage, or one of its outputs.
    #[arg(value_name = "STAGE[.PORT]", add = names::past_output())]
    pub stage: String,
    /// Where to.
    #[arg(value_name = "DEST", add = names::files())]
    pub destination: PathBuf,
    /// Replace what stands there.
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub place: WhereArguments,
    /// Print JSON.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: &GetArguments) -> Result<Exit, Failure> {
    let project = Project::find()?;
    let store = project.store()?;
    let _hold = store.hold()?;
    let place = arguments.place.place();
    let (made, port) = made::find_port(&project, &store, &arguments.stage, &place)?;
    let wanted = wanted(&made, port.as_deref())?;
    let into = arguments.destination.is_dir() || arguments.destination.as_os_str().as_encoded_bytes().ends_with(b"/");
    let several = wanted.len() > 1;
    let mut copied = Vec::new();
    for it in &wanted {
        let target = if into || several { arguments.destination.join(&it.name) } else { arguments.destination.clone() };
        if !arguments.force && fs::symlink_metadata(&target).is_ok() {
            let message = format!("{} is there already", target.display());
            return Err(Failure::usage(message, "--force replaces it".to_owned()));
        }
        copied.push(target);
    }
    for (it, target) in wanted.iter().zip(&copied) {
        copy(&store, &made, it, target)?;
        if !arguments.json {
            let size = units::bytes(it.artifact.size);
            output::text(&format!("{}.{} -> {}  {size}\n", made.name, it.port, target.display()));
        }
    }
    if arguments.json {
        let document = wanted.iter().zip(&copied).map(|(it, target)| {
            json!({"port": it.port, "path": target, "digest": it.artifact.digest, "size": it.artifact.size})
        });
        output::document(&json!({"stage": made.name, "run": made.report.run, "copied": document.collect::<Vec<_>>()}));
    }
    Ok(Exit::Success)
}

/// An output to copy.
struct Wanted<'a> {
    port: &'a str,
    /// Its own file name: that under which it is published.
    name: PathBuf,
    artifact: &'a Artifact,
}

fn wanted<'a>(made: &'a Made, port: Option<&str>) -> Result<Vec<Wanted<'a>>, Failure> {
    let Some(record) = &made.record else {
        let message = format!("stage `{}` has given nothing in run {}", made.name, made.report.run);
        return Err(Failure::usage(message, format!("pipe run {} {}", made.report.file.display(), made.name)));
    };
    let names = || record.outputs.keys().map(String::as_str);
    if let Some(port) = port
        && !record.outputs.contains_key(port)
    {
        return Err(Failure::usage(
            format!("stage `{}` has no output `{port}`", made.name),
            suggest::help(port, names()),
        ));
    }
    let outputs = record.outputs.iter().filter(|(name, _)| port.is_none_or(|port| port == *name));
    let published = |port: &str| made.stage.outputs.get(port).and_then(|output| output.path.file_name());
    let wanted = outputs.map(|(port, artifact)| Wanted {
        port,
        name: published(port).map_or_else(|| port.into(), PathBuf::from),
        artifact,
    });
    Ok(wanted.collect())
}

/// Copies beside the target first, so that a copy that fails has replaced nothing.
fn copy(store: &Store, made: &Made, wanted: &Wanted, target: &Path) -> Result<(), Failure> {
    let broken = |what: &str, path: &Path, error: std::io::Error| {
        Failure::Broken(anyhow::Error::new(error).context(format!("cannot {what} {}", path.display())))
    };
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(parent).map_err(|e| broken("make", parent, e))?;
    let named = |suffix: &str| {
        let mut name = std::ffi::OsString::from(".");
        name.push(target.file_name().unwrap_or_default());
        name.push(format!(".{suffix}-{}", std::process::id()));
        parent.join(name)
    };
    let (fresh, old) = (named("new"), named("old"));
    if let Err(error) = store.copy_out(wanted.artifact, &fresh) {
        // The copy is of no use; what went wrong with it is what the user should read.
        let _ = remove_tree(&fresh);
        let again = format!("pipe run {} {}", made.report.file.display(), made.name);
        return Err(Failure::Broken(anyhow::Error::new(error).context(format!(
            "output `{}` of stage `{}` cannot be copied (if the store lost it, `{again}` makes it again)",
            wanted.port, made.name
        ))));
    }
    let replaced = match fs::rename(target, &old) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => return Err(broken("replace", target, error)),
    };
    fs::rename(&fresh, target).map_err(|e| broken("write", target, e))?;
    if replaced {
        remove_tree(&old)?;
    }
    Ok(())
}
