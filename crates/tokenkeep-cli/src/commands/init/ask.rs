//! Asks a person for what was not given.

use tokenkeep::Secret;

use super::given::Credentials;
use crate::args::init::Init;
use crate::environment;
use crate::error::Result;
use crate::input;
use crate::session::Session;
use crate::settings::pick;

/// Asks for what is neither given nor set; for nothing where nobody is there.
pub(super) async fn missing(session: &Session, args: &mut Init) -> Result<Credentials> {
    let mut credentials = Credentials::default();
    if !input::is_a_person() {
        return Ok(credentials);
    }
    let config = &session.settings.config;
    ask(
        &mut args.client.client_id,
        "client_id",
        config.client_id.as_ref(),
        "Client id",
    )
    .await?;
    let set = pick(args.server.issuer.as_ref(), "issuer", config.issuer.as_ref())?.is_some()
        || pick(args.server.provider.as_ref(), "provider", config.provider.as_ref())?.is_some();
    if !set {
        let question = "Token endpoint, if you know it";
        let endpoint = config.token_endpoint.as_ref();
        ask(&mut args.server.token_endpoint, "token_endpoint", endpoint, question).await?;
        if pick(args.server.token_endpoint.as_ref(), "token_endpoint", endpoint)?.is_none() {
            ask(&mut args.server.issuer, "issuer", None, "Issuer").await?;
        }
    }
    if !secret_is_set(session, args)? {
        credentials.client_secret = secret("Client secret, if there is one").await?;
    }
    credentials.refresh_token = secret("Refresh token, if you have one").await?;
    if credentials.refresh_token.is_none() {
        credentials.access_token = secret("Access token, if you have one").await?;
    }
    Ok(credentials)
}

fn secret_is_set(session: &Session, args: &Init) -> Result<bool> {
    let config = &session.settings.config;
    Ok(args.client.client_secret_stdin
        || args.client.client_secret_file.is_some()
        || args.client.client_auth.as_deref() == Some("none")
        || config.client_secret_env.is_some()
        || config.client_secret_file.is_some()
        || environment::variable(environment::CLIENT_SECRET)?.is_some())
}

async fn ask(slot: &mut Option<String>, name: &str, config: Option<&String>, question: &str) -> Result<()> {
    if pick(slot.as_ref(), name, config)?.is_none() {
        *slot = input::prompt(question).await?;
    }
    Ok(())
}

async fn secret(question: &str) -> Result<Option<Secret>> {
    Ok(input::prompt_secret(question)
        .await?
        .filter(|secret| !secret.is_empty()))
}
