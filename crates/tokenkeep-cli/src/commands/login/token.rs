//! Tokens from elsewhere, read from stdin.

use std::sync::Arc;

use tokenkeep::clock::Timestamp;
use tokenkeep::token::TokenResponse;
use tokenkeep::{MemoryStore, TokenStore};

use super::plan::{Plan, missing};
use super::{recipe, with_client};
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::session::Session;

pub(super) async fn run(session: &Session, plan: &Plan) -> Result<Option<Timestamp>> {
    let given = match input::prompt_secret("Access token, or JSON token response on one line").await? {
        Some(typed) => typed,
        None => input::text().await?,
    };
    let tokens = read(given.expose())?;
    // Only a refresh token asks anything of the server.
    let grant = match tokens.refresh_token {
        Some(_) => "authorization_code",
        None => "static",
    };
    if tokens.refresh_token.is_some() {
        if plan.registration.client_id().is_empty() {
            return Err(missing(session, "client_id", "--client-id"));
        }
        if plan.registration.provider().token_endpoint.is_none() {
            return Err(missing(session, "issuer", "--issuer or --token-endpoint"));
        }
    }
    if tokens.refresh_token.is_none() {
        try_out(session, plan, &tokens).await?;
    }
    with_client(session, plan, async |manager| {
        manager
            .adopt(session.profile(), recipe(grant, plan), &tokens)
            .await
            .map(|()| None)
    })
    .await?;
    let kept = session.grant_record().await?;
    Ok(kept.and_then(|grant| grant.access?.expires_at))
}

// In memory first: a token that is over already takes nothing from what is kept.
async fn try_out(session: &Session, plan: &Plan, tokens: &TokenResponse) -> Result<()> {
    let scratch: Arc<dyn TokenStore> = Arc::new(MemoryStore::new());
    let trial = session.manager_over(plan.registration.clone(), scratch)?;
    trial.adopt(session.profile(), recipe("static", plan), tokens).await?;
    match trial.source(session.profile()).current().await {
        Err(error) if error.is_reauth_required() => {
            let message = "the access token from stdin has expired already; nothing was stored";
            Err(Failure::new(Exit::Failure, message).hint("get a new one where this one came from"))
        }
        outcome => Ok(outcome.map(|_| ())?),
    }
}

fn read(text: &str) -> Result<TokenResponse> {
    let text = text.trim();
    let parsed = if text.starts_with('{') {
        TokenResponse::parse(text.as_bytes())
    } else if text.is_empty() || text.contains(char::is_whitespace) {
        let message = "stdin holds neither one access token nor a JSON token response";
        return Err(Failure::new(Exit::Failure, message).hint("pipe one in: tokenkeep login --flow token < FILE"));
    } else {
        TokenResponse::parse(serde_json::json!({ "access_token": text }).to_string().as_bytes())
    };
    parsed.map_err(|error| Failure::caused(Exit::Failure, "what came from stdin can't be used", error))
}
