//! Samples of the machine, the governor's decisions, and how the loop carries them out.

use super::RunLoop;
use super::local::LocalPlace;
use crate::engine::{GovernorDecision, RunEvent};
use crate::executor::Cancel;
use crate::governor::{Change, Decision};
use crate::plan::StageId;

impl RunLoop<'_> {
    /// Looks at the machine.
    pub(super) fn sample(&mut self) {
        let plan = &self.shared.plan;
        let running: Vec<_> = self
            .standings
            .running()
            .map(|(stage, _)| (stage, plan.graph[stage].name.as_str()))
            .filter(|(stage, _)| self.lane(*stage) == LocalPlace::LANE)
            .collect();
        for decision in self.local.look(&running) {
            self.carry_out(decision);
        }
        self.look_at_gpus();
    }

    /// Where stages want GPUs, sees which of them others have filled.
    pub(super) fn look_at_gpus(&mut self) {
        self.stirred |= self.local.look_at_gpus(self.shared.options.limits);
    }

    fn carry_out(&mut self, decision: Decision) {
        // Stages that were asked to leave must be able to move, and nothing is started again.
        if self.cancel != Cancel::No {
            return;
        }
        self.stirred = true;
        let holds = self.standings.holds_any() || !matches!(decision, Decision::Gate(_));
        let (what, stage, message) = match decision {
            Decision::Gate(change) => {
                // Jobs within stages are started as little as stages are.
                let throttled = matches!(change, Change::Closed(_));
                for (_, running) in self.standings.running() {
                    running.control.send_modify(|control| control.throttled = throttled);
                }
                let what = if throttled { GovernorDecision::Close } else { GovernorDecision::Open };
                (what, None, change.to_string())
            }
            Decision::Pause { id, pressure } => {
                let stage = StageId::new(id as usize);
                self.set_paused(stage, true);
                let name = self.stage(stage).name.clone();
                let message = format!("{}: pausing `{name}`", pressure.figures());
                (GovernorDecision::Pause, Some(name), message)
            }
            Decision::Spare { ids, pressure } => {
                let names = ids.iter().map(|id| format!("`{}`", self.stage(StageId::new(*id as usize)).name));
                let names = names.collect::<Vec<_>>().join(", ");
                let waits = if ids.len() == 1 { "only waits and goes on" } else { "only wait and go on" };
                (GovernorDecision::Spare, None, format!("{}: {names} {waits}", pressure.figures()))
            }
            Decision::Resume { id, cause } => {
                let stage = StageId::new(id as usize);
                self.set_paused(stage, false);
                let name = self.stage(stage).name.clone();
                let message = format!("{cause}: `{name}` goes on");
                (GovernorDecision::Resume, Some(name), message)
            }
            Decision::Requeue { id, pressure } => {
                let stage = StageId::new(id as usize);
                if let Some(running) = self.standings.running_mut(stage) {
                    running.requeued = true;
                    running.control.send_modify(|control| control.cancel = Cancel::Kill);
                }
                let name = self.stage(stage).name.clone();
                let message = format!("{}: killing `{name}`, which runs again later", pressure.figures());
                (GovernorDecision::Requeue, Some(name), message)
            }
        };
        self.observer.on(&RunEvent::Governor { decision: what, stage, message, holds });
    }

    fn set_paused(&mut self, stage: StageId, paused: bool) {
        if let Some(running) = self.standings.running_mut(stage) {
            running.control.send_modify(|control| control.paused = paused);
        }
    }
}
