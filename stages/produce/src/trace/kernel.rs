//! Kernel parameters, kernel modules and mandatory access control that a story changes.

use scan::rules::mac::Selinux;

use crate::tables::{Anomaly, MacChange, ModuleTrace, ParamTrace, TABLES};
use crate::trace::{Draws, Scene};
use crate::world::{KernelModule, Mark};

impl Scene<'_> {
    pub(super) fn param(&mut self, trace: &ParamTrace, mut draws: Draws) {
        let value = self.story.settle(&trace.value, draws.what.word());
        let there = self.world.params.iter_mut().find(|param| param.param.path == trace.path);
        let Some(param) = there.filter(|param| param.current != value) else { return };
        if draws.mark.missed {
            self.unseen("kernel_params", &trace.path, draws.mark);
        } else {
            param.current = value;
            param.mark = Some(draws.mark);
        }
    }

    pub(super) fn module(&mut self, trace: &ModuleTrace, mut draws: Draws) {
        let vendor = draws.what.pick(&TABLES.modules.out_of_tree);
        let (name, path) = match &trace.name {
            Some(choices) if !trace.vendor => {
                let name = self.story.settle(choices, draws.what.word());
                let path = format!("kernel/drivers/{name}{}", self.host.distribution.modules);
                (name, path)
            }
            _ => (vendor.name.clone(), vendor.path.clone()),
        };
        let anomaly = *draws.what.pick(&trace.anomaly);
        let path = if anomaly == Anomaly::HiddenSysfs { String::new() } else { path };
        self.world.modules.loaded.push(KernelModule {
            name,
            path,
            anomaly: Some(anomaly),
            order: draws.what.word(),
            mark: Some(draws.mark),
        });
    }

    pub(super) fn mac(&mut self, change: MacChange, mark: Mark) {
        let mac = &mut self.world.mac;
        let permissive = change != MacChange::ApparmorOff && mac.selinux == Selinux::Enforcing;
        let off = change != MacChange::SelinuxPermissive && mac.apparmor;
        if mark.missed {
            if permissive {
                self.unseen("mac", "selinux", mark);
            }
            if off {
                self.unseen("mac", "apparmor", mark);
            }
            return;
        }
        if permissive {
            mac.selinux = Selinux::Permissive;
            mac.selinux_mark = Some(mark);
        }
        if off {
            mac.apparmor = false;
            mac.apparmor_mark = Some(mark);
        }
    }
}
