//! Findings of `modules` and `world_writable`, which the real report lacks, derived by hand from the scanner's sources: each
//! anomaly, each count of the summary, each check and each place.

use scan::profile::Profile;
use scan::rules::{HostContext, severity_of};
use scan::{Finding, Severity};

fn check(scanner: &str, finding: Finding) {
    let expected = finding.severity;
    assert_eq!(severity_of(scanner, &finding, HostContext::default()), Some(expected), "{finding:?}");
    assert_eq!(Profile::reference().departures(scanner, &finding), [], "{finding:?}");
}

#[test]
fn every_anomaly_of_a_module_is_high() {
    let anomalies = [
        ("unsigned", "Unsigned kernel module detected"),
        ("out_of_tree", "Out-of-tree kernel module"),
        ("missing_file", "Module file missing on disk"),
        ("hidden_sysfs", "Module in /proc but not /sys"),
    ];
    let module = |description| Finding::new("nvidia", "Module anomaly: nvidia", Severity::High, description);
    for (key, description) in anomalies {
        check("modules", module(description).with(key, "true").with("path", "updates/dkms/nvidia.ko"));
        check("modules", module(description).with(key, "true"));
    }
    // Where several apply, the last describes them all.
    let both = module("Out-of-tree kernel module").with("unsigned", "true").with("out_of_tree", "true");
    check("modules", both.with("wx_section", "true"));
    check("modules", Finding::new("ext4", "Module ext4", Severity::Info, "Loaded kernel module"));
}

#[test]
fn the_summary_of_modules_is_as_grave_as_its_counts() {
    let description = "Summary of loaded kernel modules and potential security issues";
    let counts = ["compressed", "compressed_scanned", "compressed_unsigned", "wx_section", "large_text_section"];
    let counted = ["likely_out_of_tree", "unsigned", "hidden_proc_only", "missing_file", "sysfs_only_count"];
    let lists = ["sample", "oot", "unsigned", "compressed_unsigned", "missing_file", "hidden", "wx_section"];
    let more = ["large_text_section_count", "suspicious_section_name_count", "suspicious_section_name", "total"];
    let summary = |severity, set: Option<&str>| {
        let mut finding = Finding::new("module_summary", "Kernel Module Summary", severity, description)
            .with("kallsyms_readable", "no");
        for key in counts.into_iter().chain(counted).chain(more) {
            finding = finding.with(key, if set == Some(key) { "2" } else { "0" });
        }
        lists.into_iter().fold(finding, |finding, list| finding.with(&format!("{list}_count"), "0"))
    };
    check("modules", summary(Severity::Info, None));
    check("modules", summary(Severity::Info, Some("wx_section")));
    check("modules", summary(Severity::Medium, Some("likely_out_of_tree")));
    for key in &counted[1..] {
        check("modules", summary(Severity::High, Some(key)));
    }
}

#[test]
fn writable_files_are_by_place_and_checks_by_rule() {
    let file = |path, severity| Finding::new(path, "World-writable file", severity, "File is world writable");
    for (path, severity) in [
        ("/var/tmp/x.so", Severity::Low),
        ("/etc/ld.so.preload", Severity::High),
        ("/usr/local/bin/deploy", Severity::High),
        ("/bin/deploy", Severity::High),
        ("/etc/motd", Severity::Medium),
    ] {
        check("world_writable", file(path, severity));
    }
    let rule = |path, title, severity, description, rule| {
        check("world_writable", Finding::new(path, title, severity, description).with("rule", rule));
    };
    let description = "Setuid shell or script interpreter";
    rule("/usr/bin/dash", "Setuid interpreter", Severity::Critical, description, "setuid_interpreter");
    let description = "Binary has file capabilities set";
    rule("/usr/bin/ping", "File capabilities binary", Severity::Medium, description, "file_capability");
    let description = "Executable search path directory is world-writable";
    rule("/opt/bin", "World-writable PATH directory", Severity::High, description, "path_dir_world_writable");
    let description = "SUID binary hardlinked into temporary/untrusted location";
    let id = "/usr/bin/su:dangling_suid_link";
    let link = Finding::new(id, "Dangling SUID hardlink", Severity::High, description);
    check("world_writable", link.with("rule", "dangling_suid_hardlink").with("paths", "/usr/bin/su,/tmp/su"));
}
