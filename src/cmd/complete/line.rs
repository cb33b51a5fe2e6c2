//! The unfinished command line: read as clap would read it, passing over all that clap would refuse.

use std::ffi::{OsStr, OsString};
use std::sync::OnceLock;

use clap::{Arg, Command};

use crate::cmd::programs;

/// The words typed so far.
#[derive(Debug, Default)]
pub(super) struct Typed {
    /// The word at the cursor.
    pub current: OsString,
    /// Whether that word is one of a program's own.
    pub of_program: bool,
    /// The other words by the argument that each is a value of, in their order.
    values: Vec<(String, OsString)>,
}

static TYPED: OnceLock<Typed> = OnceLock::new();

impl Typed {
    /// The values of an argument.
    pub(super) fn all<'a>(&'a self, argument: &'a str) -> impl Iterator<Item = &'a OsStr> {
        self.values.iter().filter(move |(id, _)| id == argument).map(|(_, value)| value.as_os_str())
    }

    /// The first value of an argument.
    pub(super) fn first(&self, argument: &str) -> Option<&OsStr> {
        self.values.iter().find(|(id, _)| id == argument).map(|(_, value)| value.as_os_str())
    }
}

/// Reads `words`, the program's name first, and notes them for [`typed`].
pub(super) fn note(words: &[OsString], command: &mut Command) -> &'static Typed {
    let index = std::env::var("_CLAP_COMPLETE_INDEX").ok().and_then(|index| index.parse().ok());
    // Fish and PowerShell send what stands before the cursor.
    let index = index.unwrap_or(words.len().saturating_sub(1));
    TYPED.get_or_init(|| read(words, Some(index), command))
}

/// The line that [`note`] noted.
pub(super) fn typed() -> &'static Typed {
    TYPED.get_or_init(Typed::default)
}

/// The directories of every `-C` of a finished line, before and after the verb, in their order: clap keeps those before it apart.
pub(crate) fn directories(words: &[OsString], command: &mut Command) -> Vec<OsString> {
    read(words, None, command).all("directories").map(OsStr::to_owned).collect()
}

fn read(words: &[OsString], at: Option<usize>, command: &mut Command) -> Typed {
    command.build();
    let mut reader = Reader { line: Typed::default(), command, positionals: 0, at };
    let mut words = words.iter().enumerate().skip(1);
    while let Some((index, word)) = words.next() {
        let text = word.to_string_lossy();
        if at == Some(index) {
            reader.line.current = word.clone();
            // A flag is no value of anything; anything else takes its place among the positionals.
            if !text.starts_with('-') {
                reader.positional(index, word);
            }
        } else if text == "--" {
            break;
        } else if let Some(flag) = text.strip_prefix("--") {
            let (name, value) = flag.split_once('=').map_or((flag, None), |(name, value)| (name, Some(value)));
            let argument = reader.command.get_arguments().find(|argument| argument.get_long() == Some(name));
            let value = value.map(OsString::from);
            if let Some(id) = argument.filter(|argument| takes_value(argument)).map(id) {
                reader.value(id, value, &mut words);
            }
        } else if text.starts_with('-') && text.len() > 1 {
            if let Some((id, value)) = short(reader.command, &text[1..]) {
                reader.value(id, value, &mut words);
            }
        } else {
            reader.word(index, word);
            if programs::is_program(reader.command) {
                reader.line.of_program = at.is_some_and(|at| at > index);
                break;
            }
        }
    }
    if reader.line.of_program
        && let Some((_, word)) = words.find(|(index, _)| at == Some(*index))
    {
        reader.line.current = word.clone();
    }
    reader.line
}

struct Reader<'c> {
    line: Typed,
    command: &'c Command,
    positionals: usize,
    /// The word at the cursor is nobody's value yet.
    at: Option<usize>,
}

impl<'c> Reader<'c> {
    /// A word that is no flag and no flag's value: a verb, or a positional.
    fn word(&mut self, index: usize, word: &OsStr) {
        let verb = word.to_str().and_then(|name| self.command.find_subcommand(name)).filter(|_| self.positionals == 0);
        match verb {
            Some(verb) => self.command = verb,
            None => self.positional(index, word),
        }
    }

    fn positional(&mut self, index: usize, word: &OsStr) {
        let last = self.command.get_positionals().filter(|argument| !argument.is_last_set()).last();
        let argument = self.command.get_positionals().nth(self.positionals).or(last);
        self.positionals += 1;
        if let Some(id) = argument.map(id).filter(|_| self.at != Some(index)) {
            self.line.values.push((id, word.to_owned()));
        }
    }

    /// The value of a flag: the one written with it, else the next word.
    fn value<'w>(
        &mut self,
        id: String,
        value: Option<OsString>,
        words: &mut impl Iterator<Item = (usize, &'w OsString)>,
    ) {
        if let Some(value) = value {
            return self.line.values.push((id, value));
        }
        match words.next() {
            Some((index, word)) if self.at == Some(index) => self.line.current = word.clone(),
            Some((_, word)) => self.line.values.push((id, word.clone())),
            None => {}
        }
    }
}

/// The flag among these letters that takes a value, and the value when it is written behind it.
fn short(command: &Command, letters: &str) -> Option<(String, Option<OsString>)> {
    letters.char_indices().find_map(|(at, letter)| {
        let argument = command.get_arguments().find(|argument| argument.get_short() == Some(letter))?;
        let rest = &letters[at + letter.len_utf8()..];
        let value = (!rest.is_empty()).then(|| rest.strip_prefix('=').unwrap_or(rest).into());
        takes_value(argument).then(|| (id(argument), value))
    })
}

fn takes_value(argument: &Arg) -> bool {
    argument.get_action().takes_values()
}

fn id(argument: &Arg) -> String {
    argument.get_id().to_string()
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::cmd::cli::Cli;

    fn check(text: &str, argument: &str, expected: &[&str]) {
        let words: Vec<OsString> = text.split(' ').map(OsString::from).collect();
        let at = words.iter().position(|word| word.to_string_lossy().ends_with('|'));
        let line = read(&words, at, &mut Cli::command());
        assert_eq!(line.all(argument).collect::<Vec<_>>(), expected, "{text}: {line:?}");
    }

    #[test]
    fn the_words_behind_a_program_are_its_own() {
        let mut command = programs::as_verbs(Cli::command()).subcommand(programs::verb("brew"));
        let words: Vec<OsString> = "pipe -C a brew -C b --store c d".split(' ').map(OsString::from).collect();
        for (at, current) in [(5, "b"), (6, "--store"), (8, "d"), (9, "")] {
            let line = read(&words, Some(at), &mut command);
            assert_eq!((line.of_program, line.current.to_str().unwrap()), (true, current), "{line:?}");
            assert_eq!(line.all("directories").collect::<Vec<_>>(), ["a"]);
        }
        let before = read(&words, Some(2), &mut command);
        assert!(!before.of_program && !read(&words, Some(3), &mut command).of_program && before.current == "a");
    }

    #[test]
    fn words_are_the_values_of_the_arguments_that_they_stand_for() {
        check("pipe run p.yaml |", "file", &["p.yaml"]);
        check("pipe run | p.yaml", "file", &[]);
        check("pipe run -S | p.yaml", "file", &["p.yaml"]);
        check("pipe run -j 2 -qS seed=1 p.yaml |", "file", &["p.yaml"]);
        check("pipe run --set=a=1 -Sb=2 p.yaml --set |", "overrides", &["a=1", "b=2"]);
        check("pipe why --file=p.yaml |", "file", &["p.yaml"]);
        check("pipe why a -f p.yaml -S |", "file", &["p.yaml"]);
        check("pipe -C a why -C b | -Cc", "directories", &["a", "b", "c"]);
        check("pipe check a.yaml b.yaml |", "files", &["a.yaml", "b.yaml"]);
        check("pipe run --nonsense p.yaml |", "file", &["p.yaml"]);
        check("pipe shell a -- -C x", "directories", &[]);
        check("pipe cache pin model |", "what", &["model"]);
    }
}
