//! Finished blocks on disk: the codes and the figures of a decoder layer each, in one safetensors file.
//!
//! They are the checkpoint of the stage, and the containers are made of them, so that no more than one layer is ever in memory. A
//! file is written beside its place, synced and renamed, so one that is there is whole; a file of another run, or of other params,
//! is passed over. The states between blocks are not kept: they follow from the blocks.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use contract::stage::At;
use contract::{Digest, StageError};
use formats::gptq::pack;
use formats::grid::{Grid, Quantized, Zero};
use formats::safetensors_file::SafetensorsFile;
use formats::safetensors_writer::{Announced, SafetensorsWriter};
use formats::{Config, LayerReport, Linear, LlamaErrorKind};
use half::f16;
use safetensors::Dtype;

/// The finished blocks of one quantization.
#[derive(Debug)]
pub struct Finished<'a> {
    /// Where they lie.
    pub directory: &'a Path,
    /// Everything that decides their content.
    pub owner: Digest,
    /// What their codes mean.
    pub grid: Grid,
    /// The model's shape.
    pub config: &'a Config,
}

/// A decoder layer, quantized: its linears in the order of [`Linear::ALL`], and their figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Codes and scales.
    pub linears: Vec<Quantized>,
    /// Figures.
    pub reports: Vec<LayerReport>,
}

impl Finished<'_> {
    /// Writes layer `index`.
    pub fn save(&self, index: i64, layer: &Layer) -> Result<PathBuf, StageError> {
        std::fs::create_dir_all(self.directory).at(self.directory)?;
        let (path, partial) = (self.path(index), self.path(index).with_extension("partial"));
        let written = self.write(&partial, layer).and_then(|()| std::fs::rename(&partial, &path));
        if let Err(error) = written {
            // What is left of it only takes room on a disk that may be full; the error below matters more than this one.
            let _ = std::fs::remove_file(&partial);
            return Err(error).at(&path);
        }
        Ok(path)
    }

    /// How many layers lie here from the first on, and why one that does was passed over.
    pub fn count(&self) -> (i64, Option<String>) {
        for index in 0..self.config.num_hidden_layers {
            let path = self.path(index);
            if !path.exists() {
                return (index, None);
            }
            if let Err(reason) = self.check(&path) {
                return (index, Some(format!("{}: {reason}", path.display())));
            }
        }
        (self.config.num_hidden_layers, None)
    }

    /// The figures of layer `index`.
    pub fn reports(&self, index: i64) -> Result<Vec<LayerReport>, StageError> {
        let file = self.open(index)?;
        let text = file.metadata().and_then(|metadata| metadata.get("reports"));
        let text = text.ok_or_else(|| StageError::bug(format!("{}: no figures", file.path().display())))?;
        serde_json::from_str(text).map_err(|e| StageError::bug(format!("{}: {e}", file.path().display())))
    }

    /// The codes of `linear` in layer `index`.
    pub fn linear(&self, index: i64, linear: Linear) -> Result<Quantized, StageError> {
        let file = self.open(index)?;
        let shape = linear.shape(self.config);
        let (rows, columns) = (shape[0] as usize, shape[1] as usize);
        let part = |name: &str| {
            let read = file.read(&tensor_name(linear, name)).map(|(_, bytes)| bytes);
            read.map_err(|kind| StageError::from(formats::LlamaError { path: file.path().to_owned(), kind }))
        };
        let words: Vec<i32> =
            part("codes")?.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let scales: Vec<f16> = part("scales")?.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]])).collect();
        let zeros = match self.grid.zero {
            Zero::Middle => Vec::new(),
            Zero::OfGroup => part("zeros")?,
        };
        let group_size = rows * columns / scales.len().max(1);
        let codes = pack::words_to_codes(&words, rows, columns, self.grid.bits);
        Ok(Quantized { grid: self.grid, rows, columns, group_size, codes, scales, zeros })
    }

    /// Whether any group has zero 0, which v1 cannot write.
    pub fn has_zero_of_zero(&self) -> Result<bool, StageError> {
        if self.grid.zero == Zero::Middle {
            return Ok(false);
        }
        for (layer, linear) in formats::network::linears(self.config) {
            if self.linear(layer, linear)?.zeros.contains(&0) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The file of layer `index`.
    fn path(&self, index: i64) -> PathBuf {
        self.directory.join(format!("block-{index:04}.safetensors"))
    }

    fn open(&self, index: i64) -> Result<SafetensorsFile, StageError> {
        Ok(SafetensorsFile::open(&self.path(index))?)
    }

    fn write(&self, path: &Path, layer: &Layer) -> std::io::Result<()> {
        let parts: Vec<(Announced, Vec<u8>)> =
            Linear::ALL.iter().zip(&layer.linears).flat_map(|(linear, quantized)| parts(*linear, quantized)).collect();
        let reports = serde_json::to_string(&layer.reports)?;
        let content = content(parts.iter().map(|(_, bytes)| Digest::of(bytes)), &reports);
        let metadata = HashMap::from([
            ("owner".to_owned(), self.owner.to_string()),
            ("content".to_owned(), content.to_string()),
            ("reports".to_owned(), reports),
        ]);
        let announced: Vec<Announced> = parts.iter().map(|(announced, _)| announced.clone()).collect();
        let mut writer = SafetensorsWriter::create(path, metadata, &announced)?;
        for (_, bytes) in &parts {
            writer.tensor(bytes)?;
        }
        writer.finish()?.sync_all()
    }

    /// Why the file at `path` is of no use.
    fn check(&self, path: &Path) -> Result<(), String> {
        let file = SafetensorsFile::open(path).map_err(|error| error.kind.to_string())?;
        let metadata = file.metadata().ok_or("no metadata")?;
        let text = |key: &str| metadata.get(key).ok_or(format!("no `{key}`"));
        if *text("owner")? != self.owner.to_string() {
            return Err("of another model, other tokens or other params".to_owned());
        }
        let digest = |name: String| Ok(Digest::of(&file.read(&name)?.1));
        let names = Linear::ALL.iter().flat_map(|linear| names(self.grid).map(|part| tensor_name(*linear, part)));
        let digests: Result<Vec<Digest>, LlamaErrorKind> = names.map(digest).collect();
        let digests = digests.map_err(|kind| kind.to_string())?;
        if *text("content")? != content(digests.into_iter(), text("reports")?).to_string() {
            return Err("damaged".to_owned());
        }
        Ok(())
    }
}

/// The parts of a linear in a file.
fn names(grid: Grid) -> impl Iterator<Item = &'static str> {
    ["codes", "scales"].into_iter().chain((grid.zero == Zero::OfGroup).then_some("zeros"))
}

fn tensor_name(linear: Linear, part: &str) -> String {
    format!("{}.{part}", linear.module_name(0).rsplit_once('.').map_or("", |(_, name)| name))
}

fn parts(linear: Linear, quantized: &Quantized) -> Vec<(Announced, Vec<u8>)> {
    let announced = |part, dtype, length| Announced { name: tensor_name(linear, part), dtype, shape: vec![length] };
    let words: Vec<u8> = pack::codes_to_words(quantized).into_iter().flat_map(i32::to_le_bytes).collect();
    let scales: Vec<u8> = quantized.scales.iter().copied().flat_map(f16::to_le_bytes).collect();
    let mut all = vec![
        (announced("codes", Dtype::I32, words.len() / 4), words),
        (announced("scales", Dtype::F16, scales.len() / 2), scales),
    ];
    if quantized.grid.zero == Zero::OfGroup {
        all.push((announced("zeros", Dtype::U8, quantized.zeros.len()), quantized.zeros.clone()));
    }
    all
}

fn content(parts: impl Iterator<Item = Digest>, reports: &str) -> Digest {
    let digests = parts.chain([Digest::of(reports.as_bytes())]);
    Digest::of(&digests.map(|digest| *digest.as_bytes()).collect::<Vec<_>>().concat())
}
