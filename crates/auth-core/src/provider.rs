//! Providers: endpoints and habits of authorization servers, as data.
//!
//! One file per provider that we know; no special cases elsewhere.

mod auth0;
mod by_name;
mod foundry;
mod generic;
mod globus;
mod pancloud;

use std::ops::RangeInclusive;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use auth0::auth0;
pub use by_name::{NAMES, ProviderNameError, by_name};
pub use foundry::foundry;
pub(crate) use generic::unknown;
pub use generic::{generic, with_endpoints};
pub use globus::{globus, globus_at};
pub use pancloud::{pancloud, pancloud_at};

use crate::client_auth::ClientAuthMethod;
use crate::endpoint::{EndpointError, EndpointUrl, Issuer};

/// An authorization server: its endpoints and its habits.
///
/// Made by the functions of this module ([`generic`], [`auth0`], [`foundry`],
/// [`globus`], [`pancloud`]) or by [`discovery`](crate::discovery), and changed by
/// assigning fields.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Provider {
    /// The name by which people pick it: `generic`, `auth0`, `foundry`, `globus`,
    /// `pancloud`.
    pub name: String,
    /// The issuer (RFC 8414 section 2), where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<Issuer>,
    /// Where the browser goes (RFC 6749 section 3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<EndpointUrl>,
    /// Where tokens are asked for (RFC 6749 section 3.2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint: Option<EndpointUrl>,
    /// Where tokens are revoked (RFC 7009).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revocation_endpoint: Option<EndpointUrl>,
    /// How clients authenticate.
    #[serde(default)]
    pub client_authentication: ClientAuthMethod,
    /// How they authenticate in single steps, where that differs.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub step_authentication: StepAuthentication,
    /// How the bodies of token and revocation requests are written.
    #[serde(default)]
    pub body: BodyFormat,
    /// What a refresh does to the refresh token.
    #[serde(default)]
    pub rotation: Rotation,
    /// How long an access token lives if neither the answer nor the token says
    /// so, in seconds.
    #[serde(default, with = "seconds", skip_serializing_if = "Option::is_none")]
    pub default_lifetime: Option<Duration>,
    /// Whether a refresh revokes the access tokens handed out before.
    #[serde(default)]
    pub refresh_revokes_access_tokens: bool,
    /// Whether answers to the browser name their issuer (RFC 9207).
    #[serde(default)]
    pub issuer_in_callback: bool,
    /// Scopes that are asked for where the user names none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub default_scopes: Vec<String>,
    /// Extra parameters of the authorization URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub authorization_parameters: Vec<(String, String)>,
    /// Where browsers may be sent back to.
    #[serde(default, skip_serializing_if = "is_usual")]
    pub redirects: Redirects,
    /// The service that gives an access token for a developer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub developer_token_endpoint: Option<EndpointUrl>,
    /// The errors by which the server says that it has done nothing, and will do it
    /// if it is asked again: a request is then made up to three times in all, at
    /// once. Codes are never sent again.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub transient_errors: Vec<String>,
    /// The prefix of the environment variables by which its users name
    /// credentials, besides ours: `PAN` for `PAN_CLIENT_ID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub environment_prefix: Option<String>,
}

/// How clients authenticate in single steps. `None`: as everywhere.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct StepAuthentication {
    /// Exchanging a code (RFC 6749 section 4.1.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_exchange: Option<ClientAuthMethod>,
    /// Refreshing (RFC 6749 section 6).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh: Option<ClientAuthMethod>,
    /// Revoking (RFC 7009 section 2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revocation: Option<ClientAuthMethod>,
}

/// Where browsers may be sent back to, where clients are registered with what the
/// provider prescribes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(default)]
pub struct Redirects {
    /// A page of the provider that shows the code, to be copied to a console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console: Option<EndpointUrl>,
    /// Extra parameters of the authorization URL where the browser is sent to that
    /// page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub console_parameters: Vec<(String, String)>,
    /// The path of redirect URIs on this machine (RFC 8252 section 7.3), with its
    /// first slash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loopback_path: Option<String>,
    /// The ports to try there, in this order. `None`: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loopback_ports: Option<RangeInclusive<u16>>,
}

/// How the body of a request is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum BodyFormat {
    /// `application/x-www-form-urlencoded`, as RFC 6749 has it.
    #[default]
    Form,
    /// A JSON object with the same parameters.
    Json,
}

/// What a refresh does to the refresh token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// A spent refresh token is refused at once, and may end the login
    /// (RFC 9700 section 4.14.2). Assumed where nothing is known.
    #[default]
    Strict,
    /// A spent refresh token is accepted again for this long.
    #[serde(with = "plain_seconds")]
    Grace(Duration),
    /// The refresh token stays the same.
    NonRotating,
}

fn is_usual<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A provider whose endpoints are constants.
fn of_constants(provider: Result<Provider, EndpointError>) -> Provider {
    #[expect(clippy::expect_used, reason = "the tests of each make it")]
    provider.expect("constant URLs")
}

mod seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "the signature is serde's")]
    pub(super) fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => serializer.serialize_u64(duration.as_secs()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(deserializer)?.map(Duration::from_secs))
    }
}

mod plain_seconds {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(duration.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(|_| serde::de::Error::custom("not a number of seconds"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_form_round_trips() {
        let mut provider = auth0("tenant.auth0.example").unwrap();
        provider.rotation = Rotation::Grace(Duration::from_millis(1500));
        provider.default_lifetime = Some(Duration::from_secs(60));
        for provider in [provider, foundry("foundry.example").unwrap(), globus(), pancloud()] {
            let text = serde_json::to_string(&provider).unwrap();
            assert_eq!(serde_json::from_str::<Provider>(&text).unwrap(), provider);
        }
    }

    #[test]
    fn what_is_usual_is_not_written() {
        let text = serde_json::to_string(&auth0("tenant.auth0.example").unwrap()).unwrap();
        for member in [
            "step_authentication",
            "redirects",
            "developer_token",
            "transient_errors",
        ] {
            assert!(!text.contains(member), "{text}");
        }
    }

    #[test]
    fn what_is_not_known_is_strict() {
        let provider: Provider = serde_json::from_str(r#"{"name":"x"}"#).unwrap();
        assert_eq!(provider.rotation, Rotation::Strict);
        assert_eq!(provider.client_authentication, ClientAuthMethod::Basic);
    }
}
