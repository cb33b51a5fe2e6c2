//! The remote of the settings, for the verbs that use it at once: opened, watched with a bar, and broken off by Ctrl-C.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use indicatif::ProgressBar;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use crate::cmd::failure::Failure;
use crate::cmd::output;
use crate::cmd::project::Project;
use crate::plan::request::CONFIG;
use crate::remote::{FailedClass, Meter, Place, Remote, RemoteError, TransferError};
use crate::signals;
use crate::store::{Artifact, Store};

/// An opened remote and who watches its transfers.
pub(crate) struct Transfers {
    pub remote: Remote,
    pub meter: Meter,
    /// How often the user asked it to stop.
    asked: Arc<AtomicUsize>,
    bar: ProgressBar,
}

impl Transfers {
    /// The remote of `project`. `what` is done: `pushing`.
    pub(crate) fn open(project: &Project, what: &str) -> Result<Transfers, Failure> {
        let place = project.config.remote.place.value.as_ref().ok_or_else(no_remote)?;
        Transfers::open_place(place, what)
    }

    /// As [`Transfers::open`], another place than the remote.
    pub(crate) fn open_place(place: &Place, what: &str) -> Result<Transfers, Failure> {
        let asked = listen(place)?;
        let form = format!("{what} {{bar:30}} {{bytes}} of {{total_bytes}}, {{bytes_per_sec}}, {{eta}} left");
        let (bar, meter) = (super::bar(&form), Meter::default());
        let opened = look_after(&bar, &asked, &meter, &Vec::new, || Remote::open_watched(place, &meter));
        match opened {
            Ok(remote) => Ok(Transfers { remote, meter, asked, bar }),
            Err(error) if error.class == FailedClass::Interrupted => Err(Failure::Interrupted),
            Err(error) => Err(failed(error, &place.url)),
        }
    }

    /// Does `work`, which is watched. `None`: the user broke it off.
    pub(crate) fn watch<T, E: Into<TransferError>>(
        &self,
        work: impl FnOnce(&Remote, &Meter, &mut dyn FnMut(&Meter)) -> Result<T, E>,
    ) -> Result<Option<T>, Failure> {
        let said = || self.remote.said();
        // A thread looks after the user, as some of the work has nobody who does.
        let work = || work(&self.remote, &self.meter, &mut |_| ()).map_err(Into::into);
        let done = look_after(&self.bar, &self.asked, &self.meter, &said, work);
        self.bar.finish_and_clear();
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

/// There is no remote.
pub(crate) fn no_remote() -> Failure {
    let help = format!("write `remote: {{url: s3://BUCKET/PREFIX}}`, or the path of a directory, into {CONFIG}");
    Failure::usage("the settings name no remote", help)
}

/// Counts how often the user asks to stop.
fn listen(place: &Place) -> Result<Arc<AtomicUsize>, Failure> {
    let wanted = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| !signals::is_unwanted(*signal));
    let mut signals =
        Signals::new(wanted).map_err(|e| Failure::Broken(anyhow::Error::new(e).context("listening for signals")))?;
    let asked = Arc::new(AtomicUsize::new(0));
    let (count, is_directory) = (Arc::clone(&asked), place.directory().is_some());
    std::thread::spawn(move || {
        for _ in signals.forever() {
            // A disk that does not answer holds up every other thread; there is no program that could be left behind.
            if count.fetch_add(1, Ordering::Relaxed) > 0 && is_directory {
                std::process::exit(INTERRUPTED);
            }
        }
    });
    Ok(asked)
}

/// Does `work`. Meanwhile another thread moves the bar, shows what the place says, and passes on that the user wants to stop.
fn look_after<T>(
    bar: &ProgressBar,
    asked: &AtomicUsize,
    meter: &Meter,
    said: &(dyn Fn() -> Vec<String> + Sync),
    work: impl FnOnce() -> T,
) -> T {
    let look = || {
        bar.set_length(meter.total());
        bar.set_position(meter.done());
        let lines = meter.said().into_iter().chain(said());
        lines.for_each(|line| bar.suspend(|| output::errors(&format!("{line}\n"))));
        match asked.load(Ordering::Relaxed) {
            0 => {}
            1 => meter.stop(),
            // A second Ctrl-C does not wait for what is being tidied up.
            _ => meter.hurry(),
        }
    };
    let done = std::thread::scope(|scope| {
        let (working, ended) = channel::<()>();
        let look = &look;
        scope.spawn(move || {
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                look();
            }
        });
        let done = work();
        drop(working);
        done
    });
    look();
    done
}

/// Brings what the remote has of `artifacts` into the store, and warns of what it does not have. Returns whether it was not broken off.
pub(crate) fn fetch(project: &Project, store: &Store, artifacts: &[Artifact]) -> Result<bool, Failure> {
    let transfers = Transfers::open(project, "fetching")?;
    let refused = transfers.watch(|remote, meter, watch| remote.fetch(store, artifacts, meter, watch))?;
    let Some(refused) = refused else { return Ok(false) };
    // A directory cannot come for the same reason as a file in it.
    let reasons: BTreeSet<String> = refused.values().map(ToString::to_string).collect();
    reasons.iter().for_each(|why| output::errors(&format!("warning: {}: {why}\n", transfers.remote.place())));
    Ok(true)
}

/// How often the user is looked after.
const LOOK: Duration = Duration::from_millis(50);

/// What a shell reports of a program that ended by SIGINT.
const INTERRUPTED: i32 = 130;

/// A remote that could not do its part, as the end of the command.
pub(crate) fn failed(error: RemoteError, url: &str) -> Failure {
    Failure::Remote { message: format!("{url}: {}", error.message), help: error.help }
}
