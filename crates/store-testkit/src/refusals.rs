//! How many refusals a case has asserted: the contract demands an error, and the store gave it.
//!
//! Who wants to know names a file in `STORE_TESTKIT_REFUSALS`: each case that passes adds a line to it, its
//! path and the number.

use std::cell::Cell;
use std::fs::OpenOptions;
use std::io::Write as _;

const FILE: &str = "STORE_TESTKIT_REFUSALS";

thread_local! {
    /// Of the case that runs on this thread.
    static ASSERTED: Cell<u64> = const { Cell::new(0) };
}

/// One more was asserted.
pub(crate) fn asserted() {
    ASSERTED.set(ASSERTED.get() + 1);
}

/// Runs a case, and tells how many it has asserted. The path is a test's, with its crate before it.
pub(crate) fn counted(path: &str, case: impl FnOnce()) {
    ASSERTED.set(0);
    case();
    let Some(file) = std::env::var_os(FILE) else { return };
    let (_, name) = path.split_once("::").unwrap_or_default();
    let line = format!("{name} {}\n", ASSERTED.get());
    let written = OpenOptions::new().append(true).create(true).open(&file);
    let written = written.and_then(|mut file| file.write_all(line.as_bytes()));
    assert!(
        written.is_ok(),
        "{FILE} names a file that can't be written: {written:?}"
    );
}

#[cfg(test)]
mod tests {
    use super::{ASSERTED, asserted, counted};

    #[test]
    fn each_case_counts_its_own() {
        counted("crate::store::case", || {
            asserted();
            asserted();
            assert_eq!(ASSERTED.get(), 2);
        });
        counted("crate::store::other", || assert_eq!(ASSERTED.get(), 0));
    }
}
