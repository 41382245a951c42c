//! What can go wrong with the servers, in words that say what to do next.
//!
//! A server's own words are not repeated: some of them quote what was sent.

use std::error::Error;
use std::fmt;
use std::io;

use auth_core::store::{Operation, StoreError, StoreErrorKind};

use crate::cause;
use crate::link::Failed;

/// An error before it is known which operation it stopped. Holds no value of a record and no password.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: StoreErrorKind,
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// An answer that refuses: only its code.
#[derive(Debug)]
struct Refusal(String);

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

    pub(crate) fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    pub(crate) fn conflict() -> Self {
        Self::new(StoreErrorKind::Conflict, "")
    }

    /// A command that failed at these servers; `writes` if it would have changed a record.
    pub(crate) fn of(failed: &Failed, place: &str, writes: bool) -> Self {
        let (kind, advice) = cause::of(failed);
        let source: Box<dyn Error + Send + Sync> = match (cause::io_error(&failed.error), cause::code(&failed.error)) {
            (Some(error), _) => Box::new(io::Error::new(error.kind(), error.to_string())),
            (None, Some(code)) => Box::new(Refusal(code)),
            (None, None) => Box::new(Refusal(format!("{:?}", failed.error.kind()))),
        };
        Self {
            kind: if failed.perhaps_done && writes {
                StoreErrorKind::Ambiguous
            } else {
                kind
            },
            message: format!("{place}: {advice}"),
            source: Some(source),
        }
    }

    /// The answer to a first attempt was lost, and meanwhile somebody else wrote.
    pub(crate) fn overtaken(place: &str) -> Self {
        let message = format!("{place}: the connection broke, and then another version was there; read again");
        Self::new(StoreErrorKind::Ambiguous, message)
    }

    pub(crate) fn too_few_replicas(place: &str, have: u32, wanted: u32) -> Self {
        let message = format!(
            "{place}: written, but {have} replicas of the {wanted} of wait_replicas= said in time that they have it"
        );
        Self::new(StoreErrorKind::Ambiguous, message)
    }

    pub(crate) fn too_large(size: usize, limit: usize) -> Self {
        Self::new(StoreErrorKind::TooLarge, format!("{size} bytes; at most {limit}"))
    }

    /// An answer that no script of ours gives.
    pub(crate) fn strange(place: &str) -> Self {
        Self::new(
            StoreErrorKind::Unavailable,
            format!("{place}: does not answer as Redis does"),
        )
    }

    /// The work was stopped from outside.
    pub(crate) fn unfinished(writes: bool) -> Self {
        let kind = if writes {
            StoreErrorKind::Ambiguous
        } else {
            StoreErrorKind::Unavailable
        };
        Self::new(kind, "the thread of its connections ended")
    }

    pub(crate) fn at(self, operation: Operation) -> StoreError {
        let mut error = StoreError::new(self.kind, operation, "redis");
        if !self.message.is_empty() {
            error = error.with_message(self.message);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> StoreError {
    Fault::invalid(message).at(Operation::Open)
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server answered {}", self.0)
    }
}

impl Error for Refusal {}
