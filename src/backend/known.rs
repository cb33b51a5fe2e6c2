//! Names things in a stage's messages as the user knows them: a worker is told paths in its private directory, which is gone when
//! somebody reads what it said.

use std::path::PathBuf;

use contract::Event;

/// Knows the paths.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Text in a message, and the text in its place; the longest first, so that a path is not taken for one that begins it.
    paths: Vec<(String, String)>,
}

impl Known {
    /// Of pairs of a path in the private directory and the path that the user knows.
    pub(super) fn new(paths: &[(PathBuf, PathBuf)]) -> Known {
        let text = |path: &PathBuf| path.display().to_string();
        let mut paths: Vec<_> = paths.iter().map(|(private, known)| (text(private), text(known))).collect();
        paths.sort_by_key(|(private, _)| std::cmp::Reverse(private.len()));
        Known { paths }
    }

    /// The same event with the paths that the user knows in its messages.
    pub(super) fn event(&self, event: Event) -> Event {
        match event {
            Event::Log { level, message } => Event::Log { level, message: self.text(message) },
            Event::Failed { class, message, help } => {
                Event::Failed { class, message: self.text(message), help: help.map(|help| self.text(help)) }
            }
            other => other,
        }
    }

    fn text(&self, mut text: String) -> String {
        for (private, known) in &self.paths {
            if !text.contains(private) {
                continue;
            }
            let mut mended = String::with_capacity(text.len());
            let mut rest = text.as_str();
            while let Some((before, after)) = rest.split_once(private) {
                // A name may go on behind it: then it is the path of something else.
                let ends = !after.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_'));
                mended.push_str(before);
                mended.push_str(if ends { known } else { private });
                rest = after;
            }
            mended.push_str(rest);
            text = mended;
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use contract::{FailureClass, Level};

    #[test]
    fn private_paths_become_those_of_the_user() {
        let pairs = [("/w/in/data", "reports"), ("/w/in/data-2", "out/more"), ("/w/in/many/0", "out/a")];
        let known = Known::new(&pairs.map(|(private, known)| (private.into(), known.into())));
        let text = |text: &str| known.text(text.to_owned());
        assert_eq!(text("/w/in/data/a.json:7: bad"), "reports/a.json:7: bad");
        assert_eq!(text("/w/in/data-2: bad, /w/in/data: good"), "out/more: bad, reports: good");
        assert_eq!(text("\"/w/in/many/0\" /w/in/many/01 /w/in/data3"), "\"out/a\" /w/in/many/01 /w/in/data3");
        let failed = Event::Failed {
            class: FailureClass::InvalidInput,
            message: "/w/in/data".to_owned(),
            help: Some("see /w/in/data.".to_owned()),
        };
        let expected = Event::Failed {
            class: FailureClass::InvalidInput,
            message: "reports".to_owned(),
            help: Some("see reports.".to_owned()),
        };
        assert_eq!(known.event(failed), expected);
        let log = Event::Log { level: Level::Info, message: "x".to_owned() };
        assert_eq!(Known::default().event(log.clone()), log);
    }
}
