//! What ends a command: an error with its causes, the exit code, and what to do
//! next.

use std::error::Error;
use std::fmt;

use tokenkeep::TokenError;
use tokenkeep::store::StoreError;

use crate::exit::Exit;

pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// Why the command failed. Nothing in it is secret.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    error: Box<dyn Error + Send + Sync>,
    hint: Option<String>,
    quiet: bool,
}

impl Failure {
    /// A failure in these words.
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self::of(
            exit,
            Said {
                message: message.into(),
                source: None,
            },
        )
    }

    /// A failure that is this error.
    pub(crate) fn of(exit: Exit, error: impl Error + Send + Sync + 'static) -> Self {
        Self {
            exit,
            error: Box::new(error),
            hint: None,
            quiet: false,
        }
    }

    /// A failure in these words, caused by this error.
    pub(crate) fn caused(
        exit: Exit,
        message: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        let (message, source) = (message.into(), Some(source.into()));
        Self::of(exit, Said { message, source })
    }

    /// An end without a word: a signal, or nobody reads our output any more.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self {
            quiet: true,
            ..Self::new(exit, "ended")
        }
    }

    /// With what to do next.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// With what to do next, where nothing is said of it yet.
    pub(crate) fn or_hint(mut self, hint: impl FnOnce() -> Option<String>) -> Self {
        self.hint = self.hint.or_else(hint);
        self
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Whether there is anything to say.
    pub(crate) fn is_silent(&self) -> bool {
        self.quiet
    }

    /// What to do next.
    pub(crate) fn next_step(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// The error and its causes, outermost first, one line each.
    pub(crate) fn chain(&self) -> Vec<String> {
        let mut lines = vec![self.error.to_string()];
        let mut next = self.error.source();
        while let Some(cause) = next {
            lines.push(cause.to_string());
            next = cause.source();
        }
        lines
    }

    /// All of it in one line, where several profiles have one each.
    pub(crate) fn in_one_line(&self) -> String {
        let hint = self.hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
        format!("error: {}{hint}", self.chain().join(": "))
    }
}

impl From<TokenError> for Failure {
    fn from(error: TokenError) -> Self {
        Self::of(Exit::of_token_error(error.kind()), error)
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::of(Exit::of_store_error(error.kind()), error)
    }
}

#[derive(Debug)]
struct Said {
    message: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Said {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_a_line() {
        let inner = std::io::Error::other("inner");
        let failure = Failure::caused(Exit::Store, "outer", inner).hint("do that");
        assert_eq!(failure.chain(), ["outer", "inner"]);
        assert_eq!(failure.next_step(), Some("do that"));
        assert_eq!(failure.or_hint(|| Some("else".into())).next_step(), Some("do that"));
    }
}
