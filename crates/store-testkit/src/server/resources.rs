//! The smaller endpoints: metadata (RFC 8414), revocation (RFC 7009), the protected API (RFC 6750).

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::builder::Config;
use super::client::authenticate;
use super::request::ServedRequest;
use super::state::State;

pub(super) fn metadata(config: &Config, state: &mut State) -> Answer {
    state.counters.discovery_requests += 1;
    let (issuer, paths) = (&config.issuer, config.dialect.paths());
    let document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}{}", paths.authorization),
        "token_endpoint": format!("{issuer}{}", paths.token),
        "revocation_endpoint": format!("{issuer}{}", paths.revocation),
        "response_types_supported": ["code"],
        "grant_types_supported": ["authorization_code", "client_credentials", "refresh_token"],
        "token_endpoint_auth_methods_supported":
            ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    });
    Answer::json(StatusCode::OK, &document)
}

pub(super) fn revoke(config: &Config, state: &mut State, request: &ServedRequest) -> Answer {
    state.counters.revocations += 1;
    if request.method != Method::POST {
        return Answer::empty(StatusCode::METHOD_NOT_ALLOWED).with(header::ALLOW, HeaderValue::from_static("POST"));
    }
    match revoke_token(config, state, request) {
        Ok(()) => config.dialect.revoked(),
        Err(refusal) => {
            state.counters.count_refusal(refusal.error);
            refusal.answer()
        }
    }
}

pub(super) fn api(state: &mut State, request: &ServedRequest) -> Answer {
    let bearer = request
        .headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(bearer_token);
    let Some(token) = bearer.and_then(|value| state.live_access_token(value)) else {
        state.counters.api_unauthorized += 1;
        return unauthorized(bearer.is_some());
    };
    let echo = json!({
        "method": request.method.as_str(),
        "path": request.path,
        "query": request.query,
        "body_length": request.body.len(),
        "body": String::from_utf8_lossy(&request.body),
        "subject": token.subject,
        "username": token.subject,
        "client_id": token.client_id,
        "scope": token.purpose.scope,
        "audience": token.purpose.audience,
        "resource": token.purpose.resources,
    });
    state.counters.api_ok += 1;
    Answer::json(StatusCode::OK, &echo)
}

/// A token nobody knows is as good as revoked; one of another client is left alone
/// (RFC 7009 sections 2.1 and 2.2).
fn revoke_token(config: &Config, state: &mut State, request: &ServedRequest) -> Result<(), Refusal> {
    let parameters = config.dialect.parameters(request)?;
    let client = authenticate(config, &request.headers, &parameters)?;
    let value = parameters.required("token", "token is missing")?;
    let another_client = Refusal::new("unauthorized_client", "token of another client");
    if let Some(family) = state.refresh_tokens.get(value).map(|token| token.family) {
        if state.families[family].client_id != client.id() {
            return Err(another_client);
        }
        state.revoke_family(family);
    } else if let Some(token) = state.access_tokens.get_mut(value) {
        if token.client_id != client.id() {
            return Err(another_client);
        }
        token.revoked = true;
    }
    Ok(())
}

fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Without credentials no error code is given (RFC 6750 section 3.1).
fn unauthorized(token_was_sent: bool) -> Answer {
    let (challenge, body) = if token_was_sent {
        ("Bearer error=\"invalid_token\"", json!({ "error": "invalid_token" }))
    } else {
        ("Bearer", Value::Null)
    };
    Answer::json(StatusCode::UNAUTHORIZED, &body).with(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}
