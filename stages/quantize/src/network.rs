//! A network on its way into the containers: which sizes they can hold, and what stays unquantized, rounded to fp16.

use formats::network::Plain;
use formats::{Config, Linear};
use half::f16;
use llama::Llama;
use tch::{Kind, Tensor};

use crate::refusal::Refusal;

/// Inputs and outputs of a packed linear come in multiples of this: a Q4_0 block of inputs, four words of outputs.
pub const BLOCK: i64 = 32;

/// Refuses a network whose linears do not fill whole blocks, naming every tensor at fault.
pub fn check_sizes(config: &Config, group_size: i64) -> Result<(), Refusal> {
    let linears = (0..config.num_hidden_layers).flat_map(|layer| Linear::ALL.map(|linear| (layer, linear)));
    let faults: Vec<String> = linears
        .flat_map(|(layer, linear)| {
            let (name, shape) = (linear.tensor_name(layer), linear.shape(config));
            let wrong = [("outputs", shape[0], BLOCK), ("inputs", shape[1], group_size)];
            wrong.map(|(side, size, unit)| (name.clone(), side, size, unit))
        })
        .filter(|(_, _, size, unit)| size % unit != 0)
        .map(|(name, side, size, unit)| format!("`{name}` has {size} {side}, not a multiple of {unit}"))
        .collect();
    if faults.is_empty() { Ok(()) } else { Err(Refusal::Sizes(faults)) }
}

/// Rounds everything that stays unquantized to fp16, so that calibration sees what the containers hold.
pub fn round_plain(model: &mut Llama) {
    let round = |tensor: &mut Tensor| *tensor = tensor.to_kind(Kind::Half).to_kind(Kind::Float);
    round(&mut model.embed_tokens);
    round(&mut model.norm);
    for block in &mut model.blocks {
        round(&mut block.input_layernorm);
        round(&mut block.post_attention_layernorm);
    }
    model.lm_head.iter_mut().for_each(round);
}

/// Everything in `model` that is not a linear of a decoder layer.
pub fn plain_tensors(model: &Llama) -> Result<Vec<Plain>, Refusal> {
    let linears: Vec<String> = (0..model.config.num_hidden_layers)
        .flat_map(|layer| Linear::ALL.map(|linear| linear.tensor_name(layer)))
        .collect();
    let plain = model.tensors().into_iter().filter(|(name, _)| !linears.contains(name));
    plain
        .map(|(name, tensor)| {
            let values: Vec<f16> = floats(&tensor).into_iter().map(f16::from_f32).collect();
            if values.iter().all(|v| v.is_finite()) {
                Ok(Plain { shape: tensor.size(), name, values })
            } else {
                Err(Refusal::NotFinite(name))
            }
        })
        .collect()
}

/// A tensor's values, row by row.
pub fn floats(tensor: &Tensor) -> Vec<f32> {
    let flat = tensor.to_device(tch::Device::Cpu).to_kind(Kind::Float).contiguous().flatten(0, -1);
    Vec::try_from(flat).expect("a flat tensor of floats")
}
