//! What the governor sees and decides, and what the loop does about it.

use super::RunLoop;
use crate::engine::RunEvent;
use crate::governor::Probe;

impl RunLoop<'_> {
    /// Looks at the machine.
    pub(super) fn sample(&mut self) {
        let sample = self.probe.sample();
        if let Some(change) = self.governor.observe(&sample) {
            self.observer.on(&RunEvent::Governor { message: change.to_string(), holds: !self.held.is_empty() });
            self.stirred = true;
        }
    }
}
