//! `kernel_hardening`: lockdown, firmware, measurements, and eight kernel parameters, of which two are also `kernel_params`'.

use scan::rules::kernel_hardening::SYSCTLS;
use scan::{Finding, Severity};

use crate::emit::Output;
use crate::host::Host;
use crate::stream::Purpose;
use crate::world::{World, param_value};

/// Shares of hosts, per mille, that are no containers.
const EFI: u32 = 650;
const SECURE_BOOT: u32 = 450;
const TPM: u32 = 600;
const MEASURES: u32 = 60;
/// Parameters that a container does not show.
const NOT_IN_CONTAINERS: [&str; 2] = ["kexec_disabled", "sysrq"];

pub(super) fn emit(host: &Host, world: &World) -> Output {
    let mut output = Output::hardening("kernel_hardening", host);
    if !host.mode.hardening {
        return output;
    }
    firmware(host, &mut output);
    for sysctl in &SYSCTLS {
        if host.container && NOT_IN_CONTAINERS.contains(&sysctl.id) {
            continue;
        }
        // A parameter that both scanners read has one value, and one mark.
        let shared = world.params.iter().find(|value| value.param.path == sysctl.path);
        let value = shared.map(|value| value.current.as_str()).or_else(|| param_value(host, sysctl.path));
        let Some(value) = value else { continue };
        let id = format!("kernel:sysctl:{}", sysctl.id);
        let finding = Finding::new(id, sysctl.title, sysctl.severity(value), sysctl.description(value))
            .with("expected", sysctl.expected)
            .with("path", sysctl.path)
            .with("value", value);
        output.push(finding, shared.and_then(|value| value.mark));
    }
    output
}

/// In a container the kernel's security files and the firmware's are not to be seen.
fn firmware(host: &Host, output: &mut Output) {
    let mut draw = host.streams(Purpose::Firmware).at(0);
    let efi = draw.chance(EFI) && !host.container;
    let secure = draw.chance(SECURE_BOOT) && efi;
    let (tpm, measures) = (draw.chance(TPM) && !host.container, draw.chance(MEASURES) && !host.container);
    let appraises = draw.chance(500);
    let mut push = |id: &str, title: &str, severity, description: &str, entry: Option<(&str, &str)>| {
        let finding = Finding::new(format!("kernel:{id}"), title, severity, description);
        let finding = entry.into_iter().fold(finding, |finding, (key, value)| finding.with(key, value));
        output.push(finding, None);
    };
    if secure {
        let raw = Some(("raw", "none [integrity] confidentiality"));
        let description = "Kernel lockdown integrity mode active";
        push("lockdown:integrity", "Kernel lockdown integrity mode", Severity::Info, description, raw);
    } else if !host.container {
        let raw = Some(("raw", "[none] integrity confidentiality"));
        let description = "Kernel lockdown not enforced; consider integrity or confidentiality mode";
        push("lockdown:disabled", "Kernel lockdown inactive", Severity::Medium, description, raw);
    }
    if efi {
        let description = "System booted with EFI (secure boot state heuristic)";
        push("secureboot:efi", "EFI firmware detected", Severity::Info, description, Some(("efi", "present")));
        // The kernel adds a GUID to the names of these variables, so that the scanner never finds the list.
        let description = "Could not locate dbx revocation entries (heuristic)";
        push("secureboot:dbx-missing", "EFI dbx revocation list not detected", Severity::Low, description, None);
    }
    if measures {
        let (description, word) = match appraises {
            true => ("IMA policy includes appraisal", "yes"),
            false => ("IMA policy lacks explicit appraisal", "no"),
        };
        push("ima:policy", "IMA policy present", Severity::Info, description, Some(("appraise", word)));
    }
    if tpm {
        push("tpm:present", "TPM device present", Severity::Info, "Trusted Platform Module detected", None);
    } else {
        let description = "TPM not detected (may reduce attestation options)";
        push("tpm:absent", "No TPM device", Severity::Low, description, None);
    }
}
