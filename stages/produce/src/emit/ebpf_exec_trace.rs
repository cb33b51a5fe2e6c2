//! `ebpf_exec_trace`, as a scanner without eBPF has it: it looks at /proc for three seconds and reports what appears there.

use scan::{Finding, Severity};

use crate::emit::Output;
use crate::host::Host;
use crate::world::World;

pub(super) fn emit(_host: &Host, world: &World) -> Output {
    let mut output = Output::new("ebpf_exec_trace");
    let finding = |id, title: String, description| Finding::new(id, title, Severity::Info, description);
    let title = "eBPF support not available at runtime".to_owned();
    let description =
        "eBPF tools not installed, incompatible kernel, or missing capabilities. Using alternative detection methods.";
    let unavailable = finding("ebpf:disabled", title, description)
        .with("alternative_detection", "true")
        .with("detection_method", "runtime_check")
        .with("source", "ebpf_fallback");
    output.push(unavailable, None);
    for execution in &world.executions {
        let (pid, name) = (execution.pid, execution.name.as_str());
        let title = format!("Process execution detected: {name} (PID: {pid})");
        let seen = finding("proc.exec.detected", title, "New process execution detected via /proc monitoring")
            .with("comm", name)
            .with("detection_method", "proc_polling")
            .with("pid", pid.to_string())
            .with("ppid", execution.parent.to_string())
            .with("source", "proc_fallback");
        output.push(seen, None);
    }
    let title = "Process monitoring completed via /proc filesystem".to_owned();
    let description = "Alternative process monitoring completed using /proc polling method";
    let complete = finding("proc.monitoring.complete", title, description)
        .with("duration_seconds", "3")
        .with("method", "filesystem_polling")
        .with("source", "proc_fallback");
    output.push(complete, None);
    output
}
