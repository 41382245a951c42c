//! What a person pasted: the whole address of the last page, its query, or the
//! code alone.

use auth_core::grant::{Callback, CallbackError, CodeExchange, PendingLogin};
use auth_core::{Secret, TokenManager};

// Longer than any code that servers give, shorter than a pasted document.
const PASTE_MAX: usize = 16 * 1024;

/// What a person pasted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Pasted {
    /// A redirect URL or its query.
    Callback(Callback),
    /// The code alone.
    Code(Secret),
}

/// Why what was pasted can't be used. Shows nothing of it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasteError {
    /// It is an answer, but not a good one.
    #[error("that answer can't be used")]
    Callback(#[from] CallbackError),
    /// Nothing was pasted.
    #[error("nothing was pasted; paste the whole address of the last page, or the code")]
    Empty,
    /// It has spaces or control characters in it, or is far too long.
    #[error("that is neither an address nor a code; paste the whole address of the last page")]
    NoCode,
}

impl Pasted {
    /// Reads what was pasted; space around it does not count.
    ///
    /// # Errors
    /// [`PasteError`] says what is wrong, and what to paste.
    pub fn parse(text: &str) -> Result<Self, PasteError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PasteError::Empty);
        }
        if text.len() > PASTE_MAX || text.chars().any(|c| c.is_whitespace() || c.is_control()) {
            return Err(PasteError::NoCode);
        }
        if text.contains("://") {
            return Ok(Self::Callback(Callback::from_url(text)?));
        }
        if is_query(text) {
            return Ok(Self::Callback(Callback::from_query(text.trim_start_matches('?'))?));
        }
        Ok(Self::Code(Secret::new(text)))
    }

    /// Ends a login with it; `state` and issuer are checked where it has them.
    ///
    /// # Errors
    /// [`PasteError::Callback`]; nothing was sent.
    pub fn accept(self, manager: &TokenManager, login: PendingLogin) -> Result<CodeExchange, PasteError> {
        Ok(match self {
            Self::Callback(callback) => manager.accept_callback(login, &callback)?,
            Self::Code(code) => manager.accept_code(login, code)?,
        })
    }
}

// Codes may have `=` at their end, so a query is known by its parameters' names.
fn is_query(text: &str) -> bool {
    let query = text.trim_start_matches('?');
    query
        .split('&')
        .any(|pair| ["code=", "state=", "error="].iter().any(|name| pair.starts_with(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code_of(text: &str) -> Option<Secret> {
        match Pasted::parse(text).unwrap() {
            Pasted::Callback(callback) => callback.code,
            Pasted::Code(code) => Some(code),
        }
    }

    #[test]
    fn addresses_queries_and_codes() {
        for text in [
            "http://127.0.0.1:9999/callback?code=abc%3D%3D&state=s",
            "  https://app.example/cb?state=s&code=abc%3D%3D\r\n",
            "?code=abc==&state=s",
            "code=abc==&state=s",
            " abc== ",
        ] {
            assert_eq!(code_of(text), Some("abc==".into()), "{text}");
        }
    }

    #[test]
    fn what_is_neither_is_refused() {
        assert_eq!(Pasted::parse(" \n"), Err(PasteError::Empty));
        assert_eq!(Pasted::parse("two words"), Err(PasteError::NoCode));
        assert_eq!(Pasted::parse(&"x".repeat(PASTE_MAX + 1)), Err(PasteError::NoCode));
        assert!(matches!(
            Pasted::parse("http://[bad/?code=a"),
            Err(PasteError::Callback(CallbackError::NotAUrl))
        ));
        assert!(matches!(
            Pasted::parse("?code=a&code=b"),
            Err(PasteError::Callback(CallbackError::Duplicate { .. }))
        ));
    }

    #[test]
    fn nothing_pasted_is_shown() {
        assert!(!format!("{:?}", Pasted::parse("canary")).contains("canary"));
        assert!(!format!("{:?}", Pasted::parse("http://x/?code=canary&state=canary")).contains("canary"));
    }
}
