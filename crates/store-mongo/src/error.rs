//! What the driver reports, by kind; its own texts quote values and are dropped.

use auth_core::store::{Operation, StoreError, StoreErrorKind};
use mongodb::error::{Error, ErrorKind, NO_WRITES_PERFORMED, WriteFailure};

/// An error before it is known which operation it stopped.
#[derive(Debug)]
pub(crate) struct Fault {
    kind: StoreErrorKind,
    message: String,
}

/// What an error leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doing {
    /// Nothing: a read, or a lease, which is asked for again under the same id.
    Ask,
    /// Whether a record was changed.
    Write,
}

/// The codes by which a server says that something was going on: a fail-over, a
/// shutdown, an end of time. What it was doing may have been done.
const INTERRUPTED: [i32; 20] = [
    6, 7, 24, 50, 64, 89, 91, 112, 134, 189, 202, 262, 290, 9001, 10058, 10107, 11600, 11602, 13435, 13436,
];
const DENIED: [i32; 4] = [13, 18, 33, 8000];
const TOO_LARGE: [i32; 4] = [10334, 17419, 17420, 17280];
const DUPLICATE: [i32; 3] = [11000, 11001, 12582];

impl Fault {
    pub(crate) fn new(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Invalid, message)
    }

    pub(crate) fn corrupt(message: impl Into<String>) -> Self {
        Self::new(StoreErrorKind::Corrupt, message)
    }

    pub(crate) fn conflict() -> Self {
        Self::new(StoreErrorKind::Conflict, "")
    }

    /// No answer in time, or none any more.
    pub(crate) fn unanswered(doing: Doing, message: &str) -> Self {
        Self::new(doing.left_open(), message)
    }

    /// What the driver reports.
    pub(crate) fn of(error: &Error, doing: Doing) -> Self {
        let doing = if error.contains_label(NO_WRITES_PERFORMED) {
            Doing::Ask
        } else {
            doing
        };
        match &*error.kind {
            ErrorKind::Command(error) => of_code(error.code, doing),
            ErrorKind::Write(WriteFailure::WriteError(error)) => of_code(error.code, Doing::Ask),
            ErrorKind::Write(WriteFailure::WriteConcernError(error)) => Self::new(
                doing.left_open(),
                format!("written, but not acknowledged by a majority (code {})", error.code),
            ),
            kind => of_client(kind, doing),
        }
    }

    pub(crate) fn kind(&self) -> StoreErrorKind {
        self.kind
    }

    pub(crate) fn at(self, operation: Operation) -> StoreError {
        let error = StoreError::new(self.kind, operation, "mongodb");
        if self.message.is_empty() {
            return error;
        }
        error.with_message(self.message)
    }
}

impl Doing {
    fn left_open(self) -> StoreErrorKind {
        match self {
            Self::Ask => StoreErrorKind::Unavailable,
            Self::Write => StoreErrorKind::Ambiguous,
        }
    }
}

/// Whether there is a document of this name already. A plain insert says so by a
/// write error, an upsert by a command error.
pub(crate) fn is_duplicate(error: &Error) -> bool {
    code_of(error).is_some_and(|code| DUPLICATE.contains(&code))
}

/// The code by which the server refused.
pub(crate) fn code_of(error: &Error) -> Option<i32> {
    match &*error.kind {
        ErrorKind::Command(error) => Some(error.code),
        ErrorKind::Write(WriteFailure::WriteError(error)) => Some(error.code),
        _ => None,
    }
}

fn of_code(code: i32, doing: Doing) -> Fault {
    match code {
        _ if DUPLICATE.contains(&code) => Fault::conflict(),
        _ if DENIED.contains(&code) => Fault::new(
            StoreErrorKind::Denied,
            format!("the server does not allow it to this user (code {code}): it needs the role readWrite"),
        ),
        _ if TOO_LARGE.contains(&code) => Fault::new(StoreErrorKind::TooLarge, format!("code {code}")),
        121 => Fault::new(
            StoreErrorKind::Denied,
            "a validator of the collection refuses the record",
        ),
        _ if INTERRUPTED.contains(&code) => Fault::unanswered(
            doing,
            &format!("the server was interrupted (code {code}): a fail-over, a shutdown, or too little time"),
        ),
        _ => Fault::new(
            StoreErrorKind::Unavailable,
            format!("the server refused with code {code}"),
        ),
    }
}

fn of_client(kind: &ErrorKind, doing: Doing) -> Fault {
    match kind {
        ErrorKind::Authentication { .. } => not_accepted(),
        // Whom a server has turned away, the driver takes for gone.
        ErrorKind::ServerSelection { message, .. } if message.contains("SCRAM failure") => not_accepted(),
        ErrorKind::ServerSelection { message, .. } if message.contains("certificate") => Fault::new(
            StoreErrorKind::Unavailable,
            "the server's TLS certificate is not accepted: name its authority's with tlsCAFile",
        ),
        ErrorKind::ServerSelection { .. } => Fault::new(
            StoreErrorKind::Unavailable,
            "no primary server was found in time: none answers (are host and port right, is it running?), TLS is expected \
             (tls=true), or none is elected (rs.initiate(), and a majority of its members)",
        ),
        ErrorKind::DnsResolve { .. } => Fault::new(StoreErrorKind::Unavailable, "the servers' names can't be resolved"),
        ErrorKind::InvalidTlsConfig { .. } => Fault::invalid("the files for TLS can't be used"),
        ErrorKind::InvalidArgument { .. } => Fault::invalid(
            "the URL has an option that is not known, a value that can't be, or a character that must be \
             percent-encoded; besides the driver's options there are database, collection, namespace, timeoutMS, username, \
             password_file and password_env",
        ),
        ErrorKind::IncompatibleServer { .. } | ErrorKind::SessionsNotSupported => {
            Fault::new(StoreErrorKind::Unsupported, "the server is too old")
        }
        ErrorKind::Bson(_) | ErrorKind::BsonDeserialization(_) if doing == Doing::Ask => {
            Fault::corrupt("what the server sent can't be read")
        }
        ErrorKind::Io(error) => Fault::unanswered(doing, &format!("the connection failed: {}", error.kind())),
        _ => Fault::unanswered(doing, "the connection failed"),
    }
}

fn not_accepted() -> Fault {
    Fault::new(
        StoreErrorKind::Denied,
        "the server does not accept the name or the password",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duplicate_is_known_as_a_write_error_and_as_a_command_error() {
        let of = |code: i32| {
            let text = format!(r#"{{"code":{code},"codeName":"x","errmsg":"canary"}}"#);
            let command = serde_json::from_str(&text).unwrap();
            let write = serde_json::from_str(&text).unwrap();
            [
                ErrorKind::Command(command),
                ErrorKind::Write(WriteFailure::WriteError(write)),
            ]
        };
        for kind in of(11000) {
            let error = Error::from(kind);
            assert!(is_duplicate(&error));
            assert_eq!(Fault::of(&error, Doing::Write).kind(), StoreErrorKind::Conflict);
        }
        for kind in of(121) {
            assert!(!is_duplicate(&Error::from(kind)));
        }
    }

    #[test]
    fn codes_have_kinds() {
        for (code, asked, written) in [
            (11000, StoreErrorKind::Conflict, StoreErrorKind::Conflict),
            (13, StoreErrorKind::Denied, StoreErrorKind::Denied),
            (121, StoreErrorKind::Denied, StoreErrorKind::Denied),
            (10334, StoreErrorKind::TooLarge, StoreErrorKind::TooLarge),
            (189, StoreErrorKind::Unavailable, StoreErrorKind::Ambiguous),
            (2, StoreErrorKind::Unavailable, StoreErrorKind::Unavailable),
        ] {
            assert_eq!(of_code(code, Doing::Ask).kind(), asked, "{code}");
            assert_eq!(of_code(code, Doing::Write).kind(), written, "{code}");
        }
    }

    #[test]
    fn the_drivers_texts_are_dropped() {
        let error = Error::from(std::io::Error::other("canary"));
        for doing in [Doing::Ask, Doing::Write] {
            let fault = Fault::of(&error, doing);
            assert_eq!(fault.kind(), doing.left_open());
            let shown = fault.at(Operation::Save);
            assert!(!format!("{shown} {shown:?}").contains("canary"));
        }
    }
}
