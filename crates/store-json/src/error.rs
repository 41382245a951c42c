//! What can go wrong with the file, in words that say what to do next.

use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use auth_core::store::{Operation, StoreError, StoreErrorKind};

/// An error before it is known which operation it stopped. Holds no value from
/// the file.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: StoreErrorKind,
    message: String,
    source: Option<io::Error>,
}

impl Fault {
    pub(crate) fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Invalid, message)
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Corrupt, message)
    }

    pub(crate) fn denied(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Denied, message)
    }

    /// An input or output error: nothing was changed.
    pub(crate) fn io(doing: Doing, path: &Path, source: io::Error) -> Self {
        let path = path.display();
        let (kind, advice) = match source.kind() {
            ErrorKind::PermissionDenied => (
                StoreErrorKind::Denied,
                "not permitted: run as its owner, or have them give access to file and folder",
            ),
            ErrorKind::ReadOnlyFilesystem => (StoreErrorKind::Unavailable, "its file system is read-only"),
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                (StoreErrorKind::Unavailable, "no room left: free some and try again")
            }
            ErrorKind::NotADirectory => (StoreErrorKind::Invalid, "a part of the path is no folder"),
            _ if is_symbolic_link(&source) => (
                StoreErrorKind::Denied,
                "a symbolic link, which others could point elsewhere: name the file itself",
            ),
            _ => (StoreErrorKind::Unavailable, "the operating system refused"),
        };
        Self {
            kind,
            message: format!("can't {doing} {path}: {advice}"),
            source: Some(source),
        }
    }

    /// The rename happened, but it is not known to be on the disk.
    pub(crate) fn ambiguous(path: &Path, source: io::Error) -> Self {
        Self {
            kind: StoreErrorKind::Ambiguous,
            message: format!(
                "{} was replaced, but its folder could not be synced to the disk",
                path.display()
            ),
            source: Some(source),
        }
    }

    pub(crate) fn at(self, operation: Operation) -> StoreError {
        let mut error = StoreError::new(self.kind, operation, "json");
        if !self.message.is_empty() {
            error = error.with_message(self.message);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// What was tried, for messages.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Doing {
    Create,
    Lock,
    Read,
    Repair,
    Write,
}

impl fmt::Display for Doing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "create",
            Self::Lock => "lock",
            Self::Read => "read",
            Self::Repair => "set the mode of",
            Self::Write => "write",
        })
    }
}

fn is_symbolic_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::io::Errno;

    #[test]
    fn each_cause_has_a_kind_and_a_next_step() {
        for (errno, kind, words) in [
            (Errno::ACCESS, StoreErrorKind::Denied, "run as its owner"),
            (Errno::LOOP, StoreErrorKind::Denied, "symbolic link"),
            (Errno::NOSPC, StoreErrorKind::Unavailable, "no room"),
            (Errno::DQUOT, StoreErrorKind::Unavailable, "no room"),
            (Errno::ROFS, StoreErrorKind::Unavailable, "read-only"),
            (Errno::NOTDIR, StoreErrorKind::Invalid, "no folder"),
            (Errno::IO, StoreErrorKind::Unavailable, "refused"),
        ] {
            let source = io::Error::from_raw_os_error(errno.raw_os_error());
            let error = Fault::io(Doing::Write, Path::new("/x/t.json"), source).at(Operation::Save);
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(text.contains(words) && text.contains("/x/t.json"), "{text}");
        }
    }
}
