//! `/token`: three grants (RFC 6749 sections 4.1.3, 4.4.2 and 6).

use http::header::{self, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::answer::{Answer, Refusal};
use super::builder::Config;
use super::client::{Client, authenticate};
use super::mint::s256;
use super::request::{Parameters, ServedRequest};
use super::state::{AuthorizationCode, Issued, Purpose, State};

pub(super) fn answer(config: &Config, state: &mut State, request: &ServedRequest) -> Answer {
    if request.method != Method::POST {
        return Answer::empty(StatusCode::METHOD_NOT_ALLOWED).with(header::ALLOW, HeaderValue::from_static("POST"));
    }
    match grant(config, state, request) {
        Ok(tokens) => {
            let tokens = config.dialect.spoken(config, state, tokens);
            Answer::json(StatusCode::OK, &tokens).no_store()
        }
        Err(refusal) => {
            state.counters.count_refusal(refusal.error);
            refusal.answer()
        }
    }
}

pub(super) fn purpose(parameters: &Parameters) -> Purpose {
    Purpose {
        scope: parameters.owned("scope"),
        audience: parameters.owned("audience"),
        resources: parameters.resources().to_vec(),
    }
}

fn grant(config: &Config, state: &mut State, request: &ServedRequest) -> Result<Value, Refusal> {
    let parameters = config.dialect.parameters(request)?;
    let grant_type = parameters.required("grant_type", "grant_type is missing")?;
    let client = authenticate(config, &request.headers, &parameters)?;
    match grant_type {
        "client_credentials" => client_credentials(config, state, client, &parameters),
        "authorization_code" => authorization_code(config, state, client, &parameters),
        "refresh_token" => refresh_token(config, state, client, &parameters),
        _ => Err(Refusal::new(
            "unsupported_grant_type",
            "this server does not know the grant",
        )),
    }
}

fn client_credentials(
    config: &Config,
    state: &mut State,
    client: &Client,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    if client.is_public() {
        return Err(Refusal::new(
            "unauthorized_client",
            "client credentials need a confidential client",
        ));
    }
    let id = client.id().to_owned();
    let access_token = state.issue_access_token(config, id.clone(), id, purpose(parameters), None);
    let issued = Issued {
        access_token,
        refresh_token: None,
    };
    Ok(state.token_answer(config, &issued))
}

fn refresh_token(
    config: &Config,
    state: &mut State,
    client: &Client,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let presented = parameters.required("refresh_token", "refresh_token is missing")?;
    let issued = state.refresh(config, client.id(), presented, purpose(parameters))?;
    Ok(state.token_answer(config, &issued))
}

fn authorization_code(
    config: &Config,
    state: &mut State,
    client: &Client,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let presented = parameters.required("code", "code is missing")?;
    let code = state
        .codes
        .get(presented)
        .filter(|code| code.client_id == client.id())
        .ok_or(Refusal::invalid_grant("unknown code"))?;
    if let Some(family) = code.used_for {
        state.lose_family(family);
        return Err(Refusal::invalid_grant("code was used before"));
    }
    if code.expires_at <= state.clock.now() {
        return Err(Refusal::invalid_grant("code is expired"));
    }
    check_redirect_uri(code, parameters.get("redirect_uri"))?;
    check_verifier(code.challenge.as_deref(), parameters.get("code_verifier"))?;
    let subject = code.subject.clone();
    let nonce = code.nonce.clone();
    let purpose = merged(&code.purpose, purpose(parameters));

    let (family, issued) = state.log_in(config, client.id(), &subject, purpose.clone());
    if let Some(code) = state.codes.get_mut(presented) {
        code.used_for = Some(family);
    }
    let mut tokens = state.token_answer(config, &issued);
    if asks_for_openid(&purpose) {
        tokens["id_token"] = json!(id_token(config, state, client, &subject, nonce));
    }
    Ok(tokens)
}

fn check_redirect_uri(code: &AuthorizationCode, presented: Option<&str>) -> Result<(), Refusal> {
    if presented == Some(code.redirect_uri.as_str()) {
        Ok(())
    } else {
        Err(Refusal::invalid_grant("another redirect_uri"))
    }
}

/// A verifier without a challenge is refused too: someone took the challenge away
/// (RFC 9700 section 2.1.1).
fn check_verifier(challenge: Option<&str>, verifier: Option<&str>) -> Result<(), Refusal> {
    match (challenge, verifier) {
        (None, None) => Ok(()),
        (Some(challenge), Some(verifier)) if is_well_formed(verifier) && s256(verifier) == challenge => Ok(()),
        _ => Err(Refusal::invalid_grant("code_verifier does not fit the code_challenge")),
    }
}

/// RFC 7636 section 4.1: 43 to 128 unreserved characters.
fn is_well_formed(verifier: &str) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    (43..=128).contains(&verifier.len()) && verifier.bytes().all(unreserved)
}

/// The scope is the one of the code; audience and resources may be narrowed here.
fn merged(granted: &Purpose, requested: Purpose) -> Purpose {
    Purpose {
        scope: granted.scope.clone(),
        audience: requested.audience.or_else(|| granted.audience.clone()),
        resources: if requested.resources.is_empty() {
            granted.resources.clone()
        } else {
            requested.resources
        },
    }
}

fn asks_for_openid(purpose: &Purpose) -> bool {
    purpose
        .scope
        .as_deref()
        .is_some_and(|scope| scope.split(' ').any(|one| one == "openid"))
}

fn id_token(config: &Config, state: &mut State, client: &Client, subject: &str, nonce: Option<String>) -> String {
    let now = state.clock.now().as_secs();
    let mut claims = json!({
        "iss": config.issuer,
        "sub": subject,
        "aud": client.id(),
        "iat": now,
        "exp": now + 300,
    });
    if let Some(nonce) = nonce {
        claims["nonce"] = json!(nonce);
    }
    state.mint.jwt("JWT", &claims)
}
