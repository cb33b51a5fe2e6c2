//! Kernel parameters, firmware, kernel modules and mandatory access control that a story changes.

use scan::rules::kernel_params::Param;
use scan::rules::mac::Selinux;

use crate::emit::kernel_hardening;
use crate::tables::{Anomaly, FirmwareChange, MacChange, ModuleTrace, ParamTrace, TABLES};
use crate::trace::{Draws, Scene};
use crate::world::{KernelModule, Mark};

/// Share of those who weaken AppArmor, per mille, that switch it off; the others leave some profiles that only complain.
const APPARMOR_OFF: u32 = 400;
const MORE_COMPLAINING: [u32; 2] = [1, 6];

impl Scene<'_> {
    pub(super) fn param(&mut self, trace: &ParamTrace, mut draws: Draws) {
        let value = self.story.settle(&trace.value, draws.what.word());
        let there = self.world.params.iter_mut().find(|param| param.path == trace.path);
        let Some(param) = there.filter(|param| param.current != value) else { return };
        if !draws.mark.missed {
            param.current = value;
            param.mark = Some(draws.mark);
            return;
        }
        if Param::at(&trace.path).is_some() {
            self.unseen("kernel_params", &trace.path, draws.mark);
        }
        if let Some(id) = kernel_hardening::finding_of(self.host, &trace.path) {
            self.unseen("kernel_hardening", &id, draws.mark);
        }
    }

    pub(super) fn firmware(&mut self, change: FirmwareChange, mark: Mark) {
        let firmware = &mut self.world.firmware;
        let (shown, own, id) = match change {
            FirmwareChange::LockdownOff => {
                (&mut firmware.lockdown, &mut firmware.lockdown_mark, "kernel:lockdown:disabled")
            }
            FirmwareChange::TpmHidden => (&mut firmware.tpm, &mut firmware.tpm_mark, "kernel:tpm:absent"),
        };
        if !*shown {
            return;
        }
        if !mark.missed {
            *shown = false;
            *own = Some(mark);
        } else if self.host.mode.hardening {
            self.unseen("kernel_hardening", id, mark);
        }
    }

    pub(super) fn module(&mut self, trace: &ModuleTrace, mut draws: Draws) {
        let ending = &self.host.distribution.modules;
        let mut names = Vec::new();
        match &trace.name {
            Some(choices) if !trace.vendor => {
                let name = self.story.settle(choices, draws.what.word());
                names.push((format!("kernel/drivers/{name}{ending}"), name));
            }
            // A vendor's modules come together.
            _ => {
                let vendor = draws.what.pick(&TABLES.modules.out_of_tree);
                names.extend(
                    vendor.names.iter().map(|name| (format!("{}/{name}{ending}", vendor.directory), name.clone())),
                );
            }
        }
        let anomaly = *draws.what.pick(&trace.anomaly);
        // The kernel takes no second module of one name.
        let loaded = &self.world.modules.loaded;
        names.retain(|(_, name)| loaded.iter().all(|module| module.name != *name));
        for (path, name) in names {
            self.world.modules.loaded.push(KernelModule {
                name,
                path: if anomaly == Anomaly::HiddenSysfs { String::new() } else { path },
                anomaly: Some(anomaly),
                order: draws.what.word(),
                mark: Some(draws.mark),
            });
        }
    }

    pub(super) fn mac(&mut self, change: MacChange, mut draws: Draws) {
        let off = draws.what.chance(APPARMOR_OFF);
        let complaining = draws.what.between(MORE_COMPLAINING);
        let mark = draws.mark;
        let mac = &mut self.world.mac;
        let change = match change {
            MacChange::Weakened if mac.apparmor && off => MacChange::ApparmorOff,
            MacChange::Weakened if mac.apparmor => MacChange::ApparmorComplaining,
            MacChange::Weakened => MacChange::SelinuxPermissive,
            other => other,
        };
        let (scanned, applies) = match change {
            MacChange::SelinuxPermissive => ("selinux", mac.selinux == Selinux::Enforcing),
            MacChange::SelinuxOff => ("selinux", mac.selinux != Selinux::Absent),
            _ => ("apparmor", mac.apparmor),
        };
        if !applies {
            return;
        }
        if mark.missed {
            self.unseen("mac", scanned, mark);
            return;
        }
        match change {
            MacChange::SelinuxPermissive => mac.selinux = Selinux::Permissive,
            MacChange::SelinuxOff => mac.selinux = Selinux::Absent,
            MacChange::ApparmorOff => mac.apparmor = false,
            MacChange::ApparmorComplaining | MacChange::Weakened => mac.complaining += complaining,
        }
        let own = if scanned == "selinux" { &mut mac.selinux_mark } else { &mut mac.apparmor_mark };
        *own = Some(mark);
    }
}
