//! The kind `produce`, and its pass over the hosts.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use contract::stage::At;
use contract::{Card, Context, Stage, StageError, Type};
use scan::{Scans, ScansWriter};

use crate::host::Host;
use crate::params::ProduceParams;
use crate::world::World;
use crate::{emit, report, story, trace, truth, world};

/// Hosts in flight for each thread: enough to keep it busy, few enough to keep memory flat.
const HOSTS_PER_THREAD: usize = 8;

/// The kind `produce`.
pub struct Produce;

impl Stage for Produce {
    type Params = ProduceParams;

    fn card() -> Card {
        Card::new("produce", 11)
            .worker("pipe-data")
            .summary("Simulates hosts, attacks and look-alikes, and writes their scans with the hidden truth")
            .output("scans", Type::SCANS, "One valid report a host and scan")
            .output(
                "truth",
                Type::TRUTH,
                "What each finding really is; never an input of anything that is trained or judged",
            )
            .resources(4, 256 << 20)
    }

    fn run(params: ProduceParams, context: &Context) -> Result<(), StageError> {
        let scans = Scans::create(context.output("scans")?)?;
        let truth_path = context.output("truth")?;
        let mut truth = BufWriter::with_capacity(1 << 18, File::create(truth_path).at(truth_path)?);
        let hosts: Vec<u32> = (0..params.hosts).collect();
        let mut totals = Totals::default();
        for chunk in hosts.chunks(context.threads() * HOSTS_PER_THREAD) {
            let done: Vec<Done> = context.map(chunk, |index| simulate(&params, *index, &scans))?;
            for host in &done {
                truth.write_all(&host.truth).at(truth_path)?;
                totals.add(host);
            }
            context.progress(u64::from(chunk[chunk.len() - 1]) + 1, u64::from(params.hosts), "hosts");
        }
        truth.flush().at(truth_path)?;
        totals.tell(context, truth_path);
        Ok(())
    }
}

/// A host whose reports are written.
struct Done {
    truth: Vec<u8>,
    findings: u64,
    chains: u64,
    frozen: u64,
    marked: u64,
}

fn simulate(params: &ProduceParams, index: u32, scans: &ScansWriter) -> Result<Done, StageError> {
    let host = Host::new(params.seed, index, params.scans_per_host);
    let stories = story::stories(&host, params);
    let is_chain = |mark: world::Mark| stories[usize::from(mark.story)].chain_id.is_some();
    let chains = || stories.iter().filter(|story| story.chain_id.is_some());
    let frozen = chains().filter(|story| story.template.frozen).count() as u64;
    let mut done = Done { truth: Vec::new(), findings: 0, chains: chains().count() as u64, frozen, marked: 0 };
    for scan in 0..params.scans_per_host {
        let mut world = World::benign(&host, scan);
        for (story, number) in stories.iter().zip(0..) {
            trace::apply(&mut world, &host, story, number, params.noise.missed);
        }
        world::part_datagrams(&mut world.sockets);
        let outputs = emit::outputs(&host, &world, &params.counts, is_chain);
        for output in &outputs {
            done.findings += output.found.len() as u64;
            done.marked += output.found.iter().filter(|found| found.mark.is_some_and(is_chain)).count() as u64;
        }
        truth::write(&mut done.truth, &host, scan, &outputs, &stories);
        scans.write(&host.name, scan, &report::report(&host, scan, outputs))?;
    }
    Ok(done)
}

#[derive(Default)]
struct Totals {
    hosts: u64,
    findings: u64,
    chains: u64,
    frozen: u64,
    marked: u64,
}

impl Totals {
    fn add(&mut self, host: &Done) {
        self.hosts += 1;
        self.findings += host.findings;
        self.chains += host.chains;
        self.frozen += host.frozen;
        self.marked += host.marked;
    }

    fn tell(&self, context: &Context, truth: &Path) {
        context.metric("hosts", self.hosts as f64);
        context.metric("findings", self.findings as f64);
        context.metric("chains", self.chains as f64);
        context.metric("frozen_chains", self.frozen as f64);
        context.metric("chain_findings", self.marked as f64);
        if self.findings == 0 {
            let name = truth.file_name().unwrap_or_default().display();
            context.warn(format!("no findings: every producer is switched off, so {name} is empty"));
        }
    }
}
