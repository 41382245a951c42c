//! What can go wrong with a file, in words that say what to do next.

use std::error::Error;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::Path;

use crate::store::{Operation, StoreError, StoreErrorKind};

/// An error of a store, before it is known which operation it stopped. Holds no
/// value from a file.
#[derive(Debug)]
#[must_use = "an error that nobody is told"]
pub struct Fault {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Fault {
    /// Of this kind, with what is wrong, where, and what to do next.
    pub fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// What was asked makes no sense.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Invalid, message)
    }

    /// What is there can't be read.
    pub fn corrupt(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Corrupt, message)
    }

    /// This user may not, or should not.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Denied, message)
    }

    /// An input or output error: nothing was changed.
    pub fn io(doing: Doing, path: &Path, source: io::Error) -> Self {
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
            source: Some(Box::new(source)),
        }
    }

    /// With the error underneath, which must hold no secret.
    pub fn with_source(mut self, source: impl Error + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    /// The same for one more who waited for what failed; without the error underneath,
    /// which the first is told.
    pub fn without_source(&self) -> Self {
        Self::new(self.kind, self.message.clone())
    }

    /// As the error of this operation of the store with this name.
    pub fn at(self, operation: Operation, store: &str) -> StoreError {
        let mut error = StoreError::new(self.kind, operation, store);
        if !self.message.is_empty() {
            error = error.with_message(self.message);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

/// What was tried with a file, for messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Doing {
    /// Making it.
    Create,
    /// Locking it.
    Lock,
    /// Reading it.
    Read,
    /// Setting its mode.
    Repair,
    /// Writing it.
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
            let error = Fault::io(Doing::Write, Path::new("/x/t.json"), source).at(Operation::Save, "json");
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(text.contains(words) && text.contains("/x/t.json"), "{text}");
        }
    }
}
