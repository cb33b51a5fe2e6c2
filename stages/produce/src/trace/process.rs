//! Processes of a story, and the service's processes that it changes.

use crate::tables::{Account, AlterTrace, Owner, Place, ProcessTrace};
use crate::trace::{Actor, Draws, Scene};
use crate::world::{Mark, Process, user_uid};

impl<'a> Scene<'a> {
    pub(super) fn processes(&mut self, trace: &'a ProcessTrace, mut draws: Draws) {
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
        let container = match trace.place {
            Place::Host => None,
            Place::Container => self.story.container.and_then(|index| self.host.running[index].container.clone()),
        };
        let owns = |listening| trace.id.as_ref().is_some_and(|id| self.story.template.has_socket(id, listening));
        let (serves, sockets) = (owns(true), owns(true) || owns(false));
        let coins = self.coins(draws.low);
        let since = self.world.ids.since_like_others(coins, draws.begin, self.world.scan, serves);
        let mut numbers = self.numbers(since, draws.low);
        for nth in 0..count {
            let pid = self.world.ids.pid(since, sockets, &mut numbers);
            if let (0, Some(id)) = (nth, &trace.id) {
                self.actors.insert(id, Actor { pid, since, missed: draws.mark.missed });
            }
            let argv0 = argv0.as_deref().unwrap_or(&exe);
            let process = Process::plain(pid, &exe, argv0, self.uid(trace.account), since);
            self.world.processes.push(Process {
                deleted: trace.deleted,
                preload: trace.preload,
                args: args.clone().unwrap_or_default(),
                container: container.clone(),
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

    pub(super) fn alter(&mut self, trace: &AlterTrace, mark: Mark) {
        let target = self.owner(&trace.of);
        let service = self.story.service;
        let mut unseen = Vec::new();
        for process in &mut self.world.processes {
            let chosen = match &trace.of {
                Owner::Service => process.running == service && service.is_some(),
                Owner::Process(_) => Some(process.pid) == target.map(|actor| actor.pid),
            };
            if !chosen || process.mark.is_some_and(|earlier| earlier.story != mark.story) {
                continue;
            }
            if mark.missed {
                unseen.push(format!("{}:{}", process.link(), process.pid));
            } else {
                process.deleted |= trace.deleted;
                process.preload |= trace.preload;
                process.mark = Some(mark);
            }
        }
        unseen.iter().for_each(|id| self.unseen("ioc", id, mark));
    }

    /// The process that a trace belongs to.
    pub(super) fn owner(&self, of: &Owner) -> Option<Actor> {
        match of {
            Owner::Process(id) => self.actors.get(id.as_str()).copied(),
            Owner::Service => {
                let service = self.story.service?;
                let main = self.world.processes.iter().find(|p| p.is_main && p.running == Some(service))?;
                Some(Actor { pid: main.pid, since: main.since, missed: false })
            }
        }
    }
}
