use std::fmt;

/// Why a server is not there, and what to do about it.
#[derive(Debug)]
pub struct ServiceError(String);

impl ServiceError {
    /// With this text, which says what to do.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Whether a server could not start since somebody else has its port.
    pub(crate) fn is_of_a_taken_port(&self) -> bool {
        self.0.to_lowercase().contains("already in use")
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
