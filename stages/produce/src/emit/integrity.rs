//! `integrity`: files that differ from their packages, then the summary.

use scan::Finding;
use scan::rules::integrity::{MISMATCH, SUMMARY, summary};

use crate::emit::Output;
use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::TABLES;
use crate::world::World;

/// Share of the lines that a tool prints on a host, per mille.
const DIFFERS: u32 = 180;
/// How much of a line the summary holds, and of how many lines.
const SAMPLE_LINE: usize = 40;
const SAMPLE: usize = 10;
/// The flags at the beginning of a line of rpm, with the character after them.
const RPM_FLAGS: usize = 9;

pub(super) fn emit(host: &Host, _world: &World) -> Output {
    let mut output = Output::new("integrity");
    let rpm = ["rocky", "fedora"].contains(&host.distribution.id.as_str());
    let (tool, lines) = if rpm { ("rpm", &TABLES.mismatches.rpm) } else { ("dpkg", &TABLES.mismatches.dpkg) };
    let mut draw = host.streams(Purpose::Package).at(0);
    let differs: Vec<&str> =
        lines.iter().filter(|_| draw.chance(DIFFERS) && host.mode.verify).map(String::as_str).collect();
    for (number, line) in differs.iter().enumerate() {
        let path = if rpm { line.get(RPM_FLAGS..) } else { line.split_once(' ').map(|(_, path)| path) };
        let finding = Finding::new(
            format!("pkg_mismatch:{number}"),
            "Package file mismatch",
            MISMATCH,
            format!("{tool} verification mismatch"),
        );
        let finding = finding.with("raw", *line);
        output.push(path.into_iter().fold(finding, |finding, path| finding.with("path", path)), None);
    }
    let count = differs.len();
    let mut finding =
        Finding::new(SUMMARY, "Integrity summary", summary(count as u64, 0), "Package / integrity verification")
            .with("pkg_mismatch_count", count.to_string())
            .with("scan_mode", "full");
    if host.mode.verify {
        finding = finding.with("pkg_tool", tool);
    }
    if count > 0 {
        let sample: Vec<String> =
            differs.iter().take(SAMPLE).map(|line| line.chars().take(SAMPLE_LINE).collect()).collect();
        finding = finding.with("pkg_mismatch_sample", sample.join(","));
    }
    output.push(finding, None);
    output
}
