//! What the config of a GPTQ directory says of its codes.

use std::path::Path;

use serde::Deserialize;

use super::GptqErrorKind;
use crate::LlamaErrorKind;
use crate::grid::{BITS, Grid};
use crate::network::ZeroFormat;

/// `quantization_config` in `config.json`, as far as it matters here.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantizationConfig {
    /// What codes mean.
    pub grid: Grid,
    /// Consecutive inputs that share a scale; all of them where there is no number.
    pub group_size: Option<usize>,
    /// How zeros are written, as the file claims.
    pub zeros: ZeroFormat,
}

#[derive(Deserialize)]
struct ConfigFile {
    quantization_config: Option<Section>,
}

#[derive(Deserialize)]
struct Section {
    quant_method: Option<String>,
    bits: u32,
    group_size: i64,
    #[serde(default = "yes")]
    sym: bool,
    checkpoint_format: Option<String>,
    format: Option<String>,
}

fn yes() -> bool {
    true
}

impl QuantizationConfig {
    /// Reads it from `config.json`, or `quantize_config.json` where the former has none.
    pub(super) fn load(directory: &Path) -> Result<QuantizationConfig, GptqErrorKind> {
        let path = directory.join("config.json");
        let file: ConfigFile = read(&path)?;
        let section = match file.quantization_config {
            Some(section) => section,
            None => read(&directory.join("quantize_config.json"))?,
        };
        section.resolve()
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, GptqErrorKind> {
    let bytes = std::fs::read(path).map_err(LlamaErrorKind::Io)?;
    serde_json::from_slice(&bytes).map_err(GptqErrorKind::Json)
}

impl Section {
    fn resolve(self) -> Result<QuantizationConfig, GptqErrorKind> {
        let refuse = |key, value: String| Err(GptqErrorKind::Unsupported { key, value });
        if let Some(method) = self.quant_method.filter(|method| method != "gptq") {
            return refuse("quant_method", method);
        }
        if !BITS.contains(&self.bits) {
            return refuse("bits", self.bits.to_string());
        }
        let group_size = match self.group_size {
            -1 => None,
            size @ 1.. => Some(size as usize),
            other => return refuse("group_size", other.to_string()),
        };
        let zeros = match self.checkpoint_format.or(self.format).as_deref() {
            None | Some("gptq") => ZeroFormat::V1,
            Some("gptq_v2") => ZeroFormat::V2,
            Some(other) => return refuse("checkpoint_format", other.to_owned()),
        };
        let grid = if self.sym { Grid::symmetric(self.bits) } else { Grid::asymmetric(self.bits) };
        Ok(QuantizationConfig { grid, group_size, zeros })
    }
}
