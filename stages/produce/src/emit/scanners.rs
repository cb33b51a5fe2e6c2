//! Every scanner, in the order in which they run.

use super::output::Output;
use super::{
    auditd, containers, ebpf_exec_trace, integrity, ioc, kernel_hardening, kernel_params, mac, modules, mounts,
    network, pci_compliance, processes, suid_sgid, systemd_units, world_writable, yara,
};
use crate::host::Host;
use crate::params::Counts;
use crate::world::{Mark, World};

/// The results of the scanners that are not switched off, in the order in which they run. A scanner that is on may still have
/// nothing to look at: those of hardening checks have an empty result without them.
pub(crate) fn outputs(host: &Host, world: &World, counts: &Counts, is_chain: impl Fn(Mark) -> bool) -> Vec<Output> {
    type Emit = fn(&Host, &World) -> Output;
    let mode = host.mode;
    let scanners: [(bool, Emit, Option<u32>); 17] = [
        (true, processes::emit, counts.processes),
        (true, network::emit, counts.network),
        (true, kernel_params::emit, counts.kernel_params),
        (true, modules::emit, counts.modules),
        (true, world_writable::emit, counts.world_writable),
        (true, suid_sgid::emit, counts.suid),
        (true, ioc::emit, counts.ioc),
        (true, mac::emit, counts.mac),
        (true, mounts::emit, None),
        (true, kernel_hardening::emit, None),
        (true, systemd_units::emit, None),
        (true, auditd::emit, None),
        (true, containers::emit, None),
        (mode.integrity, integrity::emit, None),
        (true, yara::emit, None),
        (!mode.untraced, ebpf_exec_trace::emit, None),
        (mode.compliance, pci_compliance::emit, None),
    ];
    let switched_on = scanners.into_iter().filter(|(is, _, limit)| *is && *limit != Some(0));
    switched_on
        .map(|(_, emit, limit)| {
            let mut output = emit(host, world);
            let unseen = world.unseen.iter().filter(|(scanner, _, _)| *scanner == output.scanner);
            output.missed.extend(unseen.map(|(_, id, mark)| (id.clone(), *mark)));
            if let Some(limit) = limit {
                output.limit(limit, &is_chain);
            }
            output
        })
        .collect()
}
