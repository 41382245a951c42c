//! What a person reads: headings and summaries on standard error, results on standard output.

use std::io::Write;

/// One line on standard error. A closed stream is no reason to stop the checks.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// One line on standard output, at once.
pub(crate) fn print(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}
