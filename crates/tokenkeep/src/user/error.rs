//! Why there are no credentials of a person.

use auth_core::endpoint::EndpointError;
use auth_core::error::TokenError;
use auth_core::grant::CallbackError;
use auth_core::profile::Profile;
use auth_core::store::StoreError;
use auth_login::{LoginError, PasteError};

/// Why there are no credentials of a person.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UserError {
    /// The file holds several profiles, and none was named.
    #[error("the store has several profiles ({}); name one", Named(.0))]
    Ambiguous(Vec<Profile>),
    /// A person must log in, and nobody is at a terminal.
    #[error("a person must log in, and nobody is at a terminal to do so")]
    Nobody(#[source] Option<TokenError>),
    /// The host makes no URL.
    #[error("that is no host: HOST, HOST:PORT or https://HOST")]
    Host(#[source] EndpointError),
    /// The input ended before a code came.
    #[error("nothing was entered; log in again")]
    NothingEntered,
    /// The provider has no page that shows codes to copy, and no redirect URI was named.
    #[error("the provider {0} has no page that shows codes; name the redirect URI that is registered")]
    NoRedirect(String),
    /// Nothing is kept there.
    #[error("no credentials are kept there")]
    NotKept,
    /// The login by browser failed.
    #[error("nobody logged in")]
    Login(#[from] LoginError),
    /// What was entered is no answer to this login.
    #[error("what was entered does not end this login")]
    Entered(#[from] PasteError),
    /// The store failed.
    #[error("the credentials could not be read or kept")]
    Store(#[from] StoreError),
    /// No token was to be had. Nobody is asked to log in for a network or a store that
    /// fails: what is kept may be good.
    #[error("no token was to be had")]
    Token(#[from] TokenError),
}

/// A refusal that another try of entering the code can't mend.
pub(super) fn is_final(error: &PasteError) -> bool {
    matches!(
        error,
        PasteError::Callback(CallbackError::Denied { .. } | CallbackError::Expired)
    )
}

struct Named<'a>(&'a [Profile]);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (number, profile) in self.0.iter().enumerate() {
            let comma = if number == 0 { "" } else { ", " };
            write!(f, "{comma}{profile}")?;
        }
        Ok(())
    }
}
