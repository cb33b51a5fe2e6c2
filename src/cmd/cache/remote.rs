//! The remote of the settings, for the verbs that use it at once: opened, watched with a bar, and broken off by Ctrl-C.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::ProgressBar;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::cmd::failure::Failure;
use crate::cmd::output;
use crate::cmd::project::Project;
use crate::plan::request::CONFIG;
use crate::remote::{Meter, Remote, RemoteError, TransferError};
use crate::signals;
use crate::store::{Artifact, Store};

/// An opened remote and who watches its transfers.
pub(crate) struct Transfers {
    pub remote: Remote,
    pub meter: Meter,
    stop: Arc<AtomicBool>,
    bar: ProgressBar,
}

impl Transfers {
    /// The remote of `project`. `what` is done: `pushing`.
    pub(crate) fn open(project: &Project, what: &str) -> Result<Transfers, Failure> {
        let Some(place) = &project.config.remote.place.value else {
            let help =
                format!("write `remote: {{url: s3://BUCKET/PREFIX}}`, or the path of a directory, into {CONFIG}");
            return Err(Failure::usage("the settings name no remote", help));
        };
        let stop = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !signals::is_unwanted(*signal)) {
            // The first asks; whoever asks again does not wait for what is being tidied up.
            let second = signal_hook::flag::register_conditional_shutdown(signal, INTERRUPTED, Arc::clone(&stop));
            let first = second.and_then(|_| signal_hook::flag::register(signal, Arc::clone(&stop)));
            first.map_err(|e| Failure::Broken(anyhow::Error::new(e).context("listening for signals")))?;
        }
        let form = format!("{what} {{bar:30}} {{bytes}} of {{total_bytes}}, {{bytes_per_sec}}, {{eta}} left");
        let bar = super::bar(&form);
        let remote = Remote::open(place).map_err(|error| failed(error, &place.url))?;
        Ok(Transfers { remote, meter: Meter::default(), stop, bar })
    }

    /// Does `work`, which is watched. `None`: the user broke it off.
    pub(crate) fn watch<T, E: Into<TransferError>>(
        &self,
        work: impl FnOnce(&Remote, &Meter, &mut dyn FnMut(&Meter)) -> Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        let mut watch = |meter: &Meter| {
            self.bar.set_length(meter.total());
            self.bar.set_position(meter.done());
            if self.stop.load(Ordering::Relaxed) {
                meter.stop();
            }
        };
        let done = work(&self.remote, &self.meter, &mut watch).map_err(Into::into);
        self.bar.finish_and_clear();
        self.remote.said().iter().for_each(|line| output::errors(&format!("{line}\n")));
        match done {
            Ok(done) => Ok(Some(done)),
            Err(error) if error.is_interruption() => {
                output::errors("interrupted; what arrived stays, and the same command goes on from there\n");
                Ok(None)
            }
            Err(TransferError::Remote(error)) => Err(failed(error, &self.remote.place().url)),
            Err(TransferError::Store(error)) => Err(error.into()),
        }
    }
}

/// Brings what the remote has of `artifacts` into the store, and warns of what it does not have. Returns whether it was not broken off.
pub(crate) fn fetch(project: &Project, store: &Store, artifacts: &[Artifact]) -> Result<bool, Failure> {
    let transfers = Transfers::open(project, "fetching")?;
    let refused = transfers.watch(|remote, meter, watch| remote.fetch(store, artifacts, meter, watch))?;
    let Some(refused) = refused else { return Ok(false) };
    refused.values().for_each(|why| output::errors(&format!("warning: {}: {why}\n", transfers.remote.place())));
    Ok(true)
}

/// What a shell reports of a program that ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// A remote that could not do its part, as the end of the command.
pub(crate) fn failed(error: RemoteError, url: &str) -> Failure {
    Failure::Remote { message: format!("{url}: {}", error.message), help: error.help }
}
