use scan::Severity::High;

use crate::harness::{Case, Scan, client, listener, mac, outside, process_of, suid, unit, with, writable};

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

#[test]
fn signs_seldom_together() {
    checked(Case::of("signs-seldom-together"));
}

#[test]
fn signs_uncommon_together() {
    checked(Case::of("signs-uncommon-together"));
}
