//! `pipe` on a pseudo-terminal, as a person sees it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::project::{eventually, signal};

/// The size of a terminal of which nothing else is said.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };

/// Runs `command` on a terminal of its own to its end: the exit code and everything that it wrote.
pub(crate) fn on_a_terminal(command: Command) -> (i32, String) {
    on_a_terminal_of(command, SIZE.ws_row, SIZE.ws_col)
}

/// The same on a terminal of this size.
pub(crate) fn on_a_terminal_of(command: Command, rows: u16, columns: u16) -> (i32, String) {
    Session::start_on(command, rows, columns).end()
}

/// A command on a terminal of its own that somebody sits at.
pub(crate) struct Session {
    child: Child,
    controller: File,
    written: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
}

impl Session {
    pub(crate) fn start(command: Command) -> Session {
        Session::start_on(command, SIZE.ws_row, SIZE.ws_col)
    }

    fn start_on(mut command: Command, rows: u16, columns: u16) -> Session {
        let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&controller).unwrap();
        unlockpt(&controller).unwrap();
        tcsetwinsize(&controller, Winsize { ws_row: rows, ws_col: columns, ..SIZE }).unwrap();
        let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
        let noctty = rustix::fs::OFlags::NOCTTY.bits() as i32;
        let terminal = File::options().read(true).write(true).custom_flags(noctty).open(name).unwrap();
        let end = || Stdio::from(terminal.try_clone().unwrap());
        let child = command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm-256color").spawn().unwrap();
        // Both hold ends of it; the reader below sees the end only when the last is closed.
        drop((terminal, command));
        let controller = File::from(controller);
        let written: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut reading, heard) = (controller.try_clone().unwrap(), Arc::clone(&written));
        let reader = std::thread::spawn(move || {
            let mut chunk = [0; 4096];
            // Linux ends a terminal whose other side is closed with EIO.
            while let Ok(read @ 1..) = reading.read(&mut chunk) {
                heard.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
        });
        Session { child, controller, written, reader }
    }

    /// Types.
    pub(crate) fn write(&self, text: &str) {
        (&self.controller).write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits until this was written.
    pub(crate) fn until(&self, text: &str) {
        eventually(text, || String::from_utf8_lossy(&self.written.lock().unwrap()).contains(text));
    }

    /// Waits for the end of the command: the exit code and everything that it wrote.
    pub(crate) fn end(mut self) -> (i32, String) {
        self.reader.join().unwrap();
        let status = self.child.wait().unwrap().code().unwrap_or(-1);
        (status, String::from_utf8(std::mem::take(&mut *self.written.lock().unwrap())).unwrap())
    }
}

/// The screen after `written`: understands the sequences that a live display may use, and panics on anything else.
pub(crate) fn screen(written: &str) -> Vec<String> {
    let mut screen = Screen::new(SIZE.ws_col);
    screen.take(written);
    screen.text()
}

/// Every state of the screen that a live display drew before it drew over it.
pub(crate) fn frames(written: &str, columns: u16) -> Vec<Vec<String>> {
    let mut screen = Screen::new(columns);
    let mut frames = Vec::new();
    for (at, piece) in written.split("\r\u{1b}[2K").enumerate() {
        if at > 0 {
            screen.take("\r\u{1b}[2K");
        }
        screen.take(piece);
        frames.push(screen.text());
    }
    frames
}

/// All that was ever on a screen, also the lines that have left it at the top.
pub(crate) struct Screen {
    columns: usize,
    lines: Vec<Vec<char>>,
    row: usize,
    column: usize,
    /// The rows above the cursor to which it went back.
    pub climbed: usize,
}

impl Screen {
    pub(crate) fn new(columns: u16) -> Screen {
        Screen { columns: usize::from(columns), lines: vec![Vec::new()], row: 0, column: 0, climbed: 0 }
    }

    pub(crate) fn text(&self) -> Vec<String> {
        self.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect()
    }

    pub(crate) fn take(&mut self, written: &str) {
        let mut rest = written.chars().peekable();
        while let Some(c) = rest.next() {
            match c {
                '\r' => self.column = 0,
                '\n' => self.row += 1,
                '\u{1b}' => {
                    assert_eq!(rest.next(), Some('['), "an escape that is no control sequence");
                    let mut number = String::new();
                    while let Some(digit) = rest.next_if(|c| c.is_ascii_digit() || *c == ';') {
                        number.push(digit);
                    }
                    self.control(&number, rest.next().unwrap());
                }
                c => self.put(c),
            }
            self.lines.resize(self.lines.len().max(self.row + 1), Vec::new());
        }
    }

    fn control(&mut self, number: &str, what: char) {
        let count = number.parse().unwrap_or(1);
        match what {
            'A' => {
                self.row = self.row.checked_sub(count).expect("never above the first line");
                self.climbed = self.climbed.max(self.lines.len() - self.row);
            }
            'B' => self.row += count,
            'K' if number == "2" => self.lines[self.row].clear(),
            'm' => {}
            other => panic!("unexpected control sequence [{number}{other}"),
        }
    }

    fn put(&mut self, c: char) {
        assert!(!c.is_control(), "unexpected control character {c:?}");
        if self.column == self.columns {
            (self.row, self.column) = (self.row + 1, 0);
        }
        self.lines.resize(self.lines.len().max(self.row + 1), Vec::new());
        let line = &mut self.lines[self.row];
        line.resize(line.len().max(self.column + 1), ' ');
        line[self.column] = c;
        self.column += 1;
    }
}
