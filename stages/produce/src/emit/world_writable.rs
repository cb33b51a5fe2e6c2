//! `world_writable`: the top level of a few directories, then (with hygiene checks) the directories of PATH.

use scan::Finding;
use scan::rules::world_writable::Check;

use crate::emit::Output;
use crate::host::Host;
use crate::world::{World, WritableFile};

/// Directories that are scanned, and where they lie: /bin is a link to /usr/bin, so the scanner finds those files twice.
const DIRECTORIES: [(&str, &str); 5] = [
    ("/usr/bin", "/usr/bin"),
    ("/bin", "/usr/bin"),
    ("/usr/local/bin", "/usr/local/bin"),
    ("/etc", "/etc"),
    ("/var", "/var"),
];

pub(super) fn emit(host: &Host, world: &World) -> Output {
    let mut output = Output::new("world_writable");
    let mut files: Vec<&WritableFile> = world.writable.iter().collect();
    files.sort_by_key(|file| file.order);
    let visible = |file: &WritableFile| match file.path.rsplit_once('/') {
        Some((parent, name)) => !name.starts_with('.') && DIRECTORIES.iter().any(|(_, place)| *place == parent),
        None => false,
    };
    for (shown, place) in DIRECTORIES {
        for file in files.iter().filter(|file| file.check != Check::PathDirectory && visible(file)) {
            let (parent, name) = file.path.rsplit_once('/').expect("a visible file has a parent");
            if parent == place {
                push(&mut output, file, format!("{shown}/{name}"));
            }
        }
    }
    for file in files {
        if file.check == Check::PathDirectory && host.mode.fs_hygiene {
            push(&mut output, file, file.path.clone());
        } else if file.check == Check::PathDirectory || !visible(file) {
            output.missed.extend(file.mark.map(|mark| (file.path.clone(), mark)));
        }
    }
    output
}

fn push(output: &mut Output, file: &WritableFile, path: String) {
    let check = file.check;
    let severity = check.severity(&path);
    let mut finding = Finding::new(path, check.title(), severity, check.description());
    if let Some(rule) = check.rule() {
        finding = finding.with("rule", rule);
    }
    output.push(finding, file.mark);
}
