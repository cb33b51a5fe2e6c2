//! Programs with the setuid bit and files that anyone may write.

use scan::rules::world_writable::Check;

use crate::tables::{Choices, WritableCheck};
use crate::trace::{Draws, Scene};
use crate::world::{SuidFile, WritableFile};

impl Scene<'_> {
    /// A program that had the bit before is no trace.
    pub(super) fn suid(&mut self, path: &Choices, mut draws: Draws) {
        let path = self.story.settle(path, draws.what.word());
        if self.world.suid.iter().all(|file| file.path != path) {
            self.world.suid.push(SuidFile { path, order: draws.what.word(), mark: Some(draws.mark) });
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
