//! The text of a command as a file, the program that runs it, and the cause when it fails.
//!
//! The file lies beside the directory that the command runs in, never in it: `work/<process>/<stage>/script`. bash reads a prelude
//! before it (`prelude.bash`, by `BASH_ENV`), so that lines, `$0` and options of the script are its own. The prelude notes
//! each failure that ends a shell in `failed`; the last one of the script itself, if the script ended with that status, is why.

use std::borrow::Cow;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::action::{ActionScript, ActionShell, ActionWork};
use crate::backend::{Exit, Failure, Verdict, find_on_path};
use crate::executor::{Order, Worker};
use crate::plan::Sandbox;
use crate::plan::interpolate::shell_word;

const PRELUDE: &str = include_str!("prelude.bash");
const SCRIPT: &str = "script";
const PRELUDE_FILE: &str = "prelude";
const FAILED: &str = "failed";
/// Bytes of a prelude's note that are read: a longer one is the work of somebody else.
const NOTED: u64 = 1 << 20;

/// The program of a command.
pub(super) enum Script<'o> {
    /// A string: the script of a shell or of another interpreter.
    Text(Text<'o>),
    /// A list: run as it is.
    Argv(Cow<'o, [String]>),
}

/// A script that is written into the pipeline.
pub(super) struct Text<'o> {
    pub text: Cow<'o, str>,
    pub shell: Shell<'o>,
    /// The line of the stage's file that its first line is.
    line: Option<u32>,
}

/// The program that runs a text.
#[derive(PartialEq, Eq)]
pub(super) enum Shell<'o> {
    Bash,
    Sh,
    Words(Vec<&'o str>),
}

impl Script<'_> {
    /// The script of `order`; `None` where a card's worker does the work.
    pub(super) fn of(order: &Order) -> Option<Script<'_>> {
        let ActionWork::Command { script, .. } = &order.action.work else { return None };
        let line = match &order.worker {
            Worker::Command { line, .. } => *line,
            Worker::Card { .. } => None,
        };
        let (text, shell) = match script {
            ActionScript::Argv(words) => return Some(Script::Argv(words.into())),
            ActionScript::Shell(text) => (text, Shell::Words(vec!["/bin/sh", "-c"])),
            ActionScript::Text { text, shell: ActionShell::Bash } => (text, Shell::Bash),
            ActionScript::Text { text, shell: ActionShell::Sh } => (text, Shell::Sh),
            ActionScript::Text { text, shell: ActionShell::Words(words) } => {
                (text, Shell::Words(words.iter().map(String::as_str).collect()))
            }
        };
        Some(Script::Text(Text { text: text.into(), shell, line }))
    }
}

/// How a text is started.
pub(super) struct Start {
    pub argv: Vec<OsString>,
    /// Added to the variables of the command.
    pub environment: Vec<(OsString, OsString)>,
}

/// Writes the script of `order` into its `directory` and says how it is started. `own` are the variables that the stage declares.
pub(super) fn lay_out(
    order: &Order,
    text: &Text<'_>,
    directory: &Path,
    own: &[(OsString, OsString)],
) -> io::Result<Start> {
    let path = directory.join(SCRIPT);
    let end = if text.text.ends_with('\n') { "" } else { "\n" };
    fs::write(&path, format!("{}{end}", text.text))?;
    let name = name(order.sandbox(), directory);
    let mut start = Start { argv: Vec::new(), environment: Vec::new() };
    match &text.shell {
        Shell::Bash => {
            let prelude = directory.join(PRELUDE_FILE);
            fs::write(&prelude, prelude_of(order, text, &name, directory, own))?;
            // bash expands this value before it reads the file.
            let escaped = prelude.to_string_lossy().replace('\\', "\\\\").replace('$', "\\$").replace('`', "\\`");
            start.environment.push(("BASH_ENV".into(), escaped.into()));
            start.argv.push(bash().map_or_else(|| "bash".into(), |path| path.as_os_str().to_owned()));
            start.argv.extend(["-euo", "pipefail"].map(OsString::from));
            start.argv.push(name.into());
        }
        Shell::Sh => start.argv.extend([OsString::from("/bin/sh"), "-eu".into(), name.into()]),
        Shell::Words(words) => {
            start.argv.extend(words.iter().map(OsString::from));
            let script = if takes_text(words) { (*text.text).into() } else { name.into_os_string() };
            start.argv.push(script);
        }
    }
    Ok(start)
}

/// The name of the script: as short as it can be, since shells and interpreters begin their messages with it.
fn name(sandbox: Sandbox, directory: &Path) -> PathBuf {
    match sandbox {
        Sandbox::Private => Path::new("..").join(SCRIPT),
        Sandbox::Workspace => directory.join(SCRIPT),
    }
}

/// Whether the last word asks for the text of a script and not for its path: `-c`, `-ec`.
fn takes_text(words: &[&str]) -> bool {
    let letters = words.last().and_then(|word| word.strip_prefix('-')).and_then(|word| word.strip_suffix('c'));
    letters.is_some_and(|letters| letters.bytes().all(|byte| byte.is_ascii_alphabetic()))
}

/// The bash of this machine, as the engine itself would find it: a stage may set a `PATH` that leads to its own tools only.
fn bash() -> Option<&'static Path> {
    static BASH: OnceLock<Option<PathBuf>> = OnceLock::new();
    BASH.get_or_init(|| find_on_path("bash".as_ref(), &std::env::var_os("PATH")?)).as_deref()
}

fn prelude_of(order: &Order, text: &Text<'_>, name: &Path, directory: &Path, own: &[(OsString, OsString)]) -> String {
    let quoted = |path: &Path| shell_word(&path.to_string_lossy());
    let line = text.line.unwrap_or(0).to_string();
    let mut prelude = String::with_capacity(PRELUDE.len() + 512);
    // `@@NAME@@` stands for a value of ours.
    for piece in PRELUDE.split("@@") {
        match piece {
            "NAME" => prelude.push_str(&quoted(name)),
            "FAILED" => prelude.push_str(&quoted(&directory.join(FAILED))),
            "SCRIPT" => prelude.push_str(&quoted(&directory.join(SCRIPT))),
            "FILE" => prelude.push_str(&quoted(&order.location.file)),
            "LINE" => prelude.push_str(&line),
            other => prelude.push_str(other),
        }
    }
    // The stage's own file of this kind is read as bash would have read it.
    if let Some((_, value)) = own.iter().rfind(|(name, _)| name == "BASH_ENV") {
        let value = shell_word(&value.to_string_lossy());
        prelude.push_str(&format!("export BASH_ENV={value}\nif [[ -r $BASH_ENV ]]; then . \"$BASH_ENV\"; fi\n"));
    }
    prelude
}

/// The failed script's last words, in place of the bare exit status. They may hold the stage's secrets.
pub(super) fn told(order: &Order, directory: &Path, log: &Path, failure: &Failure) -> Option<String> {
    let text = text_of(order)?;
    if failure.verdict != Verdict::ByExit || text.shell != Shell::Bash {
        return None;
    }
    let Exit::Status(status) = failure.exit else { return None };
    noted(directory, status, failure.exit)
        .or_else(|| last_words(order, &text, &name(order.sandbox(), directory), log, failure.exit))
}

/// The script of a command, where it has one.
pub(super) fn text(order: &Order) -> Option<String> {
    text_of(order).map(|text| text.text.into_owned())
}

/// Advice when the shell itself is missing.
pub(super) fn help(order: &Order, failure: &Failure) -> Option<String> {
    let text = text_of(order)?;
    let missing = failure.exit == Exit::NotStarted && text.shell == Shell::Bash;
    missing.then(|| {
        "texts in `run` are run by bash: install it, or write `shell: sh` (of the stage or of the file), which runs them by \
         `/bin/sh -eu`"
            .to_owned()
    })
}

fn text_of(order: &Order) -> Option<Text<'_>> {
    match Script::of(order)? {
        Script::Text(text) => Some(text),
        Script::Argv(_) => None,
    }
}

/// The last failure that the prelude noted, if it is the script's own and ended it.
fn noted(directory: &Path, status: i32, exit: Exit) -> Option<String> {
    let mut notes = Vec::new();
    File::open(directory.join(FAILED)).ok()?.take(NOTED).read_to_end(&mut notes).ok()?;
    let notes = String::from_utf8_lossy(&notes);
    // Level 0 is the script itself; a job in the background may have failed since.
    let own = notes.lines().rev().find_map(|line| line.strip_prefix("0\t"))?;
    let (noted, message) = own.split_once('\t')?;
    if noted != status.to_string() {
        return None;
    }
    // A status that stands for a signal is followed by its name.
    let bare = format!("exit status {status}");
    Some(match message.strip_suffix(&bare) {
        Some(before) => format!("{before}{exit}"),
        None => message.to_owned(),
    })
}

/// Bash's own last message, where it ends a script without a failed command: an unset variable, an error of syntax.
fn last_words(order: &Order, text: &Text<'_>, name: &Path, log: &Path, exit: Exit) -> Option<String> {
    let tail = super::undeclared::tail(log)?;
    let begin = format!("{}: line ", name.display());
    let said = |line: &str| {
        let (line, message) = line.strip_prefix(&begin)?.split_once(": ")?;
        Some((line.parse::<u32>().ok()?, message.to_owned()))
    };
    let mut lines = tail.lines().rev();
    let mut words = said(lines.next()?)?;
    // Of an error of syntax the second line only repeats the script.
    if let Some(before) =
        lines.next().and_then(said).filter(|(line, message)| *line == words.0 && message.contains("syntax error"))
    {
        words = before;
    }
    let (line, message) = words;
    // The end of a script that ends too early is one line too far.
    let in_file = line.min(text.text.lines().count() as u32).saturating_sub(1);
    let place = text.line.map(|first| format!("{}:{}: ", order.location.file.display(), first + in_file));
    Some(format!("{}line {line}: {message} ({exit})", place.unwrap_or_default()))
}
