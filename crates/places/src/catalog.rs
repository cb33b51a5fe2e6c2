//! Types of machines, as AWS offers them: what they have, and what they cost on demand.
//!
//! Prices are list prices for Linux in us-east-1, rounded up to the cent, as of [`AS_OF`]. They serve for bounds,
//! estimates and refusals before anything is launched; the bill is AWS's.

use contract::card::Resources;

/// When the prices were those of AWS.
pub const AS_OF: &str = "2025-06";

/// Regions with the same list prices.
const SAME_PRICES: [&str; 3] = ["us-east-1", "us-east-2", "us-west-2"];

/// A type of machine.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// `g4dn.xlarge`.
    pub name: &'static str,
    /// Virtual processors.
    pub cpus: u32,
    /// GiB.
    pub memory: u32,
    /// Its GPUs.
    pub gpus: u32,
    /// What they are: `T4`; empty where there are none.
    pub card: &'static str,
    /// GiB of each GPU.
    pub gpu_memory: u32,
    /// US dollars an hour, on demand.
    pub price: f64,
    /// US dollars an hour as a training job of SageMaker, where that is known.
    pub job_price: Option<f64>,
}

const fn machine(
    name: &'static str,
    (cpus, memory): (u32, u32),
    (gpus, card, gpu_memory): (u32, &'static str, u32),
    price: f64,
    job_price: Option<f64>,
) -> Machine {
    Machine { name, cpus, memory, gpus, card, gpu_memory, price, job_price }
}

const NONE: (u32, &str, u32) = (0, "", 0);

/// The machines that are known.
pub const MACHINES: &[Machine] = &[
    machine("g4dn.xlarge", (4, 16), (1, "T4", 16), 0.53, Some(0.74)),
    machine("g4dn.2xlarge", (8, 32), (1, "T4", 16), 0.76, Some(0.94)),
    machine("g4dn.4xlarge", (16, 64), (1, "T4", 16), 1.21, Some(1.51)),
    machine("g4dn.8xlarge", (32, 128), (1, "T4", 16), 2.18, Some(2.72)),
    machine("g4dn.12xlarge", (48, 192), (4, "T4", 16), 3.92, Some(4.89)),
    machine("g4dn.16xlarge", (64, 256), (1, "T4", 16), 4.36, Some(5.44)),
    machine("g5.xlarge", (4, 16), (1, "A10G", 24), 1.01, Some(1.41)),
    machine("g5.2xlarge", (8, 32), (1, "A10G", 24), 1.22, Some(1.52)),
    machine("g5.4xlarge", (16, 64), (1, "A10G", 24), 1.63, Some(2.03)),
    machine("g5.8xlarge", (32, 128), (1, "A10G", 24), 2.45, Some(3.06)),
    machine("g5.12xlarge", (48, 192), (4, "A10G", 24), 5.68, Some(7.09)),
    machine("g5.16xlarge", (64, 256), (1, "A10G", 24), 4.10, Some(5.12)),
    machine("g5.24xlarge", (96, 384), (4, "A10G", 24), 8.15, Some(10.18)),
    machine("g5.48xlarge", (192, 768), (8, "A10G", 24), 16.29, Some(20.36)),
    machine("g6.xlarge", (4, 16), (1, "L4", 24), 0.81, None),
    machine("g6.2xlarge", (8, 32), (1, "L4", 24), 0.98, None),
    machine("g6.4xlarge", (16, 64), (1, "L4", 24), 1.33, None),
    machine("g6.8xlarge", (32, 128), (1, "L4", 24), 2.02, None),
    machine("g6.12xlarge", (48, 192), (4, "L4", 24), 4.61, None),
    machine("g6e.xlarge", (4, 32), (1, "L40S", 44), 1.87, None),
    machine("g6e.2xlarge", (8, 64), (1, "L40S", 44), 2.25, None),
    machine("g6e.4xlarge", (16, 128), (1, "L40S", 44), 3.01, None),
    machine("g6e.8xlarge", (32, 256), (1, "L40S", 44), 4.53, None),
    machine("p3.2xlarge", (8, 61), (1, "V100", 16), 3.06, Some(3.83)),
    machine("p3.8xlarge", (32, 244), (4, "V100", 16), 12.24, Some(14.69)),
    machine("p4d.24xlarge", (96, 1152), (8, "A100", 40), 21.96, None),
    machine("p4de.24xlarge", (96, 1152), (8, "A100", 80), 27.45, None),
    machine("p5.48xlarge", (192, 2048), (8, "H100", 80), 55.04, None),
    machine("t3.medium", (2, 4), NONE, 0.05, Some(0.06)),
    machine("t3.large", (2, 8), NONE, 0.09, Some(0.10)),
    machine("t3.xlarge", (4, 16), NONE, 0.17, Some(0.20)),
    machine("m5.large", (2, 8), NONE, 0.10, Some(0.12)),
    machine("m5.xlarge", (4, 16), NONE, 0.20, Some(0.23)),
    machine("m5.2xlarge", (8, 32), NONE, 0.39, Some(0.47)),
    machine("m5.4xlarge", (16, 64), NONE, 0.77, Some(0.93)),
    machine("m6i.large", (2, 8), NONE, 0.10, None),
    machine("m6i.xlarge", (4, 16), NONE, 0.20, None),
    machine("m6i.2xlarge", (8, 32), NONE, 0.39, None),
    machine("m6i.4xlarge", (16, 64), NONE, 0.77, None),
    machine("c5.xlarge", (4, 8), NONE, 0.17, Some(0.21)),
    machine("c5.2xlarge", (8, 16), NONE, 0.34, Some(0.41)),
    machine("c5.4xlarge", (16, 32), NONE, 0.68, Some(0.82)),
    machine("c6i.xlarge", (4, 8), NONE, 0.17, None),
    machine("c6i.2xlarge", (8, 16), NONE, 0.34, None),
    machine("c6i.4xlarge", (16, 32), NONE, 0.68, None),
    machine("r5.xlarge", (4, 32), NONE, 0.26, Some(0.31)),
    machine("r5.2xlarge", (8, 64), NONE, 0.51, Some(0.61)),
];

/// The machine of this type, with or without `ml.` before it.
pub fn find(name: &str) -> Option<&'static Machine> {
    let name = name.strip_prefix("ml.").unwrap_or(name);
    MACHINES.iter().find(|machine| machine.name == name)
}

/// The other sizes that are known of its family, where the type itself is not: it is likely misspelt.
pub fn siblings(name: &str) -> Vec<&'static str> {
    let family = name.strip_prefix("ml.").unwrap_or(name).split('.').next().unwrap_or_default();
    if find(name).is_some() {
        return Vec::new();
    }
    MACHINES.iter().map(|machine| machine.name).filter(|known| known.split('.').next() == Some(family)).collect()
}

/// Whether its instances can be had under Linux for x86_64; the families of Graviton have a `g` after the generation.
pub fn is_x86_64(name: &str) -> bool {
    let family = name.strip_prefix("ml.").unwrap_or(name).split('.').next().unwrap_or_default();
    let generation = family.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    !generation.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with('g')
}

/// US dollars an hour on demand in the region, where they are known.
pub fn on_demand(name: &str, region: &str) -> Option<f64> {
    let known = find(name).filter(|_| SAME_PRICES.contains(&region))?;
    if name.starts_with("ml.") { known.job_price } else { Some(known.price) }
}

/// What a machine of this type lacks of what is wanted, in words; `None`: nothing, or the type is not known.
pub fn lacks(name: &str, wanted: Resources) -> Option<String> {
    let machine = find(name)?;
    let of_memory = |gibibytes: u32| u64::from(gibibytes) << 30;
    let size = |bytes: u64| format!("{:.0} GiB", (bytes as f64 / f64::from(1 << 30)).ceil());
    let wants_gpu = wanted.gpus.max(u32::from(wanted.gpu_memory > 0));
    if wants_gpu > machine.gpus {
        return Some(match machine.gpus {
            0 => format!("{name} has no GPU"),
            has => format!("{name} has {has} GPUs, and {wants_gpu} are wanted"),
        });
    }
    if wanted.gpu_memory > of_memory(machine.gpu_memory) {
        let (wanted, card) = (size(wanted.gpu_memory), machine.card);
        return Some(format!("the {card} of {name} has {} GiB of memory, and {wanted} are wanted", machine.gpu_memory));
    }
    if wanted.cpus > machine.cpus {
        return Some(format!("{name} has {} processors, and {} are wanted", machine.cpus, wanted.cpus));
    }
    (wanted.memory > of_memory(machine.memory))
        .then(|| format!("{name} has {} GiB of memory, and {} are wanted", machine.memory, size(wanted.memory)))
}

/// The glibc of an image, by what its name says of the system; `None`: not known.
pub fn glibc_of(image: &str) -> Option<(u32, u32)> {
    let systems =
        [("ubuntu-20.04", (2, 31)), ("ubuntu20.04", (2, 31)), ("ubuntu-22.04", (2, 35)), ("ubuntu22.04", (2, 35))];
    let newer =
        [("ubuntu-24.04", (2, 39)), ("ubuntu24.04", (2, 39)), ("al2023", (2, 34)), ("amazon-linux-2023", (2, 34))];
    systems.into_iter().chain(newer).find(|(system, _)| image.contains(system)).map(|(_, glibc)| glibc)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_t4_has_not_40_gib() {
        let wanted = Resources { gpus: 1, gpu_memory: 40 << 30, ..Resources::default() };
        let said = lacks("g4dn.xlarge", wanted).unwrap();
        assert_eq!(said, "the T4 of g4dn.xlarge has 16 GiB of memory, and 40 GiB are wanted");
        assert_eq!(lacks("p4d.24xlarge", wanted), None);
        assert!(lacks("m5.xlarge", wanted).unwrap().contains("no GPU"));
        assert_eq!(lacks("x99.huge", wanted), None, "what is not known is not refused");
    }

    #[test]
    fn graviton_is_another_architecture() {
        for (name, x86) in [
            ("g4dn.xlarge", true),
            ("g5g.xlarge", false),
            ("m7g.large", false),
            ("ml.c6g.xlarge", false),
            ("g6.xlarge", true),
        ] {
            assert_eq!(is_x86_64(name), x86, "{name}");
        }
    }

    #[test]
    fn a_misspelt_size_has_siblings_and_a_known_one_none() {
        assert!(siblings("g4dn.xlrage").contains(&"g4dn.xlarge"));
        assert!(siblings("g4dn.xlarge").is_empty() && siblings("x99.huge").is_empty());
    }

    proptest! {
        #[test]
        fn a_machine_lacks_nothing_exactly_when_it_has_all(
            index in 0..MACHINES.len(), cpus in 0_u32..300, memory in 0_u64..3000, gpus in 0_u32..10, gpu_memory in 0_u64..100,
        ) {
            let machine = &MACHINES[index];
            let wanted = Resources { cpus, memory: memory << 30, gpus, gpu_memory: gpu_memory << 30 };
            let has_all = cpus <= machine.cpus
                && memory <= u64::from(machine.memory)
                && gpus <= machine.gpus
                && (gpu_memory == 0 || machine.gpus > 0)
                && gpu_memory <= u64::from(machine.gpu_memory);
            prop_assert_eq!(lacks(machine.name, wanted).is_none(), has_all);
        }

        #[test]
        fn less_is_lacked_no_more(index in 0..MACHINES.len(), memory in 0_u64..(4 << 40), less in 0_u64..(4 << 40)) {
            let name = MACHINES[index].name;
            let wanted = |memory| Resources { memory, ..Resources::default() };
            if lacks(name, wanted(memory)).is_none() {
                prop_assert!(lacks(name, wanted(memory.min(less))).is_none());
            }
        }
    }
}
