//! What can go wrong with a node, in words that say which node and what to do next.

use std::io::{self, ErrorKind};
use std::time::Duration;

use auth_core::store::{Operation, StoreError, StoreErrorKind};
use memcache::exp::Error;

use crate::address::NodeAddress;

/// An error before it is known which operation it stopped. Holds no value.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: StoreErrorKind,
    message: String,
    source: Option<io::Error>,
}

/// Why a node gave no usable answer.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// The connection ended, or never came about.
    Broken(io::Error),
    /// Nothing came in time.
    Silent(Duration),
    /// Something came that is no answer to what was asked.
    Nonsense,
    /// An answer that does not name the question, as older servers give it.
    TooOld,
    /// The server says no: nothing was done.
    Refused(Refusal),
}

/// What a server says no for. Its words are not repeated: they may be anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    Authentication,
    NoRoom,
    TooLarge,
    Other,
}

/// What an exchange that failed was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Read,
    Write,
}

impl Trouble {
    pub(crate) fn of(error: Error) -> Self {
        match error {
            Error::Io(error) => Self::Broken(error),
            Error::Timeout { .. } => Self::Broken(ErrorKind::TimedOut.into()),
            Error::Server(text) | Error::Rejected(text) => Self::Refused(Refusal::of(&text)),
            // The pooled client wraps definite refusals in it too.
            Error::Ambiguous { source, .. } => Self::of(*source),
            _ => Self::Nonsense,
        }
    }

    /// The fault of this exchange with this node. Where a write was sent and no answer
    /// understood, it may have happened.
    pub(crate) fn at(self, node: &NodeAddress, purpose: Purpose) -> Fault {
        let unknown = match purpose {
            Purpose::Read => StoreErrorKind::Unavailable,
            Purpose::Write => StoreErrorKind::Ambiguous,
        };
        match self {
            Self::Broken(source) => Fault {
                kind: unknown,
                message: format!("node {node}: {}", broken(&source)),
                source: Some(source),
            },
            Self::Silent(limit) => Fault::new(
                unknown,
                format!("node {node} did not answer within {} ms", limit.as_millis()),
            ),
            Self::Nonsense => Fault::new(unknown, format!("node {node} gave no answer of a memcached")),
            Self::TooOld => Fault::new(
                StoreErrorKind::Denied,
                format!(
                    "node {node} is too old: it does not name the question in its answer; 1.6.18 or later is needed"
                ),
            ),
            Self::Refused(refusal) => refusal.at(node),
        }
    }
}

impl Refusal {
    fn of(text: &str) -> Self {
        match text {
            "unauthenticated" => Self::Authentication,
            "object too large for cache" => Self::TooLarge,
            text if text.starts_with("out of memory") => Self::NoRoom,
            _ => Self::Other,
        }
    }

    fn at(self, node: &NodeAddress) -> Fault {
        let (kind, words) = match self {
            Self::Authentication => (
                StoreErrorKind::Denied,
                "demands a user and a password, which this store can't give: use a server without, on a network of its own",
            ),
            Self::TooLarge => (
                StoreErrorKind::TooLarge,
                "takes smaller items only: say so by largest_item, or start it with a larger -I",
            ),
            Self::NoRoom => (StoreErrorKind::Unavailable, "has no room left and may forget nothing"),
            Self::Other => (
                StoreErrorKind::Unavailable,
                "refused the command: it has too many connections, or is no memcached of 1.6.18 or later",
            ),
        };
        Fault::new(kind, format!("node {node} {words}"))
    }
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

    pub(crate) fn conflict() -> Self {
        Self::new(StoreErrorKind::Conflict, "")
    }

    pub(crate) fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    pub(crate) fn at(self, operation: Operation) -> StoreError {
        // A lease that may have been taken is as good as none: whoever asks again under
        // the same id has it.
        let kind = match (operation, self.kind) {
            (Operation::Lease, StoreErrorKind::Ambiguous) => StoreErrorKind::Unavailable,
            (_, kind) => kind,
        };
        let mut error = StoreError::new(kind, operation, "memcached");
        if !self.message.is_empty() {
            error = error.with_message(self.message);
        }
        match self.source {
            Some(source) => error.with_source(source),
            None => error,
        }
    }
}

fn broken(error: &io::Error) -> &'static str {
    match error.kind() {
        ErrorKind::ConnectionRefused => "nothing listens there",
        ErrorKind::TimedOut => "no connection came about in time",
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset | ErrorKind::BrokenPipe => {
            "it closed the connection; if it always does, it demands TLS or SASL, which this store does not speak"
        }
        _ => "no connection",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(error: Error, purpose: Purpose) -> StoreError {
        let node = "cache-1".parse().unwrap();
        Trouble::of(error).at(&node, purpose).at(Operation::Save)
    }

    fn io(kind: ErrorKind) -> Error {
        Error::Io(kind.into())
    }

    #[test]
    fn each_cause_has_a_kind_and_names_the_node() {
        use StoreErrorKind::{Ambiguous, Denied, TooLarge, Unavailable};
        let server = |text: &str| Error::Server(text.to_owned());
        let rejected = |text: &str| Error::Rejected(text.to_owned());
        for (error, read, write) in [
            (io(ErrorKind::ConnectionRefused), Unavailable, Ambiguous),
            (io(ErrorKind::UnexpectedEof), Unavailable, Ambiguous),
            (Error::Protocol("canary".into()), Unavailable, Ambiguous),
            (server("object too large for cache"), TooLarge, TooLarge),
            (server("out of memory storing object"), Unavailable, Unavailable),
            (rejected("unauthenticated"), Denied, Denied),
            (rejected("canary"), Unavailable, Unavailable),
        ] {
            let again = match &error {
                Error::Io(error) => io(error.kind()),
                Error::Protocol(text) => Error::Protocol(text.clone()),
                Error::Server(text) => server(text),
                Error::Rejected(text) => rejected(text),
                other => panic!("{other}"),
            };
            let (read_error, write_error) = (fault(error, Purpose::Read), fault(again, Purpose::Write));
            assert_eq!((read_error.kind(), write_error.kind()), (read, write), "{read_error}");
            let text = format!("{read_error} {write_error} {write_error:?}");
            assert!(text.contains("cache-1:11211") && !text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn definite_refusals_are_found_inside_ambiguous_ones() {
        let ambiguous = |source| Error::Ambiguous {
            key: b"k".to_vec(),
            source: Box::new(source),
        };
        let refused = ambiguous(Error::Server("object too large for cache".into()));
        assert_eq!(fault(refused, Purpose::Write).kind(), StoreErrorKind::TooLarge);
        let unknown = ambiguous(Error::Timeout { key: b"k".to_vec() });
        assert_eq!(fault(unknown, Purpose::Write).kind(), StoreErrorKind::Ambiguous);
    }

    #[test]
    fn an_unknown_lease_is_unavailable() {
        let node = "cache-1".parse().unwrap();
        let fault = Trouble::Silent(Duration::from_secs(1)).at(&node, Purpose::Write);
        assert_eq!(fault.at(Operation::Lease).kind(), StoreErrorKind::Unavailable);
    }
}
