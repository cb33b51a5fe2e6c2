//! GPU figures of the NVIDIA management library (NVML). It is loaded when a stage wants a GPU. Without it nothing is known, and unknown
//! figures hold nothing back.

use std::collections::BTreeMap;

use nvml_wrapper::{Device, Nvml};

use super::policy::Memory;

/// The library, once it was loaded.
#[derive(Debug)]
pub(super) struct Library(Option<Nvml>);

impl Library {
    /// Loads it: some milliseconds, more where the driver sleeps.
    pub(super) fn load() -> Library {
        Library(Nvml::init().ok())
    }

    /// The UUIDs of all GPUs, in the order of their bus addresses.
    pub(super) fn uuids(&self) -> Vec<String> {
        let Some(nvml) = &self.0 else { return Vec::new() };
        let count = nvml.device_count().unwrap_or(0);
        (0..count).filter_map(|index| nvml.device_by_index(index).ok()?.uuid().ok()).collect()
    }

    /// The memory of those among `names` that the library knows.
    pub(super) fn memory(&self, names: &[String]) -> BTreeMap<String, Memory> {
        let known = names.iter().filter_map(|name| {
            let memory = self.device(name)?.memory_info().ok()?;
            Some((name.clone(), Memory { used: memory.used, total: memory.total }))
        });
        known.collect()
    }

    /// The device by its UUID or its index. CUDA may count in another order than this library (`CUDA_DEVICE_ORDER`), so an index is
    /// believed only where there is one GPU or the order is that of the bus.
    fn device(&self, name: &str) -> Option<Device<'_>> {
        let nvml = self.0.as_ref()?;
        let Ok(index) = name.parse::<u32>() else { return nvml.device_by_uuid(name).ok() };
        let by_bus = std::env::var("CUDA_DEVICE_ORDER").is_ok_and(|order| order == "PCI_BUS_ID");
        if by_bus || nvml.device_count().ok()? == 1 { nvml.device_by_index(index).ok() } else { None }
    }
}
