//! Rules of `network.yaml`.

use scan::Severity::{Critical, High, Low, Medium};

use crate::harness::{BAD, Case, Found, client, inside, ioc, listener, outside, process, process_of, with};

const RARE: &str = "/usr/local/bin/agentd";
/// Differs from [`RARE`] only in that thirty other hosts have it.
const COMMON: &str = "/usr/local/bin/monitord";
const CONNECTION: &str = "tcp:50000:950000";
const LISTENER: &str = "tcp:8080:98080";
const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";

fn on_loopback(listener: Found) -> Found {
    with(listener, "lip", "127.0.0.1")
}

fn waiting(connection: Found) -> Found {
    with(connection, "state", "TIME_WAIT")
}

fn private_client(port: &str, pid: &str, executable: &str) -> Found {
    with(client(port, pid, executable), "rip", "10.0.0.9")
}

fn connected(executable: &str) -> Vec<Found> {
    vec![process("40", executable), outside("40", executable, "443")]
}

fn listening(executable: &str) -> Vec<Found> {
    vec![process("40", executable), listener("8080", "40", executable)]
}

/// Nothing but an open connection of process 40 to a public address counts.
fn only_outside(case: Case, program: Found, executable: &str) -> Case {
    case.ignores(vec![program.clone(), inside("40", executable, "443")])
        .ignores(vec![program.clone(), waiting(outside("40", executable, "443"))])
        .ignores(vec![program, outside("41", executable, "443")])
}

/// Nothing but a listener of process 40 beyond loopback counts.
fn only_open(case: Case, program: Found, executable: &str) -> Case {
    case.ignores(vec![program.clone(), on_loopback(listener("8080", "40", executable))])
        .ignores(vec![program.clone(), client("8080", "40", executable)])
        .ignores(vec![program, listener("8080", "41", executable)])
}

#[test]
fn flagged_process_connects_out() {
    let scan = |severity| vec![ioc(BAD, "40", severity), outside("40", BAD, "443")];
    let mut case = Case::of("flagged-process-connects-out").ignores(scan(Low));
    for severity in [Medium, High, Critical] {
        case = case.joins(scan(severity), &["/tmp/x/agent:40", CONNECTION]);
    }
    only_outside(case, ioc(BAD, "40", Medium), BAD);
}

#[test]
fn flagged_executable_listens() {
    let scan = |severity| vec![ioc("/tmp/x/agent (deleted)", "40", severity), listener("8080", "41", BAD)];
    let mut case = Case::of("flagged-executable-listens").ignores(scan(Low));
    for severity in [Medium, High, Critical] {
        case = case.joins(scan(severity), &["/tmp/x/agent (deleted):40", LISTENER]);
    }
    case.ignores(vec![ioc(BAD, "40", High), listener("8080", "40", "/tmp/x/other")])
        .ignores(vec![ioc(BAD, "40", High), client("8080", "41", BAD)]);
}

#[test]
fn program_serves_outside_client() {
    let listens = listener("8080", "40", RARE);
    Case::of("program-serves-outside-client")
        .common(vec![process("9", COMMON)])
        .joins_rare(vec![listens.clone(), client("8080", "40", RARE)], &[LISTENER, "tcp:8080:98080#2"])
        .ignores(vec![listener("8080", "40", COMMON), client("8080", "40", COMMON)])
        .ignores(vec![on_loopback(listens.clone()), client("8080", "40", RARE)])
        .ignores(vec![listens.clone(), waiting(client("8080", "40", RARE))])
        .ignores(vec![listens.clone(), client("8080", "41", RARE)])
        .ignores(vec![listens, private_client("8080", "40", RARE)]);
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
fn backdoor_port_listens() {
    let server = process("40", RARE);
    Case::of("backdoor-port-listens")
        .joins(vec![listener("31337", "40", RARE), server.clone()], &["tcp:31337:931337", "40"])
        .ignores(vec![listener("31338", "40", RARE), server.clone()])
        .ignores(vec![on_loopback(listener("31337", "40", RARE)), server.clone()])
        .ignores(vec![client("31337", "40", RARE), server])
        .ignores(vec![listener("31337", "40", RARE), process("41", RARE)]);
}

#[test]
fn database_serves_outside_client() {
    let listens = listener("5432", "40", POSTGRES);
    Case::of("database-serves-outside-client")
        .joins(vec![listens.clone(), client("5432", "41", POSTGRES)], &["tcp:5432:95432", "tcp:5432:95432#2"])
        .ignores(vec![on_loopback(listens.clone()), client("5432", "41", POSTGRES)])
        .ignores(vec![listens.clone(), private_client("5432", "41", POSTGRES)])
        .ignores(vec![listens.clone(), waiting(client("5432", "41", POSTGRES))])
        .ignores(vec![listens, client("5433", "41", POSTGRES)])
        .ignores(vec![listener("5433", "40", POSTGRES), client("5433", "41", POSTGRES)]);
}

#[test]
fn database_with_temporary_program() {
    let (served, flagged) = (client("5432", "41", POSTGRES), ioc(BAD, "50", High));
    Case::of("database-with-temporary-program")
        .joins(vec![served.clone(), flagged.clone()], &["tcp:5432:95432", "/tmp/x/agent:50"])
        .joins(vec![served.clone(), ioc(BAD, "50", Critical)], &["tcp:5432:95432", "/tmp/x/agent:50"])
        .ignores(vec![private_client("5432", "41", POSTGRES), flagged.clone()])
        .ignores(vec![client("8080", "41", POSTGRES), flagged.clone()])
        .ignores(vec![waiting(served.clone()), flagged])
        .ignores(vec![served.clone(), ioc(BAD, "50", Medium)])
        .ignores(vec![served, ioc("/opt/x/agent", "50", High)]);
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
fn hidden_program_has_socket() {
    Case::of("hidden-program-has-socket")
        .joins(listening("/tmp/.x/agent"), &["40", LISTENER])
        .ignores(listening(BAD))
        .ignores(listening("/home/eve/.x/agent"))
        .ignores(vec![process("41", "/tmp/.x/agent"), listener("8080", "40", "/tmp/.x/agent")]);
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
fn rare_packaged_program_listens() {
    let rare = "/usr/sbin/agentd";
    let case = Case::of("rare-packaged-program-listens")
        .common(vec![process("9", "/usr/sbin/sshd")])
        .joins_rare(listening(rare), &["40", LISTENER])
        .ignores(listening("/usr/sbin/sshd"))
        .ignores(listening(RARE));
    only_open(case, process("40", rare), rare);
}

#[test]
fn rare_local_program_listens() {
    let case = Case::of("rare-local-program-listens")
        .common(vec![process("9", COMMON)])
        .joins_rare(listening(RARE), &["40", LISTENER])
        .joins_rare(listening(BAD), &["40", LISTENER])
        .ignores(listening(COMMON))
        .ignores(listening("/opt/agentd"));
    only_open(case, process("40", RARE), RARE);
}

#[test]
fn unpackaged_program_listens() {
    let case = Case::of("unpackaged-program-listens")
        .joins(listening("/opt/agentd"), &["40", LISTENER])
        .joins(listening("/home/eve/agentd"), &["40", LISTENER])
        .joins(listening("/var/lib/agentd"), &["40", LISTENER])
        .ignores(listening(RARE))
        .ignores(listening("/usr/sbin/agentd"))
        .ignores(listening(BAD));
    only_open(case, process("40", "/opt/agentd"), "/opt/agentd");
}

#[test]
fn user_process_listens() {
    let path = "/usr/bin/ssh";
    let scan = |uid: &str| vec![process_of(uid, "40", path), listener("8080", "40", path)];
    let case =
        Case::of("user-process-listens").joins(scan("1000"), &["40", LISTENER]).ignores(scan("0")).ignores(scan("33"));
    only_open(case, process_of("1000", "40", path), path);
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
fn open_database_beside_temporary_program() {
    let redis = "/usr/bin/redis";
    let scan = |database: Found, uid: &str, flagged: Found| vec![database, process_of(uid, "40", BAD), flagged];
    let (open, flagged) = (listener("6379", "7", redis), ioc(BAD, "40", High));
    let mut case = Case::of("open-database-beside-temporary-program")
        .joins(scan(open.clone(), "33", flagged.clone()), &["tcp:6379:96379", "40"])
        .joins(scan(client("6379", "7", redis), "33", flagged.clone()), &["tcp:6379:96379", "40"])
        .ignores(scan(open.clone(), "1000", flagged.clone()))
        .ignores(scan(open.clone(), "33", ioc(BAD, "41", High)));
    let closed = [with(open.clone(), "lip", "10.0.0.1"), listener("6380", "7", redis), waiting(open)];
    let unserved =
        [private_client("6379", "7", redis), client("6380", "7", redis), waiting(client("6379", "7", redis))];
    for database in closed.into_iter().chain(unserved) {
        case = case.ignores(scan(database, "33", flagged.clone()));
    }
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
