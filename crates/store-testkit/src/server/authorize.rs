//! `/authorize`: approves at once, as a person would who is logged in and clicks "yes".

use std::time::Duration;

use http::{Method, StatusCode};
use url::Url;

use super::answer::{Answer, Refusal};
use super::builder::Config;
use super::client::Client;
use super::request::{Parameters, ServedRequest};
use super::state::{AuthorizationCode, State};
use super::token_endpoint::purpose;

/// RFC 6749 section 4.1.2 recommends ten minutes at most; codes are used at once here.
const CODE_LIFETIME: Duration = Duration::from_secs(60);

pub(super) fn answer(config: &Config, state: &mut State, request: &ServedRequest) -> Answer {
    state.counters.authorization_requests += 1;
    if request.method != Method::GET {
        return Answer::empty(StatusCode::METHOD_NOT_ALLOWED);
    }
    match authorize(config, state, request) {
        Ok(answer) => answer,
        Err(refusal) => {
            state.counters.count_refusal(refusal.error);
            refusal.answer()
        }
    }
}

/// Without a client and a redirect URI that belong together the browser is sent nowhere
/// (RFC 6749 section 4.1.2.1).
fn authorize(config: &Config, state: &mut State, request: &ServedRequest) -> Result<Answer, Refusal> {
    let parameters = request.query_parameters()?;
    let client_id = parameters.required("client_id", "client_id is missing")?;
    let client = config
        .clients
        .iter()
        .find(|client| client.id() == client_id)
        .ok_or(Refusal::invalid_request("unknown client"))?;
    let redirect_uri = parameters.required("redirect_uri", "redirect_uri is missing")?;
    let mut location = Url::parse(redirect_uri)
        .ok()
        .filter(|_| client.accepts_redirect_uri(redirect_uri))
        .ok_or(Refusal::invalid_request("redirect_uri is not registered"))?;
    match issue_code(config, state, client, redirect_uri, &parameters) {
        Ok(code) => {
            location.query_pairs_mut().append_pair("code", &code);
        }
        Err(error) => {
            state.counters.count_refusal(&error);
            location.query_pairs_mut().append_pair("error", &error);
        }
    }
    if let Some(opaque) = parameters.get("state") {
        location.query_pairs_mut().append_pair("state", opaque);
    }
    if config.dialect.names_issuer() {
        location.query_pairs_mut().append_pair("iss", &config.issuer);
    }
    Ok(Answer::found(location.as_str()).no_store())
}

fn issue_code(
    config: &Config,
    state: &mut State,
    client: &Client,
    redirect_uri: &str,
    parameters: &Parameters,
) -> Result<String, String> {
    if let Some(error) = state.denial.take() {
        return Err(error);
    }
    if parameters.get("response_type") != Some("code") {
        return Err("unsupported_response_type".to_owned());
    }
    let challenge = parameters.owned("code_challenge");
    let is_s256 = parameters.get("code_challenge_method") == Some("S256");
    let wanted = client.is_public() || config.dialect.wants_pkce_of_all();
    if challenge.is_some() != is_s256 || (wanted && challenge.is_none()) {
        return Err("invalid_request".to_owned());
    }
    let code = state.mint.opaque("code_");
    let expires_at = state.clock.now().saturating_add(CODE_LIFETIME);
    state.codes.insert(
        code.clone(),
        AuthorizationCode {
            client_id: client.id().to_owned(),
            subject: parameters.get("login_hint").unwrap_or("user").to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            challenge,
            nonce: parameters.owned("nonce"),
            purpose: purpose(parameters),
            expires_at,
            used_for: None,
        },
    );
    Ok(code)
}
