//! Rules of `filesystem.yaml`.

use scan::Severity::Low;

use crate::harness::{Case, Found, ioc, listener, process, process_of, suid, with, writable};

const UNKNOWN: &str = "/usr/bin/agentd";
const KNOWN: &str = "/usr/bin/chage";

/// A finding of one of the named checks that share the scanner of world-writable files.
fn checked(path: &str, rule: &str) -> Found {
    with(writable(path), "rule", rule)
}

#[test]
fn suid_program_world_writable() {
    let path = "/usr/local/bin/x";
    Case::of("suid-program-world-writable")
        .joins(vec![suid(path), writable(path)], &["/usr/local/bin/x", "/usr/local/bin/x#2"])
        .ignores(vec![suid(path), writable("/usr/local/bin/y")])
        .ignores(vec![suid(path), writable("/usr/local/bin")])
        .ignores(vec![process("40", path), writable(path)]);
}

#[test]
fn suid_program_in_world_writable_directory() {
    let (x, y) = ("/usr/local/bin/x", "/usr/local/bin/y");
    Case::of("suid-program-in-world-writable-directory")
        .joins(vec![suid(x), suid(y), writable("/usr/local/bin")], &[x, y, "/usr/local/bin"])
        .ignores(vec![suid(x), writable("/usr/local")])
        .ignores(vec![suid(x), writable(y)])
        .ignores(vec![suid("/usr/bin/x"), writable("/usr/local/bin")]);
}

#[test]
fn flagged_executable_has_suid() {
    let flagged = ioc("/usr/local/bin/x (deleted)", "40", Low);
    Case::of("flagged-executable-has-suid")
        .joins(vec![flagged.clone(), suid("/usr/local/bin/x")], &["/usr/local/bin/x (deleted):40", "/usr/local/bin/x"])
        .ignores(vec![flagged.clone(), suid("/usr/bin/x")])
        .ignores(vec![flagged, writable("/usr/local/bin/x")]);
}

#[test]
fn unknown_suid_program_runs() {
    Case::of("unknown-suid-program-runs")
        .joins(vec![suid(UNKNOWN), process("40", UNKNOWN)], &[UNKNOWN, "40"])
        .joins(vec![suid("/opt/chage"), process("40", "/opt/chage")], &["/opt/chage", "40"])
        .joins(vec![suid("/usr/bin/nc"), process("40", "/usr/bin/nc")], &["/usr/bin/nc", "40"])
        .ignores(vec![suid(KNOWN), process("40", KNOWN)])
        .ignores(vec![suid("/usr/bin/bash"), process("40", "/usr/bin/bash")])
        .ignores(vec![suid(UNKNOWN), process("40", "/usr/sbin/agentd")]);
}

#[test]
fn suid_shell_run_by_user() {
    let shell = "/usr/bin/bash";
    Case::of("suid-shell-run-by-user")
        .joins(vec![suid(shell), process_of("1000", "40", shell)], &[shell, "40"])
        .ignores(vec![suid(shell), process("40", shell)])
        .ignores(vec![suid(shell), process_of("1000", "40", "/usr/bin/dash")])
        .ignores(vec![suid("/opt/bash"), process_of("1000", "40", "/opt/bash")])
        .ignores(vec![suid(UNKNOWN), process_of("1000", "40", UNKNOWN)]);
}

#[test]
fn unknown_suid_program_has_socket() {
    Case::of("unknown-suid-program-has-socket")
        .joins(vec![suid(UNKNOWN), listener("8080", "40", UNKNOWN)], &[UNKNOWN, "tcp:8080:98080"])
        .ignores(vec![suid(KNOWN), listener("8080", "40", KNOWN)])
        .ignores(vec![suid(UNKNOWN), listener("8080", "40", "/usr/sbin/agentd")]);
}

#[test]
fn suid_program_named_like_process() {
    Case::of("suid-program-named-like-process")
        .common(vec![process("9", "/usr/sbin/sshd"), process("10", "/opt/monitord")])
        .joins(vec![suid("/usr/bin/monitord"), process("40", "/opt/monitord")], &["/usr/bin/monitord", "40"])
        .joins_rare(vec![suid(UNKNOWN), process("40", "/usr/sbin/agentd")], &[UNKNOWN, "40"])
        .joins(vec![suid(UNKNOWN), process("40", "/opt/x/agentd.sh")], &[UNKNOWN, "40"])
        .ignores(vec![suid(UNKNOWN), process("40", "/opt/x/agent")])
        .ignores(vec![suid(KNOWN), process("40", "/opt/x/chage")])
        .ignores(vec![suid("/usr/bin/sshd"), process("40", "/usr/sbin/sshd")]);
}

#[test]
fn writable_file_named_like_process() {
    let file = "/etc/agentd.conf";
    Case::of("writable-file-named-like-process")
        .common(vec![process("9", "/usr/sbin/sshd"), process("10", "/opt/agentd")])
        .joins(vec![process("40", "/opt/agentd"), writable(file)], &[file, "40"])
        .joins_rare(vec![process("40", "/usr/sbin/agentd"), writable(file)], &[file, "40"])
        .ignores(vec![process("40", "/opt/agent"), writable(file)])
        .ignores(vec![process("40", "/opt/agentd"), checked(file, "file_capability")])
        .ignores(vec![process("40", "/usr/sbin/sshd"), writable("/etc/sshd.conf")]);
}

#[test]
fn capable_program_runs() {
    let runs = process("40", UNKNOWN);
    Case::of("capable-program-runs")
        .joins(vec![runs.clone(), checked(UNKNOWN, "file_capability")], &[UNKNOWN, "40"])
        .ignores(vec![runs.clone(), writable(UNKNOWN)])
        .ignores(vec![runs.clone(), checked(UNKNOWN, "setuid_interpreter")])
        .ignores(vec![runs, checked("/usr/sbin/agentd", "file_capability")]);
}

#[test]
fn interpreter_with_suid_beside_unknown_suid() {
    let interpreter = checked("/usr/bin/bash", "setuid_interpreter");
    Case::of("interpreter-with-suid-beside-unknown-suid")
        .joins(vec![interpreter.clone(), suid(UNKNOWN)], &["/usr/bin/bash", UNKNOWN])
        .ignores(vec![interpreter.clone(), suid(KNOWN)])
        .ignores(vec![interpreter.clone(), suid("/usr/bin/bash")])
        .ignores(vec![writable("/usr/bin/bash"), suid(UNKNOWN)])
        .ignores_last(vec![vec![vec![interpreter]], vec![vec![suid(UNKNOWN)]]]);
}
