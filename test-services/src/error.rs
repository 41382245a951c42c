use std::fmt;

/// Why a server is not there, and what to do about it.
#[derive(Debug)]
pub struct ServiceError(String);

impl ServiceError {
    /// With this text, which says what to do.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        Self(format!("{what}: {error}"))
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ServiceError {}
