//! What is said where: results on stdout, everything else on stderr.

use std::io::{self, ErrorKind, Write as _};

use crate::error::{Failure, Result};
use crate::exit::Exit;

const RED: &str = "\x1b[1;31m";
const CYAN: &str = "\x1b[1;36m";
const PLAIN: &str = "\x1b[0m";

/// What was asked for, as it is.
pub(crate) fn result(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(bytes).and_then(|()| stdout.flush());
    written.map_err(cannot_write)
}

/// What was asked for, with colours where stdout shows them.
pub(crate) fn styled_result(text: &str) -> Result<()> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(cannot_write)
}

/// Something for a person. Where stderr is gone, there is nobody to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// A question for a person, who answers in the same line.
pub(crate) fn ask(text: &str) {
    let mut stderr = anstream::stderr().lock();
    let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
}

/// Why the command failed, each cause a line, and what to do next.
pub(crate) fn failure(failure: &Failure) {
    if failure.is_silent() {
        return;
    }
    for (depth, line) in failure.chain().iter().enumerate() {
        match depth {
            0 => say(&format!("{RED}error:{PLAIN} {line}")),
            _ => say(&format!("  caused by: {line}")),
        }
    }
    if let Some(hint) = failure.next_step() {
        say(&format!("{CYAN}hint:{PLAIN} {hint}"));
    }
}

fn cannot_write(error: io::Error) -> Failure {
    match error.kind() {
        ErrorKind::BrokenPipe => Failure::silent(Exit::Failure),
        _ => Failure::caused(Exit::Failure, "the result can't be written to stdout", error),
    }
}
