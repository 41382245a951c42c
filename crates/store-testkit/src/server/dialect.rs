//! Dialects: how the authorization servers of some providers differ from the standards.

use http::StatusCode;
use http::header::{self, HeaderValue};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::builder::Config;
use super::client::ClientAuthentication;
use super::request::{Parameters, ServedRequest};
use super::state::{Purpose, State};

/// Whose habits the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Dialect {
    /// Nobody's: as the standards have it.
    #[default]
    Standard,
    /// Palantir Foundry: paths below `/multipass`, PKCE of every client, HTTP Basic for
    /// codes and the secret in the body for refresh tokens, refresh tokens for
    /// `offline_access` only, granted scopes as `scopes`, a page that shows the code.
    Foundry,
    /// Globus Auth: paths below `/v2`, HTTP Basic with id and secret as they are, four
    /// default scopes, one answer with a token for each resource server.
    Globus,
    /// Palo Alto Networks: JSON bodies only, with id and secret, answers in JSON
    /// everywhere, access tokens that are JWTs, and a service at `/request_token` that
    /// redeems developer tokens.
    Pancloud,
}

const GLOBUS_SCOPES: &str = "openid profile email urn:globus:auth:scope:transfer.api.globus.org:all";
const GLOBUS_OWN: &str = "auth.globus.org";

/// Where a dialect has its endpoints.
pub(super) struct Paths {
    pub(super) authorization: &'static str,
    pub(super) token: &'static str,
    pub(super) revocation: &'static str,
    pub(super) api: &'static str,
}

impl Dialect {
    pub(super) fn paths(self) -> Paths {
        match self {
            Self::Standard => Paths {
                authorization: "/authorize",
                token: "/token",
                revocation: "/revoke",
                api: "/api",
            },
            Self::Foundry => Paths {
                authorization: "/multipass/api/oauth2/authorize",
                token: "/multipass/api/oauth2/token",
                revocation: "/multipass/api/oauth2/revoke_token",
                api: "/multipass/api/me",
            },
            Self::Globus => Paths {
                authorization: "/v2/oauth2/authorize",
                token: "/v2/oauth2/token",
                revocation: "/v2/oauth2/token/revoke",
                api: "/api",
            },
            Self::Pancloud => Paths {
                authorization: "/as/authorization.oauth2",
                token: "/api/oauth2/RequestToken",
                revocation: "/api/oauth2/RevokeToken",
                api: "/api",
            },
        }
    }

    pub(super) fn redeems_developer_tokens(self) -> bool {
        self == Self::Pancloud
    }

    /// Whether answers to the browser name their issuer (RFC 9207).
    pub(super) fn names_issuer(self) -> bool {
        self == Self::Standard
    }

    pub(super) fn wants_pkce_of_all(self) -> bool {
        self == Self::Foundry
    }

    /// The only way a confidential client may authenticate; `None`: as it is registered.
    pub(super) fn authentication(self, grant_type: Option<&str>) -> Option<ClientAuthentication> {
        match self {
            Self::Standard => None,
            Self::Foundry if grant_type == Some("refresh_token") => Some(ClientAuthentication::Post),
            Self::Foundry | Self::Globus => Some(ClientAuthentication::BasicRaw),
            Self::Pancloud => Some(ClientAuthentication::Post),
        }
    }

    pub(super) fn parameters(self, request: &ServedRequest) -> Result<Parameters, Refusal> {
        if self == Self::Pancloud && !request.is_json() {
            return Err(Refusal::invalid_request("the body is to be JSON"));
        }
        request.body_parameters()
    }

    /// Whether a login with this scope gets a refresh token.
    pub(super) fn grants_refresh_token(self, purpose: &Purpose) -> bool {
        let asked = |wanted: &str| purpose.scopes().any(|scope| scope == wanted);
        self != Self::Foundry || asked("offline_access")
    }

    pub(super) fn revoked(self) -> Answer {
        match self {
            Self::Pancloud => Answer::json(StatusCode::OK, &json!({ "issuccess": "true" })),
            _ => Answer::empty(StatusCode::OK),
        }
    }

    /// The answer in this dialect's words.
    pub(super) fn spoken(self, config: &Config, state: &mut State, answer: Value) -> Value {
        match self {
            Self::Standard | Self::Pancloud => answer,
            Self::Foundry => foundry(answer),
            Self::Globus => globus(config, state, answer),
        }
    }
}

fn foundry(mut answer: Value) -> Value {
    if let Some(members) = answer.as_object_mut()
        && let Some(scope) = members.remove("scope")
    {
        members.insert("scopes".into(), scope);
    }
    answer
}

/// One token for each resource server that the scopes belong to; the first on top.
fn globus(config: &Config, state: &mut State, mut answer: Value) -> Value {
    let value = answer["access_token"].as_str().unwrap_or_default().to_owned();
    let Some(token) = state.access_tokens.get(&value) else {
        return answer;
    };
    let asked = token.purpose.scope.clone().unwrap_or_else(|| GLOBUS_SCOPES.to_owned());
    let (client_id, subject, family) = (token.client_id.clone(), token.subject.clone(), token.family);
    let mut by_server: Vec<(String, Vec<&str>)> = Vec::new();
    for scope in asked.split(' ') {
        let server = resource_server(scope);
        match by_server.iter_mut().find(|(known, _)| *known == server) {
            Some((_, scopes)) => scopes.push(scope),
            None => by_server.push((server, vec![scope])),
        }
    }
    let mut others = Vec::new();
    for (index, (server, scopes)) in by_server.into_iter().enumerate() {
        let scope = scopes.join(" ");
        if index == 0 {
            if let Some(token) = state.access_tokens.get_mut(&value) {
                token.purpose.scope = Some(scope.clone());
            }
            answer["scope"] = json!(scope);
            answer["resource_server"] = json!(server);
            continue;
        }
        let purpose = Purpose {
            scope: Some(scope.clone()),
            ..Purpose::default()
        };
        let other = state.issue_access_token(config, client_id.clone(), subject.clone(), purpose, family);
        others.push(json!({
            "access_token": other,
            "expires_in": answer["expires_in"],
            "resource_server": server,
            "scope": scope,
            "token_type": "Bearer",
        }));
    }
    answer["other_tokens"] = Value::Array(others);
    answer
}

fn resource_server(scope: &str) -> String {
    let named = scope.strip_prefix("urn:globus:auth:scope:");
    let named = named.and_then(|rest| rest.split(':').next());
    named.unwrap_or(GLOBUS_OWN).to_owned()
}

/// `/request_token`: an access token for a developer token.
pub(super) fn redeem(config: &Config, state: &mut State, request: &ServedRequest) -> Answer {
    state.counters.developer_token_requests += 1;
    let bearer = request.headers.get(header::AUTHORIZATION);
    let bearer = bearer
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "));
    if !bearer.is_some_and(|token| state.developer_tokens.contains(token)) {
        return Answer::json(StatusCode::UNAUTHORIZED, &json!({ "message": "Unauthorized" }))
            .with(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    let (client_id, subject) = ("api-explorer".to_owned(), "developer".to_owned());
    let access_token = state.issue_access_token(config, client_id, subject, Purpose::default(), None);
    Answer::json(StatusCode::OK, &json!({ "access_token": access_token })).no_store()
}

/// Foundry's page that shows a code, for people to copy.
pub(super) fn code_page(request: &ServedRequest) -> Answer {
    let parameters = request.query_parameters().unwrap_or_default();
    let code = parameters.get("code").unwrap_or("none");
    let mut answer = Answer::empty(StatusCode::OK);
    answer.body = format!("Authorization code: {code}\n").into();
    answer.with(header::CONTENT_TYPE, HeaderValue::from_static("text/plain"))
}
