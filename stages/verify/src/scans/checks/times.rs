//! A scan ends after it starts, and so does each scanner. Whether scans follow each other, the pass over them sees.

use scan::Instant;

use crate::check::Outcome;
use crate::scans::view::ScanView;

/// Checks one scan.
pub(crate) fn check(view: &ScanView<'_>) -> Outcome {
    let Ok((report, _)) = view.report else { return Outcome::default() };
    let mut outcome = Outcome::of(1);
    let mut ends = |start: Option<&str>, end: Option<&str>, start_at: String, end_at: String| {
        let start = read(view.place, &start_at, start, &mut outcome);
        let end = read(view.place, &end_at, end, &mut outcome);
        if let (Some((start, began)), Some((end, ended))) = (start, end)
            && ended < began
        {
            outcome.tell(view.place, end_at, format!("{end} is before the start, {start}"));
        }
    };
    let time = |key: &str| report.summary.get(key).and_then(serde_json::Value::as_str);
    ends(time("started_at"), time("finished_at"), "/summary/started_at".into(), "/summary/finished_at".into());
    for (place, result) in report.results.iter().enumerate() {
        let at = |key: &str| format!("/results/{place}/{key}");
        ends(result.start_time.as_deref(), result.end_time.as_deref(), at("start_time"), at("end_time"));
    }
    outcome
}

/// A time and its moment. The scanner writes no text as the end of a scanner that it lists a second time.
fn read<'t>(place: &str, pointer: &str, text: Option<&'t str>, outcome: &mut Outcome) -> Option<(&'t str, Instant)> {
    let text = text.filter(|text| !text.is_empty())?;
    let moment = Instant::parse(text);
    if moment.is_none() {
        outcome.tell(place, pointer, format!("{text:?} is no time"));
    }
    Some((text, moment?))
}

/// Checks that a scan starts after the one before it, where both say when.
pub(crate) fn follows(place: &str, before: Option<&str>, start: Option<&str>) -> Outcome {
    let mut outcome = Outcome::default();
    let moments = (before.and_then(Instant::parse), start.and_then(Instant::parse));
    if let ((Some(began), Some(starts)), Some(before), Some(start)) = (moments, before, start)
        && starts < began
    {
        outcome.tell(
            place,
            "/summary/started_at",
            format!("{start} is before the start of the scan before it, {before}"),
        );
    }
    outcome
}
