//! The GPUs of this machine, by the names that `CUDA_VISIBLE_DEVICES` takes.
//!
//! The program that started us may have been given some of them: then the variable names them, and no others are ours.
//! Otherwise NVML lists them, and where that cannot be loaded, `/proc`.

use std::fs;
use std::path::Path;

use super::nvml::Library;

/// The GPUs that this process may use, in their order.
pub fn gpus() -> Vec<String> {
    match std::env::var("CUDA_VISIBLE_DEVICES") {
        Ok(given) => listed(&given),
        Err(_) => {
            let found = Library::load().uuids();
            if found.is_empty() { of_driver(Path::new("/proc/driver/nvidia/gpus")) } else { found }
        }
    }
}

/// CUDA reads names up to the first that is no GPU, so `-1` and `NoDevFiles` mean nothing.
fn listed(given: &str) -> Vec<String> {
    let names = given.split(',').map(str::trim);
    let is_name = |name: &&str| {
        !name.is_empty()
            && (name.bytes().all(|byte| byte.is_ascii_digit()) || name.starts_with("GPU-") || name.starts_with("MIG-"))
    };
    names.take_while(is_name).map(str::to_owned).collect()
}

/// One directory a GPU, named by its bus address; its `information` has the UUID, which names it in any order.
fn of_driver(gpus: &Path) -> Vec<String> {
    // No directory means no driver, and that no GPU.
    let mut buses: Vec<_> = fs::read_dir(gpus).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    buses.sort_unstable();
    buses.iter().enumerate().map(|(index, bus)| uuid(bus).unwrap_or_else(|| index.to_string())).collect()
}

fn uuid(bus: &Path) -> Option<String> {
    let text = fs::read_to_string(bus.join("information")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("GPU UUID:"))?;
    let uuid = line.trim();
    // A driver that has not looked yet writes question marks.
    (uuid.starts_with("GPU-") && !uuid.contains('?')).then(|| uuid.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_were_given_counts() {
        assert_eq!(listed("2, 5"), ["2", "5"]);
        assert_eq!(listed("GPU-8a,MIG-7"), ["GPU-8a", "MIG-7"]);
        assert_eq!(listed("0,-1,1"), ["0"]);
        assert!(listed("").is_empty() && listed("NoDevFiles").is_empty());
    }

    #[test]
    fn the_driver_lists_what_there_is() {
        let proc = tempfile::tempdir().unwrap();
        assert!(of_driver(&proc.path().join("absent")).is_empty());
        for (bus, uuid) in [("0000:03:00.0", "GPU-aa-1"), ("0000:01:00.0", "GPU-bb-2"), ("0000:09:00.0", "GPU-????")] {
            fs::create_dir(proc.path().join(bus)).unwrap();
            let text = format!("Model: \t\t H100\nIRQ:   \t 42\nGPU UUID: \t {uuid}\n");
            fs::write(proc.path().join(bus).join("information"), text).unwrap();
        }
        assert_eq!(of_driver(proc.path()), ["GPU-bb-2", "GPU-aa-1", "2"]);
    }
}
