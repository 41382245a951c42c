//! Writes profiles into a bundle, or into the file of another client; a login is moved, not copied, if that is
//! wanted.

mod departure;
pub(crate) mod file;
mod foreign;

use std::path::Path;

use tokenkeep::import::Format;
use tokenkeep::key::Key;
use tokenkeep::record::{Departure, Version};
use tokenkeep::{Profile, Secret};
use zeroize::Zeroizing;

use self::foreign::Foreign;
use super::passphrase;
use crate::args::bundle::{ProfileExport, Writable};
use crate::bundle::{self, Bundle, Bundled, BundledGrant};
use crate::commands::status;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::grant_lease::{GrantLease, IN_USE};
use crate::output;
use crate::session::Session;
use crate::text::shell_word;

/// A profile under its lease: nobody changes it meanwhile.
struct Held {
    session: Session,
    lease: GrantLease,
    version: Option<Version>,
    /// Of a move that broke off.
    departure: Option<Departure>,
    bundled: Bundled,
}

pub(super) async fn run(session: &Session, args: &ProfileExport) -> Result<()> {
    let sessions = meant(session, args).await?;
    if let Some(path) = &args.output {
        file::refuse_existing(path)?;
    }
    let passphrase = if args.plaintext || args.format.is_some() {
        None
    } else {
        Some(passphrase::new(&args.passphrase).await?)
    };
    let mut held = Vec::new();
    let outcome = export(session, args, sessions, &mut held, passphrase.as_ref()).await;
    for held in held {
        held.lease.release().await;
    }
    outcome
}

/// The sessions of the profiles that are meant.
async fn meant(session: &Session, args: &ProfileExport) -> Result<Vec<Session>> {
    if args.all {
        let all = status::profiles(session).await?;
        return all.iter().map(|profile| session.listed(profile, true)).collect();
    }
    if args.names.is_empty() {
        return Ok(vec![session.named(session.profile(), false).await?]);
    }
    let mut sessions: Vec<Session> = Vec::new();
    for name in &args.names {
        let profile = Profile::new(name).map_err(|error| Failure::of(Exit::Usage, error))?;
        if !sessions.iter().any(|session| *session.profile() == profile) {
            sessions.push(session.named(&profile, false).await?);
        }
    }
    Ok(sessions)
}

async fn export(
    session: &Session,
    args: &ProfileExport,
    mut sessions: Vec<Session>,
    held: &mut Vec<Held>,
    passphrase: Option<&Secret>,
) -> Result<()> {
    // In one order, whoever exports: two that want each other's lease would wait for ever.
    sessions.sort_by(|one, other| one.profile().cmp(other.profile()));
    for session in sessions {
        hold(session, held).await?;
    }
    for held in held.iter() {
        check(held, args)?;
    }
    let profiles: Vec<Bundled> = held.iter().map(|held| held.bundled.clone()).collect();
    if profiles.is_empty() {
        return Err(Failure::new(
            Exit::Configuration,
            format!("there is no profile in {}", session.place()),
        ));
    }
    let foreign = match args.format.map(Writable::format) {
        Some(format) => Some(foreign::write(held, format).await?),
        None => None,
    };
    let content = match &foreign {
        Some(_) => Zeroizing::default(),
        None => bundle::write(&profiles, passphrase)?,
    };
    let bytes = foreign
        .as_ref()
        .map_or(content.as_slice(), |foreign| foreign.bytes.expose());
    let Some(path) = &args.output else {
        return output::result(bytes);
    };
    if args.logins.moves {
        let is_right = |read: &[u8]| match &foreign {
            Some(foreign) => Ok(read == foreign.bytes.expose()),
            None => Ok(Bundle::read(read)?.open(passphrase.unwrap_or(&Secret::new("")))? == profiles),
        };
        move_to(path, held, bytes, is_right).await?;
    } else {
        file::write(path, bytes)?;
    }
    report(session, args, held, foreign.as_ref());
    Ok(())
}

/// The logins end here once the file is durable and was read again.
async fn move_to(
    path: &Path,
    held: &mut [Held],
    bytes: &[u8],
    is_right: impl FnOnce(&[u8]) -> Result<bool>,
) -> Result<()> {
    let written = async {
        departure::note(held, path).await?;
        file::write(path, bytes)?;
        file::read_back(path, is_right)
    };
    if let Err(failure) = written.await {
        departure::take_back(held).await;
        return Err(failure);
    }
    departure::end(held, path).await
}

/// Takes the lease, then reads: what is read is the last word until it is given back.
async fn hold(session: Session, held: &mut Vec<Held>) -> Result<()> {
    let client = session.client_record().await?;
    if client.is_none() && session.grant_record().await?.is_none() {
        return Err(session.unknown_profile(session.profile()).await);
    }
    let lease = session
        .waiting(IN_USE, GrantLease::take(&session.store, session.profile()))
        .await?;
    let stored = session.store.load(&Key::grant(session.profile())).await;
    let read = async {
        let keep_until = stored?.and_then(|record| record.keep_until());
        let loaded = lease.load().await?;
        Ok::<_, Failure>(loaded.map(|(version, record)| (version, BundledGrant { record, keep_until })))
    };
    let loaded = match read.await {
        Ok(loaded) => loaded,
        Err(failure) => {
            lease.release().await;
            return Err(failure);
        }
    };
    let version = loaded.as_ref().map(|(version, _)| *version);
    let mut grant = loaded
        .map(|(_, grant)| grant)
        .filter(|grant| grant.record.ended.is_none());
    let departure = grant.as_mut().and_then(|grant| grant.record.departure.take());
    let bundled = Bundled {
        profile: session.profile().clone(),
        client,
        // Of a login that has ended there is nothing to carry.
        grant,
    };
    held.push(Held {
        session,
        lease,
        version,
        departure,
        bundled,
    });
    Ok(())
}

fn check(held: &Held, args: &ProfileExport) -> Result<()> {
    let (session, profile) = (&held.session, held.session.profile());
    let Some(grant) = &held.bundled.grant else {
        if held.bundled.client.is_none() {
            let message = format!("profile {profile} has neither a client nor a login: there is nothing to export");
            return Err(Failure::new(Exit::Configuration, message));
        }
        return Ok(());
    };
    if let Some(begun) = &held.departure {
        departure::may_go_on(session, begun, args.logins.moves)?;
    }
    if grant.record.mark.is_some() {
        let message = format!("a refresh of profile {profile} was interrupted; nothing was exported");
        let finish = session.command("refresh");
        return Err(Failure::new(Exit::Failure, message).hint(format!("let it come to its end first: {finish}")));
    }
    if held.bundled.has_refresh_token() && !args.logins.moves && !args.logins.allow_duplicate {
        return Err(would_be_two(session, args.format.map(Writable::format)));
    }
    Ok(())
}

fn would_be_two(session: &Session, format: Option<Format>) -> Failure {
    let profile = session.profile();
    let message = format!(
        "profile {profile} has a refresh token: where the server changes it at each refresh, of two copies the first \
         to be used ends the other's login, or both"
    );
    let format = format.map(|format| format!("--format {} ", format.as_str()));
    let export = format!("profile export {}--move --output FILE", format.unwrap_or_default());
    Failure::new(Exit::Usage, message).hint(format!(
        "move it: {}; or copy it all the same with --allow-duplicate",
        session.command(&export)
    ))
}

fn report(session: &Session, args: &ProfileExport, held: &[Held], foreign: Option<&Foreign>) {
    let Some(path) = &args.output else {
        return;
    };
    let place = path.display();
    let how = if args.plaintext || foreign.is_some() {
        "not encrypted, for you only to read"
    } else {
        "encrypted"
    };
    session.notice(&format!("written to {place}, {how}: {}", names(held, |_| true)));
    let moved = names(held, |bundled| bundled.grant.is_some());
    if let Some(foreign) = foreign {
        let copied = names(held, |bundled| bundled.has_refresh_token() && !args.logins.moves);
        foreign::report(session, foreign, &copied);
    }
    if args.logins.moves && !moved.is_empty() && foreign.is_some() {
        session.notice(&format!(
            "ended here, to go on with the client that reads the file: {moved}"
        ));
    } else if args.logins.moves && !moved.is_empty() {
        let import = format!("tokenkeep profile import {}", shell_word(&place.to_string()));
        session.notice(&format!(
            "ended here, to go on where the bundle is imported: {moved}; there: {import}"
        ));
    }
    let clients = names(held, |bundled| bundled.grant.is_none());
    if !clients.is_empty() {
        session.notice(&format!("the client alone, nobody is logged in: {clients}"));
    }
    for held in held.iter().filter(|held| keeps_secret_elsewhere(held)) {
        let profile = held.session.profile();
        session.notice(&format!(
            "the client secret of {profile} is not in the store, so it is not in the bundle"
        ));
    }
}

fn names(held: &[Held], which: impl Fn(&Bundled) -> bool) -> String {
    let held = held.iter().filter(|held| which(&held.bundled));
    let names: Vec<&str> = held.map(|held| held.session.profile().as_str()).collect();
    names.join(", ")
}

fn keeps_secret_elsewhere(held: &Held) -> bool {
    let client = held.bundled.client.as_ref();
    client.is_some_and(|client| client.client_secret.is_none())
        && matches!(held.session.secret_elsewhere(), Ok(Some(_)))
}
