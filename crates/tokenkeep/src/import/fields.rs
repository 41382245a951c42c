//! Fields of entries, as they are taken: a text or a time, or an error that names them.

use auth_core::Secret;
use auth_core::clock::Timestamp;

use super::error::{FormatError, Problem};
use super::json::{Json, Object};

/// As long as the answer of a token endpoint may have them.
pub(super) const VALUE_MAX: usize = 64 * 1024;

/// A token, a client id, a client secret: printable ASCII (RFC 6749 appendix A); an empty one is none.
pub(super) fn credential(field: &'static str, value: Secret) -> Result<Option<Secret>, FormatError> {
    let text = value.expose();
    if text.len() > VALUE_MAX {
        return Err(FormatError::of_field(field, Problem::TooLong));
    }
    if !text.bytes().all(|byte| (0x20..0x7f).contains(&byte)) || text.trim() != text {
        return Err(FormatError::of_field(field, Problem::Characters));
    }
    Ok(Some(value).filter(|value| !value.is_empty()))
}

/// The words of a list of scopes, split at this; none is empty.
pub(super) fn scopes(text: &str, separator: impl Fn(char) -> bool) -> Result<Vec<String>, FormatError> {
    let words = text.split(separator).map(str::trim).filter(|word| !word.is_empty());
    words
        .map(|word| {
            let allowed = word
                .bytes()
                .all(|byte| (0x21..0x7f).contains(&byte) && !b"\"\\".contains(&byte));
            if allowed && word.len() <= VALUE_MAX {
                Ok(word.to_owned())
            } else {
                Err(FormatError::of_field("scopes", Problem::Characters))
            }
        })
        .collect()
}

/// What has to be there.
pub(super) fn required<T>(field: &'static str, value: Option<T>) -> Result<T, FormatError> {
    value.ok_or(FormatError::of_field(field, Problem::Missing))
}

impl Object {
    /// A credential; `None` if it is absent, null or empty.
    pub(super) fn credential(&mut self, field: &'static str) -> Result<Option<Secret>, FormatError> {
        match self.text(field)? {
            Some(text) => credential(field, text),
            None => Ok(None),
        }
    }

    /// A credential that is no secret.
    pub(super) fn word(&mut self, field: &'static str) -> Result<Option<String>, FormatError> {
        Ok(self.credential(field)?.map(|word| word.expose().to_owned()))
    }

    /// A time in seconds since 1970.
    pub(super) fn seconds(&mut self, field: &'static str) -> Result<Option<Timestamp>, FormatError> {
        match self.take(field)? {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Number(number)) => match number.as_i64() {
                Some(seconds) => Ok(Some(Timestamp::from_unix_seconds(seconds))),
                None => Err(FormatError::of_field(field, Problem::Kind("a whole number of seconds"))),
            },
            Some(_) => Err(FormatError::of_field(field, Problem::Kind("a number of seconds"))),
        }
    }

    fn text(&mut self, field: &'static str) -> Result<Option<Secret>, FormatError> {
        match self.take(field)? {
            None | Some(Json::Null) => Ok(None),
            Some(Json::Text(text)) => Ok(Some(text)),
            Some(_) => Err(FormatError::of_field(field, Problem::Kind("a text"))),
        }
    }
}
