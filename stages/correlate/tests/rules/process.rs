use scan::Severity::{High, Low, Medium};

use crate::harness::{
    BAD, Case, Found, checked, client, contained, deleted, injected, ioc, listener, outside, process, process_of,
    rated, writable,
};

const SHELL: &str = "/usr/bin/bash";
const DAEMON: &str = "/usr/sbin/sshd";
const EDITOR: &str = "/usr/bin/vim";
const BAD_ID: &str = "/tmp/x/agent:40";
const OUTSIDE_ID: &str = "tcp:50000:950000";

fn flagged(path: &str) -> Found {
    ioc(path, "40", High)
}

#[test]
fn flagged_process_in_inventory() {
    Case::of("flagged-process-in-inventory")
        .joins(vec![ioc(BAD, "40", Medium), process("40", BAD), process("41", BAD)], &[BAD_ID, "40"])
        .ignores(vec![ioc(BAD, "40", Medium), process("41", BAD)])
        .ignores(vec![ioc(BAD, "40", Low), process("40", BAD)]);
}

#[test]
fn flagged_program_runs_again() {
    Case::of("flagged-program-runs")
        .joins(vec![ioc(BAD, "40", Medium), process("41", BAD), process("42", BAD)], &[BAD_ID, "41", "42"])
        .ignores(vec![ioc(BAD, "40", Medium), process("41", "/tmp/y/agent")])
        .ignores(vec![ioc(BAD, "40", Low), process("41", BAD)])
        .ignores(vec![ioc("/usr/bin/agent", "40", Medium), process("41", "/usr/bin/agent")]);
}

#[test]
fn disguised_process() {
    let thread = process("40", "[kworker/0:1]");
    Case::of("disguised-process")
        .joins(vec![thread.clone(), flagged(BAD), process("41", "[kworker/0:2]")], &["40", BAD_ID])
        .joins(vec![thread.clone(), outside("40", BAD, "443")], &["40", OUTSIDE_ID])
        .ignores(vec![thread, ioc(BAD, "41", High)])
        .ignores(vec![process("40", "kworker/0:1"), flagged(BAD)]);
}

#[test]
fn hidden_program_runs() {
    let hidden = "/tmp/.x/agent";
    Case::of("hidden-program-runs")
        .joins(vec![flagged(hidden), process("40", "./agent")], &["/tmp/.x/agent:40", "40"])
        .ignores(vec![flagged(hidden), process("41", "./agent")])
        .ignores(vec![flagged(BAD), process("40", "./agent")])
        .ignores(vec![flagged("/home/eve/.x/agent"), process("40", "./agent")])
        .ignores(vec![ioc(hidden, "40", Medium), process("40", "./agent")]);
}

#[test]
fn shell_with_injected_library() {
    Case::of("shell-with-injected-library")
        .joins(vec![injected(SHELL, "40"), process("40", "-bash")], &["/usr/bin/bash:40", "40"])
        .ignores(vec![injected(SHELL, "40"), process("41", "-bash")])
        .ignores(vec![ioc(SHELL, "40", Medium), process("40", "-bash")])
        .ignores(vec![injected(EDITOR, "40"), process("40", "vim")]);
}

#[test]
fn injection_with_writable_library() {
    let (preload, library) = (writable("/etc/ld.so.preload"), rated(writable("/usr/lib/libz.so.1"), High));
    let members = ["/usr/bin/vim:40", "/etc/ld.so.preload", "/usr/lib/libz.so.1"];
    Case::of("injection-with-writable-library")
        .joins(vec![injected(EDITOR, "40"), preload.clone(), library.clone()], &members)
        .ignores(vec![ioc(EDITOR, "40", Medium), preload, library])
        .ignores(vec![injected(EDITOR, "40"), writable("/etc/ld.so.conf")])
        .ignores(vec![injected(EDITOR, "40"), writable("/usr/lib/libz.so.1")])
        .ignores(vec![injected(EDITOR, "40"), rated(writable("/usr/lib/z.so.1"), High)]);
}

#[test]
fn new_process_listens() {
    let (old, new, opened) = (process("7", DAEMON), process("40", BAD), listener("4444", "40", BAD));
    let both = vec![old.clone(), new.clone(), opened.clone()];
    Case::of("new-process-listens")
        .joins_last(vec![vec![vec![old.clone()], both.clone()]], &["40", "tcp:4444:94444"])
        .ignores(both.clone())
        .ignores_last(vec![vec![vec![old.clone(), new.clone()], both.clone()]])
        .ignores_last(vec![vec![vec![old.clone(), opened], both]])
        .ignores_last(vec![vec![vec![old.clone()], vec![old.clone(), new.clone(), listener("4444", "7", DAEMON)]]])
        .ignores_last(vec![vec![vec![old.clone()], vec![old, new, outside("40", BAD, "443")]]]);
}

#[test]
fn runs_world_writable_executable() {
    let job = "/usr/local/bin/job";
    Case::of("runs-world-writable-executable")
        .joins(vec![writable(job), process("9", job)], &[job, "9"])
        .ignores(vec![writable(job), process("9", "/usr/local/bin/job2")])
        .ignores(vec![checked(job, "file_capability"), process("9", job)]);
}

#[test]
fn flagged_shell_of_service() {
    let shell = |uid: &str| vec![process_of(uid, "40", "sh"), ioc(SHELL, "40", Low)];
    Case::of("flagged-shell-of-service")
        .joins(shell("999"), &["40", "/usr/bin/bash:40"])
        .joins(shell("65534"), &["40", "/usr/bin/bash:40"])
        .ignores(shell("0"))
        .ignores(shell("1000"))
        .ignores(vec![process_of("999", "40", "sh"), ioc(SHELL, "41", Low)])
        .ignores(vec![process_of("999", "40", "sh"), ioc(EDITOR, "40", Low)]);
}

#[test]
fn service_shell_with_temporary_program() {
    let of = |uid: &str| vec![process_of(uid, "40", "sh"), process_of(uid, "41", BAD)];
    Case::of("service-shell-with-temporary-program")
        .joins(of("33"), &["40", "41"])
        .ignores(of("0"))
        .ignores(of("1000"))
        .ignores(vec![process_of("33", "40", "sh"), process_of("34", "41", BAD)])
        .ignores(vec![process_of("33", "40", "perl"), process_of("33", "41", BAD)])
        .ignores(vec![process_of("33", "40", "sh"), process_of("33", "41", "/opt/x/agent")]);
}

fn temporary_program_of(uid: &str, others: [&str; 2], case: Case) -> Case {
    let of = |uid: &str, path: &str| vec![process_of(uid, "40", "agent"), flagged(path)];
    case.joins(of(uid, BAD), &["40", BAD_ID])
        .ignores(of(others[0], BAD))
        .ignores(of(others[1], BAD))
        .ignores(of(uid, "/opt/x/agent"))
        .ignores(vec![process_of(uid, "40", BAD), ioc(BAD, "40", Medium)])
        .ignores(vec![process_of(uid, "40", BAD), ioc(BAD, "41", High)])
}

#[test]
fn service_runs_temporary_program() {
    temporary_program_of("999", ["0", "1000"], Case::of("service-runs-temporary-program"));
}

#[test]
fn root_runs_temporary_program() {
    temporary_program_of("0", ["1", "1000"], Case::of("root-runs-temporary-program"))
        .ignores(vec![process("40", "setup"), flagged("/tmp/x/setup")]);
}

#[test]
fn user_runs_temporary_program() {
    temporary_program_of("1000", ["0", "999"], Case::of("user-runs-temporary-program"));
}

#[test]
fn deleted_rare_program() {
    let program = "/usr/bin/agent";
    let gone = vec![deleted(program, "40"), process("41", program)];
    Case::of("deleted-rare-program")
        .joins(gone.clone(), &["/usr/bin/agent (deleted):40", "41"])
        .ignores(vec![deleted(program, "40"), process("41", "/usr/bin/agent2")])
        .ignores(vec![flagged(program), process("41", program)])
        .ignores(vec![deleted("/opt/agent", "40"), process("41", "/opt/agent")])
        .common(vec![process("9", program)])
        .ignores(gone);
}

#[test]
fn miner_runs() {
    Case::of("miner-runs")
        .joins(vec![process("40", "./xmrig"), flagged(BAD)], &["40", BAD_ID])
        .joins(vec![process("40", "kinsing"), outside("40", BAD, "443")], &["40", OUTSIDE_ID])
        .ignores(vec![process("40", "./xmrig"), ioc(BAD, "41", High)])
        .ignores(vec![process("40", "./agent"), flagged(BAD)]);
}

#[test]
fn deleted_temporary_program() {
    Case::of("deleted-temporary-program")
        .joins(vec![deleted(BAD, "40"), process("40", "./agent")], &["/tmp/x/agent (deleted):40", "40"])
        .ignores(vec![deleted(BAD, "40"), process("41", "./agent")])
        .ignores(vec![flagged(BAD), process("40", "./agent")])
        .ignores(vec![deleted("/opt/x/agent", "40"), process("40", "./agent")]);
}

#[test]
fn daemon_with_injected_library() {
    Case::of("daemon-with-injected-library")
        .joins(vec![injected(DAEMON, "40"), process("40", "sshd:")], &["/usr/sbin/sshd:40", "40"])
        .ignores(vec![injected(DAEMON, "40"), process("41", "sshd:")])
        .ignores(vec![ioc(DAEMON, "40", Medium), process("40", "sshd:")])
        .ignores(vec![injected(EDITOR, "40"), process("40", "sshd:")]);
}

#[test]
fn injected_daemon_and_shell() {
    Case::of("injected-daemon-and-shell")
        .joins(vec![injected(DAEMON, "7"), injected(SHELL, "40")], &["/usr/sbin/sshd:7", "/usr/bin/bash:40"])
        .ignores(vec![ioc(DAEMON, "7", Medium), injected(SHELL, "40")])
        .ignores(vec![injected(DAEMON, "7"), ioc(SHELL, "40", Medium)])
        .ignores(vec![injected(EDITOR, "7"), injected(SHELL, "40")])
        .ignores(vec![injected(DAEMON, "7"), injected(EDITOR, "40")]);
}

#[test]
fn daemon_name_from_odd_place() {
    let daemon = process("40", "sshd: eve@pts/0");
    Case::of("daemon-name-from-odd-place")
        .joins(vec![daemon.clone(), flagged("/tmp/x/sshd")], &["40", "/tmp/x/sshd:40"])
        .joins(vec![daemon.clone(), outside("40", "/opt/x/sshd", "443")], &["40", OUTSIDE_ID])
        .ignores(vec![daemon.clone(), client("22", "40", DAEMON)])
        .ignores(vec![daemon.clone(), client("22", "40", "")])
        .ignores(vec![daemon, flagged(BAD)])
        .ignores(vec![process("40", "/tmp/x/sshd"), ioc("/tmp/x/sshd", "41", High)]);
}

#[test]
fn program_of_configuration_directory() {
    let program = "/home/eve/.config/x/agent";
    Case::of("program-of-configuration-directory")
        .joins(vec![ioc(program, "40", Low), process("40", "./agent")], &["/home/eve/.config/x/agent:40", "40"])
        .ignores(vec![ioc(program, "40", Low), process("41", "./agent")])
        .ignores(vec![ioc("/home/eve/config/x/agent", "40", Low), process("40", "./agent")]);
}

#[test]
fn program_in_container_and_on_host() {
    let inside = |path: &str| contained(process("41", path));
    Case::of("program-in-container-and-on-host")
        .joins(vec![inside(BAD), process("40", BAD)], &["41", "40"])
        .ignores(vec![inside(BAD), contained(process("40", BAD))])
        .ignores(vec![process("41", BAD), process("40", BAD)])
        .ignores(vec![inside(BAD), process("40", "/tmp/y/agent")])
        .ignores(vec![inside("/opt/x/agent"), process("40", "/opt/x/agent")]);
}

#[test]
fn temporary_program_in_container() {
    let inside = contained(process("40", "./agent"));
    Case::of("temporary-program-in-container")
        .joins(vec![inside.clone(), flagged(BAD)], &["40", BAD_ID])
        .ignores(vec![process("40", "./agent"), flagged(BAD)])
        .ignores(vec![inside.clone(), flagged("/opt/x/agent")])
        .ignores(vec![inside, ioc(BAD, "40", Medium)])
        .ignores(vec![contained(process("40", BAD)), ioc(BAD, "41", High)]);
}

#[test]
fn runs_from_world_writable_directory() {
    let directory = checked("/opt/bin", "path_dir_world_writable");
    Case::of("runs-from-world-writable-directory")
        .joins(vec![directory.clone(), process("9", "/opt/bin/job")], &["/opt/bin", "9"])
        .ignores(vec![directory.clone(), process("9", "/opt/bin/x/job")])
        .ignores(vec![directory, process("9", "/opt/bin2/job")])
        .ignores(vec![writable("/opt/bin"), process("9", "/opt/bin/job")]);
}

#[test]
fn pattern_of_process() {
    Case::of("pattern-of-process")
        .joins(vec![ioc(EDITOR, "40", Low), process("40", "vim")], &["/usr/bin/vim:40", "40"])
        .ignores(vec![ioc(EDITOR, "40", Low), process("41", "vim")])
        .ignores(vec![ioc(EDITOR, "40", Medium), process("40", "vim")]);
}

#[test]
fn shell_of_scheduled_program() {
    let with = |program: &str| vec![process("40", "sh"), ioc(SHELL, "40", Low), process("41", program)];
    Case::of("shell-of-scheduled-program")
        .joins(with(BAD), &["40", "41"])
        .joins(with("/opt/etl/run"), &["40", "41"])
        .ignores(with("/tmp/x/setup"))
        .ignores(with("/home/eve/run"))
        .ignores(vec![process("40", "sh"), ioc(SHELL, "40", Low), process_of("33", "41", BAD)])
        .ignores(vec![process("40", "sh"), ioc(SHELL, "40", Medium), process("41", BAD)])
        .ignores(vec![process("40", "sh"), ioc(SHELL, "42", Low), process("41", BAD)])
        .ignores(vec![process("40", "vi"), ioc("/home/eve/vi", "40", Low), process("41", BAD)])
        .common(vec![process("9", "/opt/etl/run")])
        .ignores(with("/opt/etl/run"));
}

#[test]
fn systemd_name_from_odd_place() {
    let part = process("40", "systemd-worker");
    Case::of("systemd-name-from-odd-place")
        .joins(vec![part.clone(), flagged("/usr/lib/systemd-worker")], &["40", "/usr/lib/systemd-worker:40"])
        .joins(vec![part.clone(), outside("40", "/opt/x/systemd-worker", "443")], &["40", OUTSIDE_ID])
        .ignores(vec![part.clone(), flagged("/usr/lib/systemd/systemd-worker")])
        .ignores(vec![part.clone(), flagged("/usr/bin/systemd-worker")])
        .ignores(vec![part.clone(), outside("40", "", "443")])
        .ignores(vec![part, flagged("/usr/lib/systemdworker")])
        .ignores(vec![process("40", "/usr/lib/systemd-worker"), ioc(BAD, "41", High)]);
}
