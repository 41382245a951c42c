//! One token request: built, sent within its budget, read.

use std::time::Duration;

use super::core::Core;
use crate::client_registration::ClientRegistration;
use crate::error::TokenError;
use crate::grant::{RequestKind, TokenRequest, http_request};
use crate::record::AccessEntry;
use crate::secret::Secret;
use crate::target::Target;
use crate::token::{Answer, TokenResponse, expires_at, read_answer};
use crate::transport::{HttpRequest, TransportError};

const LIFETIME_LEAST: Duration = Duration::from_secs(10);

/// How often a request is made, where the server says that it has done nothing.
const ATTEMPTS_AT_ONCE: u32 = 3;

/// A request that is ready to be sent: everything that can fail before the network
/// has been done.
pub(crate) struct Prepared {
    request: HttpRequest,
    secrets: Vec<Secret>,
    attempts: u32,
}

/// What a request came to, and how long it took.
pub(crate) struct Sent {
    pub(crate) answer: Result<Answer, TransportError>,
    pub(crate) took: Duration,
}

/// Builds the HTTP request.
pub(crate) fn prepare(client: &ClientRegistration, request: &TokenRequest) -> Result<Prepared, TokenError> {
    let config = |error| TokenError::config(error, "token request");
    let http = http_request(client, request).map_err(config)?;
    let client_secret = match request.kind {
        RequestKind::DeveloperToken(_) => None,
        _ => client.secret().map_err(config)?,
    };
    let secrets = request.secrets().into_iter().chain(&client_secret).cloned().collect();
    // A code that is sent again may count as stolen (RFC 6749 section 4.1.2).
    let attempts = match request.kind {
        RequestKind::AuthorizationCode { .. } => 1,
        _ => ATTEMPTS_AT_ONCE,
    };
    Ok(Prepared {
        request: http,
        secrets,
        attempts,
    })
}

/// Sends it, once; again only where the provider's
/// [transient errors](crate::Provider::transient_errors) have the answer, all within
/// the time of one request.
pub(crate) async fn send(core: &Core, prepared: Prepared) -> Sent {
    let clock = &core.options.clock;
    let begun = clock.monotonic();
    let limit = clock.sleep(core.options.timing.budget);
    let answer = tokio::select! {
        answer = send_while_transient(core, &prepared) => answer,
        () = limit => Err(TransportError::ambiguous("no answer within the time allowed").timed_out()),
    };
    Sent {
        answer,
        took: clock.monotonic().saturating_sub(begun),
    }
}

async fn send_while_transient(core: &Core, prepared: &Prepared) -> Result<Answer, TransportError> {
    let secrets: Vec<&Secret> = prepared.secrets.iter().collect();
    let transient = &core.client.provider().transient_errors;
    let mut attempt = 1;
    loop {
        let response = core.transport.send(prepared.request.clone()).await?;
        let answer = read_answer(&response, &secrets, core.options.clock.now());
        if attempt == prepared.attempts || !answer.is_refused_with(transient) {
            return Ok(answer);
        }
        attempt += 1;
    }
}

/// The access token of an answer that was just given, as it is kept. One that is
/// over before it came gets a moment: the resource server judges, and its 401 heals,
/// but nothing asks for a new one at each call.
pub(crate) fn access_entry(core: &Core, response: &TokenResponse, asked: &Target) -> AccessEntry {
    let now = core.options.clock.now();
    let mut entry = entry_of(core, response, asked);
    entry.expires_at = entry
        .expires_at
        .map(|end| if end <= now { now.plus(LIFETIME_LEAST) } else { end });
    entry
}

/// The access token of a response from anywhere, as it is kept.
pub(crate) fn entry_of(core: &Core, response: &TokenResponse, asked: &Target) -> AccessEntry {
    let now = core.options.clock.now();
    let default = core.client.provider().default_lifetime;
    let mut entry = AccessEntry::bearer(response.access_token.clone(), now, expires_at(response, default, now));
    entry.token_type.clone_from(&response.token_type);
    // No `scope` in the answer means: as asked (RFC 6749 section 5.1).
    entry.scopes = response
        .scope
        .clone()
        .unwrap_or_else(|| asked.scope_names().map(str::to_owned).collect());
    entry.resource_server.clone_from(&response.resource_server);
    entry.id_token.clone_from(&response.id_token);
    entry
}
