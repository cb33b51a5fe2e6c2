//! Rules about who listens, and whom that serves.

use scan::Severity::{Critical, High, Low, Medium};

use crate::harness::{BAD, Case, Found, client, injected, ioc, listener, process, process_of, with};
use crate::network::{COMMON, LISTENER, RARE, listening, on_loopback, only_open, private_client, waiting};

const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";

#[test]
fn flagged_executable_listens() {
    let scan = |severity| vec![ioc("/tmp/x/agent (deleted)", "40", severity), listener("8080", "41", BAD)];
    let mut case = Case::of("flagged-executable-listens").ignores(scan(Low));
    for severity in [Medium, High, Critical] {
        case = case.joins(scan(severity), &["/tmp/x/agent (deleted):40", LISTENER]);
    }
    case.ignores(vec![ioc(BAD, "40", High), listener("8080", "40", "/tmp/x/other")])
        .ignores(vec![ioc(BAD, "40", High), client("8080", "41", BAD)])
        // A daemon of packages listens anyway, but not on any port.
        .common(vec![process("40", "/usr/sbin/sshd")])
        .joins(
            vec![injected("/usr/sbin/sshd", "40"), listener("8080", "40", "/usr/sbin/sshd")],
            &["/usr/sbin/sshd:40", LISTENER],
        )
        .ignores(vec![injected("/usr/sbin/sshd", "40"), listener("22", "40", "/usr/sbin/sshd")]);
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
        .joins(vec![listens.clone(), waiting(client("5432", "41", POSTGRES))], &["tcp:5432:95432", "tcp:5432:95432#2"])
        .ignores(vec![listens.clone(), waiting(private_client("5432", "41", POSTGRES))])
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
fn hidden_program_has_socket() {
    Case::of("hidden-program-has-socket")
        .joins(listening("/tmp/.x/agent"), &["40", LISTENER])
        .ignores(listening(BAD))
        .ignores(listening("/home/eve/.x/agent"))
        .ignores(vec![process("41", "/tmp/.x/agent"), listener("8080", "40", "/tmp/.x/agent")]);
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
fn closed_connection_to_odd_listener() {
    let closed = waiting(client("8081", "41", "/usr/bin/x"));
    let joined = &["tcp:8081:98081", "tcp:8081:98081#2"];
    let common = listener("8081", "40", "/usr/sbin/nginx");
    Case::of("closed-connection-to-odd-listener")
        .common(vec![common.clone()])
        .joins(vec![closed.clone(), listener("8081", "40", "/opt/x/run")], joined)
        .joins(vec![closed.clone(), listener("8081", "40", "/usr/bin/watchd")], joined)
        .ignores(vec![closed.clone(), common])
        .ignores(vec![closed.clone(), on_loopback(listener("8081", "40", "/opt/x/run"))])
        .ignores(vec![closed, listener("8082", "40", "/opt/x/run")])
        .ignores(vec![client("8081", "41", "/usr/bin/x"), listener("8081", "40", "/opt/x/run")]);
}
