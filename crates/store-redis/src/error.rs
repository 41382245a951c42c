//! What can go wrong with the servers, in words that say what to do next.
//!
//! A server's own words are not repeated: some of them quote what was sent.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use auth_core::store::{Operation, StoreError, StoreErrorKind};
use redis::{ErrorKind, RedisError};

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

    pub(crate) fn conflict() -> Self {
        Self::new(StoreErrorKind::Conflict, "")
    }

    /// A command that failed at these servers; `writes` if it would have changed a record.
    pub(crate) fn of(failed: &Failed, place: &str, writes: bool) -> Self {
        let (kind, advice) = cause(&failed.error);
        let source: Box<dyn Error + Send + Sync> = match (io_error(&failed.error), code(&failed.error)) {
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

/// What it is, and what to do.
fn cause(error: &RedisError) -> (StoreErrorKind, String) {
    if let Some(cause) = tls_cause(error) {
        return cause;
    }
    let code = code(error).unwrap_or_default();
    let (kind, advice) = match (error.kind(), code.as_str()) {
        (_, "NOPERM") => return (StoreErrorKind::Denied, missing_permission(&detail(error))),
        // So older servers say it where a script is stopped, without naming the command.
        (_, "ERR") if detail(error).contains("user executing the script") => (
            StoreErrorKind::Denied,
            "the user may not run what the scripts call: ACL SETUSER USER +hget +hset +exists +del +persist +pexpireat \
             +set +get +pexpire +pttl, and ~PREFIX*",
        ),
        (ErrorKind::AuthenticationFailed, _) | (_, "NOAUTH" | "WRONGPASS") => (
            StoreErrorKind::Denied,
            "user name or password is wrong or missing: password_file=FILE or TOKENKEEP_REDIS_PASSWORD, and username=",
        ),
        (_, "READONLY") => (
            StoreErrorKind::Unavailable,
            "this server is a read-only replica: name the primary, or use redis+sentinel://",
        ),
        (_, "OOM") => (
            StoreErrorKind::Unavailable,
            "the server's memory is full: raise its maxmemory, or free some",
        ),
        (_, "MISCONF") => (
            StoreErrorKind::Unavailable,
            "the server can't save to its disk and takes no writes: look into its log",
        ),
        (_, "LOADING") => (StoreErrorKind::Unavailable, "the server is starting and loads its data"),
        (_, "NOREPLICAS") => (
            StoreErrorKind::Unavailable,
            "the server has fewer replicas than its min-replicas-to-write and takes no writes",
        ),
        (_, "WRONGTYPE") => (
            StoreErrorKind::Corrupt,
            "something else is stored under this key and was kept: choose another prefix=",
        ),
        (_, "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "MASTERDOWN" | "BUSY") => (
            StoreErrorKind::Unavailable,
            "the servers are busy with themselves (fail-over, moved slots, a long script)",
        ),
        (ErrorKind::MasterNameNotFoundBySentinel, _) => (
            StoreErrorKind::Unavailable,
            "no sentinel answers, or none knows a primary of this name now",
        ),
        (ErrorKind::InvalidClientConfig, _) => (StoreErrorKind::Invalid, "the driver does not take this address"),
        _ if error.is_timeout() => (StoreErrorKind::Unavailable, "no answer in time"),
        _ if error.is_io_error() || error.kind() == ErrorKind::ClusterConnectionNotFound => (
            StoreErrorKind::Unavailable,
            "can't be reached, or the connection broke: is the server running, host and port right?",
        ),
        _ => (StoreErrorKind::Unavailable, "the server refused"),
    };
    (kind, advice.to_owned())
}

fn tls_cause(error: &RedisError) -> Option<(StoreErrorKind, String)> {
    let cause = match io_error(error)?.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::InvalidCertificate(_) => (
            StoreErrorKind::Denied,
            "the server's certificate is not trusted: name its authority with ca=FILE, and the host that it is for",
        ),
        rustls::Error::AlertReceived(_) => (
            StoreErrorKind::Denied,
            "the server refused the TLS connection: does it ask for a certificate (cert= and key=)?",
        ),
        rustls::Error::InvalidMessage(_) => (
            StoreErrorKind::Invalid,
            "the server does not speak TLS on this port: redis:// in place of rediss://, or another port",
        ),
        _ => (StoreErrorKind::Denied, "the TLS connection failed"),
    };
    Some((cause.0, cause.1.to_owned()))
}

/// `NOPERM` says in its text which command or key it is about.
fn missing_permission(text: &str) -> String {
    let command = text.split('\'').nth(1).filter(|name| {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '|' | '-' | '_');
        !name.is_empty() && name.len() <= 30 && name.chars().all(plain)
    });
    match command {
        Some(command) => format!("the user may not run {command}: ACL SETUSER USER +{command}"),
        None if text.contains("key") => "the user may not use keys of this prefix: ACL SETUSER USER ~PREFIX*".into(),
        None => "the user lacks a permission: see ACL LOG".into(),
    }
}

fn detail(error: &RedisError) -> String {
    let answers = error.clone().into_server_errors();
    let first = answers.as_deref().and_then(<[_]>::first);
    first
        .and_then(|(_, answer)| answer.details())
        .unwrap_or_default()
        .to_owned()
}

/// The code that the server's answer begins with.
pub(crate) fn code(error: &RedisError) -> Option<String> {
    let answers = error.clone().into_server_errors()?;
    let code = answers.first()?.1.code().to_owned();
    let plain = code.len() <= 20 && code.chars().all(|c| c.is_ascii_uppercase());
    Some(if plain { code } else { "an error".into() })
}

fn io_error(error: &RedisError) -> Option<&io::Error> {
    let source = error.source()?;
    let shared = source.downcast_ref::<Arc<dyn Error + Send + Sync>>();
    shared.map_or_else(|| source.downcast_ref(), |shared| shared.downcast_ref())
}
