//! What comes back from the authorization server, by redirect or by paste.

use std::fmt;

use url::Url;

use crate::secret::Secret;

/// The parameters with which the browser came back (RFC 6749 section 4.1.2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Callback {
    /// `code`.
    pub code: Option<Secret>,
    /// `state`.
    pub state: Option<Secret>,
    /// `iss` (RFC 9207).
    pub issuer: Option<String>,
    /// `error`.
    pub error: Option<String>,
    /// `error_description`.
    pub error_description: Option<String>,
}

impl Callback {
    /// Reads a query: what comes after the `?`.
    ///
    /// # Errors
    /// [`CallbackError::Duplicate`] if a parameter comes twice (RFC 6749
    /// section 3.1).
    pub fn from_query(query: &str) -> Result<Self, CallbackError> {
        let mut callback = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            let twice = match &*name {
                "code" => callback.code.replace(value.into()).is_some(),
                "state" => callback.state.replace(value.into()).is_some(),
                "iss" => callback.issuer.replace(value).is_some(),
                "error" => callback.error.replace(value).is_some(),
                "error_description" => callback.error_description.replace(value).is_some(),
                _ => false,
            };
            if twice {
                return Err(CallbackError::Duplicate {
                    parameter: name.into_owned(),
                });
            }
        }
        Ok(callback)
    }

    /// Reads a whole redirect URL.
    ///
    /// # Errors
    /// [`CallbackError::NotAUrl`], and those of [`from_query`](Self::from_query).
    pub fn from_url(url: &str) -> Result<Self, CallbackError> {
        let url = Url::parse(url).map_err(|_| CallbackError::NotAUrl)?;
        Self::from_query(url.query().unwrap_or_default())
    }
}

/// Why a login can't be finished. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallbackError {
    /// The authorization server refused, or the person did.
    Denied {
        /// The error code (RFC 6749 section 4.1.2.1), printable.
        code: String,
        /// What the server says of it, printable.
        description: Option<String>,
    },
    /// A parameter comes twice.
    Duplicate {
        /// Which.
        parameter: String,
    },
    /// The login was begun too long ago.
    Expired,
    /// The answer comes from another issuer (RFC 9207): mix-up, or a typo in ours.
    IssuerMismatch,
    /// The answer must name its issuer and does not.
    IssuerMissing,
    /// There is no code in it.
    NoCode,
    /// It is no URL.
    NotAUrl,
    /// `state` is not the one that this login was begun with.
    StateMismatch,
    /// There is no `state` in it.
    StateMissing,
}

impl CallbackError {
    pub(super) fn denied(code: &str, description: Option<&str>) -> Self {
        let printable = |text: &str| {
            text.chars()
                .filter(|c| matches!(c, ' '..='~'))
                .take(200)
                .collect::<String>()
        };
        Self::Denied {
            code: printable(code),
            description: description.map(printable),
        }
    }
}

impl fmt::Display for CallbackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Denied {
                code,
                description: None,
            } => write!(f, "the authorization server refused the login ({code})"),
            Self::Denied {
                code,
                description: Some(text),
            } => {
                write!(f, "the authorization server refused the login ({code}): {text}")
            }
            Self::Duplicate { parameter } => write!(f, "the answer names {parameter} twice; begin the login again"),
            Self::Expired => f.write_str("the login was begun more than ten minutes ago; begin it again"),
            Self::IssuerMismatch => f.write_str(
                "the answer comes from another issuer than the one configured; check the issuer, begin again",
            ),
            Self::IssuerMissing => f.write_str("the answer does not name its issuer, though this server always does"),
            Self::NoCode => f.write_str("there is no code in the answer; paste the whole address of the last page"),
            Self::NotAUrl => f.write_str("that is no URL; paste the whole address of the last page, or the code alone"),
            Self::StateMismatch => {
                f.write_str("the answer belongs to another login (state differs); use the address of this one")
            }
            Self::StateMissing => {
                f.write_str("there is no state in the answer; paste the whole address of the last page")
            }
        }
    }
}

impl std::error::Error for CallbackError {}
