//! Client registrations: who we are to an authorization server.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use crate::client_auth::ClientAuthMethod;
use crate::error::{ConfigError, MissingCredential, PartialCredentials};
use crate::provider::{Provider, StepAuthentication};
use crate::record::{Binding, ClientRecord};
use crate::secret::Secret;

/// A client at an authorization server. Given once per manager; it wins over one
/// kept in the store.
#[derive(Clone, Debug)]
pub struct ClientRegistration {
    provider: Provider,
    client_id: String,
    secret: SecretSource,
    authentication: Option<ClientAuthMethod>,
}

/// Where a client secret comes from. Read each time it is needed, so that a
/// secret can be changed under a running process.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum SecretSource {
    /// The environment variable of this name.
    Environment(String),
    /// This file; white space around it does not count.
    File(PathBuf),
    /// There is none: a public client.
    None,
    /// The value itself.
    Value(Secret),
}

impl ClientRegistration {
    /// A public client: no secret.
    pub fn public(provider: Provider, client_id: impl Into<String>) -> Self {
        Self {
            provider,
            client_id: client_id.into(),
            secret: SecretSource::None,
            authentication: Some(ClientAuthMethod::None),
        }
    }

    /// A confidential client, which authenticates as the provider has it.
    pub fn confidential(provider: Provider, client_id: impl Into<String>, secret: impl Into<SecretSource>) -> Self {
        Self {
            provider,
            client_id: client_id.into(),
            secret: secret.into(),
            authentication: None,
        }
    }

    /// A registration as it is kept in a store.
    pub fn from_record(record: ClientRecord) -> Self {
        let secret = record.client_secret.map_or(SecretSource::None, SecretSource::Value);
        let authentication = match (record.authentication, &secret) {
            (None, SecretSource::None) => Some(ClientAuthMethod::None),
            (given, _) => given,
        };
        Self {
            provider: record.provider,
            client_id: record.client_id,
            secret,
            authentication,
        }
    }

    /// Authenticates this way, whatever the provider's usual way is. Where it is the
    /// provider's usual way, its [ways in single steps](Provider::step_authentication)
    /// count as if nothing had been said.
    pub fn authenticate_by(mut self, method: ClientAuthMethod) -> Self {
        self.authentication = Some(method);
        self
    }

    /// The secret comes from here.
    pub fn secret_from(mut self, secret: impl Into<SecretSource>) -> Self {
        self.secret = secret.into();
        self
    }

    /// The registration as a record; the secret goes into it only where it was
    /// given as a value.
    pub fn to_record(&self) -> ClientRecord {
        let mut record = ClientRecord::new(self.provider.clone(), self.client_id.clone());
        record.authentication = self.authentication;
        if let SecretSource::Value(secret) = &self.secret {
            record.client_secret = Some(secret.clone());
        }
        record
    }

    /// The provider.
    pub fn provider(&self) -> &Provider {
        &self.provider
    }

    /// The client id.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Where the secret comes from.
    pub fn secret_source(&self) -> &SecretSource {
        &self.secret
    }

    /// How the client authenticates.
    pub fn authentication(&self) -> ClientAuthMethod {
        self.authentication.unwrap_or(self.provider.client_authentication)
    }

    /// How the client authenticates in this step.
    pub(crate) fn authentication_in(&self, step: Step) -> ClientAuthMethod {
        let usual = self.provider.client_authentication;
        match self.authentication {
            Some(ClientAuthMethod::None) => ClientAuthMethod::None,
            Some(given) if given != usual => given,
            _ => step.own(self.provider.step_authentication).unwrap_or(usual),
        }
    }

    /// To whom tokens of this client belong.
    pub fn binding(&self) -> Binding {
        Binding::new(
            self.provider.issuer.as_ref().map(|issuer| issuer.as_str().to_owned()),
            self.provider
                .token_endpoint
                .as_ref()
                .map(|endpoint| endpoint.as_str().to_owned()),
            self.client_id.clone(),
        )
    }

    /// Reads the secret; `None` where the way to authenticate needs none.
    ///
    /// # Errors
    /// `PartialCredentials` if it is needed and there is none,
    /// `UnreadableSecret` if it can't be read from where it is said to be.
    pub fn secret(&self) -> Result<Option<Secret>, ConfigError> {
        self.secret_for(self.authentication())
    }

    pub(crate) fn secret_for(&self, method: ClientAuthMethod) -> Result<Option<Secret>, ConfigError> {
        if !method.needs_secret() {
            return Ok(None);
        }
        match self.secret.read()? {
            Some(secret) if !secret.is_empty() => Ok(Some(secret)),
            _ => Err(ConfigError::PartialCredentials(PartialCredentials::new(vec![
                MissingCredential::new("client_secret", [self.secret.to_string()]),
            ]))),
        }
    }
}

/// A step in which a client authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    CodeExchange,
    Refresh,
    Revocation,
    /// Any other token request.
    Token,
}

impl Step {
    fn own(self, ways: StepAuthentication) -> Option<ClientAuthMethod> {
        match self {
            Self::CodeExchange => ways.code_exchange,
            Self::Refresh => ways.refresh,
            Self::Revocation => ways.revocation,
            Self::Token => None,
        }
    }
}

impl SecretSource {
    fn read(&self) -> Result<Option<Secret>, ConfigError> {
        match self {
            Self::None => Ok(None),
            Self::Value(secret) => Ok(Some(secret.clone())),
            Self::Environment(name) => match std::env::var(name) {
                Ok(value) => Ok(Some(Secret::new(value))),
                Err(std::env::VarError::NotPresent) => Ok(None),
                Err(std::env::VarError::NotUnicode(_)) => Err(ConfigError::UnreadableSecret {
                    place: self.to_string(),
                }),
            },
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map(Zeroizing::new);
                let text = text.map_err(|_| ConfigError::UnreadableSecret {
                    place: self.to_string(),
                })?;
                Ok(Some(Secret::new(text.trim())))
            }
        }
    }
}

/// The place, never the value.
impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "environment variable {name}"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::None => f.write_str("the registration, which has none"),
            Self::Value(_) => f.write_str("the value given"),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretSource({self})")
    }
}

impl From<Secret> for SecretSource {
    fn from(secret: Secret) -> Self {
        Self::Value(secret)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::EndpointUrl;

    fn provider() -> Provider {
        crate::provider::with_endpoints(EndpointUrl::new("https://a.example/token").unwrap(), None)
    }

    #[test]
    fn a_missing_secret_names_the_place() {
        let client =
            ClientRegistration::confidential(provider(), "id", SecretSource::Environment("TOKENKEEP_NO_SUCH".into()));
        let text = client.secret().unwrap_err().to_string();
        assert!(
            text.contains("client_secret") && text.contains("TOKENKEEP_NO_SUCH"),
            "{text}"
        );
        let client = client.secret_from(SecretSource::File("/no/such/file".into()));
        assert!(client.secret().unwrap_err().to_string().contains("/no/such/file"));
    }

    #[test]
    fn a_public_client_needs_none() {
        let client = ClientRegistration::public(provider(), "id");
        assert_eq!(client.secret(), Ok(None));
        let back = ClientRegistration::from_record(client.to_record());
        assert_eq!(back.authentication(), ClientAuthMethod::None);
    }

    #[test]
    fn steps_have_their_own_way_unless_another_is_asked_for() {
        use ClientAuthMethod::{Basic, BasicRaw, None, Post};
        let provider = crate::provider::foundry("foundry.example").unwrap();
        let ways = |client: &ClientRegistration| {
            [Step::CodeExchange, Step::Refresh, Step::Revocation].map(|step| client.authentication_in(step))
        };
        let client = ClientRegistration::confidential(provider.clone(), "id", Secret::new("s"));
        assert_eq!(ways(&client), [BasicRaw, Post, BasicRaw]);
        let kept = ClientRegistration::from_record(client.clone().authenticate_by(BasicRaw).to_record());
        assert_eq!(ways(&kept), [BasicRaw, Post, BasicRaw]);
        assert_eq!(ways(&client.authenticate_by(Basic)), [Basic; 3]);
        assert_eq!(ways(&ClientRegistration::public(provider, "id")), [None; 3]);
    }

    #[test]
    fn records_hold_values_only() {
        let client = ClientRegistration::confidential(provider(), "id", Secret::new("s"));
        let back = ClientRegistration::from_record(client.to_record());
        assert_eq!(
            (back.secret(), back.authentication()),
            (Ok(Some(Secret::new("s"))), ClientAuthMethod::Basic)
        );
        let elsewhere = client.secret_from(SecretSource::Environment("X".into()));
        assert_eq!(elsewhere.to_record().client_secret, None);
    }
}
