//! `modules`: a list, a summary, or anomalies, as the host's scanner was told.

use scan::Finding;
use scan::rules::modules::{ANOMALY, Counts, LISTED, SUMMARY, summary};

use crate::emit::{Output, Results};
use crate::host::{Host, ModuleMode};
use crate::tables::Anomaly;
use crate::world::{KernelModule, Mark, World};

/// Samples of names in the summary.
const SAMPLE: usize = 10;
const ODD_SAMPLE: usize = 5;
/// Directories of /sys/module that belong to built-in modules.
const BUILT_IN: [&str; 6] = ["8250", "acpi_cpufreq", "blk_cgroup", "dns_resolver", "intel_idle", "kernel"];

pub(super) fn emit(host: &Host, world: &World) -> Output {
    let mut output = Output { results: Results::EmptyAfter, ..Output::new("modules") };
    let mut loaded: Vec<&KernelModule> = world.modules.loaded.iter().collect();
    loaded.sort_by_key(|module| module.order);
    match host.module_mode {
        ModuleMode::List => {
            for module in loaded {
                let title = format!("Module {}", module.name);
                output.push(Finding::new(&module.name, title, LISTED, "Loaded kernel module"), module.mark);
            }
        }
        ModuleMode::Anomalies => {
            for module in loaded {
                if let Some(anomaly) = module.anomaly {
                    output.push(anomalous(module, anomaly), module.mark);
                }
            }
        }
        ModuleMode::Summary => {
            let odd = loaded.iter().filter(|module| module.mark.is_none_or(|mark| !mark.missed));
            // A host's attack is the last of its stories.
            let mark: Option<Mark> = odd.clone().filter_map(|module| module.mark).max_by_key(|mark| mark.story);
            let seen: Vec<&KernelModule> = odd.copied().collect();
            output.push(summarized(host, world, &seen), mark);
        }
    }
    output
}

fn anomalous(module: &KernelModule, anomaly: Anomaly) -> Finding {
    let (key, description) = match anomaly {
        Anomaly::Unsigned => ("unsigned", "Unsigned kernel module detected"),
        Anomaly::OutOfTree => ("out_of_tree", "Out-of-tree kernel module"),
        Anomaly::MissingFile => ("missing_file", "Module file missing on disk"),
        Anomaly::HiddenSysfs => ("hidden_sysfs", "Module in /proc but not /sys"),
    };
    let title = format!("Module anomaly: {}", module.name);
    let finding = Finding::new(&module.name, title, ANOMALY, description).with(key, "true");
    if module.path.is_empty() { finding } else { finding.with("path", &module.path) }
}

fn summarized(host: &Host, world: &World, loaded: &[&KernelModule]) -> Finding {
    let odd = |anomaly| -> Vec<&str> {
        loaded.iter().filter(|m| m.anomaly == Some(anomaly)).map(|m| m.name.as_str()).collect()
    };
    let out_of_tree = odd(Anomaly::OutOfTree);
    let unsigned = odd(Anomaly::Unsigned);
    let missing = odd(Anomaly::MissingFile);
    let hidden = odd(Anomaly::HiddenSysfs);
    let compressed = loaded.iter().filter(|module| module.path.ends_with(".ko.xz"));
    let (compressed_unsigned, scanned): (Vec<_>, Vec<_>) = compressed
        .map(|module| (module.anomaly, module.name.as_str()))
        .partition(|(a, _)| *a == Some(Anomaly::Unsigned));
    let compressed_unsigned: Vec<&str> = compressed_unsigned.into_iter().map(|(_, name)| name).collect();
    let sysfs_only: Vec<&str> = BUILT_IN.iter().copied().take(world.modules.sysfs_only as usize).collect();
    let severity = summary(Counts {
        out_of_tree: out_of_tree.len() as u64,
        unsigned: unsigned.len() as u64,
        hidden: hidden.len() as u64,
        missing_file: missing.len() as u64,
        sysfs_only: u64::from(world.modules.sysfs_only),
    });
    let description = "Summary of loaded kernel modules and potential security issues";
    let mut finding = Finding::new(SUMMARY, "Kernel Module Summary", severity, description)
        .with("total", loaded.len().to_string())
        .with("likely_out_of_tree", out_of_tree.len().to_string())
        .with("unsigned", unsigned.len().to_string())
        .with("compressed", (scanned.len() + compressed_unsigned.len()).to_string())
        .with("compressed_scanned", scanned.len().to_string())
        .with("compressed_unsigned", compressed_unsigned.len().to_string())
        .with("missing_file", missing.len().to_string())
        .with("hidden_proc_only", hidden.len().to_string())
        .with("wx_section", "0")
        .with("large_text_section", "0")
        .with("suspicious_section_name", "0");
    let all: Vec<&str> = loaded.iter().map(|module| module.name.as_str()).collect();
    finding = sample(finding, "sample", &all, SAMPLE);
    // The key of the sample's size is the key of the count of modules only in sysfs; the scanner keeps the sample's.
    for (key, names) in [
        ("oot", &out_of_tree),
        ("unsigned", &unsigned),
        ("compressed_unsigned", &compressed_unsigned),
        ("missing_file", &missing),
        ("hidden", &hidden),
        ("sysfs_only", &sysfs_only),
        ("wx_section", &Vec::new()),
        ("large_text_section", &Vec::new()),
        ("suspicious_section_name", &Vec::new()),
    ] {
        finding = sample(finding, key, names, ODD_SAMPLE);
    }
    let (taint, flags) = taint(!out_of_tree.is_empty(), !unsigned.is_empty());
    finding = finding.with("taint_value", taint);
    if let Some(flags) = flags {
        finding = finding.with("taint_flags", flags);
    }
    finding = finding.with("kallsyms_readable", "yes").with("kallsyms_sampled", "5000");
    let hides_pointers = world.params.iter().any(|p| p.path.ends_with("kptr_restrict") && p.current == "2");
    if hides_pointers || host.container { finding.with("kallsyms_all_zero", "true") } else { finding }
}

fn sample(finding: Finding, key: &str, names: &[&str], most: usize) -> Finding {
    let names = &names[..names.len().min(most)];
    let finding = finding.with(&format!("{key}_count"), names.len().to_string());
    if names.is_empty() { finding } else { finding.with(&format!("{key}_list"), names.join(",")) }
}

/// The kernel's taint bits that follow: 12 for a module out of tree, 13 for one without signature. The scanner knows no name
/// for bit 13 but `FIRMWARE_WORKAROUND`.
fn taint(out_of_tree: bool, unsigned: bool) -> (String, Option<&'static str>) {
    let value = (u32::from(out_of_tree || unsigned) << 12) | (u32::from(unsigned) << 13);
    let flags = match (out_of_tree || unsigned, unsigned) {
        (_, true) => Some("SOFTWARE_INCOMPAT,FIRMWARE_WORKAROUND"),
        (true, false) => Some("SOFTWARE_INCOMPAT"),
        (false, false) => None,
    };
    (value.to_string(), flags)
}
