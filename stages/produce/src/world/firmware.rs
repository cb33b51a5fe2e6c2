//! The kernel's view of firmware, lockdown and measurements. A container sees none of it.

use crate::host::Host;
use crate::stream::Purpose;
use crate::world::Mark;

/// Shares of hosts, per mille, that are no containers.
const EFI: u32 = 650;
const SECURE_BOOT: u32 = 450;
const TPM: u32 = 600;
const MEASURES: u32 = 60;

/// Firmware and what hangs on it.
pub(crate) struct Firmware {
    pub efi: bool,
    /// With Secure Boot the kernel locks itself down.
    pub lockdown: bool,
    pub tpm: bool,
    /// There is a policy of what to measure, and whether it includes appraisal.
    pub measures: Option<bool>,
    pub lockdown_mark: Option<Mark>,
    pub tpm_mark: Option<Mark>,
}

pub(super) fn firmware(host: &Host) -> Firmware {
    let mut draw = host.streams(Purpose::Firmware).at(0);
    let efi = draw.chance(EFI) && !host.container;
    let lockdown = draw.chance(SECURE_BOOT) && efi;
    let (tpm, measures) = (draw.chance(TPM) && !host.container, draw.chance(MEASURES) && !host.container);
    let appraises = draw.chance(500);
    Firmware { efi, lockdown, tpm, measures: measures.then_some(appraises), lockdown_mark: None, tpm_mark: None }
}
