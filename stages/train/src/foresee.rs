//! What can be said of a training before it runs: how much memory it will take, the sizes of the model that it will make, and what it
//! would refuse.

use contract::StageError;
use contract::foresight::{Foresight, Inquiry};
use formats::{ForeseenConfig, ModelSource};
use llama::{Config, DeviceChoice, Placement};
use tch::Device;

use crate::data::Data;
use crate::machine::{self, Room};
use crate::memory::Prediction;
use crate::params::TrainParams;
use crate::preset::ModelSize;
use crate::start;

/// As far as the inputs are known.
pub(crate) fn foresee(params: &TrainParams, inquiry: &Inquiry) -> Result<Foresight, StageError> {
    let based = inquiry.is_wired("base");
    start::refuse_disagreement(params, based)?;
    let data = inquiry.path("tokens").map(Data::load).transpose()?;
    if let Some(data) = &data {
        data.refuse_unmeasurable(params)?;
    }
    let model = if based { of_base(inquiry)? } else { Some(fresh(params, data.as_ref())?) };
    let whole = model.as_ref().filter(|model| model.whole);
    let mut foresight = Foresight::default();
    match (whole, &data) {
        (Some(model), Some(data)) => {
            if based {
                start::refuse_misfit(&model.config, data)?;
            }
            let memory = memory(params, &model.config, data, inquiry.here)?;
            foresight.note = Some(memory.to_string());
            foresight.memory = Some(memory.total() as u64);
        }
        _ => {
            // Fresh weights lack nothing but tokens.
            let lacking = [("`tokens`", data.is_none()), ("`base`", based && whole.is_none())];
            let lacking: Vec<&str> = lacking.into_iter().filter_map(|(port, lacks)| lacks.then_some(port)).collect();
            foresight.note = Some(format!("memory not known yet: waits for {}", lacking.join(" and ")));
        }
    }
    if let Some(model) = model {
        let adapters_only = params.lora.as_ref().is_some_and(|lora| !lora.merge);
        foresight.outputs.insert("model".to_owned(), model.facts(adapters_only));
    }
    Ok(foresight)
}

fn of_base(inquiry: &Inquiry) -> Result<Option<ForeseenConfig>, StageError> {
    if let Some(path) = inquiry.path("base") {
        return Ok(Some(ForeseenConfig { config: ModelSource::open(path)?.config, whole: true }));
    }
    Ok(inquiry.facts("base").map(ForeseenConfig::read).transpose()?)
}

/// Without tokens, vocabulary and context are not known yet.
fn fresh(params: &TrainParams, data: Option<&Data>) -> Result<ForeseenConfig, StageError> {
    let size = params.model.as_ref().unwrap_or(&ModelSize::Tiny);
    Ok(match data {
        Some(data) => ForeseenConfig { config: size.config_for(&data.manifest)?, whole: true },
        None => ForeseenConfig { config: size.config(1, 1)?, whole: false },
    })
}

/// Refused where it would be at the start. Of another machine only the kind of device is supposed.
fn memory(params: &TrainParams, config: &Config, data: &Data, here: bool) -> Result<Prediction, StageError> {
    if here {
        let demand = start::demand(params, config, data, machine::placement(params.device, params.precision)?);
        Room::of(demand.device).admit(&demand)?;
        return Ok(demand.predict());
    }
    let device = if params.device == DeviceChoice::Cpu { Device::Cpu } else { Device::Cuda(0) };
    let placement = Placement { device, kind: params.precision.kind() };
    Ok(start::demand(params, config, data, placement).predict())
}
