//! Grants: the ways to get tokens (RFC 6749 section 1.3).
//!
//! A grant says what to ask for and how its tokens are renewed; it sends nothing
//! and keeps nothing.

mod authorization_code;
mod client_credentials;
mod developer_token;
mod fixed;
mod refresh_token;
mod request;
mod revocation;
mod wire;

use std::fmt;

pub use authorization_code::{
    AuthorizationCode, AuthorizationRequest, Callback, CallbackError, CodeExchange, PendingLogin,
};
pub use client_credentials::ClientCredentials;
pub use developer_token::DeveloperToken;
pub use fixed::Fixed;
pub use refresh_token::RefreshToken;
pub use request::{RequestKind, TokenRequest};
pub(crate) use revocation::{TokenTypeHint, revocation_request};
pub(crate) use wire::http_request;

use crate::error::{ConfigError, ReauthReason, Refusal};
use crate::secret::Secret;
use crate::target::Target;

/// A way to get tokens.
pub trait Grant: fmt::Debug + Send + Sync + 'static {
    /// The name by which records remember it: `client_credentials`.
    fn name(&self) -> &'static str;

    /// How its tokens are renewed.
    fn renewal(&self) -> Renewal;

    /// The request for a token of this target.
    ///
    /// Only asked of grants whose renewal is [`Renewal::Repeat`].
    ///
    /// # Errors
    /// [`ConfigError`] if it can't ask for that.
    fn request(&self, target: &Target) -> Result<TokenRequest, ConfigError>;

    /// The secret that its requests show in place of a client's: tokens got with
    /// another one are not used in their stead. `None` for most.
    fn asks_with(&self) -> Option<&Secret> {
        None
    }

    /// Why a person must do something, if that is what this refusal says. By default
    /// none says so: what was set up wrongly is mended there.
    fn is_over(&self, _refusal: &Refusal) -> Option<ReauthReason> {
        None
    }
}

/// How tokens are renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Renewal {
    /// A person logs in again.
    Login,
    /// The refresh token is spent, in the ledger.
    RefreshToken,
    /// The same request is made again: nothing can be lost.
    Repeat,
}
