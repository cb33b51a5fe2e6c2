//! `suid_sgid`: programs in the directories of PATH.

use scan::Finding;
use scan::rules::suid_sgid;

use crate::emit::{Output, Results};
use crate::host::Host;
use crate::world::{SuidFile, World};

/// On today's systems /bin and /sbin are links to these. The scanner reads them one after the other, and each writes its
/// list from the same place in memory: a later list covers the beginning of the earlier ones.
const DIRECTORIES: [&str; 4] = ["/usr/bin/", "/usr/sbin/", "/usr/local/bin/", "/usr/local/sbin/"];

pub(super) fn emit(_host: &Host, world: &World) -> Output {
    let mut seen: Vec<&SuidFile> = Vec::new();
    let mut covered: Vec<&SuidFile> = Vec::new();
    for directory in DIRECTORIES {
        let mut files: Vec<&SuidFile> = world.suid.iter().filter(|file| file.path.starts_with(directory)).collect();
        files.sort_by_key(|file| file.order);
        for (index, file) in files.into_iter().enumerate() {
            match seen.get_mut(index) {
                Some(place) => covered.push(std::mem::replace(place, file)),
                None => seen.push(file),
            }
        }
    }
    let mut output = Output { results: Results::EmptyAfter, ..Output::new("suid_sgid") };
    for file in covered {
        output.missed.extend(file.mark.map(|mark| (file.path.clone(), mark)));
    }
    for file in seen {
        let severity = suid_sgid::severity(&file.path);
        let mut finding = Finding::new(&file.path, "SUID/SGID binary", severity, "Binary has SUID or SGID bit set");
        if suid_sgid::is_expected(&file.path) {
            finding = finding.with("expected", "true");
        }
        output.push(finding, file.mark);
    }
    output
}
