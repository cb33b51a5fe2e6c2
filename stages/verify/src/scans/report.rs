//! The report of one scan, read from its file.

use contract::StageError;
use contract::stage::At;
use scan::{Report, ScanFile};

use super::listed::Listed;
use super::view::ScanView;
use crate::check::{CheckName, Outcome, guard_part};
use crate::schema::{Mismatch, SCANNER_REPORT};

/// A report as read from its file.
pub(super) struct ReadReport {
    place: String,
    earlier: u32,
    mismatches: Vec<Mismatch>,
    report: Result<(Report, scan::Changes), String>,
    pub crashed: Vec<(CheckName, Outcome)>,
}

impl ReadReport {
    pub(super) fn of(listed: &Listed) -> Result<ReadReport, StageError> {
        let ScanFile { host, scan, path } = &listed.file;
        let bytes = std::fs::read(path).at(path)?;
        let place = format!("{host}/{scan:04}");
        let mut crashed = Vec::new();
        let mut mismatches = match std::str::from_utf8(&bytes) {
            Ok(text) => guard_part(&mut crashed, CheckName::Schema, &place, || SCANNER_REPORT.mismatches(text)),
            Err(error) => vec![Mismatch { pointer: String::new(), message: format!("no text: {error}") }],
        };
        let report = Report::parse(&bytes).map_err(|error| error.to_string());
        if let Ok((report, _)) = &report
            && report.hostname() != host
        {
            let message = format!("{:?} in the directory of {host:?}", report.hostname());
            mismatches.push(Mismatch { pointer: "/meta/hostname".to_owned(), message });
        }
        Ok(ReadReport { place, earlier: listed.earlier, mismatches, report, crashed })
    }

    /// The view of it, without lines.
    pub(super) fn view(&self) -> ScanView<'_> {
        let report = match &self.report {
            Ok((report, changes)) => Ok((report, changes)),
            Err(error) => Err(error.as_str()),
        };
        ScanView {
            place: &self.place,
            mismatches: &self.mismatches,
            raw: report.map(|(report, _)| ScanView::sorted(report)).unwrap_or_default(),
            report,
            findings: &[],
            correlations: &[],
            earlier: self.earlier,
            simulated: false,
            has_host: &|_| false,
            suspect_at: 0,
        }
    }
}
