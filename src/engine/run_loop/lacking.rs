//! What follows when inputs of a stage lie on the remote and do not come: who made them makes them again, where that is possible.
//!
//! What the remote lost is made again in any case. While the remote only cannot be asked, a stage is repeated when its own inputs are
//! here; otherwise hours of work would be repeated for the lack of a cable, and the run says instead what is missing.

use contract::{FailureClass, Level};

use super::RunLoop;
use crate::engine::execute::Lack;
use crate::engine::resolve::{self, Resolved, Sources};
use crate::engine::{EngineError, FailureReport, RunEvent, StageOutcome, hits};
use crate::executor::Cancel;
use crate::plan::{InputSource, StageId};

impl RunLoop<'_> {
    pub(super) fn lacking(&mut self, stage: StageId, resolved: &Resolved, inputs: &[usize], lack: &Lack, seconds: f64) {
        self.leave(resolved);
        if self.cancel != Cancel::No {
            self.observer.on(&hits::ended(self.stage(stage), StageOutcome::Interrupted, seconds, None));
            return;
        }
        match self.make_again(stage, inputs, lack) {
            Ok(Ok(())) => {}
            Ok(Err(failure)) => {
                let message = failure.message.clone();
                self.tally.failed(stage, failure, contract::Usage::default(), seconds);
                self.block(stage, seconds, message);
            }
            Err(error) => self.break_off(error),
        }
    }

    /// Lets the makers of these inputs run again, and `stage` behind them.
    fn make_again(
        &mut self,
        stage: StageId,
        inputs: &[usize],
        lack: &Lack,
    ) -> Result<Result<(), FailureReport>, EngineError> {
        let planned = self.stage(stage);
        let mut makers: Vec<StageId> = Vec::new();
        for input in inputs {
            if let InputSource::Stage { stage: maker, .. } = &planned.inputs[*input].source {
                makers.push(*maker);
            }
        }
        makers.sort_unstable();
        makers.dedup();
        let place = self.shared.sharing.place();
        let names: Vec<_> = makers.iter().map(|maker| format!("`{}`", self.stage(*maker).name)).collect();
        let names = names.join(", ");
        let message = match lack {
            Lack::Lost(why) => format!("what {place} has of {names} is not used: {why}; it is made again"),
            Lack::Unreachable(why) => {
                for maker in &makers {
                    if let Some(failure) = self.beyond_reach(*maker, &place, why)? {
                        return Ok(Err(failure));
                    }
                }
                format!("what {names} gave is only on {place}, which cannot be asked ({why}); it is made again")
            }
        };
        let (stage_name, level) = (planned.name.clone(), Level::Warning);
        self.observer.on(&RunEvent::StageLog { stage: stage_name, level, message });
        for maker in makers {
            if let Some(key) = self.tally.stages()[maker.index()].key {
                self.shared.sharing.distrust(&self.shared.store, &key)?;
            }
            self.redo(maker);
        }
        self.stirred = true;
        if !self.standings.reopen(stage) {
            self.block_behind_dead(stage);
        }
        Ok(Ok(()))
    }

    /// Why `maker`, whose outputs lie on a remote that cannot be asked, is not executed: its own inputs are there too.
    fn beyond_reach(&self, maker: StageId, place: &str, why: &str) -> Result<Option<FailureReport>, EngineError> {
        let (plan, store) = (&self.shared.plan, &self.shared.store);
        let Ok(resolved) = resolve::resolve(plan, maker, &self.known, store, Sources::Identified)? else {
            return Ok(None);
        };
        let planned = self.stage(maker);
        for (input, artifact) in planned.inputs.iter().zip(&resolved.inputs) {
            if let InputSource::Stage { .. } = input.source
                && store.lacks(artifact).map_err(EngineError::store)?
            {
                let name = &planned.name;
                return Ok(Some(FailureReport {
                    class: FailureClass::InvalidInput,
                    message: format!(
                        "what `{name}` gave is only on {place}, which cannot be asked ({why}), and so is what `{name}` reads"
                    ),
                    help: Some(format!(
                        "run it again when the remote can be reached, or make all of it here: without `share: true` in pipe.yaml, or \
                         with --refresh {name} and what it needs"
                    )),
                }));
            }
        }
        Ok(None)
    }
}
