//! Keeps every event of a run as a line of `runs/<id>/events.ndjson`, with the seconds since the run began.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Instant;

use serde::Serialize;

use crate::engine::{Observer, RunEvent};

/// Writes the journal. A run goes on when its journal cannot be written (a full disk, a read-only store).
pub struct Journal {
    file: Option<BufWriter<File>>,
    begun: Instant,
}

#[derive(Serialize)]
struct Line<'a> {
    at: f64,
    event: &'a RunEvent,
}

impl Journal {
    /// A journal in the directory of a run.
    pub fn create(run_dir: &Path) -> Journal {
        let open = || {
            std::fs::create_dir_all(run_dir)?;
            File::create(run_dir.join("events.ndjson"))
        };
        // The journal explains a run afterwards; not having it must not cost the run itself.
        Journal { file: open().ok().map(BufWriter::new), begun: Instant::now() }
    }

    fn write(&mut self, event: &RunEvent) -> std::io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let at = (self.begun.elapsed().as_secs_f64() * 1e3).round() / 1e3;
        serde_json::to_writer(&mut *file, &Line { at, event })?;
        file.write_all(b"\n")?;
        // Progress may be lost with a crash; what came of a stage may not.
        match event {
            RunEvent::StageProgress { .. } | RunEvent::StageMetric { .. } => Ok(()),
            _ => file.flush(),
        }
    }
}

impl Observer for Journal {
    fn on(&mut self, event: &RunEvent) {
        if self.write(event).is_err() {
            self.file = None;
        }
    }
}
