//! Registered clients and how they prove who they are (RFC 6749 section 2.3).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use http::header;

use super::answer::Refusal;
use super::builder::Config;
use super::request::Parameters;

/// How a confidential client authenticates at the token endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ClientAuthentication {
    /// `Basic`, `BasicRaw` or `Post`, whichever the client picks.
    #[default]
    Any,
    /// HTTP Basic; id and secret form-encoded first, as RFC 6749 section 2.3.1 says.
    Basic,
    /// HTTP Basic with id and secret as they are.
    BasicRaw,
    /// `client_id` and `client_secret` in the body.
    Post,
}

/// A client registered with the [`AuthorizationServer`](super::AuthorizationServer).
#[derive(Clone)]
pub struct Client {
    id: String,
    secret: Option<String>,
    authentication: ClientAuthentication,
    redirect_uris: Vec<String>,
}

impl Client {
    /// A client that holds a secret; by default it may send it any way.
    pub fn confidential(id: impl Into<String>, secret: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: Some(secret.into()),
            authentication: ClientAuthentication::Any,
            redirect_uris: Vec::new(),
        }
    }

    /// A client without a secret: it sends its `client_id`, and PKCE is required of it.
    pub fn public(id: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            secret: None,
            authentication: ClientAuthentication::Any,
            redirect_uris: Vec::new(),
        }
    }

    /// Accepts only this authentication. Without effect for a public client.
    pub fn auth(mut self, authentication: ClientAuthentication) -> Self {
        self.authentication = authentication;
        self
    }

    /// Registers a redirect URI. With none registered, any is accepted; a loopback address
    /// matches on every port (RFC 8252 section 7.3).
    pub fn redirect_uri(mut self, uri: impl Into<String>) -> Self {
        self.redirect_uris.push(uri.into());
        self
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn is_public(&self) -> bool {
        self.secret.is_none()
    }

    pub(super) fn accepts_redirect_uri(&self, uri: &str) -> bool {
        self.redirect_uris.is_empty()
            || self
                .redirect_uris
                .iter()
                .any(|registered| same_redirect_uri(registered, uri))
    }

    fn accepts(&self, presented: &Presented, authentication: ClientAuthentication) -> bool {
        use ClientAuthentication::{Any, Basic, BasicRaw, Post};
        let Some(secret) = &self.secret else {
            return matches!(presented, Presented::IdOnly { .. });
        };
        match (presented, authentication) {
            (Presented::Post { secret: sent, .. }, Any | Post) => sent == secret,
            (Presented::Basic { id, secret: sent }, Basic) => decoded_is(id, &self.id) && decoded_is(sent, secret),
            (Presented::Basic { id, secret: sent }, BasicRaw) => *id == self.id && sent == secret,
            (Presented::Basic { id, secret: sent }, Any) => {
                (*id == self.id && sent == secret) || (decoded_is(id, &self.id) && decoded_is(sent, secret))
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("id", &self.id)
            .field("authentication", &self.authentication)
            .field("redirect_uris", &self.redirect_uris)
            .finish_non_exhaustive()
    }
}

/// Finds the client that a request authenticates as.
pub(super) fn authenticate<'clients>(
    config: &'clients Config,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<&'clients Client, Refusal> {
    let presented = Presented::read(headers, parameters)?;
    let client = config
        .clients
        .iter()
        .find(|client| presented.names(client.id()))
        .ok_or(Refusal::invalid_client("unknown client"))?;
    let demanded = config.dialect.authentication(parameters.get("grant_type"));
    if client.accepts(&presented, demanded.unwrap_or(client.authentication)) {
        Ok(client)
    } else {
        Err(Refusal::invalid_client("client authentication failed"))
    }
}

enum Presented {
    Basic { id: String, secret: String },
    Post { id: String, secret: String },
    IdOnly { id: String },
}

impl Presented {
    fn read(headers: &HeaderMap, parameters: &Parameters) -> Result<Self, Refusal> {
        let in_body = (parameters.owned("client_id"), parameters.owned("client_secret"));
        match (headers.get(header::AUTHORIZATION), in_body) {
            (Some(_), (_, Some(_))) => Err(Refusal::invalid_request("more than one client authentication")),
            (Some(value), (id_in_body, None)) => {
                let presented = value
                    .to_str()
                    .ok()
                    .and_then(basic_credentials)
                    .ok_or(Refusal::invalid_client("not HTTP Basic"))?;
                match id_in_body {
                    Some(id) if !presented.names(&id) => {
                        Err(Refusal::invalid_request("two different client identifiers"))
                    }
                    _ => Ok(presented),
                }
            }
            (None, (Some(id), Some(secret))) => Ok(Self::Post { id, secret }),
            (None, (Some(id), None)) => Ok(Self::IdOnly { id }),
            (None, (None, _)) => Err(Refusal::invalid_client("no client authentication")),
        }
    }

    fn names(&self, client_id: &str) -> bool {
        match self {
            Self::Basic { id, .. } => id == client_id || decoded_is(id, client_id),
            Self::Post { id, .. } | Self::IdOnly { id } => id == client_id,
        }
    }
}

fn basic_credentials(value: &str) -> Option<Presented> {
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some(Presented::Basic {
        id: id.to_owned(),
        secret: secret.to_owned(),
    })
}

/// Whether `encoded`, taken as form-encoded, stands for `plain`.
fn decoded_is(encoded: &str, plain: &str) -> bool {
    if encoded.contains(['&', '=']) {
        return false;
    }
    url::form_urlencoded::parse(encoded.as_bytes())
        .next()
        .is_some_and(|(name, _)| name == plain)
}

fn same_redirect_uri(registered: &str, presented: &str) -> bool {
    if registered == presented {
        return true;
    }
    let (Ok(mut registered), Ok(mut presented)) = (url::Url::parse(registered), url::Url::parse(presented)) else {
        return false;
    };
    let loopback = matches!(registered.host_str(), Some("127.0.0.1" | "[::1]"));
    loopback && registered.set_port(None).is_ok() && presented.set_port(None).is_ok() && registered == presented
}
