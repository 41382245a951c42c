//! A refusal by the authorization server, without anything secret in it.

use std::fmt;
use std::time::Duration;

use crate::store::Retry;

/// An answer of the authorization server that is no token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The error code (RFC 6749 section 5.2), if the answer had one.
    pub code: Option<String>,
    /// What the server says of it: at most 200 printable characters, with what we
    /// sent as secrets taken out.
    pub description: Option<String>,
    /// When to try again, if the server said so; at most one hour.
    pub retry_after: Option<Duration>,
}

impl Refusal {
    /// A refusal with this status.
    pub fn new(status: u16) -> Self {
        Self {
            status,
            code: None,
            description: None,
            retry_after: None,
        }
    }

    /// Whether trying again later can help, without changing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self.status, 408 | 425 | 429 | 500..=599)
            || matches!(
                self.code.as_deref(),
                Some("temporarily_unavailable" | "slow_down" | "server_error")
            )
    }

    pub(crate) fn retry(&self) -> Retry {
        match self.retry_after {
            Some(after) => Retry::After(after),
            None if self.is_transient() => Retry::After(Duration::from_secs(1)),
            None => Retry::Never,
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the authorization server refused (status {}", self.status)?;
        if let Some(code) = &self.code {
            write!(f, ", {code}")?;
        }
        f.write_str(")")?;
        if let Some(description) = &self.description {
            write!(f, ": {description}")?;
        }
        if let Some(after) = self.retry_after {
            write!(f, "; try again in {} s", after.as_secs())?;
        }
        Ok(())
    }
}
