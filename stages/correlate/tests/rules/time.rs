use scan::Severity::{High, Low, Medium};

use crate::harness::{
    BAD, Case, Found, Scan, anomaly, checked, deleted, ioc, listener, mac, module, pointers, process, process_of,
    randomization, suid, sysctl, unit, writable,
};

/// Findings that fill a second scanner.
fn other_sign() -> Found {
    mac("mac_none", High)
}

fn appeared(scan: Scan) -> Vec<Vec<Scan>> {
    vec![vec![Vec::new(), scan]]
}

#[test]
fn signs_appeared_together() {
    let signs = vec![
        ioc("/bin/sh", "42", Low),
        ioc(BAD, "40", High),
        deleted("/usr/bin/old", "41"),
        randomization("0"),
        other_sign(),
        anomaly("lkm", "unsigned"),
        listener("4444", "53", BAD),
        listener("81", "54", "/opt/x/run"),
        process("50", BAD),
        process("51", "/opt/x/run"),
        process_of("33", "52", "bash"),
        suid("/usr/local/bin/su"),
        writable("/usr/bin/tool"),
    ];
    let members: Vec<&str> = signs.iter().map(|(_, finding)| finding.id.as_str()).collect();
    let (motd, writable) = (writable("/etc/motd"), writable("/usr/bin/tool"));
    let case = Case::of("signs-appeared-together")
        .joins_last(appeared(signs.clone()), &members)
        .joins_last(vec![vec![Vec::new(), signs.clone(), signs.clone()]], &members)
        .ignores(signs.clone())
        .ignores_last(appeared(vec![process("50", BAD), process("51", "/opt/x/run")]))
        .ignores_last(vec![vec![Vec::new(), vec![other_sign()], vec![other_sign(), writable.clone()]]])
        .ignores_last(vec![vec![vec![other_sign()], vec![other_sign(), writable.clone()]]])
        .ignores_last(appeared(vec![mac("apparmor", Low), writable]));
    let near_misses = [
        ioc(BAD, "40", Medium),
        ioc("/home/eve/x/agent", "40", High),
        ioc("/tmp/x/setup", "40", High),
        ioc("/usr/bin/vim", "42", Low),
        ioc("/bin/sh", "42", Medium),
        module("lkm"),
        randomization("2"),
        sysctl("/proc/sys/net/ipv4/ip_forward", "1", "0"),
        suid("/usr/bin/su"),
        process("50", "/tmp/x/setup"),
        process("51", "/home/eve/x/run"),
        process_of("1000", "52", "bash"),
        process_of("33", "52", "perl"),
        listener("4444", "53", "/tmp/x/setup"),
        listener("81", "54", "/home/eve/x/run"),
        process_of("998", "51", "/opt/x/run"),
        unit("x.service"),
        motd,
    ];
    let miss = |case: Case, near: Found| case.ignores_last(appeared(vec![other_sign(), near]));
    let case = near_misses.into_iter().fold(case, miss);
    let common = [deleted("/usr/bin/old", "41"), listener("81", "54", "/opt/x/run"), process("51", "/opt/x/run")];
    common.clone().into_iter().fold(case.common(common.to_vec()), miss);
}

fn grave() -> Scan {
    vec![
        ioc("/opt/.x/run", "41", Low),
        ioc(BAD, "40", High),
        randomization("0"),
        anomaly("gone", "missing_file"),
        anomaly("hides", "hidden_sysfs"),
        process("50", "/usr/local/bin/run"),
        suid("/usr/bin/door"),
        writable("/etc/passwd"),
        checked("/usr/bin/dash", "setuid_interpreter"),
    ]
}

#[test]
fn grave_signs_of_two_kinds() {
    let members: Vec<String> = grave().into_iter().map(|(_, finding)| finding.id).collect();
    let members: Vec<&str> = members.iter().map(String::as_str).collect();
    let case = Case::of("grave-signs-of-two-kinds")
        .joins(grave(), &members)
        .joins(vec![randomization("0"), writable("/etc/passwd")], &[members[2], "/etc/passwd"])
        .ignores(vec![anomaly("gone", "missing_file"), anomaly("hides", "hidden_sysfs")])
        .ignores(vec![randomization("1"), writable("/etc/passwd")])
        .ignores(vec![pointers("0"), writable("/etc/passwd")]);
    let near_misses = [
        ioc(BAD, "40", Medium),
        ioc("/opt/x/run", "40", High),
        ioc("/tmp/x/setup", "40", High),
        ioc("/home/eve/.x/run", "41", Low),
        anomaly("vendor", "out_of_tree"),
        module("gone"),
        process("50", "/opt/run"),
        process("50", "/usr/local/bin/setup"),
        suid("/usr/bin/su"),
        suid("/usr/local/bin/door"),
        writable("/etc/motd"),
        checked("/usr/bin/dash", "file_capability"),
    ];
    let miss = |case: Case, near: Found| case.ignores(vec![randomization("0"), near]);
    let case = near_misses.into_iter().fold(case, miss);
    let common = [process("50", "/usr/local/bin/run"), suid("/usr/bin/door")];
    common.clone().into_iter().fold(case.common(common.to_vec()), miss);
}

#[test]
fn grave_signs_of_three_kinds() {
    let (aslr, program) = (randomization("0"), ioc(BAD, "40", High));
    Case::of("grave-signs-of-three-kinds")
        .joins(
            vec![program.clone(), aslr.clone(), writable("/etc/passwd")],
            &["/tmp/x/agent:40", "/proc/sys/kernel/randomize_va_space", "/etc/passwd"],
        )
        .ignores(vec![program.clone(), aslr.clone(), writable("/etc/motd")])
        .ignores(vec![program, aslr, ioc("/dev/shm/y", "41", High)]);
}
