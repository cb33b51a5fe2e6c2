//! Rules about who connects, and where to.

use scan::Severity::{Critical, High, Low, Medium};

use crate::harness::{
    BAD, Case, Found, client, injected, inside, ioc, listener, outside, process, process_of, socket, with,
};
use crate::network::{COMMON, CONNECTION, RARE, connected, only_outside, waiting};

#[test]
fn flagged_process_connects_out() {
    let scan = |severity| vec![ioc(BAD, "40", severity), outside("40", BAD, "443")];
    let mut case = Case::of("flagged-process-connects-out").ignores(scan(Low));
    for severity in [Medium, High, Critical] {
        case = case.joins(scan(severity), &["/tmp/x/agent:40", CONNECTION]);
    }
    // A daemon of packages has clients anyway; what it opens itself is another matter.
    let daemon = "/usr/sbin/sshd";
    case = case
        .common(vec![process("40", daemon)])
        .joins(vec![injected(daemon, "40"), outside("40", daemon, "443")], &["/usr/sbin/sshd:40", CONNECTION])
        .ignores(vec![injected(daemon, "40"), client("22", "40", daemon)]);
    only_outside(case, ioc(BAD, "40", Medium), BAD);
}

#[test]
fn service_shell_connects_out() {
    let scan = |uid: &str, shell: &str| vec![process_of(uid, "40", shell), outside("40", shell, "443")];
    let case = Case::of("service-shell-connects-out")
        .joins(scan("33", "/bin/sh"), &["40", CONNECTION])
        .ignores(scan("0", "/bin/sh"))
        .ignores(scan("1000", "/bin/sh"))
        .ignores(scan("33", "/usr/bin/python3"));
    only_outside(case, process_of("33", "40", "/bin/sh"), "/bin/sh");
}

#[test]
fn mining_pool_connection() {
    let miner = process("40", "/opt/m/m");
    Case::of("mining-pool-connection")
        .joins(vec![outside("40", "/opt/m/m", "3333"), miner.clone()], &[CONNECTION, "40"])
        .ignores(vec![outside("40", "/opt/m/m", "443"), miner.clone()])
        .ignores(vec![inside("40", "/opt/m/m", "3333"), miner.clone()])
        .ignores(vec![waiting(outside("40", "/opt/m/m", "3333")), miner])
        .ignores(vec![outside("40", "/opt/m/m", "3333"), process("41", "/opt/m/m")]);
}

#[test]
fn connection_outlives_scan() {
    let held = |executable: &str| vec![outside("40", executable, "443")];
    let after = |earlier: Found, later: Found| vec![vec![vec![earlier], vec![later]]];
    let bad = || outside("40", BAD, "443");
    Case::of("connection-outlives-scan")
        .joins_last(after(bad(), bad()), &[CONNECTION])
        .ignores(held(BAD))
        .ignores_last(after(outside("40", "/usr/bin/curl", "443"), bad()))
        .ignores_last(after(bad(), outside("40", "/usr/bin/curl", "443")))
        .ignores_last(after(waiting(bad()), bad()))
        .ignores_last(after(bad(), waiting(bad())))
        .ignores_last(after(inside("40", BAD, "443"), inside("40", BAD, "443")))
        .ignores_last(after(with(bad(), "inode", "7"), bad()))
        .ignores_last(vec![vec![held(BAD), vec![], held(BAD)]])
        .ignores_last(vec![vec![vec![], held(BAD)], vec![held(BAD), held(BAD)]]);
}

#[test]
fn rare_program_connects_out() {
    let case = Case::of("rare-program-connects-out")
        .common(vec![process("9", COMMON)])
        .joins_rare(connected(RARE), &["40", CONNECTION])
        .ignores(connected(COMMON));
    only_outside(case, process("40", RARE), RARE);
}

#[test]
fn rare_local_program_connects_out() {
    let case = Case::of("rare-local-program-connects-out")
        .common(vec![process("9", COMMON)])
        .joins_rare(connected(RARE), &["40", CONNECTION])
        .ignores(connected(COMMON))
        .ignores(connected("/opt/agentd"));
    only_outside(case, process("40", RARE), RARE);
}

#[test]
fn temporary_program_connects_out() {
    let case = Case::of("temporary-program-connects-out")
        .joins(connected(BAD), &["40", CONNECTION])
        .ignores(connected("/opt/x/agent"))
        .ignores(connected("/tmp/x/installer"));
    only_outside(case, process("40", BAD), BAD);
}

#[test]
fn deleted_program_connects_out() {
    let scan = |executable: &str| vec![ioc(executable, "40", Critical), outside("40", executable, "443")];
    let gone = "/opt/x/agent (deleted)";
    let case = Case::of("deleted-program-connects-out")
        .joins(scan(gone), &["/opt/x/agent (deleted):40", CONNECTION])
        .ignores(scan("/opt/x/agent"))
        .ignores(scan("/usr/bin/x (deleted)"));
    only_outside(case, ioc(gone, "40", Critical), gone);
}

#[test]
fn odd_program_relays() {
    let scan = |executable: &str| vec![listener("1080", "40", executable), outside("40", executable, "443")];
    let both = ["tcp:1080:91080", CONNECTION];
    Case::of("odd-program-relays")
        .common(vec![process("9", COMMON)])
        .joins(scan(BAD), &both)
        .joins_rare(scan(RARE), &both)
        .ignores(scan(COMMON))
        .ignores(vec![listener("1080", "40", BAD), inside("40", BAD, "443")])
        .ignores(vec![listener("1080", "41", BAD), outside("40", BAD, "443")])
        .ignores(connected(BAD));
}

#[test]
fn odd_program_connects_inside() {
    let scan = |executable: &str| vec![process("40", executable), inside("40", executable, "5432")];
    Case::of("odd-program-connects-inside")
        .common(vec![process("9", COMMON)])
        .joins(scan(BAD), &["40", CONNECTION])
        .joins_rare(scan(RARE), &["40", CONNECTION])
        .ignores(scan(COMMON))
        .ignores(scan("/opt/agentd"))
        .ignores(scan("/tmp/x/setup"))
        .ignores(connected(BAD))
        .ignores(vec![process("40", BAD), waiting(inside("40", BAD, "5432"))])
        .ignores(vec![process("41", BAD), inside("40", BAD, "5432")]);
}

#[test]
fn rare_library_program_connects_out() {
    let (rare, common) = ("/usr/lib/agent/agentd", "/usr/lib/apt/methods/http");
    let case = Case::of("rare-library-program-connects-out")
        .common(vec![process("9", common)])
        .joins_rare(connected(rare), &["40", CONNECTION])
        .ignores(connected(common))
        .ignores(connected("/usr/sbin/agentd"));
    only_outside(case, process("40", rare), rare);
}

#[test]
fn odd_program_speaks_ssh() {
    let scan = |executable: &str| vec![process("40", executable), inside("40", executable, "22")];
    Case::of("odd-program-speaks-ssh")
        .joins(scan("/opt/agentd"), &["40", CONNECTION])
        .joins(scan("/var/lib/agentd"), &["40", CONNECTION])
        .joins(scan(BAD), &["40", CONNECTION])
        .ignores(scan("/usr/bin/ssh"))
        .ignores(scan("/home/eve/bin/ssh"))
        .ignores(vec![process("40", BAD), inside("40", BAD, "2222")])
        .ignores(vec![process("40", BAD), waiting(inside("40", BAD, "22"))])
        .ignores(vec![process("41", BAD), inside("40", BAD, "22")]);
}

#[test]
fn closed_connection_to_same_address() {
    let closed = || with(waiting(socket("50001", "ESTABLISHED", "41", "", "203.0.113.9", "443")), "pid", "");
    let joined = &["tcp:50001:950001", CONNECTION];
    let elsewhere = with(closed(), "rip", "203.0.113.10");
    Case::of("closed-connection-to-same-address")
        .common(vec![process("9", "/usr/bin/curl"), process("8", "/usr/bin/bash")])
        .joins(vec![closed(), outside("40", BAD, "443")], joined)
        .joins(vec![closed(), outside("40", RARE, "443")], joined)
        .joins(vec![closed(), outside("40", "/usr/bin/bash", "443")], joined)
        .ignores(vec![closed(), outside("40", "/usr/bin/curl", "443")])
        .ignores(vec![elsewhere, outside("40", BAD, "443")])
        .ignores(vec![closed(), waiting(outside("40", BAD, "443"))]);
}
