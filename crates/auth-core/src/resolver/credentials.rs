//! The credentials, and where they are looked for.

use std::fmt;

use serde::{Serialize, Serializer};

use crate::client_registration::{ClientRegistration, SecretSource};
use crate::secret::Secret;

/// Which credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Credential {
    /// An access token from elsewhere.
    AccessToken,
    /// The client id (RFC 6749 section 2.2).
    ClientId,
    /// The client secret (RFC 6749 section 2.3.1).
    ClientSecret,
    /// A developer token, where the provider exchanges such for access tokens.
    DeveloperToken,
    /// A refresh token from elsewhere.
    RefreshToken,
}

impl Credential {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::AccessToken,
        Self::ClientId,
        Self::ClientSecret,
        Self::DeveloperToken,
        Self::RefreshToken,
    ];

    /// Its name in errors and tables: `client_id`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessToken => "access_token",
            Self::ClientId => "client_id",
            Self::ClientSecret => "client_secret",
            Self::DeveloperToken => "developer_token",
            Self::RefreshToken => "refresh_token",
        }
    }
}

impl fmt::Display for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Credentials as they are given: by the arguments of a call, to a client. What is
/// empty counts as not given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Credentials {
    /// An access token from elsewhere.
    pub access_token: Option<Secret>,
    /// The client id.
    pub client_id: Option<String>,
    /// Where the client secret comes from. A file or a variable that is named counts
    /// as given; it is read when the secret is needed.
    pub client_secret: Option<SecretSource>,
    /// A developer token.
    pub developer_token: Option<Secret>,
    /// A refresh token from elsewhere.
    pub refresh_token: Option<Secret>,
}

impl Credentials {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With this access token.
    pub fn access_token(mut self, token: impl Into<Secret>) -> Self {
        self.access_token = Some(token.into());
        self
    }

    /// With this client id.
    pub fn client_id(mut self, id: impl Into<String>) -> Self {
        self.client_id = Some(id.into());
        self
    }

    /// With a client secret from here.
    pub fn client_secret(mut self, secret: impl Into<SecretSource>) -> Self {
        self.client_secret = Some(secret.into());
        self
    }

    /// With this developer token.
    pub fn developer_token(mut self, token: impl Into<Secret>) -> Self {
        self.developer_token = Some(token.into());
        self
    }

    /// With this refresh token.
    pub fn refresh_token(mut self, token: impl Into<Secret>) -> Self {
        self.refresh_token = Some(token.into());
        self
    }

    /// Whether this one is given, and not empty.
    pub fn has(&self, credential: Credential) -> bool {
        let given = |secret: &Option<Secret>| secret.as_ref().is_some_and(|secret| !secret.is_empty());
        match credential {
            Credential::AccessToken => given(&self.access_token),
            Credential::ClientId => self.client_id.as_ref().is_some_and(|id| !id.is_empty()),
            Credential::ClientSecret => self.client_secret.as_ref().is_some_and(is_named),
            Credential::DeveloperToken => given(&self.developer_token),
            Credential::RefreshToken => given(&self.refresh_token),
        }
    }
}

/// The client id and the secret's source of a registration.
impl From<&ClientRegistration> for Credentials {
    fn from(registration: &ClientRegistration) -> Self {
        Self::new()
            .client_id(registration.client_id())
            .client_secret(registration.secret_source().clone())
    }
}

/// Where credentials are looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Place {
    /// The arguments of the call.
    Arguments,
    /// The client that it is made with.
    Client,
    /// Environment variables whose names begin like this; empty: just the names.
    Environment {
        /// `TOKENKEEP`, or the provider's own.
        prefix: String,
    },
    /// The store of this name.
    Store {
        /// Its [`name`](crate::store::TokenStore::name).
        name: String,
    },
}

impl Place {
    /// The place of one credential in it: names the environment variable.
    pub fn of(&self, credential: Credential) -> String {
        match self {
            Self::Environment { prefix } => format!("environment variable {}", variable(prefix, credential)),
            place => place.to_string(),
        }
    }
}

/// The name of the environment variable of a credential.
pub(super) fn variable(prefix: &str, credential: Credential) -> String {
    let name = credential.as_str().to_ascii_uppercase();
    if prefix.is_empty() {
        name
    } else {
        format!("{prefix}_{name}")
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arguments => f.write_str("the arguments"),
            Self::Client => f.write_str("the client"),
            Self::Environment { prefix } if prefix.is_empty() => f.write_str("the environment (names without prefix)"),
            Self::Environment { prefix } => write!(f, "the environment ({prefix}_*)"),
            Self::Store { name } => write!(f, "the {name} store"),
        }
    }
}

impl Serialize for Place {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

fn is_named(source: &SecretSource) -> bool {
    match source {
        SecretSource::None => false,
        SecretSource::Value(secret) => !secret.is_empty(),
        SecretSource::Environment(_) | SecretSource::File(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_empty_is_not_given() {
        let empty = Credentials::new()
            .access_token("")
            .client_id("")
            .client_secret(Secret::new(""))
            .developer_token("")
            .refresh_token("");
        let given = Credentials::new()
            .access_token("a")
            .client_id("i")
            .client_secret(SecretSource::File("/s".into()))
            .developer_token("d")
            .refresh_token("r");
        for credential in Credential::ALL {
            assert!(!empty.has(credential) && given.has(credential), "{credential}");
        }
        assert!(
            !Credentials::new()
                .client_secret(SecretSource::None)
                .has(Credential::ClientSecret)
        );
    }

    #[test]
    fn variables_are_named() {
        assert_eq!(variable("TOKENKEEP", Credential::ClientId), "TOKENKEEP_CLIENT_ID");
        assert_eq!(variable("", Credential::RefreshToken), "REFRESH_TOKEN");
    }
}
