//! Tokens from elsewhere, read from stdin.

use tokenkeep::AccessToken;
use tokenkeep::token::TokenResponse;

use super::plan::{Plan, missing};
use super::{recipe, with_client};
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::input;
use crate::session::Session;

pub(super) async fn run(session: &Session, plan: &Plan) -> Result<AccessToken> {
    let tokens = read(&input::text().await?)?;
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
    with_client(session, plan, async |manager| {
        manager.adopt(session.profile(), recipe(grant, plan), &tokens).await?;
        manager.source(session.profile()).current().await
    })
    .await
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
