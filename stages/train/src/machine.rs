//! What a training finds where it runs: the memory of the CPU or the GPU, and how fast a precision is. Refuses what would not fit.

use std::path::Path;
use std::time::Instant;

use contract::{Context, StageError};
use llama::{Placement, Precision};
use tch::{Device, Kind, Tensor, no_grad};

use crate::memory::{Demand, gib};

const MIB: f64 = (1_u64 << 20) as f64;

/// GPUs by the name that their driver gives, with the memory in MiB that it says they have.
const CARDS: [(&str, f64); 16] = [
    ("Tesla T4", 15360.0),
    ("Tesla V100-SXM2-16GB", 16384.0),
    ("Tesla V100-SXM2-32GB", 32768.0),
    ("NVIDIA A10", 23028.0),
    ("NVIDIA A10G", 23028.0),
    ("NVIDIA L4", 23034.0),
    ("NVIDIA L40S", 46068.0),
    ("NVIDIA RTX A6000", 49140.0),
    ("NVIDIA GeForce RTX 3090", 24576.0),
    ("NVIDIA GeForce RTX 4090", 24564.0),
    ("NVIDIA A100-SXM4-40GB", 40960.0),
    ("NVIDIA A100-PCIE-40GB", 40960.0),
    ("NVIDIA A100-SXM4-80GB", 81920.0),
    ("NVIDIA A100 80GB PCIe", 81920.0),
    ("NVIDIA H100 80GB HBM3", 81559.0),
    ("NVIDIA H200", 143771.0),
];

/// The memory in which a training has to fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Room {
    /// Whose memory it is.
    pub name: String,
    /// Bytes; `None` for a card that is not in the table.
    pub bytes: Option<f64>,
}

impl Room {
    /// At `device` of this machine.
    pub fn of(device: Device) -> Room {
        match device {
            Device::Cpu => Room { name: "this machine".to_owned(), bytes: cpu_memory() },
            _ => Room::of_card(&card_name().unwrap_or_else(|| "the GPU".to_owned())),
        }
    }

    /// On the card of this name.
    pub fn of_card(name: &str) -> Room {
        let card = CARDS.iter().find(|(known, _)| *known == name);
        Room { name: name.to_owned(), bytes: card.map(|(_, mib)| mib * MIB) }
    }

    /// Refuses `demand` when it does not fit, and says what would.
    pub fn admit(&self, demand: &Demand<'_>) -> Result<(), StageError> {
        let (prediction, Some(room)) = (demand.predict(), self.bytes) else { return Ok(()) };
        if prediction.total() <= room {
            return Ok(());
        }
        let fits = demand.smaller().into_iter().find(|(_, prediction)| prediction.total() <= room);
        let help = match fits {
            Some((change, prediction)) => format!("{change} would fit: about {} GiB", gib(prediction.total())),
            None => "no setting makes it fit; take a smaller model, or a machine with more memory".to_owned(),
        };
        let message =
            format!("this training takes {prediction}; {} has {} GiB and nothing was allocated", self.name, gib(room));
        Err(StageError::invalid_input(message).help(help))
    }
}

/// Says at the start where and in what it computes and the memory it will take; refuses what does not fit.
pub fn check(context: &Context, demand: &Demand<'_>, precision: Precision) -> Result<(), StageError> {
    let room = Room::of(demand.device);
    room.admit(demand)?;
    let place = match demand.device {
        Device::Cpu => "the CPU".to_owned(),
        _ => room.name.clone(),
    };
    context.info(format!("{precision} on {place}, {}", demand.predict()));
    if demand.device == Device::Cpu && precision != Precision::Fp32 {
        let ratio = measured_peak(Kind::Float, Device::Cpu) / measured_peak(precision.kind(), Device::Cpu);
        let text = format!("on this CPU a product in {precision} takes {ratio:.1} times as long as in fp32");
        if ratio > 1.0 {
            context.warn(format!("{text}: take `precision: fp32`, unless it is for the memory"));
        } else {
            context.info(text);
        }
    }
    if room.bytes.is_none() {
        context.warn(format!("the memory of {} is not known, so nothing says whether the training fits", room.name));
    }
    if precision == Precision::Bf16 && ["T4", "V100", "P100"].iter().any(|old| room.name.contains(old)) {
        context.warn(format!("{} has no units for bf16 and computes it slowly: take `precision: fp16`", room.name));
    }
    Ok(())
}

/// Where and in what `device` and `precision` of the params let it compute.
pub fn placement(device: llama::DeviceChoice, precision: Precision) -> Result<Placement, StageError> {
    Placement::choose(device, precision)
        .map_err(|error| StageError::invalid_input(error.to_string()).help(error.help()))
}

/// Floating-point operations a second of one product in `kind`, the best of a few: as much as training could do at `device`.
pub fn measured_peak(kind: Kind, device: Device) -> f64 {
    // So large that a product takes milliseconds there, not the time to start it.
    let sizes = match device {
        Device::Cpu => [[256, 1024], [1024, 1024]],
        _ => [[4096, 4096], [4096, 4096]],
    };
    let [a, b] = sizes.map(|size| Tensor::ones(size, (kind, device)));
    let time = || {
        let started = Instant::now();
        let product = no_grad(|| a.matmul(&b));
        // A GPU has only been told of it; one number of the result makes it done.
        let _ = product.double_value(&[0, 0]);
        started.elapsed().as_secs_f64()
    };
    let [[rows, inner], [_, columns]] = sizes;
    let operations = (2 * rows * inner * columns) as f64;
    // The first one loads the kernel.
    operations / (0..5).map(|_| time()).fold(f64::INFINITY, f64::min)
}

/// The memory of the machine, or of the control group that the worker is in.
fn cpu_memory() -> Option<f64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    // "max", or no such file, is no limit.
    let limit =
        std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok().and_then(|text| text.trim().parse::<f64>().ok());
    Some(limit.unwrap_or(f64::INFINITY).min(kib * 1024.0))
}

/// The name of the first GPU, as its driver gives it.
fn card_name() -> Option<String> {
    let mut cards: Vec<_> = std::fs::read_dir(Path::new("/proc/driver/nvidia/gpus")).ok()?.flatten().collect();
    cards.sort_by_key(std::fs::DirEntry::file_name);
    let text = std::fs::read_to_string(cards.first()?.path().join("information")).ok()?;
    text.lines().find_map(|line| line.strip_prefix("Model:")).map(|name| name.trim().to_owned())
}
