//! Params, card and the two passes: what hosts share, then the lines of each host.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use findings::{Profile, SUSPECT_AT};
use scan::Scans;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::fleet::{self, Comparison, Fleet, Seen};
use crate::host::{self, HostLines, HostScan, Setting};
use crate::sides::Ruleset;
use crate::spill::Spill;
use rules::rule::RULES;

/// Hosts in flight per thread: enough to keep threads busy, few enough to bound memory.
const HOSTS_PER_THREAD: usize = 16;

/// Params of `correlate`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CorrelateParams {
    /// Which reading of the risk formula: what the agent computes today, or what it means to.
    pub profile: Profile,
    /// The suspicion from which on a cluster of findings is called an attack. Lower finds more, and more that is none.
    #[schemars(range(min = 1, max = 100))]
    pub suspect_at: u8,
}

impl Default for CorrelateParams {
    fn default() -> Self {
        CorrelateParams { profile: Profile::default(), suspect_at: SUSPECT_AT }
    }
}

/// The stage.
pub struct Correlate;

impl Stage for Correlate {
    type Params = CorrelateParams;

    fn card() -> Card {
        Card::new("correlate", 15)
            .worker("pipe-data")
            .summary("Enriches findings with risk, history and roles, and joins them into correlations")
            .input("scans", Type::SCANS, "Reports by host and scan")
            .optional_input("real", Type::SCANS, "More hosts, beside the simulated ones")
            .output("findings", Type::FINDINGS, "One enriched finding a line")
            .output("correlations", Type::CORRELATIONS, "One correlation a line")
            .resources(4, 512 << 20)
    }

    fn run(params: CorrelateParams, context: &Context) -> Result<(), StageError> {
        let files = files(context)?;
        let hosts: Vec<&[HostScan]> = files.chunk_by(|a, b| a.file.host == b.file.host).collect();
        let fleet = fleet(context, &hosts)?;
        let rules = Ruleset::new(&RULES);
        let setting = Setting { profile: params.profile, rules: &rules, fleet: &fleet, suspect_at: params.suspect_at };
        let mut findings = Output::create(context.output("findings")?)?;
        let mut correlations = Output::create(context.output("correlations")?)?;
        let (mut done, mut finding_count, mut correlation_count, mut suspected_scans) = (0, 0, 0, 0);
        for batch in hosts.chunks(context.threads() * HOSTS_PER_THREAD) {
            let lines: Vec<HostLines> = context.map(batch, |scans| host::lines(&setting, scans, context.scratch()))?;
            for host in &lines {
                findings.write(&host.findings)?;
                correlations.write(&host.correlations)?;
                finding_count += host.finding_count;
                correlation_count += host.correlation_count;
                suspected_scans += host.suspected_scans;
            }
            done += batch.len() as u64;
            context.progress(done, hosts.len() as u64, "hosts");
        }
        findings.finish()?;
        correlations.finish()?;
        context.metric("hosts", hosts.len() as f64);
        context.metric("scans", files.len() as f64);
        context.metric("findings", finding_count as f64);
        context.metric("correlations", correlation_count as f64);
        context.metric("suspected_scans", suspected_scans as f64);
        Ok(())
    }
}

/// Every report of both inputs, by host and scan.
fn files(context: &Context) -> Result<Vec<HostScan>, StageError> {
    let of = |scans: Scans, real: bool| scans.iter().map(|file| HostScan { file: file.clone(), real }).collect();
    let mut files: Vec<HostScan> = of(Scans::open(context.input("scans")?)?, false);
    if let Some(real) = context.optional_input("real") {
        let own: std::collections::HashSet<String> = files.iter().map(|scan| scan.file.host.clone()).collect();
        let real: Vec<HostScan> = of(Scans::open(real)?, true);
        if let Some(HostScan { file, .. }) = real.iter().find(|scan| own.contains(&scan.file.host)) {
            let message = format!("host `{}` is in both `scans` and `real`", file.host);
            return Err(StageError::invalid_input(message).help("rename one of them, or wire its scans into one port"));
        }
        files.extend(real);
        files.sort_unstable();
    }
    if files.is_empty() {
        return Err(
            StageError::invalid_input("no scan to correlate").help("wire `scans` to a stage that gives reports")
        );
    }
    Ok(files)
}

fn fleet(context: &Context, hosts: &[&[HostScan]]) -> Result<Fleet, StageError> {
    let scanners = fleet::scanners(&RULES);
    if scanners.is_empty() || hosts.len() < 2 {
        return Ok(Fleet::default());
    }
    let done = AtomicU64::new(0);
    let wanted = |scanner: &str| scanners.contains(scanner);
    let collect = |scans: &&[HostScan]| {
        let mut seen = Seen::default();
        for HostScan { file, .. } in *scans {
            context.check_cancelled()?;
            fleet::collect(&RULES, &file.read_results(&wanted)?, &mut seen);
        }
        let done = done.fetch_add(1, Ordering::Relaxed) + 1;
        context.progress(done, hosts.len() as u64, "hosts compared");
        Ok(seen)
    };
    let mut comparison = Comparison::default();
    for batch in hosts.chunks(context.threads() * HOSTS_PER_THREAD) {
        let seen: Vec<Seen> = context.map(batch, collect)?;
        batch.iter().zip(seen).for_each(|(scans, seen)| comparison.add(&scans[0].file.host, seen));
    }
    Ok(comparison.finish(&RULES))
}

/// A file of lines.
struct Output<'p> {
    path: &'p Path,
    file: BufWriter<File>,
}

impl<'p> Output<'p> {
    fn create(path: &'p Path) -> Result<Output<'p>, StageError> {
        Ok(Output { path, file: BufWriter::with_capacity(1 << 18, File::create(path).at(path)?) })
    }

    fn write(&mut self, lines: &Spill) -> Result<(), StageError> {
        lines.write_to(&mut self.file, self.path)
    }

    fn finish(mut self) -> Result<(), StageError> {
        self.file.flush().at(self.path)
    }
}
