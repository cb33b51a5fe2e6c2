//! `pipe get`: copies outputs out of the store. The copies are the user's own: no link ties them to the store.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::cache;
use super::complete::names;
use super::failure::Failure;
use super::made::{self, Found, Made, WhereArguments};
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
  pipe get evaluation results/ --run last~1     as an earlier run left them
  pipe get quantized.gguf /srv/models/a.gguf --force

The name of a matrix copies each of its instances into DEST/INSTANCE. The copy is read back from the store's bytes and \
hashed on the way; nothing links it to the store, so it may be edited. What the store no longer has is fetched from the \
remote of pipe.yaml. A DEST that is a directory, or ends with /, \
gets the output under its own name. What stands there is kept unless --force.")]
pub(super) struct GetArguments {
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

pub(super) fn run(project: &Project, arguments: &GetArguments) -> Result<Exit, Failure> {
    let store = project.store()?;
    let _hold = store.hold()?;
    let place = arguments.place.place();
    let (found, port) = made::find_port(project, &store, &arguments.stage, &place)?;
    let port = port.as_deref();
    let into = arguments.destination.is_dir() || arguments.destination.as_os_str().as_encoded_bytes().ends_with(b"/");
    let single = |made: &Made| -> Result<bool, Failure> { Ok(wanted(made, port)?.len() == 1 && !into) };
    let gets: Vec<Get> = match &found {
        Found::Stage(made) if single(made)? => vec![Get::new(made, port, &arguments.destination, Place::As)?],
        Found::Stage(made) => vec![Get::new(made, port, &arguments.destination, Place::Within)?],
        Found::Matrix { instances, .. } => instances
            .iter()
            .map(|made| Get::new(made, port, &arguments.destination.join(last_part(&made.name)), Place::Within))
            .collect::<Result<_, _>>()?,
    };
    for (_, target) in gets.iter().flat_map(|get| &get.copies) {
        if !arguments.force && fs::symlink_metadata(target).is_ok() {
            let message = format!("{} is there already", target.display());
            return Err(Failure::usage(message, "--force replaces it".to_owned()));
        }
    }
    if !fetch(project, &store, &gets)? {
        return Ok(Exit::Interrupted);
    }
    for get in &gets {
        get.copy(&store, arguments.json)?;
    }
    if arguments.json {
        match (&found, gets.as_slice()) {
            (Found::Matrix { name, .. }, gets) => {
                let instances: Vec<_> = gets.iter().map(Get::document).collect();
                output::document(&json!({"stage": name, "instances": instances}));
            }
            (Found::Stage(_), gets) => gets.iter().for_each(|get| output::document(&get.document())),
        }
    }
    Ok(Exit::Success)
}

/// Brings from the remote, where there is one, what the store lacks. Returns whether it was not broken off.
fn fetch(project: &Project, store: &Store, gets: &[Get]) -> Result<bool, Failure> {
    if project.config.remote.place.value.is_none() {
        return Ok(true);
    }
    let mut lacking = Vec::new();
    for (it, _) in gets.iter().flat_map(|get| &get.copies) {
        if !store.holds(it.artifact)? {
            lacking.push(it.artifact.clone());
        }
    }
    if lacking.is_empty() {
        return Ok(true);
    }
    // The copy says what is missing then.
    cache::remote::fetch(project, store, &lacking)
}

/// Of the full name of an instance what makes a name of a directory: prefixes of includes are directories themselves.
fn last_part(name: &str) -> &str {
    let label = name.find('[').unwrap_or(name.len());
    let start = name[..label].rfind('/').map_or(0, |at| at + 1);
    &name[start..]
}

/// Where outputs go.
enum Place {
    /// The one output is called so.
    As,
    /// Into this directory, under their own names.
    Within,
}

/// What is copied of one stage, and where to.
struct Get<'a> {
    made: &'a Made,
    copies: Vec<(Wanted<'a>, PathBuf)>,
}

impl<'a> Get<'a> {
    fn new(made: &'a Made, port: Option<&str>, destination: &Path, place: Place) -> Result<Get<'a>, Failure> {
        let target = |it: &Wanted| match place {
            Place::As => destination.to_owned(),
            Place::Within => destination.join(&it.name),
        };
        let copies = wanted(made, port)?.into_iter().map(|it| (target(&it), it)).map(|(target, it)| (it, target));
        Ok(Get { made, copies: copies.collect() })
    }

    fn copy(&self, store: &Store, json: bool) -> Result<(), Failure> {
        for (it, target) in &self.copies {
            copy(store, self.made, it, target)?;
            if !json {
                let size = units::bytes(it.artifact.size);
                output::text(&format!("{}.{} -> {}  {size}\n", self.made.name, it.port, target.display()));
            }
        }
        Ok(())
    }

    fn document(&self) -> Value {
        let copied = self.copies.iter().map(|(it, target)| {
            json!({"port": it.port, "path": target, "digest": it.artifact.digest, "size": it.artifact.size})
        });
        json!({"stage": self.made.name, "run": self.made.report.run, "copied": copied.collect::<Vec<_>>()})
    }
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
