//! Rules that ask what the others make of a scan: what stands beside a cluster that is suspected already.

use scan::Severity::{High, Info, Medium};

use crate::harness::{
    BAD, Case, Found, Scan, checked, client, injected, inside, ioc, listener, mac, module, outside, pointers, process,
    process_of, rated, socket, suid, sysctl, unit, with, writable,
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
fn rare_finding_beside_suspected() {
    let [one, other] = ["keeper", "warden"].map(module);
    let all = ["keeper", "/tmp/x/agent:40", "tcp:50000:950000", "40"];
    let case = Case::of("rare-finding-beside-suspected").joins(beside(&one, suspected()), &all);
    // Up to half of what is suspected.
    let larger = || [suspected(), vec![listener("4444", "40", BAD)]].concat();
    let more = ["keeper", "warden", "/tmp/x/agent:40", "tcp:4444:94444", "tcp:50000:950000", "40"];
    case.joins([vec![one.clone(), other.clone()], larger()].concat(), &more)
        .joins([vec![one.clone(), other], suspected()].concat(), &all)
        .ignores(vec![one.clone()])
        .ignores(beside(&unit("keeper.service"), suspected()))
        .common(vec![one.clone()])
        .ignores(beside(&one, suspected()));
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
fn service_interpreter_beside_shell() {
    let shell = |uid: &str| {
        let path = "/usr/bin/bash";
        vec![outside("40", path, "4444"), process_of(uid, "40", path)]
    };
    let python = |uid: &str, argv0: &str| process_of(uid, "50", argv0);
    Case::of("service-interpreter-beside-shell")
        .common(vec![
            python("33", "python3"),
            python("33", "/usr/bin/python3"),
            process_of("33", "40", "/usr/bin/bash"),
        ])
        .joins(beside(&python("33", "python3"), shell("33")), &["50", "tcp:50000:950000", "40"])
        .ignores(beside(&python("33", "/usr/bin/python3"), shell("33")))
        .ignores(beside(&python("1000", "python3"), shell("33")))
        .ignores(beside(&python("33", "python3"), suspected()))
        .ignores(vec![python("33", "python3")]);
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
fn sysrq_beside_persistence() {
    let path = "/proc/sys/kernel/sysrq";
    let keys = hardening("sysrq", path, "1");
    let persistent = || [suspected(), vec![unit("agent.service")]].concat();
    let members: Vec<&str> = SUSPECTED.into_iter().chain(["systemd:NoNewPrivileges:agent.service"]).collect();
    joins_beside(Case::of("sysrq-beside-persistence"), std::slice::from_ref(&keys), persistent, &members)
        .ignores(beside(&hardening("sysrq", path, "176"), persistent()))
        .ignores(beside(&keys, suspected()))
        .ignores([vec![keys, unit("other.service")], suspected()].concat());
}

#[test]
fn rare_root_program_beside_session() {
    // The session comes from another host's program in a temporary directory.
    let session = || {
        vec![
            socket("22", "ESTABLISHED", "60", "/usr/sbin/sshd", "10.0.0.2", "50000"),
            process("60", "sshd: root@notty"),
        ]
    };
    let client = with(with(socket("50000", "ESTABLISHED", "7", BAD, "10.0.0.1", "22"), "lip", "10.0.0.2"), "x", "y");
    let hosts = |scan: Scan| vec![vec![scan], vec![vec![client.clone(), process("9", "/opt/t/tool")]]];
    let tool = process("70", "/opt/t/tool");
    Case::of("rare-root-program-beside-session")
        .joins_last(hosts(beside(&tool, session())), &["70", "tcp:22:922", "60"])
        .ignores_last(hosts(session()))
        .ignores_last(hosts(vec![tool.clone()]))
        .ignores_last(hosts(beside(&process_of("1000", "70", "/opt/t/tool"), session())))
        .ignores_last(hosts(beside(&process("70", "/opt/t/other"), session())))
        .ignores(beside(&tool, suspected()));
}

#[test]
fn rare_root_program_beside_escalation() {
    let shell = process("70", "/usr/bin/keeper");
    joins_beside(
        Case::of("rare-root-program-beside-escalation"),
        std::slice::from_ref(&shell),
        escalation,
        &["/tmp/x/agent:40", "tcp:50000:950000", "40"],
    )
    .ignores(beside(&shell, suspected()))
    .ignores(beside(&process_of("1000", "70", "/usr/bin/keeper"), escalation()))
    .ignores(beside(&process("70", "/opt/keeper"), escalation()))
    .common(vec![shell.clone()])
    .ignores(beside(&shell, escalation()));
}

#[test]
fn injected_library_beside_suspected() {
    let list = writable("/etc/ld.so.preload");
    joins_beside(Case::of("injected-library-beside-suspected"), &[list], suspected, &SUSPECTED)
        .ignores(beside(&writable("/etc/motd"), suspected()));
}

#[test]
fn writable_file_beside_injection() {
    let attack = || [suspected(), vec![injected(BAD, "40")]].concat();
    let found = [writable("/usr/local/bin/libkeeper.so"), writable("/usr/bin/keeper")];
    let members = ["/tmp/x/agent:40", "/tmp/x/agent:40#2", "tcp:50000:950000", "40"];
    joins_beside(Case::of("writable-file-beside-injection"), &found, attack, &members)
        .ignores(beside(&found[0], suspected()))
        .ignores(beside(&writable("/usr/local/bin/keeper"), attack()))
        .ignores(beside(&checked("/usr/bin/keeper", "file_capability"), attack()))
        .common(vec![found[1].clone()])
        .ignores(beside(&found[1], attack()));
}

#[test]
fn writable_program_beside_connection() {
    let rare = "/usr/bin/beacon";
    let attack = || vec![outside("40", rare, "443"), process("40", rare), suid(rare)];
    let file = writable("/usr/bin/keeper");
    let database = "/usr/sbin/mysqld";
    let open = vec![
        listener("3306", "41", database),
        client("3306", "41", database),
        process_of("106", "41", database),
        ioc("/tmp/x/dump", "42", High),
        process_of("106", "42", "/tmp/x/dump"),
    ];
    joins_beside(
        Case::of("writable-program-beside-connection"),
        std::slice::from_ref(&file),
        attack,
        &["tcp:50000:950000", "40", rare],
    )
    .ignores(beside(&file, suspected()))
    .ignores(beside(&file, vec![inside("40", rare, "443"), process("40", rare), suid(rare)]))
    .ignores(beside(&writable("/etc/keeper.conf"), attack()))
    .ignores(beside(&checked("/usr/bin/keeper", "file_capability"), attack()))
    .common(vec![process_of("106", "41", database)])
    .joins(beside(&file, open), &["/usr/bin/keeper", "/tmp/x/dump:42", "tcp:3306:93306", "tcp:3306:93306#2", "42"])
    .common(vec![file.clone()])
    .ignores(beside(&file, attack()));
}

#[test]
fn setuid_interpreter_beside_suspected() {
    let shell = checked("/usr/bin/dash", "setuid_interpreter");
    joins_beside(Case::of("setuid-interpreter-beside-suspected"), &[shell], suspected, &SUSPECTED)
        .ignores(beside(&checked("/usr/bin/dash", "file_capability"), suspected()));
}
