//! `pipe` on a pseudo-terminal, as a person sees it.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::process::{Command, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// The size of the terminal.
const SIZE: Winsize = Winsize { ws_row: 24, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };

/// Runs `command` on a terminal of its own to its end: the exit code and everything that it wrote.
pub fn on_a_terminal(mut command: Command) -> (i32, String) {
    let controller = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&controller).unwrap();
    unlockpt(&controller).unwrap();
    tcsetwinsize(&controller, SIZE).unwrap();
    let name = ptsname(&controller, Vec::new()).unwrap().into_string().unwrap();
    let noctty = rustix::fs::OFlags::NOCTTY.bits() as i32;
    let terminal = File::options().read(true).write(true).custom_flags(noctty).open(name).unwrap();
    let end = || Stdio::from(terminal.try_clone().unwrap());
    let mut child = command.stdin(end()).stdout(end()).stderr(end()).env("TERM", "xterm-256color").spawn().unwrap();
    // Both hold ends of it; the reader below sees the end only when the last is closed.
    drop((terminal, command));
    let mut controller = File::from(controller);
    let mut written = Vec::new();
    let mut chunk = [0; 4096];
    // Linux ends a terminal whose other side is closed with EIO.
    while let Ok(read @ 1..) = controller.read(&mut chunk) {
        written.extend_from_slice(&chunk[..read]);
    }
    (child.wait().unwrap().code().unwrap_or(-1), String::from_utf8(written).unwrap())
}

/// What `written` leaves on the screen: understands what a live display may use, and panics on anything else.
pub fn screen(written: &str) -> Vec<String> {
    let mut lines: Vec<Vec<char>> = vec![Vec::new()];
    let (mut row, mut column) = (0_usize, 0_usize);
    let mut rest = written.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '\r' => column = 0,
            '\n' => row += 1,
            '\u{1b}' => {
                assert_eq!(rest.next(), Some('['), "an escape that is no control sequence");
                let mut number = String::new();
                while let Some(digit) = rest.next_if(|c| c.is_ascii_digit() || *c == ';') {
                    number.push(digit);
                }
                let count = number.parse().unwrap_or(1);
                match rest.next().unwrap() {
                    'A' => row = row.checked_sub(count).expect("never above the first line"),
                    'B' => row += count,
                    'K' if number == "2" => lines[row].clear(),
                    'm' => {}
                    other => panic!("unexpected control sequence [{number}{other}"),
                }
            }
            c => {
                assert!(!c.is_control(), "unexpected control character {c:?}");
                if column == usize::from(SIZE.ws_col) {
                    (row, column) = (row + 1, 0);
                }
                lines.resize(lines.len().max(row + 1), Vec::new());
                let line = &mut lines[row];
                line.resize(line.len().max(column + 1), ' ');
                line[column] = c;
                column += 1;
            }
        }
        lines.resize(lines.len().max(row + 1), Vec::new());
    }
    lines.into_iter().map(|line| line.into_iter().collect::<String>().trim_end().to_owned()).collect()
}
