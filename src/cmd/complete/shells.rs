//! The scripts that make a shell ask. Those of clap, but for two of them: bash breaks words at `=` and `:`, which flags and names of
//! instances hold, and a file of zsh is run as the completer itself when it is loaded for the first time.

use std::ffi::{OsStr, OsString};
use std::io::{Error, Write};
use std::path::Path;

use clap::Command;
use clap_complete::env::{self, EnvCompleter, Shells};

/// Every shell that is served.
pub(crate) const ALL: Shells<'static> = Shells(&[&Bash, &env::Elvish, &env::Fish, &env::Powershell, &Zsh]);

/// The shell that this names, as a word or as the path of its program.
pub(crate) fn find(shell: &OsStr) -> Option<&'static dyn EnvCompleter> {
    let name = Path::new(shell).file_stem()?.to_str()?;
    ALL.iter().find(|known| known.is(name))
}

/// The script of a shell, or why it could not be written.
pub(crate) fn script(shell: &dyn EnvCompleter) -> Result<Vec<u8>, Error> {
    let mut script = Vec::new();
    shell.write_registration(super::ASKED, "pipe", "pipe", &program(), &mut script)?;
    Ok(script)
}

/// The program that the script asks: this one. One that was found in PATH is found there again.
pub(crate) fn program() -> String {
    let called = std::env::args_os().next().unwrap_or_default();
    let found = (Path::new(&called).components().count() > 1).then(std::env::current_exe);
    let path = found.and_then(Result::ok).map(|path| path.to_string_lossy().into_owned());
    path.unwrap_or_else(|| "pipe".to_owned())
}

/// Bash.
struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == "bash"
    }

    fn write_registration(
        &self,
        variable: &str,
        _name: &str,
        program: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> Result<(), Error> {
        let text = include_str!("bash.sh").replace("@VARIABLE@", variable).replace("@PROGRAM@", program);
        script.write_all(text.replace("@COMPLETER@", &quoted(completer)).as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        answer: &mut dyn Write,
    ) -> Result<(), Error> {
        env::Bash.write_complete(command, words, here, answer)
    }
}

/// Zsh.
struct Zsh;

impl EnvCompleter for Zsh {
    fn name(&self) -> &'static str {
        "zsh"
    }

    fn is(&self, name: &str) -> bool {
        name == "zsh"
    }

    fn write_registration(
        &self,
        variable: &str,
        name: &str,
        program: &str,
        completer: &str,
        script: &mut dyn Write,
    ) -> Result<(), Error> {
        env::Zsh.write_registration(variable, name, program, completer, script)?;
        writeln!(script, "\nif [[ $funcstack[1] == _{name} ]]; then _clap_dynamic_completer_{name} \"$@\"; fi")
    }

    fn write_complete(
        &self,
        command: &mut Command,
        words: Vec<OsString>,
        here: Option<&Path>,
        answer: &mut dyn Write,
    ) -> Result<(), Error> {
        env::Zsh.write_complete(command, words, here, answer)
    }
}

/// A word of bash.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}
