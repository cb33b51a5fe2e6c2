//! `yara`: programs in which a pattern of the rules is found; nothing without rules.

use scan::{Finding, Severity};

use crate::emit::Output;
use crate::host::Host;
use crate::stream::Purpose;
use crate::tables::TABLES;
use crate::world::World;

/// How much of a pattern an id holds.
const ID: usize = 16;

pub(super) fn emit(host: &Host, _world: &World) -> Output {
    let mut output = Output::new("yara");
    if host.mode.yara == [0, 0] {
        return output;
    }
    let (names, pattern) = (&TABLES.binaries.names, &TABLES.binaries.pattern);
    let mut draw = host.streams(Purpose::Pattern).at(0);
    let count = draw.between(host.mode.yara) as usize;
    let mut ranked: Vec<(u32, &String)> = names.iter().map(|name| (draw.word(), name)).collect();
    ranked.sort_unstable();
    for (_, name) in ranked.into_iter().take(count) {
        let path = format!("/usr/bin/{name}");
        let short: String = pattern.chars().take(ID).collect();
        let id = format!("{path}:yara:{short}");
        let finding = Finding::new(id, "Pseudo-YARA pattern match", Severity::Medium, "Pattern found in file prefix")
            .with("path", path)
            .with("pattern", pattern);
        output.push(finding, None);
    }
    output
}
