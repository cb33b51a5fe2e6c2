use correlate::fleet::FEWEST_HOSTS;
use findings::Prevalence;
use scan::Severity::High;

use crate::harness::{
    Case, Found, Scan, client, last, listener, mac, outside, process, process_of, rated, suid, unit, with, writable,
};

const SHELL: &str = "/usr/bin/bash";
const CRON: &str = "/usr/sbin/cron";
const POSTGRES: &str = "/usr/lib/postgresql/15/bin/postgres";

/// A shell of a service that listens: no clean host has that.
fn listening_shell() -> Scan {
    vec![listener("4444", "40", SHELL), process_of("33", "40", SHELL)]
}

/// A web server as it should be.
fn web_server() -> Scan {
    let nginx = "/usr/sbin/nginx";
    vec![listener("80", "41", nginx), process_of("0", "41", nginx)]
}

/// Fires on the shell that listens and on nothing of the web server.
fn checked(rule: Case) -> Case {
    rule.common([listening_shell(), web_server()].concat())
        .joins(listening_shell(), &["tcp:4444:94444", "40"])
        .joins([listening_shell(), web_server()].concat(), &["tcp:4444:94444", "40"])
        .ignores(web_server())
        .ignores(vec![listener("4444", "40", SHELL)])
        .ignores(vec![process_of("33", "40", SHELL), mac("mac_none", High)])
}

#[test]
fn signs_unseen_together() {
    // A name leads from the unit to the process, the file with the SUID bit and the one that anyone may write.
    let (process, file) = (process_of("0", "50", "/dev/shm/watchd"), writable("/etc/watchd.conf"));
    let one = vec![process, suid("/usr/bin/watchd"), unit("watchd.service"), file];
    let members = ["50", "/usr/bin/watchd", "systemd:NoNewPrivileges:watchd.service", "/etc/watchd.conf"];
    // Of a daemon only what stands out: not what it does on every host.
    let colleague = || with(client("5432", "60", POSTGRES), "rip", "10.0.0.9");
    let daily = || vec![colleague(), process_of("105", "60", POSTGRES)];
    let odd = || vec![listener("4444", "60", POSTGRES), outside("60", POSTGRES, "22")];
    checked(Case::of("signs-unseen-together").joins_rare(one, &members))
        .common([daily(), odd()].concat())
        .joins([daily(), odd()].concat(), &["tcp:4444:94444", "tcp:50000:950000"])
        .ignores(daily())
        // What other daemons do every day and cron never does.
        .common(vec![process_of("0", "70", CRON)])
        .joins(
            vec![listener("80", "70", CRON), outside("70", CRON, "443"), process_of("0", "70", CRON)],
            &["tcp:50000:950000", "tcp:80:980"],
        );
}

/// A database that is connected to a web server outside; `more` is what else it does.
fn database(more: Found, path: &str) -> Scan {
    vec![process_of("105", "60", path), outside("60", path, "443"), more]
}

/// Fires on the database with its outside connection, and neither on one without nor on what no clean host shows.
fn of_database(rule: Case, scan: Scan, members: &[&str]) {
    rule.common([scan.clone(), listening_shell()].concat())
        .joins(scan.clone(), members)
        .ignores(scan[..2].to_vec())
        .ignores(listening_shell());
}

#[test]
fn signs_seldom_together() {
    let scan = database(client("5432", "60", POSTGRES), POSTGRES);
    of_database(Case::of("signs-seldom-together"), scan, &["tcp:50000:950000", "tcp:5432:95432"]);
}

#[test]
fn signs_uncommon_together() {
    let mysqld = "/usr/sbin/mysqld";
    let scan = database(with(listener("33060", "60", mysqld), "lip", "127.0.0.1"), mysqld);
    of_database(Case::of("signs-uncommon-together"), scan, &["tcp:33060:933060", "tcp:50000:950000"]);
}

/// One host, and one of a fleet that is too small to tell what is rare: what any host has is not odd there.
#[test]
fn a_host_alone_is_held_against_hosts_alone() {
    let host = || {
        let init = process("1", "/sbin/init");
        let mysqld = "/usr/sbin/mysqld";
        let script = rated(writable("/usr/local/bin/batch.sh"), High);
        vec![init, process_of("105", "60", mysqld), listener("3306", "60", mysqld), suid("/usr/bin/passwd"), script]
    };
    for hosts in [1, 10, 60] {
        let others = std::iter::repeat_n(vec![vec![process("1", "/sbin/init")]], hosts - 1);
        let (findings, correlations) = last(&std::iter::once(vec![host()]).chain(others).collect::<Vec<_>>());
        let titles: Vec<&String> = correlations.iter().map(|correlation| &correlation.title).collect();
        assert!(
            findings.iter().all(|finding| !finding.suspected && finding.prevalence.is_none()),
            "{hosts}: {titles:?}"
        );
    }
    // Of many hosts one has it: that is told.
    let others = std::iter::repeat_n(vec![vec![process("1", "/sbin/init"), writable("/etc/x")]], FEWEST_HOSTS);
    let (findings, _) = last(&std::iter::once(vec![host()]).chain(others).collect::<Vec<_>>());
    let script = findings.iter().find(|finding| finding.id.ends_with("batch.sh")).unwrap();
    assert_eq!(script.prevalence, Some(Prevalence::One));
}
