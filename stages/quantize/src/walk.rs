//! The walk through the network: block after block, each calibrated on what the quantized ones before it give.
//!
//! ```text
//! states --start--> tap --> Hessian --> factor --> solve: weights replaced --advance--> next tap ... --finish--> states
//! ```
//!
//! A block is read when its turn comes and forgotten when it is finished: one block and the activations of the calibration data are
//! all that is in memory. No part of a block runs twice, unless calibration is by `blocks`, where the inputs of all its linears are
//! those of the unquantized block.

use std::time::{Duration, Instant};

use contract::{Context, StageError};
use formats::grid::Quantized;
use formats::network::PlainType;
use formats::{Config, LayerReport, Linear, ModelSource, Tap};
use llama::{Angles, Block, Placement, Rotary, Stopped};
use tch::{Kind, Tensor};

use crate::calibration::Batch;
use crate::finished::{Finished, Layer};
use crate::hessian::{Hessian, relative_error};
use crate::params::{QuantizeParams, Sequence};
use crate::plain;
use crate::refusal::Refusal;
use crate::solver::{Problem, solve};

/// All that a walk needs.
pub struct Walk<'a> {
    /// The model.
    pub source: &'a ModelSource,
    /// Where it is computed.
    pub placement: Placement,
    /// The calibration data.
    pub batches: &'a [Batch],
    /// The params.
    pub params: &'a QuantizeParams,
    /// Where finished blocks go.
    pub finished: &'a Finished<'a>,
    /// The stage.
    pub context: &'a Context,
}

/// How long the parts of a block took.
#[derive(Default)]
struct Spent {
    forward: Duration,
    hessians: Duration,
    solving: Duration,
}

impl Walk<'_> {
    /// Quantizes every block that is not finished yet.
    pub fn run(&self) -> Result<(), StageError> {
        let (resumed, passed_over) = self.finished.count();
        if let Some(reason) = passed_over {
            self.context.warn(format!("checkpoint not used: {reason}"));
        }
        if resumed > 0 {
            self.context.info(format!("{resumed} blocks were quantized before"));
        }
        let layers = self.config().num_hidden_layers;
        if resumed == layers {
            return Ok(());
        }
        let mut states = self.embedded()?;
        for index in 0..layers {
            self.context.progress(index as u64, layers as u64, "layers");
            let last = index + 1 == layers;
            if index < resumed {
                let block = self.block(index, |linear| Ok(self.finished.linear(index, linear)?.dequantize()))?;
                states = self.passed(&block, states)?;
                continue;
            }
            let started = Instant::now();
            let mut block = self.block(index, |linear| {
                Ok(self.source.floats(&linear.tensor_name(index), &linear.shape(self.config()))?)
            })?;
            let mut spent = Spent::default();
            let (layer, after) = self.quantized(&mut block, index, states, last, &mut spent)?;
            states = after;
            self.finished.save(index, &layer)?;
            self.context.checkpoint(self.finished.directory.to_owned(), index as u64 + 1);
            self.tell(index, &layer, started.elapsed(), &spent);
        }
        self.context.progress(layers as u64, layers as u64, "layers");
        Ok(())
    }

    fn config(&self) -> &Config {
        &self.source.config
    }

    /// The input of the first block, batch by batch.
    fn embedded(&self) -> Result<Vec<Tensor>, StageError> {
        let (name, config) = ("model.embed_tokens.weight", self.config());
        let shape = [config.vocab_size, config.hidden_size];
        let values = plain::values(self.source, name, &shape, self.params.plain_type(name))?;
        let table = Tensor::from_slice(&values).view(shape);
        drop(values);
        let embed = |batch: &Batch| {
            let rows = Tensor::embedding(&table, &batch.ids.to_device(tch::Device::Cpu), -1, false, false);
            rows.to_kind(self.placement.kind).to_device(self.placement.device)
        };
        Ok(self.batches.iter().map(embed).collect())
    }

    /// Block `index` with the norms that the containers hold, and linears from `weight`.
    fn block(&self, index: i64, weight: impl Fn(Linear) -> Result<Vec<f32>, StageError>) -> Result<Block, StageError> {
        Block::assemble(self.config(), index, self.placement, |name, shape| {
            let linear = Linear::ALL.into_iter().find(|linear| linear.tensor_name(index) == name);
            let values = match linear {
                Some(linear) => weight(linear)?,
                None => plain::values(self.source, name, shape, PlainType::Half)?,
            };
            Ok(Tensor::from_slice(&values).view(shape))
        })
    }

    /// What `block` makes of `states`.
    fn passed(&self, block: &Block, states: Vec<Tensor>) -> Result<Vec<Tensor>, StageError> {
        let rotary = Rotary::new(self.config(), self.placement);
        let pass = |(state, batch): (Tensor, &Batch)| {
            self.context.check_cancelled()?;
            let angles = angles(&rotary, batch);
            let mut stopped = block.start(state);
            while stopped.tap != Tap::FeedForwardOutput {
                stopped = block.advance(stopped, &angles);
            }
            Ok(block.finish(stopped))
        };
        states.into_iter().zip(self.batches).map(pass).collect()
    }

    /// Quantizes `block`. Gives it, and the next block's input unless it is the last one.
    fn quantized(
        &self,
        block: &mut Block,
        index: i64,
        states: Vec<Tensor>,
        last: bool,
        spent: &mut Spent,
    ) -> Result<(Layer, Vec<Tensor>), StageError> {
        let mut solved = Vec::new();
        let states = match self.params.sequence {
            Sequence::TrueSequential => {
                let mut stopped: Vec<Stopped> = states.into_iter().map(|state| block.start(state)).collect();
                for tap in Tap::ALL {
                    let mut hessian = self.hessian(tap);
                    if tap != Tap::Attention {
                        stopped = self.advanced(block, stopped, spent)?;
                    }
                    for (stopped, batch) in stopped.iter().zip(self.batches) {
                        self.add(&mut hessian, stopped, batch, spent)?;
                    }
                    self.solve_tap(block, index, tap, &hessian, &mut solved, spent)?;
                }
                let started = Instant::now();
                let finish = |stopped| if last { None } else { Some(block.finish(stopped)) };
                let states = stopped.into_iter().filter_map(finish).collect();
                spent.forward += started.elapsed();
                states
            }
            Sequence::Blocks => {
                for (tap, hessian) in self.hessians_of(block, &states, spent)? {
                    self.solve_tap(block, index, tap, &hessian, &mut solved, spent)?;
                }
                let started = Instant::now();
                let states = if last { Vec::new() } else { self.passed(block, states)? };
                spent.forward += started.elapsed();
                states
            }
        };
        solved.sort_by_key(|(linear, ..)| *linear);
        let (mut linears, mut reports) = (Vec::new(), Vec::new());
        for (_, quantized, report) in solved {
            linears.push(quantized);
            reports.push(report);
        }
        Ok((Layer { linears, reports }, states))
    }

    /// All batches at the next tap.
    fn advanced(&self, block: &Block, stopped: Vec<Stopped>, spent: &mut Spent) -> Result<Vec<Stopped>, StageError> {
        let started = Instant::now();
        let rotary = Rotary::new(self.config(), self.placement);
        let advance = |(stopped, batch): (Stopped, &Batch)| {
            self.context.check_cancelled()?;
            Ok(block.advance(stopped, &angles(&rotary, batch)))
        };
        let advanced = stopped.into_iter().zip(self.batches).map(advance).collect();
        spent.forward += started.elapsed();
        advanced
    }

    /// The Hessians at all taps of the block as it is.
    fn hessians_of(
        &self,
        block: &Block,
        states: &[Tensor],
        spent: &mut Spent,
    ) -> Result<Vec<(Tap, Hessian)>, StageError> {
        let rotary = Rotary::new(self.config(), self.placement);
        let mut hessians: Vec<(Tap, Hessian)> = Tap::ALL.into_iter().map(|tap| (tap, self.hessian(tap))).collect();
        for (state, batch) in states.iter().zip(self.batches) {
            let angles = angles(&rotary, batch);
            let mut stopped = block.start(state.shallow_clone());
            for (tap, hessian) in &mut hessians {
                if *tap != Tap::Attention {
                    let started = Instant::now();
                    stopped = block.advance(stopped, &angles);
                    spent.forward += started.elapsed();
                }
                self.add(hessian, &stopped, batch, spent)?;
            }
        }
        Ok(hessians)
    }

    /// An empty Hessian for the input at `tap`.
    fn hessian(&self, tap: Tap) -> Hessian {
        let width = tap.linears().map(|linear| linear.shape(self.config())[1]).next().unwrap_or(0);
        Hessian::new(width, self.placement.device)
    }

    fn add(
        &self,
        hessian: &mut Hessian,
        stopped: &Stopped,
        batch: &Batch,
        spent: &mut Spent,
    ) -> Result<(), StageError> {
        self.context.check_cancelled()?;
        let started = Instant::now();
        hessian.add(&batch.real_rows(&stopped.input));
        spent.hessians += started.elapsed();
        Ok(())
    }

    /// Quantizes the linears that share the input at `tap`, and puts the new weights into `block`.
    fn solve_tap(
        &self,
        block: &mut Block,
        index: i64,
        tap: Tap,
        hessian: &Hessian,
        solved: &mut Vec<(Linear, Quantized, LayerReport)>,
        spent: &mut Spent,
    ) -> Result<(), StageError> {
        self.context.check_cancelled()?;
        let started = Instant::now();
        let factor = hessian.factor(self.params.damping, self.params.act_order).map_err(|cause| {
            let modules: Vec<String> = tap.linears().map(|linear| linear.module_name(index)).collect();
            Refusal::Calibration { module: modules.join("`, `"), cause }
        })?;
        let whole = hessian.whole();
        let grid = self.params.grid();
        let group_size = self.params.group_of(factor.columns());
        let (scale, threads) = (self.params.scale, self.params.threads as usize);
        let problem = Problem { factor: &factor, grid, group_size, scale, threads };
        for linear in tap.linears() {
            let weight = block.weight(linear).to_kind(Kind::Float);
            let solution = solve(&problem, &weight);
            let quantized = solution.quantized;
            if !(solution.loss.is_finite() && quantized.is_finite()) {
                return Err(Refusal::NotFinite(linear.tensor_name(index)).into());
            }
            let placed = |values: &[f32]| Tensor::from_slice(values).view_as(&weight).to_device(weight.device());
            let stored = placed(&quantized.dequantize());
            let nearest = Quantized::nearest(grid, &floats(&weight), factor.columns(), group_size);
            let report = LayerReport {
                module: linear.module_name(index),
                rows: quantized.rows,
                columns: quantized.columns,
                damping: factor.damping,
                dead_columns: factor.dead.len(),
                loss: solution.loss,
                relative_error: relative_error(&whole, &weight, &stored),
                nearest_relative_error: relative_error(&whole, &weight, &placed(&nearest.dequantize())),
                negative_scales: quantized.negative_scales(),
            };
            block.set_weight(linear, stored.to_kind(self.placement.kind));
            solved.push((linear, quantized, report));
        }
        spent.solving += started.elapsed();
        Ok(())
    }

    /// Says what became of a block. Times are no part of the output `layers`, which is the same however often it is made.
    fn tell(&self, index: i64, layer: &Layer, took: Duration, spent: &Spent) {
        let error = layer.reports.iter().map(|report| report.relative_error).fold(0.0, f64::max);
        let [forward, hessians, solving] =
            [spent.forward, spent.hessians, spent.solving].map(|spent| spent.as_secs_f64());
        self.context.info(format!(
            "block {index}: {:.2} s (forward {forward:.2}, Hessians {hessians:.2}, solving {solving:.2}), relative error up to {error:.1e}",
            took.as_secs_f64()
        ));
        self.context.metric_at("block_seconds", index as u64, took.as_secs_f64());
        for report in layer.reports.iter().filter(|report| report.damping > self.params.damping) {
            self.context.warn(format!("{}: damping had to be raised to {:.3}", report.module, report.damping));
        }
    }
}

fn angles(rotary: &Rotary, batch: &Batch) -> Angles {
    rotary.first(batch.ids.size()[1])
}

/// A tensor's values, row by row.
fn floats(tensor: &Tensor) -> Vec<f32> {
    let tensor = tensor.to_device(tch::Device::Cpu).contiguous();
    let mut values = vec![0.0; tensor.numel()];
    tensor.copy_data(&mut values, tensor.numel());
    values
}
