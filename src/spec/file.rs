//! Reading a pipeline file: a size budget before anything is parsed, UTF-8 with the offending byte named.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::load;
use super::node::Node;
use super::problem::Problem;
use super::span::{Sources, Span};
use super::suggest;

/// The largest file that is read.
pub const MAX_BYTES: usize = 1 << 20;

/// Reads and parses `path`. `None` when there is no tree to go on with; the problems say why.
pub fn read(path: &Path, sources: &mut Sources, problems: &mut Vec<Problem>) -> Option<Node> {
    let bytes = match read_bytes(path) {
        Ok(bytes) => bytes,
        Err(error) => {
            let problem = Problem::general("unreadable", format!("cannot read {}: {error}", path.display()));
            problems.push(problem.maybe_help(neighbour(path)));
            return None;
        }
    };
    if bytes.len() > MAX_BYTES {
        let message = format!("{} is larger than {MAX_BYTES} bytes", path.display());
        problems.push(
            Problem::general("too-large", message).help("a pipeline is read whole; put data into files of its own"),
        );
        return None;
    }
    match String::from_utf8(bytes) {
        Ok(text) => {
            let source = sources.add(path, text);
            load::parse(source, sources, problems)
        }
        Err(error) => {
            let offset = error.utf8_error().valid_up_to();
            // The lossy form leaves the text before the bad byte unchanged, so the offset points at its replacement character.
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let source = sources.add(path, text);
            let start = offset as u32;
            let span = Span { source, start, end: start + char::REPLACEMENT_CHARACTER.len_utf8() as u32 };
            let problem = Problem::at("not-utf8", span, format!("not valid UTF-8 at byte {offset}"));
            problems.push(problem.help("save the file as UTF-8"));
            None
        }
    }
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A file beside the missing one with a near name.
pub fn neighbour(path: &Path) -> Option<String> {
    let word = path.file_name()?.to_str()?;
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> =
        directory.read_dir().ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
    let mut yaml: Vec<&str> =
        names.iter().map(String::as_str).filter(|n| n.ends_with(".yaml") || n.ends_with(".yml")).collect();
    yaml.sort_unstable();
    let name = suggest::nearest(word, yaml.iter().copied().filter(|name| *name != word))?;
    Some(format!("did you mean `{}`?", path.with_file_name(name).display()))
}
