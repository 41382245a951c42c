//! `tokenkeep login`: logs in, and keeps what is needed to have a token always.

mod code;
mod developer_token;
mod paste;
pub(super) mod plan;
pub(super) mod provider;
mod repeated;
mod rescue;
pub(super) mod secret;
mod token;
mod turn;

use std::sync::Arc;

use tokenkeep::clock::Timestamp;
use tokenkeep::error::{ConfigError, TokenErrorKind};
use tokenkeep::grant::{ClientCredentials, DeveloperToken};
use tokenkeep::key::Key;
use tokenkeep::record::{ClientRecord, Contents, GrantRecord, Recipe, RecordErrorKind};
use tokenkeep::{ClientRegistration, TokenError, TokenManager};

use self::plan::Plan;
use self::rescue::Watched;
use self::turn::Turn;
use super::token::SERVER;
use crate::args::{Flow, Login};
use crate::duration;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::grant_lease::check_persistence;
use crate::session::Session;
use crate::text::rfc3339;

pub(super) async fn run(session: &Session, args: &Login) -> Result<()> {
    let again = session.command("login --force");
    let stored = readable(session, Key::client(session.profile()), args.force, &again).await?;
    let stored = stored.and_then(Contents::into_client);
    let grant = readable(session, Key::grant(session.profile()), args.force, &again).await?;
    let grant = grant.and_then(Contents::into_grant);
    let plan = Plan::resolve(session, args, stored.as_ref(), grant.as_ref()).await?;
    if matches!(plan.flow, Flow::Code | Flow::Paste) {
        // Before anybody is sent to a browser for what can't be kept.
        check_persistence(&*session.store)?;
    }
    refuse_other_client(session, args, stored.as_ref(), grant.as_ref(), &plan)?;
    // To its end: whoever waits for us goes on then.
    let _turn = match plan.flow {
        Flow::Code | Flow::Paste => match turn::take(session, args, &plan, grant.as_ref()).await? {
            Turn::Ours(lock) => lock,
            Turn::Done(end) => return report(session, &plan, end).await,
        },
        Flow::ClientCredentials | Flow::DeveloperToken | Flow::Token => None,
    };
    let end = match plan.flow {
        Flow::Code => code::run(session, &plan, &args.browser).await,
        Flow::Paste => paste::run(session, &plan).await,
        Flow::ClientCredentials => repeated::run(session, &plan, ClientCredentials::NAME).await,
        Flow::DeveloperToken => developer_token::run(session, &plan).await,
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
        Err(error)
            if matches!(
                error.kind(),
                RecordErrorKind::NewerFormat { .. } | RecordErrorKind::Sealed
            ) =>
        {
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
/// fails for good. Tokens that the store does not take are kept elsewhere.
async fn with_client(
    session: &Session,
    plan: &Plan,
    rest: impl AsyncFnOnce(TokenManager) -> Result<Option<Timestamp>, TokenError>,
) -> Result<Option<Timestamp>> {
    let watched = Arc::new(Watched::new(session.store.clone()));
    let manager = session.manager_over(plan.registration.clone(), watched.clone())?;
    let replaced = session.replace_client(&plan.registration).await?;
    let error = match session.waiting(SERVER, rest(manager.clone())).await {
        Ok(end) => return Ok(end),
        Err(error) => error,
    };
    if came_to_nothing(error.kind()) {
        session.restore_client(replaced).await;
    }
    let by_a_person = matches!(plan.flow, Flow::Code | Flow::Paste);
    if by_a_person && matches!(error.kind(), TokenErrorKind::Store(_)) {
        return rescue::keep(session, plan, &manager, &watched, error).await;
    }
    Err(refused(session, &error))
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

fn refuse_other_client(
    session: &Session,
    args: &Login,
    stored: Option<&ClientRecord>,
    grant: Option<&GrantRecord>,
    plan: &Plan,
) -> Result<()> {
    let Some(stored) = stored.filter(|_| grant.is_some_and(|grant| grant.ended.is_none()) && !args.force) else {
        return Ok(());
    };
    let ours = ClientRegistration::from_record(stored.clone());
    if ours.binding() == plan.registration.binding() {
        return Ok(());
    }
    let message = format!(
        "profile {} holds a login of another client or server: {}",
        session.profile(),
        described(&ours)
    );
    Err(Failure::new(Exit::Configuration, message).hint("choose another name with -p, or replace it with --force"))
}

/// Whether its tokens are asked for again, with nothing that could be lost.
pub(super) fn is_repeated(grant: &GrantRecord) -> bool {
    [ClientCredentials::NAME, DeveloperToken::NAME].contains(&&*grant.recipe.grant)
}

fn recipe(grant: &str, plan: &Plan) -> Recipe {
    Recipe::new(grant, plan.target.clone())
}

async fn report(session: &Session, plan: &Plan, end: Option<Timestamp>) -> Result<()> {
    let renewed = session
        .grant_record()
        .await?
        .is_some_and(|grant| grant.refresh_token.is_some() || is_repeated(&grant));
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
    if session.sealed.is_some() {
        return "sealed";
    }
    match session.store.name() {
        "json" | "sqlite" => "not encrypted, in a file that only you can read",
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
