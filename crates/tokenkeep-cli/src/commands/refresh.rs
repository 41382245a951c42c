//! `tokenkeep refresh`: new tokens from the server, now.

mod outcome;

use serde_json::{Value, json};
use tokenkeep::error::TokenErrorKind;
use tokenkeep::{AccessToken, Profile, TokenError, TokenSource};

use self::outcome::Outcome;
use super::login::is_repeated;
use super::{status, token};
use crate::args::more::Refresh;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

/// The version of the JSON form.
const SCHEMA: u64 = 1;

pub(super) async fn run(session: &Session, args: &Refresh) -> Result<()> {
    let profiles = wanted(session, args).await?;
    let several = profiles.len() > 1;
    let mut outcomes = Vec::with_capacity(profiles.len());
    for profile in profiles {
        let outcome = match refresh(session, &profile, args, several).await {
            Ok(outcome) => outcome,
            Err(failure) => Outcome::Failed(failure),
        };
        if !args.json {
            outcome.say(session, &profile);
        }
        outcomes.push((profile, outcome));
    }
    if args.json {
        let profiles: Vec<Value> = outcomes
            .iter()
            .map(|(profile, outcome)| outcome.to_json(profile))
            .collect();
        let object = json!({ "schema": SCHEMA, "store": session.place(), "profiles": profiles });
        output::result(format!("{object:#}\n").as_bytes())?;
    } else if outcomes.is_empty() {
        session.notice(&format!("nothing is kept in {}", session.place()));
    }
    // Each has been told already.
    match Exit::worst(outcomes.iter().map(|(_, outcome)| outcome.exit())) {
        Exit::Ok => Ok(()),
        exit => Err(Failure::silent(exit)),
    }
}

async fn wanted(session: &Session, args: &Refresh) -> Result<Vec<Profile>> {
    if args.all {
        return status::profiles(session).await;
    }
    if args.profiles.is_empty() {
        return Ok(vec![session.profile().clone()]);
    }
    let named = args.profiles.iter().map(Profile::new);
    let named: Result<Vec<_>, _> = named.collect();
    named.map_err(|error| Failure::of(Exit::Usage, error))
}

async fn refresh(session: &Session, profile: &Profile, args: &Refresh, several: bool) -> Result<Outcome> {
    let session = if args.all {
        session.listed(profile, several)?
    } else {
        session.named(profile, several).await?
    };
    if args.all && session.grant_record().await?.is_some_and(|grant| grant.ended.is_some()) {
        return Ok(Outcome::LoggedOut);
    }
    let source = session.manager(session.registration().await?)?.source(profile);
    let failed = |error| token::no_token(&session, &error);
    if let Some(within) = args.if_expires_within
        && let Some(token) = stored(&source).await.map_err(failed)?
    {
        match token.expires_at() {
            Some(end) if end.since(Session::now()) > within => return Ok(Outcome::StillGood(end)),
            None if !renewed(&session).await? => return Ok(Outcome::NotRenewed),
            _ => {}
        }
    }
    let token = session.waiting(token::SERVER, source.force()).await.map_err(failed)?;
    Ok(Outcome::Refreshed(token.expires_at()))
}

/// The token that is stored and valid, if there is one.
async fn stored(source: &TokenSource) -> Result<Option<AccessToken>, TokenError> {
    match source.current().await {
        Ok(token) => Ok(Some(token)),
        Err(error) if matches!(error.kind(), TokenErrorKind::ReauthRequired(_)) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn renewed(session: &Session) -> Result<bool> {
    let grant = session.grant_record().await?;
    Ok(grant.is_some_and(|grant| grant.refresh_token.is_some() || is_repeated(&grant)))
}
