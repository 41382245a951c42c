//! `tokenkeep login`: logs in, and keeps what is needed to have a token always.

mod client_credentials;
mod code;
mod paste;
pub(super) mod plan;
pub(super) mod provider;
pub(super) mod secret;
mod token;

use tokenkeep::clock::Timestamp;
use tokenkeep::error::{ConfigError, TokenErrorKind};
use tokenkeep::key::Key;
use tokenkeep::record::{ClientRecord, Contents, Recipe, RecordErrorKind};
use tokenkeep::{ClientRegistration, TokenError, TokenManager};

use self::plan::Plan;
use crate::args::{Flow, Login};
use crate::duration;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::text::rfc3339;

pub(super) async fn run(session: &Session, args: &Login) -> Result<()> {
    let again = session.command("login --force");
    let stored = readable(session, Key::client(session.profile()), args.force, &again).await?;
    let stored = stored.and_then(Contents::into_client);
    let grant = readable(session, Key::grant(session.profile()), args.force, &again).await?;
    let grant = grant.and_then(Contents::into_grant);
    let plan = Plan::resolve(session, args, stored.as_ref(), grant.as_ref()).await?;
    if let Some(stored) = &stored
        && grant.is_some_and(|grant| grant.ended.is_none())
        && !args.force
    {
        refuse_other_client(session, stored, &plan.registration)?;
    }
    let end = match plan.flow {
        Flow::Code => code::run(session, &plan, &args.browser).await,
        Flow::Paste => paste::run(session, &plan).await,
        Flow::ClientCredentials => client_credentials::run(session, &plan).await,
        Flow::Token => token::run(session, &plan).await,
    }?;
    report(session, &plan, end).await
}

/// What is kept under a key; with `--force` a record that can't be read is as good
/// as none.
pub(super) async fn readable(session: &Session, key: Key, force: bool, again: &str) -> Result<Option<Contents>> {
    let Some(record) = session.store.load(&key).await? else {
        return Ok(None);
    };
    match record.decode() {
        Ok(contents) => Ok(Some(contents)),
        // It may be all that a newer version needs: nothing to be replaced by force.
        Err(error) if matches!(error.kind(), RecordErrorKind::NewerFormat { .. }) => {
            Err(error.into_store_error(session.store.name()).into())
        }
        Err(_) if force => Ok(None),
        Err(error) => {
            let failure = Failure::from(error.into_store_error(session.store.name()));
            Err(failure.hint(format!("replace it: {again}")))
        }
    }
}

/// Keeps the client, does the rest of the login, and takes the client back if that
/// fails for good.
async fn with_client<T>(
    session: &Session,
    plan: &Plan,
    rest: impl AsyncFnOnce(TokenManager) -> Result<T, TokenError>,
) -> Result<T> {
    let manager = session.manager(plan.registration.clone())?;
    let replaced = session.replace_client(&plan.registration).await?;
    match rest(manager).await {
        Ok(done) => Ok(done),
        Err(error) => {
            if came_to_nothing(error.kind()) {
                session.restore_client(replaced).await;
            }
            Err(refused(session, &error))
        }
    }
}

// Where the store or the time failed, the tokens may still be saved behind us, and
// need their client.
fn came_to_nothing(kind: &TokenErrorKind) -> bool {
    matches!(
        kind,
        TokenErrorKind::Config(_) | TokenErrorKind::Network | TokenErrorKind::Refused(_)
    )
}

fn refused(session: &Session, error: &TokenError) -> Failure {
    let failure = match error.kind() {
        TokenErrorKind::Refused(refusal) => {
            let advice = match refusal.code.as_deref() {
                Some("invalid_client") => "check the client id, the client secret and --client-auth",
                Some("invalid_scope") => "check --scope",
                Some("invalid_grant") => "a code is good once and for a short time: begin the login again",
                Some("unauthorized_client") => "allow this grant for the client at the authorization server",
                _ => "check the client and what was asked for",
            };
            Failure::from(error.clone()).hint(format!("{advice}; nothing was stored"))
        }
        TokenErrorKind::Config(ConfigError::PartialCredentials(_)) => secret::missing(session),
        _ => error.clone().into(),
    };
    session.advise(failure, error)
}

fn refuse_other_client(session: &Session, stored: &ClientRecord, asked: &ClientRegistration) -> Result<()> {
    let ours = ClientRegistration::from_record(stored.clone()).binding();
    if ours == asked.binding() {
        return Ok(());
    }
    let message = format!(
        "profile {} holds a login of another client or server: {}",
        session.profile(),
        described(&ClientRegistration::from_record(stored.clone()))
    );
    Err(Failure::new(Exit::Configuration, message).hint("choose another name with -p, or replace it with --force"))
}

fn recipe(grant: &str, plan: &Plan) -> Recipe {
    Recipe::new(grant, plan.target.clone())
}

async fn report(session: &Session, plan: &Plan, end: Option<Timestamp>) -> Result<()> {
    let renewed = session
        .grant_record()
        .await?
        .is_some_and(|grant| grant.refresh_token.is_some() || grant.recipe.grant == "client_credentials");
    let end = match end {
        None => "it is not known when the access token expires".to_owned(),
        Some(end) if end <= Session::now() => "the access token has expired".to_owned(),
        Some(end) => format!(
            "the access token expires in {} ({})",
            duration::words(end.since(Session::now())),
            rfc3339(end).unwrap_or_default()
        ),
    };
    let renewal = if renewed {
        "it is renewed by itself"
    } else {
        "nothing renews it: log in again then"
    };
    session.notice(&format!(
        "logged in: profile {}, {}\nkept in {}, {}\n{end}; {renewal}",
        session.profile(),
        described(&plan.registration),
        session.place(),
        how_kept(session),
    ));
    Ok(())
}

/// How the store keeps secrets, for people.
pub(super) fn how_kept(session: &Session) -> &'static str {
    match session.store.name() {
        "json" => "not encrypted, in a file that only you can read",
        "memory" => "in memory, so gone when this command ends",
        _ => "not encrypted",
    }
}

/// A client and its server, for people.
pub(super) fn described(registration: &ClientRegistration) -> String {
    let provider = registration.provider();
    let issuer = provider.issuer.as_ref().map(ToString::to_string);
    let place = issuer.or_else(|| provider.token_endpoint.as_ref().map(ToString::to_string));
    match (registration.client_id(), place) {
        ("", None) => "a token from elsewhere".to_owned(),
        ("", Some(place)) => format!("no client at {place}"),
        (id, Some(place)) => format!("client {id} at {place}"),
        (id, None) => format!("client {id}"),
    }
}
