//! The events of a run as lines of JSON: kept as `runs/<id>/events.ndjson`, and streamed to where `run --events` says.
//!
//! The first line names the schema that the others follow; each of those is an event with the seconds since the run began. In the
//! journal that is kept each line ends with a checksum over all of them so far.

use std::cell::RefCell;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::rc::Rc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::Value;

use crate::engine::history::{self, JOURNAL};
use crate::engine::{Observer, RunEvent, StageOutcome};
use crate::report::clean;
use crate::store::Chain;

/// The schema of the lines. The number is raised when a known event or field changes its meaning or goes. Readers pass over events and
/// fields that they do not know.
pub const SCHEMA: &str = "pipe/run-event/1";

/// The first line of a stream.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Header {
    /// The schema of the other lines.
    #[schemars(extend("const" = SCHEMA))]
    pub schema: String,
    /// The version of the engine that writes.
    pub version: String,
    /// When the run began, in Unix seconds.
    pub started_at: u64,
    /// In the journal of a run: a checksum over its id and this line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// Every other line.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Line<'a> {
    /// Seconds since the run began.
    pub at: f64,
    /// The event.
    pub event: &'a RunEvent,
    /// In the journal of a run: a checksum over its id and every line until and with this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<String>,
}

/// The JSON Schema of a line.
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::default();
    let (header, line) = (generator.subschema_for::<Header>(), generator.subschema_for::<Line>());
    serde_json::json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": SCHEMA,
        "description": "A line of an event stream: the first is a Header, every other one a Line.",
        "anyOf": [header, line],
        "$defs": generator.take_definitions(true),
    })
}

/// How soon a line must be readable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delay {
    /// At once: somebody listens.
    None,
    /// The outcome of an execution may not be lost with a crash; the rest may.
    UntilItMatters,
}

/// Writes events as lines. A run goes on when they can no longer be written: a full disk, a reader that left.
pub struct Journal {
    to: Option<BufWriter<Box<dyn Write>>>,
    delay: Delay,
    begun: Instant,
    trouble: Trouble,
    /// Of a journal that is kept.
    chain: Option<Chain>,
}

/// The error of a stream, for its owner.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Rc<RefCell<Option<std::io::Error>>>);

impl Trouble {
    /// Why the stream ends early; a reader that wanted no more is no trouble.
    pub fn take(&self) -> Option<std::io::Error> {
        self.0.take().filter(|error| error.kind() != std::io::ErrorKind::BrokenPipe)
    }
}

impl Journal {
    /// The journal in the directory of a run. It is locked until the run ends, so that others can tell a run that goes on from
    /// one that was killed.
    pub fn keep(run_dir: &Path, run: &str) -> Journal {
        let open = || {
            std::fs::create_dir_all(run_dir)?;
            let file = File::create(run_dir.join(JOURNAL))?;
            // Without a lock (some network filesystems have none) the run only looks ended to those who ask.
            let _ = file.try_lock();
            Ok(Box::new(file) as Box<dyn Write>)
        };
        // The journal explains a run afterwards; not having it must not cost the run itself.
        let to: std::io::Result<_> = open();
        Journal::new(to.ok(), Delay::UntilItMatters, Some(Chain::new(&history::journal_name(run))))
    }

    /// A stream to `to`; its error is found in the second value after the run.
    pub fn stream(to: Box<dyn Write>) -> (Journal, Trouble) {
        let journal = Journal::new(Some(to), Delay::None, None);
        let trouble = journal.trouble.clone();
        (journal, trouble)
    }

    fn new(to: Option<Box<dyn Write>>, delay: Delay, chain: Option<Chain>) -> Journal {
        let to = to.map(BufWriter::new);
        let mut journal = Journal { to, delay, begun: Instant::now(), trouble: Trouble::default(), chain };
        let header = Header {
            schema: SCHEMA.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |elapsed| elapsed.as_secs()),
            check: None,
        };
        journal.write(&header, true);
        journal
    }

    fn write(&mut self, line: &impl Serialize, flush: bool) {
        let Some(to) = &mut self.to else { return };
        let mut write = || {
            let text = serde_json::to_string(line)?;
            let mut text = clean::json(&text).into_owned().into_bytes();
            if let Some(chain) = &mut self.chain {
                text = chain.seal(text);
            }
            text.push(b'\n');
            to.write_all(&text)?;
            if flush { to.flush() } else { Ok(()) }
        };
        if let Err(error) = write() {
            self.trouble.0.replace(Some(error));
            // The rest of the buffer could not be written either, and dropping a writer tries again.
            if let Some(to) = self.to.take() {
                let _ = to.into_parts();
            }
        }
    }
}

impl Observer for Journal {
    fn on(&mut self, event: &RunEvent) {
        let matters = !matches!(
            event,
            RunEvent::StageProgress { .. }
                | RunEvent::StageMetric { .. }
                | RunEvent::StageEnded { outcome: StageOutcome::Hit, .. }
        );
        let at = (self.begun.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        self.write(&Line { at, event, check: None }, matters || self.delay == Delay::None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self.0.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stream_that_can_no_longer_be_written_says_so_once_and_disturbs_nobody() {
        let (mut journal, trouble) = Journal::stream(Box::new(Full(200)));
        for _ in 0..10 {
            journal.on(&RunEvent::Stopping { message: "x".repeat(30) });
        }
        assert_eq!(trouble.take().unwrap().kind(), std::io::ErrorKind::StorageFull);
        assert!(trouble.take().is_none());
    }
}
