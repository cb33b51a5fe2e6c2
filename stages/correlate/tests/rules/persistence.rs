use crate::harness::{Case, process, suid, unit, writable};

const UNIT: &str = "systemd:NoNewPrivileges:watchd.service";
const PROGRAM: &str = "/opt/watchd/bin/watchd";

#[test]
fn unit_named_like_unpackaged_program() {
    Case::of("unit-named-like-unpackaged-program")
        .joins(vec![unit("watchd.service"), process("40", PROGRAM)], &[UNIT, "40"])
        .ignores(vec![unit("watchd.service"), process("40", "/usr/sbin/watchd")])
        .ignores(vec![unit("watchd.service"), process("40", "watchd")])
        .ignores(vec![unit("watchd.service"), process("40", "/opt/watchd/bin/watch")])
        .ignores(vec![unit("wd.service"), process("40", "/opt/wd")]);
}

#[test]
fn new_unit_runs() {
    let (own, runs) = (unit("watchd.service"), process("40", PROGRAM));
    let both = vec![own.clone(), runs.clone()];
    Case::of("new-unit-runs")
        .joins_last(vec![vec![Vec::new(), both.clone()]], &[UNIT, "40"])
        .ignores(both.clone())
        .ignores_last(vec![vec![vec![own.clone()], both.clone()]])
        .ignores_last(vec![vec![vec![runs], both]])
        .ignores_last(vec![vec![Vec::new(), vec![own, process("40", "/opt/watchd/bin/watch")]]]);
}

#[test]
fn unit_named_like_odd_file() {
    let (program, settings) = ("/usr/local/bin/watchd", "/etc/watchd.conf");
    Case::of("unit-named-like-odd-file")
        .joins(vec![unit("watchd.service"), suid(program), writable(settings)], &[UNIT, program, settings])
        .ignores(vec![unit("watch.service"), suid(program), writable(settings)])
        .ignores(vec![unit("sudo.service"), suid("/usr/bin/sudo")]);
}

#[test]
fn rare_unit_of_rare_program() {
    let (own, runs) = (unit("watchd.service"), process("40", "/usr/sbin/watchd"));
    let both = vec![own.clone(), runs.clone()];
    Case::of("rare-unit-of-rare-program")
        .joins(both.clone(), &[UNIT, "40"])
        .ignores(vec![own.clone(), process("40", "/usr/sbin/watch")])
        .common(vec![own])
        .ignores(both.clone())
        .common(vec![runs])
        .ignores(both);
}
