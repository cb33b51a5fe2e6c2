//! Programs with the setuid bit, files that anyone may write, and unit files.

use std::collections::BTreeMap;

use scan::rules::world_writable::Check;

use crate::tables::{Choices, WritableCheck};
use crate::trace::{Draws, Scene};
use crate::world::{SuidFile, Unit, WritableFile};

impl Scene<'_> {
    /// A program that had the bit before is no trace.
    pub(super) fn suid(&mut self, path: &Choices, mut draws: Draws) {
        let path = self.story.settle(path, draws.what.word());
        if self.world.suid.iter().all(|file| file.path != path) {
            self.world.suid.push(SuidFile { path, order: draws.what.word(), mark: Some(draws.mark) });
        }
    }

    pub(super) fn unit(&mut self, name: &Choices, mut draws: Draws) {
        let name = self.story.settle(name, draws.what.word());
        if self.world.units.iter().all(|unit| unit.name != name) {
            let directory = ["/etc/systemd/system", "/usr/lib/systemd/system"][usize::from(draws.what.chance(850))];
            self.world.units.push(Unit {
                name,
                directory: directory.to_owned(),
                sets: BTreeMap::new(),
                order: draws.what.word(),
                mark: Some(draws.mark),
            });
        }
    }

    pub(super) fn writable(&mut self, check: WritableCheck, path: &Choices, mut draws: Draws) {
        let check = match check {
            WritableCheck::File => Check::File,
            WritableCheck::SetuidInterpreter => Check::SetuidInterpreter,
            WritableCheck::FileCapability => Check::FileCapability,
            WritableCheck::PathDirectory => Check::PathDirectory,
        };
        let path = self.story.settle(path, draws.what.word());
        if self.world.writable.iter().all(|file| file.check != check || file.path != path) {
            let order = draws.what.word();
            self.world.writable.push(WritableFile { check, path, order, mark: Some(draws.mark) });
        }
    }
}
