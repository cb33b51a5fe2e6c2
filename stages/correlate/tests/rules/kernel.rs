//! Rules of `kernel.yaml`.

use scan::Severity::{Critical, High, Info, Low, Medium};

use crate::harness::{
    BAD, Case, Found, anomaly, ioc, mac, module, outside, pointers, process, process_of, randomization, suid, sysctl,
    writable,
};

const RARE: &str = "/usr/local/bin/agentd";
/// Differs from [`RARE`] only in that many other hosts have it.
const COMMON: &str = "/usr/local/bin/monitord";
const FORWARD: &str = "/proc/sys/net/ipv4/ip_forward";
const RANDOMIZE: &str = "/proc/sys/kernel/randomize_va_space";
const POINTERS: &str = "/proc/sys/kernel/kptr_restrict";

fn forward(value: &str) -> Found {
    sysctl(FORWARD, value, "0")
}

#[test]
fn forwards_with_nat() {
    Case::of("forwards-with-nat")
        .joins(vec![forward("1"), module("nf_nat")], &[FORWARD, "nf_nat"])
        .ignores(vec![forward("0"), module("nf_nat")])
        .ignores(vec![sysctl("/proc/sys/net/ipv4/conf/all/rp_filter", "1", "1"), module("nf_nat")])
        .ignores(vec![forward("1"), module("nf_tables")]);
}

#[test]
fn critical_process_without_mac() {
    let (flagged, none) = (ioc("/opt/x (deleted)", "40", Critical), mac("mac_none", High));
    Case::of("critical-process-without-mac")
        .joins(vec![flagged.clone(), none.clone()], &["/opt/x (deleted):40", "mac_none"])
        .ignores(vec![ioc("/opt/x (deleted)", "40", High), none.clone()])
        .ignores(vec![flagged.clone(), mac("apparmor", High)])
        .ignores_last(vec![vec![vec![flagged]], vec![vec![none]]]);
}

#[test]
fn anomalous_module_named_like_process() {
    let runs = process("40", "/opt/x/rooter");
    Case::of("anomalous-module-named-like-process")
        .common(vec![module("nvidia")])
        .joins(vec![anomaly("rooter", "unsigned"), runs.clone()], &["rooter", "40"])
        .joins_rare(vec![module("rooter"), runs.clone()], &["rooter", "40"])
        .joins(vec![anomaly("nvidia", "out_of_tree"), process("40", "/opt/nvidia")], &["nvidia", "40"])
        .ignores(vec![module("nvidia"), process("40", "/opt/nvidia")])
        .ignores(vec![anomaly("module_summary", "unsigned"), process("40", "/opt/module_summary")])
        .ignores(vec![anomaly("rooter", "unsigned"), process("40", "/opt/x/root")]);
}

#[test]
fn anomalous_module_named_like_file() {
    let bad = anomaly("rooter", "unsigned");
    Case::of("anomalous-module-named-like-file")
        .common(vec![module("nvidia")])
        .joins(vec![bad.clone(), suid("/usr/bin/rooter")], &["rooter", "/usr/bin/rooter"])
        .joins(vec![bad.clone(), writable("/etc/rooter.conf")], &["rooter", "/etc/rooter.conf"])
        .joins(vec![anomaly("nvidia", "unsigned"), writable("/etc/nvidia.conf")], &["nvidia", "/etc/nvidia.conf"])
        .joins_rare(vec![module("rooter"), writable("/etc/rooter.conf")], &["rooter", "/etc/rooter.conf"])
        .ignores(vec![module("nvidia"), writable("/etc/nvidia.conf")])
        .ignores(vec![bad.clone(), process("40", "/usr/bin/rooter")])
        .ignores(vec![bad, suid("/usr/bin/root")]);
}

#[test]
fn hidden_module_with_exposed_pointers() {
    Case::of("hidden-module-with-exposed-pointers")
        .joins(vec![pointers("0"), anomaly("rooter", "hidden_sysfs")], &["rooter", POINTERS])
        .joins(vec![pointers("0"), anomaly("rooter", "missing_file")], &["rooter", POINTERS])
        .ignores(vec![pointers("0"), anomaly("rooter", "unsigned")])
        .ignores(vec![pointers("1"), anomaly("rooter", "hidden_sysfs")])
        .ignores(vec![pointers("2"), anomaly("rooter", "hidden_sysfs")])
        .ignores(vec![randomization("0"), anomaly("rooter", "hidden_sysfs")]);
}

#[test]
fn mac_turned_off() {
    let none = mac("mac_none", High);
    Case::of("mac-turned-off")
        .joins(vec![mac("apparmor", High), none.clone()], &["apparmor", "mac_none"])
        .ignores(vec![mac("apparmor", Medium), none.clone()])
        .ignores(vec![mac("selinux", Medium), none])
        .ignores(vec![mac("apparmor", High), mac("mac_dual", Info)])
        .ignores(vec![mac("apparmor", High), mac("selinux", Medium)]);
}

#[test]
fn randomization_off_with_mac_off() {
    Case::of("randomization-off-with-mac-off")
        .joins(vec![randomization("0"), mac("mac_none", High)], &[RANDOMIZE, "mac_none"])
        .joins(vec![randomization("0"), mac("selinux", Medium)], &[RANDOMIZE, "selinux"])
        .ignores(vec![randomization("1"), mac("mac_none", High)])
        .ignores(vec![pointers("0"), mac("mac_none", High)])
        .ignores(vec![randomization("0"), mac("mac_none", Low)])
        // SELinux may enforce where AppArmor is off.
        .ignores(vec![randomization("0"), mac("apparmor", High)])
        .ignores(vec![randomization("0"), mac("selinux", High)]);
}

#[test]
fn kernel_protections_off() {
    Case::of("kernel-protections-off")
        .joins(vec![randomization("0"), pointers("0")], &[RANDOMIZE, POINTERS])
        .ignores(vec![randomization("0"), pointers("1")])
        .ignores(vec![randomization("0"), pointers("2")])
        .ignores(vec![randomization("1"), pointers("0")])
        .ignores(vec![randomization("0"), forward("1")])
        .ignores_last(vec![vec![vec![randomization("0")], vec![pointers("0")]]]);
}

/// Findings that are odd beside a weak kernel, each with its id and its nearest near miss.
fn odd() -> [(Found, &'static str); 5] {
    let unknown = "/usr/bin/agentd";
    [
        (suid(unknown), unknown),
        (ioc(BAD, "40", High), "/tmp/x/agent:40"),
        (ioc(BAD, "40", Critical), "/tmp/x/agent:40"),
        (process("50", RARE), "50"),
        (process("50", BAD), "50"),
    ]
}

fn usual() -> [Found; 6] {
    [
        suid("/usr/bin/chage"),
        suid("/opt/agentd"),
        ioc(BAD, "40", Medium),
        ioc("/opt/x/agent", "40", High),
        process("50", COMMON),
        process("50", "/opt/agentd"),
    ]
}

#[test]
fn randomization_off_beside_odd_program() {
    let mut case = Case::of("randomization-off-beside-odd-program").common(vec![process("9", COMMON)]);
    for (found, id) in odd() {
        case = case.joins_rare(vec![randomization("0"), found.clone()], &[RANDOMIZE, id]);
        case = case.ignores(vec![randomization("1"), found.clone()]).ignores(vec![pointers("0"), found]);
    }
    for found in usual() {
        case = case.ignores(vec![randomization("0"), found]);
    }
}

#[test]
fn mac_off_beside_odd_program() {
    let mut case = Case::of("mac-off-beside-odd-program").common(vec![process("9", COMMON)]);
    for (found, id) in odd() {
        case = case.joins_rare(vec![mac("mac_none", High), found.clone()], &["mac_none", id]);
        case = case.joins(vec![mac("selinux", Medium), found.clone()], &["selinux", id]);
        case = case.ignores(vec![mac("mac_none", Low), found.clone()]).ignores(vec![mac("selinux", High), found]);
    }
    for found in usual() {
        case = case.ignores(vec![mac("mac_none", High), found]);
    }
}

#[test]
fn mac_off_beside_rare_connected_program() {
    let rare = |executable: &str| vec![process("40", executable), outside("40", executable, "443")];
    let beside = |found: Found, scan: Vec<Found>| [vec![found], scan].concat();
    let (none, agent) = (mac("mac_none", High), "/usr/bin/agentd");
    Case::of("mac-off-beside-rare-connected-program")
        .common(vec![process("9", COMMON)])
        .joins(beside(none.clone(), rare(agent)), &["mac_none", "40"])
        .joins(beside(mac("selinux", Medium), rare("/opt/agent/agentd")), &["selinux", "40"])
        .ignores(beside(none.clone(), vec![process("40", agent)]))
        .ignores(beside(none.clone(), vec![process_of("998", "40", agent), outside("40", agent, "443")]))
        .ignores(beside(none.clone(), rare(COMMON)))
        .ignores(beside(none, rare("/home/eve/agentd")))
        .ignores(beside(mac("mac_none", Low), rare(agent)))
        .ignores(beside(mac("selinux", High), rare(agent)))
        .ignores(rare(agent));
}
