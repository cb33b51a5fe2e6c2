//! `kernel_hardening`: lockdown, firmware, measurements, and eight kernel parameters, of which two are also `kernel_params`'.

use scan::rules::kernel_hardening::{SYSCTLS, Sysctl};
use scan::{Finding, Severity};

use crate::emit::Output;
use crate::host::Host;
use crate::world::{Mark, World};

/// Parameters that a container does not show.
const NOT_IN_CONTAINERS: [&str; 2] = ["kexec_disabled", "sysrq"];

pub(super) fn emit(host: &Host, world: &World) -> Output {
    let mut output = Output::hardening("kernel_hardening", host);
    if !host.mode.hardening {
        return output;
    }
    firmware(host, world, &mut output);
    for sysctl in SYSCTLS.iter().filter(|sysctl| shows(host, sysctl)) {
        let Some(value) = world.params.iter().find(|value| value.path == sysctl.path) else { continue };
        let current = &value.current;
        let finding = Finding::new(id(sysctl), sysctl.title, sysctl.severity(current), sysctl.description(current))
            .with("expected", sysctl.expected)
            .with("path", sysctl.path)
            .with("value", current);
        output.push(finding, value.mark);
    }
    output
}

/// The id of the finding about a parameter; none where no scan of the host has one.
pub(crate) fn finding_of(host: &Host, path: &str) -> Option<String> {
    let sysctl = SYSCTLS.iter().find(|sysctl| sysctl.path == path)?;
    (host.mode.hardening && shows(host, sysctl)).then(|| id(sysctl))
}

fn shows(host: &Host, sysctl: &Sysctl) -> bool {
    !(host.container && NOT_IN_CONTAINERS.contains(&sysctl.id))
}

fn id(sysctl: &Sysctl) -> String {
    format!("kernel:sysctl:{}", sysctl.id)
}

/// In a container the kernel's security files and the firmware's are not to be seen.
fn firmware(host: &Host, world: &World, output: &mut Output) {
    let firmware = &world.firmware;
    let mut push =
        |(id, title): (&str, &str), severity, description: &str, entry: Option<(&str, &str)>, mark: Option<Mark>| {
            let finding = Finding::new(format!("kernel:{id}"), title, severity, description);
            let finding = entry.into_iter().fold(finding, |finding, (key, value)| finding.with(key, value));
            output.push(finding, mark);
        };
    if firmware.lockdown {
        let raw = Some(("raw", "none [integrity] confidentiality"));
        let description = "Kernel lockdown integrity mode active";
        push(("lockdown:integrity", "Kernel lockdown integrity mode"), Severity::Info, description, raw, None);
    } else if !host.container {
        let raw = Some(("raw", "[none] integrity confidentiality"));
        let description = "Kernel lockdown not enforced; consider integrity or confidentiality mode";
        push(
            ("lockdown:disabled", "Kernel lockdown inactive"),
            Severity::Medium,
            description,
            raw,
            firmware.lockdown_mark,
        );
    }
    if firmware.efi {
        let description = "System booted with EFI (secure boot state heuristic)";
        push(("secureboot:efi", "EFI firmware detected"), Severity::Info, description, Some(("efi", "present")), None);
        // The kernel adds a GUID to the names of these variables, so that the scanner never finds the list.
        let description = "Could not locate dbx revocation entries (heuristic)";
        push(
            ("secureboot:dbx-missing", "EFI dbx revocation list not detected"),
            Severity::Low,
            description,
            None,
            None,
        );
    }
    if let Some(appraises) = firmware.measures {
        let (description, word) = match appraises {
            true => ("IMA policy includes appraisal", "yes"),
            false => ("IMA policy lacks explicit appraisal", "no"),
        };
        push(("ima:policy", "IMA policy present"), Severity::Info, description, Some(("appraise", word)), None);
    }
    if firmware.tpm {
        push(("tpm:present", "TPM device present"), Severity::Info, "Trusted Platform Module detected", None, None);
    } else {
        let description = "TPM not detected (may reduce attestation options)";
        push(("tpm:absent", "No TPM device"), Severity::Low, description, None, firmware.tpm_mark);
    }
}
