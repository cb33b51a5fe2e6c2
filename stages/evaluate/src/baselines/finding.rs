//! The parts of a prompt of the task `finding` that tables are made of:
//!
//! ```text
//! network: tcp LISTEN 22 on all interfaces by /usr/sbin/sshd      scanner and title
//! web host; first scan; on no other host                          role, history and more
//! ```

/// The task.
pub const TASK: &str = "finding";

/// The first line.
pub fn title(prompt: &str) -> &str {
    prompt.lines().next().unwrap_or(prompt)
}

/// The scanner.
pub fn scanner(prompt: &str) -> &str {
    title(prompt).split(':').next().unwrap_or(prompt)
}

/// How often earlier scans had it: the second part of the second line.
pub fn history(prompt: &str) -> &str {
    prompt.lines().nth(1).and_then(|line| line.split("; ").nth(1)).unwrap_or("")
}

/// Whether it is a port that is listened on, which is exposed.
pub fn listens(prompt: &str) -> bool {
    title(prompt).contains("LISTEN")
}
