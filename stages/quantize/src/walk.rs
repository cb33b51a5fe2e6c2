//! The walk through the network: block after block, each calibrated on what the quantized ones before it give.
//!
//! ```text
//! states --block 0--> states --block 1--> ...
//!    '-- tap: Hessian of each group of linears --> factor --> solve --> the block's weights are replaced
//! ```

use contract::{Context, StageError};
use formats::LayerReport;
use formats::grid::Quantized;
use formats::network::PackedLinear;
use llama::{Block, Llama, Tap};
use tch::Tensor;

use crate::calibration::Batch;
use crate::hessian::Hessian;
use crate::network::floats;
use crate::params::{QuantizeParams, Sequence};
use crate::refusal::Refusal;
use crate::solver;

/// Quantizes every linear of `model`, whose weights become those the codes stand for.
pub fn quantize(
    model: &mut Llama,
    batches: &[Batch],
    params: &QuantizeParams,
    context: &Context,
) -> Result<(Vec<PackedLinear>, Vec<LayerReport>), StageError> {
    let mut states: Vec<Tensor> = batches.iter().map(|batch| model.embed(&batch.ids)).collect();
    let passes: &[&[Tap]] = match params.sequence {
        Sequence::TrueSequential => {
            &[&[Tap::Attention], &[Tap::AttentionOutput], &[Tap::FeedForward], &[Tap::FeedForwardOutput]]
        }
        Sequence::Blocks => &[&Tap::ALL],
    };
    let layers = model.config.num_hidden_layers;
    let (mut linears, mut reports) = (Vec::new(), Vec::new());
    for layer in 0..layers {
        context.progress(layer as u64, layers as u64, "layers");
        for taps in passes {
            for (tap, hessian) in calibrate(model, layer, taps, batches, &states) {
                context.check_cancelled()?;
                let block = &mut model.blocks[layer as usize];
                for (packed, report) in solve_group(block, layer, tap, &hessian, params)? {
                    linears.push(packed);
                    reports.push(report);
                }
            }
        }
        let block = &model.blocks[layer as usize];
        for (state, batch) in states.iter_mut().zip(batches) {
            *state = block.forward(state, &model.rotary.first(batch.ids.size()[1]));
        }
    }
    context.progress(layers as u64, layers as u64, "layers");
    Ok((linears, reports))
}

/// The Hessians at `taps` of layer `layer`, for the block as it is now.
fn calibrate(model: &Llama, layer: i64, taps: &[Tap], batches: &[Batch], states: &[Tensor]) -> Vec<(Tap, Hessian)> {
    let block = &model.blocks[layer as usize];
    let width =
        |tap: Tap| tap.linears().map(|linear| block.weight(linear).size()[1]).next().expect("a tap feeds linears");
    let mut hessians: Vec<(Tap, Hessian)> =
        taps.iter().map(|&tap| (tap, Hessian::new(width(tap), model.placement.device))).collect();
    for (batch, state) in batches.iter().zip(states) {
        let angles = model.rotary.first(batch.ids.size()[1]);
        // Only what the taps see is wanted here; the block's output comes when all of it is quantized.
        let _ = block.forward_tapped(state, &angles, &mut |at, input| {
            if let Some((_, hessian)) = hessians.iter_mut().find(|(tap, _)| *tap == at) {
                hessian.add(&batch.real_rows(input));
            }
        });
    }
    hessians
}

/// Quantizes the linears that share the input at `tap`, and puts the new weights into `block`.
fn solve_group(
    block: &mut Block,
    layer: i64,
    tap: Tap,
    hessian: &Hessian,
    params: &QuantizeParams,
) -> Result<Vec<(PackedLinear, LayerReport)>, Refusal> {
    let group_size = params.group_size as usize;
    let mut factor = None;
    let mut solved = Vec::new();
    for linear in tap.linears() {
        let module = linear.module_name(layer);
        let factor = match &mut factor {
            Some(factor) => factor,
            empty => {
                let fresh = hessian.factor(params.damping, params.act_order);
                empty.insert(fresh.map_err(|cause| Refusal::Calibration { module: module.clone(), cause })?)
            }
        };
        let weight = block.weight(linear).shallow_clone();
        let shape = weight.size();
        let values = floats(&weight);
        let solution = solver::solve(&values, factor, group_size, params.threads as usize);
        let quantized = solution.quantized;
        if !(solution.loss.is_finite() && quantized.scales.iter().all(|scale| scale.is_finite())) {
            return Err(Refusal::NotFinite(linear.tensor_name(layer)));
        }
        let placed = |values: &[f32]| Tensor::from_slice(values).view(&shape[..]).to_device(weight.device());
        let stored = placed(&quantized.dequantize());
        let nearest = Quantized::nearest(&values, factor.columns(), group_size).dequantize();
        let report = LayerReport {
            module: module.clone(),
            rows: quantized.rows,
            columns: quantized.columns,
            damping: factor.damping,
            dead_columns: factor.dead.len(),
            loss: solution.loss,
            relative_error: hessian.relative_error(&weight, &stored),
            nearest_relative_error: hessian.relative_error(&weight, &placed(&nearest)),
            negative_scales: quantized.negative_scales(),
        };
        block.set_weight(linear, stored.to_kind(weight.kind()));
        solved.push((PackedLinear { layer, linear, module, quantized }, report));
    }
    Ok(solved)
}
