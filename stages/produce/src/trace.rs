//! What the stories of a host leave in its state at a scan.

use std::collections::BTreeMap;

use scan::rules::mac::Selinux;
use scan::rules::world_writable::Check;

use crate::host::Host;
use crate::story::Story;
use crate::stream::{Draw, Purpose};
use crate::tables::{
    Account, Anomaly, Listener, ModuleTrace, Owner, ProcessTrace, SelinuxMode, SocketState, SocketTrace, Step, TABLES,
    Trace, WritableCheck,
};
use crate::world::{
    KernelModule, Mark, Process, Since, Socket, SuidFile, World, WritableFile, remote_address, user_uid,
};

/// Share of traces, per mille, that a scan misses: the process was between two runs, the socket just closed.
const MISSED: u32 = 60;
/// The draws of a story's step lie this far apart.
const STEP: u32 = 1 << 8;

/// Changes a benign state by a story.
pub(crate) fn apply(world: &mut World, host: &Host, story: &Story, number: u16) {
    let mut scene = Scene { world, host, story, pids: BTreeMap::new() };
    for (step, index) in story.template.steps.iter().zip(0..) {
        scene.play(step, index, number);
    }
}

/// A story at one scan.
struct Scene<'a> {
    world: &'a mut World,
    host: &'a Host,
    story: &'a Story,
    /// The processes of earlier steps, by their id.
    pids: BTreeMap<&'a str, u32>,
}

/// The draws of one step: what it is, settled once; and which numbers it has since it last started.
struct Draws {
    what: Draw,
    numbers: Draw,
    /// The scan since which it runs.
    since: u32,
    mark: Mark,
}

impl<'a> Scene<'a> {
    fn play(&mut self, step: &'a Step, index: u16, number: u16) {
        let (scan, slot) = (self.world.scan, self.story.slot);
        let first = self.story.begin + step.from;
        let boot = self.host.moments[scan as usize].boot;
        let mut what = self.host.streams(Purpose::Story).at2(slot, u32::from(index));
        // The coin is tossed first, whether or not the step is due, so that the same step has the same draws at every scan.
        let happens = what.chance(step.chance);
        if !happens || scan < first || (step.reboot.is_gone() && first < boot) {
            return;
        }
        let since = first.max(boot);
        let streams = self.host.streams(Purpose::Trace);
        let low = slot * STEP + u32::from(index);
        let missed = streams.at2(scan, (1 << 31) | low).chance(MISSED);
        let mark = Mark { story: number, step: index, missed };
        let draws = Draws { what, numbers: streams.at2(since, low), since, mark };
        match &step.leaves {
            Trace::Process(trace) => self.processes(trace, draws),
            Trace::Alter(trace) => self.alter(&trace.of, trace.deleted, trace.preload, mark),
            Trace::Socket(trace) => self.socket(trace, draws),
            Trace::Suid(trace) => {
                let Draws { mut what, mark, .. } = draws;
                let path = self.story.settle(&trace.path, what.word());
                self.suid(path, what.word(), mark);
            }
            Trace::Writable(trace) => {
                let Draws { mut what, mark, .. } = draws;
                let path = self.story.settle(&trace.path, what.word());
                self.writable(check(trace.check), path, what.word(), mark);
            }
            Trace::Param(trace) => {
                let Draws { mut what, mark, .. } = draws;
                let value = self.story.settle(&trace.value, what.word());
                for param in self.world.params.iter_mut().filter(|param| param.param.path == trace.path) {
                    param.current.clone_from(&value);
                    param.mark = Some(mark);
                }
            }
            Trace::Module(trace) => self.module(trace, draws),
            Trace::Mac(trace) => {
                self.world.mac.selinux = match trace.selinux {
                    SelinuxMode::Permissive => Selinux::Permissive,
                };
                self.world.mac.mark = Some(mark);
            }
        }
    }

    fn processes(&mut self, trace: &'a ProcessTrace, mut draws: Draws) {
        let exe_pick = draws.what.word();
        let exe = self.story.settle(&trace.exe, exe_pick);
        let argv_pick = draws.what.word();
        let argv0 = trace.argv0.as_ref().map(|choices| {
            // Lists of equal length go together: the n-th name is that of the n-th executable.
            let paired = choices.0.len() == trace.exe.0.len();
            self.story.settle(choices, if paired { exe_pick } else { argv_pick })
        });
        let args_pick = draws.what.word();
        let args = trace.args.as_ref().map(|choices| self.story.settle(choices, args_pick));
        let count = draws.what.between(trace.count);
        for nth in 0..count {
            let pid = self.world.ids.pid_like_others(draws.since, &mut draws.numbers);
            if let (0, Some(id)) = (nth, &trace.id) {
                self.pids.insert(id, pid);
            }
            let argv0 = argv0.as_deref().unwrap_or(&exe);
            let process = Process::plain(pid, &exe, argv0, self.uid(trace.account), Since::Scan(draws.since));
            self.world.processes.push(Process {
                deleted: trace.deleted,
                preload: trace.preload,
                args: args.clone().unwrap_or_default(),
                mark: Some(draws.mark),
                ..process
            });
        }
    }

    fn uid(&self, account: Account) -> u32 {
        match account {
            Account::Root => 0,
            Account::User => user_uid(0),
            Account::Uid(uid) => uid,
            Account::Service => self.story.service.map_or(0, |index| {
                let service = self.host.running[index].service;
                service.workers.as_ref().map_or(service.uid, |workers| workers.uid)
            }),
        }
    }

    fn alter(&mut self, of: &Owner, deleted: bool, preload: bool, mark: Mark) {
        let target = self.owner(of);
        let service = self.story.service;
        for process in &mut self.world.processes {
            let chosen = match of {
                Owner::Service => process.running == service && service.is_some(),
                Owner::Process(_) => Some(process.pid) == target,
            };
            if chosen && process.mark.is_none_or(|earlier| earlier.story == mark.story) {
                process.deleted |= deleted;
                process.preload |= preload;
                process.mark = Some(mark);
            }
        }
    }

    /// The pid that a trace belongs to.
    fn owner(&self, of: &Owner) -> Option<u32> {
        match of {
            Owner::Process(id) => self.pids.get(id.as_str()).copied(),
            Owner::Service => {
                let service = self.story.service?;
                self.world.processes.iter().find(|p| p.is_main && p.running == Some(service)).map(|p| p.pid)
            }
        }
    }

    /// A socket without its process is none: the step that starts the process did not happen, or a reboot ended it.
    fn socket(&mut self, trace: &SocketTrace, mut draws: Draws) {
        let Some(pid) = self.owner(&trace.of) else { return };
        let inode = self.world.ids.inode_like_others(draws.since, &mut draws.numbers);
        let mut socket = match trace.state {
            SocketState::Listen => {
                let port = if trace.port.is_empty() { 0 } else { *draws.what.pick(&trace.port) };
                let listener = Listener { protocol: trace.protocol, port, bind: trace.bind };
                Socket::listener(listener, self.host, inode, pid, draws.numbers.word())
            }
            SocketState::Established | SocketState::TimeWait => {
                let address = remote_address(trace.remote, &mut draws.what);
                let port = if trace.rport.is_empty() { 443 } else { *draws.what.pick(&trace.rport) };
                Socket::connection(self.host, (address, port), inode, pid, &mut draws.numbers)
            }
        };
        socket.state = trace.state;
        socket.mark = Some(draws.mark);
        self.world.sockets.push(socket);
    }

    /// The bit is set on a program that was there, or a new program has it.
    fn suid(&mut self, path: String, order: u32, mark: Mark) {
        let order = match self.world.suid.iter().position(|file| file.path == path) {
            Some(index) => self.world.suid.remove(index).order,
            None => order,
        };
        self.world.suid.push(SuidFile { path, order, mark: Some(mark) });
    }

    fn writable(&mut self, check: Check, path: String, order: u32, mark: Mark) {
        self.world.writable.retain(|file| file.check != check || file.path != path);
        self.world.writable.push(WritableFile { check, path, order, mark: Some(mark) });
    }

    fn module(&mut self, trace: &ModuleTrace, mut draws: Draws) {
        let vendor = draws.what.pick(&TABLES.modules.out_of_tree);
        let (name, path) = match &trace.name {
            Some(choices) if !trace.vendor => {
                let name = self.story.settle(choices, draws.what.word());
                let path = format!("kernel/drivers/{name}{}", self.host.distribution.modules);
                (name, path)
            }
            _ => (vendor.name.clone(), vendor.path.clone()),
        };
        let path = if trace.anomaly == Anomaly::HiddenSysfs { String::new() } else { path };
        self.world.modules.loaded.push(KernelModule {
            name,
            path,
            anomaly: Some(trace.anomaly),
            order: draws.what.word(),
            mark: Some(draws.mark),
        });
    }
}

fn check(check: WritableCheck) -> Check {
    match check {
        WritableCheck::File => Check::File,
        WritableCheck::SetuidInterpreter => Check::SetuidInterpreter,
        WritableCheck::FileCapability => Check::FileCapability,
        WritableCheck::PathDirectory => Check::PathDirectory,
    }
}
