//! Rules that ask what the others make of a scan: what stands beside a cluster that is suspected already.

use scan::Severity::{High, Info, Low, Medium};

use crate::harness::{
    BAD, Case, Found, Scan, checked, ioc, listener, mac, module, outside, pointers, process, process_of, rated, socket,
    suid, sysctl, unit, with,
};

/// A program of root in a temporary directory with a connection: suspected.
fn suspected() -> Scan {
    vec![ioc(BAD, "40", High), outside("40", BAD, "443"), process("40", BAD)]
}
const SUSPECTED: [&str; 3] = ["/tmp/x/agent:40", "tcp:50000:950000", "40"];

/// The same of a user.
fn escalation() -> Scan {
    vec![ioc(BAD, "40", High), outside("40", BAD, "443"), process_of("1000", "40", BAD)]
}

/// A session and its connection, which are a cluster and no reason to suspect it.
fn harmless() -> Scan {
    let connection = socket("22", "ESTABLISHED", "61", "/usr/sbin/sshd", "10.0.0.2", "50000");
    vec![connection, process_of("1000", "61", "sshd: eve@pts/0")]
}

fn beside(finding: &Found, scan: Scan) -> Scan {
    [vec![finding.clone()], scan].concat()
}

/// It is silent beside a cluster that is not suspected, as many hosts have it.
fn beside_harmless(case: Case, finding: &Found) -> Case {
    case.common(harmless()).ignores(beside(finding, harmless())).common(Vec::new())
}

/// It joins each of `found` with the members of the suspected cluster, and nothing where there is none.
fn joins_beside(mut case: Case, found: &[Found], cluster: impl Fn() -> Scan, members: &[&str]) -> Case {
    for one in found {
        let id = one.1.id.clone();
        let all: Vec<&str> = std::iter::once(id.as_str()).chain(members.iter().copied()).collect();
        case = case.joins(beside(one, cluster()), &all).ignores(vec![one.clone()]);
        case = beside_harmless(case, one);
    }
    case.ignores(cluster())
}

fn hardening(parameter: &str, path: &str, value: &str) -> Found {
    let finding = scan::Finding::new(format!("kernel:sysctl:{parameter}"), parameter, scan::Severity::Low, "");
    ("kernel_hardening", finding.with("path", path).with("value", value))
}

#[test]
fn suspected_clusters_together() {
    let second = vec![listener("4444", "50", "/usr/bin/bash"), process_of("33", "50", "/usr/bin/bash")];
    let members = ["/tmp/x/agent:40", "tcp:4444:94444", "tcp:50000:950000", "40", "50"];
    Case::of("suspected-clusters-together")
        .joins([suspected(), second.clone()].concat(), &members)
        .ignores(suspected())
        .ignores(second.clone())
        .common(harmless())
        .ignores([harmless(), second].concat());
}

#[test]
fn client_at_suspected_address() {
    let session = |remote: &str| socket("22", "ESTABLISHED", "60", "/usr/sbin/sshd", remote, "50001");
    let members: Vec<&str> = ["tcp:22:922"].into_iter().chain(SUSPECTED).collect();
    Case::of("client-at-suspected-address")
        .common(vec![session("203.0.113.9")])
        .joins(beside(&session("203.0.113.9"), suspected()), &members)
        .ignores(beside(&session("203.0.113.8"), suspected()))
        .ignores(vec![session("203.0.113.9")])
        // Another program that calls there.
        .ignores(beside(&socket("50002", "ESTABLISHED", "61", "/usr/bin/curl", "203.0.113.9", "443"), suspected()));
}

#[test]
fn rare_weakness_beside_suspected() {
    let rare = [
        hardening("accept_source_route", "/proc/sys/net/ipv4/conf/all/accept_source_route", "1"),
        hardening("tcp_syncookies", "/proc/sys/net/ipv4/tcp_syncookies", "0"),
    ];
    let usual = [
        pointers("0"),
        mac("apparmor", Medium),
        hardening("kptr_restrict", "/proc/sys/kernel/kptr_restrict", "2"),
        rated(rare[1].clone(), Info),
    ];
    let mut case = Case::of("rare-weakness-beside-suspected");
    // What is only rare must not become most of what is suspected.
    let larger = || [suspected(), vec![listener("4444", "40", BAD)]].concat();
    let members = ["/tmp/x/agent:40", "tcp:4444:94444", "tcp:50000:950000", "40"];
    for one in &rare {
        let all: Vec<&str> = std::iter::once(one.1.id.as_str()).chain(members).collect();
        case = case.joins(beside(one, larger()), &all).ignores(vec![one.clone()]);
        case = beside_harmless(case, one);
    }
    for one in &usual {
        case = case.ignores(beside(one, larger()));
    }
    // The two rarest of three.
    let three = [rare[0].clone(), rare[1].clone(), mac("selinux", Medium)].to_vec();
    let all: Vec<&str> = rare.iter().map(|one| one.1.id.as_str()).chain(members).collect();
    case.joins([three, larger()].concat(), &all);
}

#[test]
fn seen_on_no_clean_host() {
    let tool = process_of("1000", "50", "/usr/bin/hydra");
    let usual = vec![process_of("1000", "52", "/usr/bin/python3"), process("53", "/bin/sh")];
    Case::of("seen-on-no-clean-host")
        .common([vec![tool.clone()], usual.clone()].concat())
        .joins([vec![tool.clone(), process_of("1000", "51", "./hydra")], usual.clone()].concat(), &["50", "51"])
        .ignores(usual)
        // What is suspected already needs no other reason.
        .ignores([vec![process("54", "/usr/bin/python3")], suspected()].concat());
}

#[test]
fn forwarding_beside_rare_root_program() {
    let forwards = |value: &str| sysctl("/proc/sys/net/ipv4/ip_forward", value, "0");
    let server = |port: &str, path: &str| vec![process("70", path), listener(port, "70", path)];
    let web = || server("443", "/usr/sbin/nginx");
    let program = |uid: &str| {
        let path = "/usr/bin/keeper";
        vec![outside("40", path, "4444"), process_of(uid, "40", path), suid(path)]
    };
    let members = ["/proc/sys/net/ipv4/ip_forward", "tcp:50000:950000", "40", "/usr/bin/keeper"];
    Case::of("forwarding-beside-rare-root-program")
        .common(web())
        .joins([vec![forwards("1")], program("0"), web()].concat(), &members)
        .ignores([vec![forwards("0")], program("0"), web()].concat())
        .ignores([vec![forwards("1")], program("1000"), web()].concat())
        .ignores([vec![forwards("1")], web()].concat())
        // A router.
        .ignores([vec![forwards("1")], program("0")].concat());
}

#[test]
fn root_session_beside_suspected() {
    let session = process("60", "sshd: root@pts/2");
    let case = |scan: Scan| vec![vec![scan], vec![vec![process("9", BAD)]]];
    let members: Vec<&str> = ["60"].into_iter().chain(SUSPECTED).collect();
    Case::of("root-session-beside-suspected")
        .common(vec![session.clone()])
        .joins_last(case(beside(&session, suspected())), &members)
        .ignores_last(case(beside(&process("60", "sshd: eve@pts/2"), suspected())))
        .ignores_last(case(vec![session.clone()]))
        .ignores_last(case(beside(&session, escalation())))
        // On no other host.
        .ignores(beside(&session, suspected()));
}

#[test]
fn pointers_shown_beside_escalation() {
    let path = "/proc/sys/kernel/dmesg_restrict";
    let found = [pointers("0"), hardening("dmesg_restrict", path, "0")];
    let case = joins_beside(Case::of("pointers-shown-beside-escalation"), &found, escalation, &SUSPECTED);
    case.ignores(beside(&pointers("1"), escalation()))
        .ignores(beside(&hardening("dmesg_restrict", path, "1"), escalation()))
        .ignores(beside(&found[0], suspected()));
}

#[test]
fn setuid_interpreter_beside_suspected() {
    let shell = checked("/usr/bin/dash", "setuid_interpreter");
    joins_beside(Case::of("setuid-interpreter-beside-suspected"), &[shell], suspected, &SUSPECTED)
        .ignores(beside(&checked("/usr/bin/dash", "file_capability"), suspected()));
}

#[test]
fn new_unit_beside_suspected() {
    let new = |before: Scan, scan: Scan| vec![vec![before, scan]];
    let keeper = || unit("keeper.service");
    let members: Vec<&str> = ["systemd:NoNewPrivileges:keeper.service"].into_iter().chain(SUSPECTED).collect();
    Case::of("new-unit-beside-suspected")
        .joins_last(new(suspected(), beside(&keeper(), suspected())), &members)
        .ignores_last(new(vec![keeper()], beside(&keeper(), suspected())))
        .ignores_last(new(suspected(), vec![keeper()]))
        .ignores(beside(&keeper(), suspected()))
        .common(vec![keeper()])
        .ignores_last(new(suspected(), beside(&keeper(), suspected())));
}

#[test]
fn unit_named_like_the_systems_beside_suspected() {
    let found = ["dbus-refresh.service", "systemd-keeper.service", "keeper-modules.service"].map(unit);
    let mut case = Case::of("unit-named-like-the-systems-beside-suspected");
    for one in &found {
        let members: Vec<&str> = std::iter::once(one.1.id.as_str()).chain(SUSPECTED).collect();
        case = case.joins(beside(one, suspected()), &members).ignores(vec![one.clone()]);
    }
    case.ignores(beside(&unit("keeper.service"), suspected()))
        .common(found.to_vec())
        .ignores(beside(&found[0], suspected()));
}

#[test]
fn pattern_of_user_beside_suspected() {
    let python = "/usr/bin/python3";
    let odd = |uid: &str| vec![with(ioc(python, "50", Low), "pattern_match", "true"), process_of(uid, "50", python)];
    let members: Vec<&str> = ["50"].into_iter().chain(SUSPECTED).collect();
    Case::of("pattern-of-user-beside-suspected")
        .common(odd("1000"))
        .joins([odd("1000"), escalation()].concat(), &members)
        .ignores([odd("0"), escalation()].concat())
        .ignores([odd("1000"), suspected()].concat())
        .ignores([vec![process_of("1000", "50", python)], escalation()].concat())
        .ignores(odd("1000"));
}

#[test]
fn rare_root_program_beside_suspected() {
    let program = |uid: &str, path: &str| process_of(uid, "50", path);
    let members: Vec<&str> = ["50"].into_iter().chain(SUSPECTED).collect();
    let mut case = Case::of("rare-root-program-beside-suspected");
    for path in ["/usr/bin/keeper", "/usr/sbin/keeper", "/opt/keeper"] {
        let one = program("0", path);
        case = case.joins(beside(&one, escalation()), &members).ignores(vec![one]);
    }
    case.ignores(beside(&program("1000", "/usr/bin/keeper"), escalation()))
        .common(vec![program("0", "/usr/bin/keeper")])
        .ignores(beside(&program("0", "/usr/bin/keeper"), escalation()));
}

#[test]
fn rare_module_beside_suspected() {
    let one = module("keeper");
    let members: Vec<&str> = ["keeper"].into_iter().chain(SUSPECTED).collect();
    Case::of("rare-module-beside-suspected")
        .joins(beside(&one, suspected()), &members)
        .ignores(vec![one.clone()])
        // On a second host.
        .ignores_last(vec![vec![beside(&one, suspected())], vec![vec![one]]]);
}

#[test]
fn new_weakness_beside_suspected() {
    let new = |before: Scan, scan: Scan| vec![vec![before, scan]];
    let kept = hardening("kptr_restrict", "/proc/sys/kernel/kptr_restrict", "2");
    let mut case = Case::of("new-weakness-beside-suspected");
    for one in [sysctl("/proc/sys/net/ipv4/ip_forward", "1", "0"), kept.clone()] {
        let members: Vec<&str> = std::iter::once(one.1.id.as_str()).chain(SUSPECTED).collect();
        case = case
            .joins_last(new(Vec::new(), beside(&one, suspected())), &members)
            .ignores_last(new(vec![one.clone()], beside(&one, suspected())))
            .ignores_last(new(Vec::new(), vec![one.clone()]))
            .ignores(beside(&one, suspected()));
    }
    case.ignores_last(new(Vec::new(), beside(&pointers("1"), suspected())))
        .ignores_last(new(Vec::new(), beside(&rated(kept, Info), suspected())));
}
