//! Traces that the stories of a host leave in its state at a scan: [`process`], [`socket`], [`mod@file`] and [`kernel`] by kind of trace.
//!
//! A scan may miss a trace. What is new is then marked so and not reported; what was there before stays as it was, and the
//! trace is only listed as unseen. A trace that changes nothing, because things already stood so, is none.

mod file;
mod kernel;
mod process;
mod socket;

use std::collections::BTreeMap;

use draws::Stream;

use crate::host::Host;
use crate::story::Story;
use crate::stream::Purpose;
use crate::tables::{Step, Trace};
use crate::world::{Mark, Since, World};

/// The draws of a story's step lie this far apart.
const STEP: u32 = 1 << 8;
/// Positions of a step's draws about whether the scan missed it, of those about when it started, and of those about a connection
/// between hosts.
const MISSED: u32 = 1 << 31;
const COIN: u32 = 1 << 30;
const HOP: u32 = 1 << 12;

/// Changes a benign state by a story; a share of `missed` of its traces escapes the scan: the process was between two runs,
/// the socket just closed.
pub(crate) fn apply(world: &mut World, host: &Host, story: &Story, number: u16, missed: f64) {
    let mut scene = Scene { world, host, story, missed, actors: BTreeMap::new() };
    for (step, index) in story.template.steps.iter().zip(0..) {
        scene.play(step, index, number);
    }
}

/// A story at one scan.
struct Scene<'a> {
    world: &'a mut World,
    host: &'a Host,
    story: &'a Story,
    missed: f64,
    /// The processes of earlier steps, by their id.
    actors: BTreeMap<&'a str, Actor>,
}

/// A process that later steps give sockets to.
#[derive(Clone, Copy)]
struct Actor {
    pid: u32,
    since: Since,
    /// The scan missed it, and so whatever is its.
    missed: bool,
}

/// The draws of one step.
struct Draws {
    /// Its kind, settled once.
    what: Stream,
    /// Drawn anew at each scan.
    moment: Stream,
    /// The scan before which it began, in this boot.
    begin: u32,
    /// Its place among the draws of all steps of the host.
    low: u32,
    mark: Mark,
}

impl<'a> Scene<'a> {
    fn play(&mut self, step: &'a Step, index: u16, number: u16) {
        let (scan, slot) = (self.world.scan, self.story.slot);
        let first = self.story.begin + step.from;
        let boot = self.host.moments[scan as usize].boot;
        let mut what = self.story.streams.at2(slot, u32::from(index));
        // The coin is tossed first, whether or not the step is due, so that the same step has the same draws at every scan.
        // What spans hosts happens on each by a coin of its own.
        let happens = match self.story.hop {
            None => what.chance(step.chance),
            Some(_) => self.host.streams(Purpose::Story).at2(slot, u32::from(index)).chance(step.chance),
        };
        let here = self.story.hop.is_none_or(|hop| step.on.is_at(hop.place));
        if !happens || !here || scan < first || (step.reboot.is_gone() && first < boot) {
            return;
        }
        let streams = self.host.streams(Purpose::Trace);
        let low = slot * STEP + u32::from(index);
        let mut moment = streams.at2(scan, MISSED | low);
        let missed = moment.share(self.missed);
        let mark = Mark { story: number, step: index, missed };
        let draws = Draws { what, moment, begin: first.max(boot), low, mark };
        match &step.leaves {
            Trace::Process(trace) => self.processes(trace, draws),
            Trace::Alter(trace) => self.alter(trace, mark),
            Trace::Socket(trace) => self.socket(trace, draws),
            Trace::Expose(trace) => self.expose(trace, draws),
            Trace::Suid(trace) => self.suid(&trace.path, draws),
            Trace::Writable(trace) => self.writable(trace.check, &trace.path, draws),
            Trace::Param(trace) => self.param(trace, draws),
            Trace::Module(trace) => self.module(trace, draws),
            Trace::Unit(trace) => self.unit(&trace.name, draws),
            Trace::Firmware(trace) => self.firmware(trace.change, mark),
            Trace::Mac(trace) => self.mac(trace.change, draws),
        }
    }

    /// Draws about whether a step's process or connection is another one since a scan.
    fn coins(&self, low: u32) -> impl Fn(u32) -> Stream + use<> {
        let streams = self.host.streams(Purpose::Trace);
        move |at| streams.at2(at, COIN | low)
    }

    /// The numbers of what a step started: the same until it starts again.
    fn numbers(&self, since: Since, low: u32) -> Stream {
        let at = match since {
            Since::Boot => self.host.moments[self.world.scan as usize].boot,
            Since::Scan(at) => at,
        };
        self.host.streams(Purpose::Trace).at2(at, low)
    }

    /// Notes a trace that the scan missed on something that it reports anyway.
    fn unseen(&mut self, scanner: &'static str, id: &str, mark: Mark) {
        self.world.unseen.push((scanner, id.to_owned(), mark));
    }
}
