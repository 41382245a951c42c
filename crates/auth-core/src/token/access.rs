//! The access token as users hold it.

use std::fmt;
use std::sync::Arc;

use http::HeaderValue;
use zeroize::Zeroizing;

use crate::clock::Timestamp;
use crate::record::{AccessEntry, LoginId};
use crate::secret::{Secret, SecretHash};

/// A valid access token. Cheap to clone.
#[derive(Clone)]
pub struct AccessToken(Arc<Inner>);

struct Inner {
    login_id: Option<LoginId>,
    entry: AccessEntry,
    hash: SecretHash,
    header: Option<HeaderValue>,
}

impl AccessToken {
    /// A bearer token from elsewhere, without an end.
    pub fn bearer(token: impl Into<Secret>, issued_at: Timestamp) -> Self {
        Self::from_entry(AccessEntry::bearer(token.into(), issued_at, None))
    }

    /// The same token, with an end.
    pub fn until(self, expires_at: Timestamp) -> Self {
        let mut entry = self.0.entry.clone();
        entry.expires_at = Some(expires_at);
        Self::of_login(entry, self.0.login_id)
    }

    pub(crate) fn from_entry(entry: AccessEntry) -> Self {
        Self::of_login(entry, None)
    }

    pub(crate) fn of_login(entry: AccessEntry, login_id: Option<LoginId>) -> Self {
        let hash = entry.token.hash();
        let header = authorization(&entry);
        Self(Arc::new(Inner {
            login_id,
            entry,
            hash,
            header,
        }))
    }

    /// The login that it belongs to, where there is one.
    pub(crate) fn login_id(&self) -> Option<LoginId> {
        self.0.login_id
    }

    /// The token itself.
    pub fn secret(&self) -> &Secret {
        &self.0.entry.token
    }

    /// The value of the `Authorization` header, marked as sensitive; `None` if
    /// the token is of a type that we can't present (RFC 6749 section 7.1).
    pub fn authorization(&self) -> Option<&HeaderValue> {
        self.0.header.as_ref()
    }

    /// The token's type, as the server wrote it.
    pub fn token_type(&self) -> &str {
        &self.0.entry.token_type
    }

    /// When it was got.
    pub fn issued_at(&self) -> Timestamp {
        self.0.entry.issued_at
    }

    /// When it expires; `None`: not known, good until a 401.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.0.entry.expires_at
    }

    /// The scopes granted, as far as known.
    pub fn scopes(&self) -> &[String] {
        &self.0.entry.scopes
    }

    /// The resource server that it is for, where the authorization server said so
    /// (Globus: one answer carries tokens of several).
    pub fn resource_server(&self) -> Option<&str> {
        self.0.entry.resource_server.as_deref()
    }

    /// The ID token that came with it; its signature was not checked.
    pub fn id_token(&self) -> Option<&Secret> {
        self.0.entry.id_token.as_ref()
    }

    /// The hash by which a rejected token is named.
    pub fn hash(&self) -> SecretHash {
        self.0.hash
    }

    pub(crate) fn entry(&self) -> &AccessEntry {
        &self.0.entry
    }
}

impl PartialEq for AccessToken {
    fn eq(&self, other: &Self) -> bool {
        self.0.hash == other.0.hash
    }
}

impl Eq for AccessToken {}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("hash", &self.0.hash.short())
            .field("token_type", &self.token_type())
            .field("expires_at", &self.expires_at())
            .field("scopes", &self.scopes())
            .finish_non_exhaustive()
    }
}

// Only bearer tokens may be presented as such: a token of another type in a
// bearer header would not be what the server meant (RFC 6749 section 7.1).
fn authorization(entry: &AccessEntry) -> Option<HeaderValue> {
    if !entry.token_type.eq_ignore_ascii_case("bearer") {
        return None;
    }
    let text = Zeroizing::new(format!("Bearer {}", entry.token.expose()));
    let mut value = HeaderValue::from_str(&text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_is_sensitive_and_debug_shows_nothing() {
        let token = AccessToken::bearer("canary", Timestamp::from_unix_seconds(0));
        assert!(token.authorization().unwrap().is_sensitive());
        assert!(!format!("{token:?} {:?}", token.authorization()).contains("canary"));
    }

    #[test]
    fn other_types_are_not_presented_as_bearer() {
        let mut entry = AccessEntry::bearer("t".into(), Timestamp::from_unix_seconds(0), None);
        entry.token_type = "DPoP".into();
        assert_eq!(AccessToken::from_entry(entry.clone()).authorization(), None);
        entry.token_type = "bEARER".into();
        assert_eq!(AccessToken::from_entry(entry).authorization().unwrap(), "Bearer t");
    }
}
