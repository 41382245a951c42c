//! Reads profiles from a bundle. All of it is checked before any of it is written.

use std::path::Path;

use tokenkeep::Secret;
use tokenkeep::key::Key;
use tokenkeep::record::{Contents, GrantRecord, Version};
use tokenkeep::store::{StoreErrorKind, TokenStoreExt as _};

use super::passphrase;
use crate::args::bundle::ProfileImport;
use crate::bundle::{Bundle, Bundled};
use crate::commands::login;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::grant_lease::{GrantLease, IN_USE, check_persistence};
use crate::input;
use crate::sealing;
use crate::session::Session;

/// A profile, and where it is to be kept.
struct Arriving {
    session: Session,
    bundled: Bundled,
}

pub(super) async fn run(session: &Session, args: &ProfileImport) -> Result<()> {
    let bytes = sealing::taken_back(session, input::bundle(&args.file).await?).await?;
    let bundle = Bundle::read(&bytes)?;
    let passphrase = if bundle.is_encrypted() {
        passphrase::known(&args.passphrase).await?
    } else {
        Secret::new("")
    };
    let profiles = bundle.open(&passphrase)?;
    if profiles.is_empty() {
        return Err(Failure::new(Exit::Failure, "the bundle is empty"));
    }
    let mut arriving = Vec::new();
    for bundled in profiles {
        let session = session.named(&bundled.profile, true).await?;
        arriving.push(Arriving { session, bundled });
    }
    check(&arriving, args.overwrite).await?;
    for (index, one) in arriving.iter().enumerate() {
        let arrived = arrive(one, args.overwrite).await;
        arrived.map_err(|failure| incomplete(failure, &arriving[..index]))?;
    }
    report(session, args, &arriving);
    Ok(())
}

async fn check(arriving: &[Arriving], overwrite: bool) -> Result<()> {
    let mut there = Vec::new();
    for Arriving { session, bundled } in arriving {
        if bundled.has_refresh_token() {
            check_persistence(&*session.store)?;
        }
        let stored = (session.client_record().await?, session.grant_record().await?);
        if !matches!(stored, (None, None)) {
            there.push(bundled.profile.as_str());
        }
    }
    if there.is_empty() || overwrite {
        return Ok(());
    }
    let message = format!("there already: {}; nothing was imported", there.join(", "));
    Err(Failure::new(Exit::Configuration, message).hint("replace what is there with --overwrite"))
}

async fn arrive(Arriving { session, bundled }: &Arriving, overwrite: bool) -> Result<()> {
    let lease = session
        .waiting(IN_USE, GrantLease::take(&session.store, session.profile()))
        .await?;
    let written = write(session, bundled, overwrite, &lease).await;
    lease.release().await;
    written
}

async fn write(session: &Session, bundled: &Bundled, overwrite: bool, lease: &GrantLease) -> Result<()> {
    let before = lease.load().await?;
    if let Some(client) = &bundled.client {
        let (key, contents) = (Key::client(session.profile()), Contents::from(client.clone()));
        let saved = if overwrite {
            session.store.replace_contents(&key, &contents, None).await
        } else {
            session.store.save_contents(&key, &contents, None, None).await
        };
        saved.map_err(|error| match error.kind() {
            StoreErrorKind::Conflict => came_meanwhile(session),
            _ => error.into(),
        })?;
    }
    match (&bundled.grant, before) {
        (Some(_), Some(_)) if !overwrite => Err(came_meanwhile(session)),
        (Some(grant), _) => lease.put(&grant.record, grant.keep_until).await,
        (None, Some((version, grant))) => end_other(lease, version, &grant, bundled).await,
        (None, None) => Ok(()),
    }
}

/// A login of another client than the one that arrived is nobody's any more.
async fn end_other(lease: &GrantLease, version: Version, grant: &GrantRecord, bundled: &Bundled) -> Result<()> {
    let registration = bundled.client.clone().map(tokenkeep::ClientRegistration::from_record);
    let same = registration.is_some_and(|registration| registration.binding() == grant.binding);
    if same || grant.ended.is_some() {
        return Ok(());
    }
    lease.replace(version, &grant.tombstone(Session::now()), None).await?;
    Ok(())
}

fn came_meanwhile(session: &Session) -> Failure {
    let message = format!("profile {} came to be meanwhile; it is as it was", session.profile());
    Failure::new(Exit::Configuration, message).hint("replace it with --overwrite")
}

fn incomplete(failure: Failure, done: &[Arriving]) -> Failure {
    if done.is_empty() {
        return failure;
    }
    let names: Vec<&str> = done.iter().map(|one| one.bundled.profile.as_str()).collect();
    failure.or_hint(|| Some(format!("imported before that: {}", names.join(", "))))
}

fn report(session: &Session, args: &ProfileImport, arriving: &[Arriving]) {
    for Arriving { session, bundled } in arriving {
        session.notice(&format!(
            "imported: {}, kept in {}, {}",
            bundled.profile,
            session.place(),
            login::how_kept(session)
        ));
    }
    if args.file != Path::new("-") {
        session.notice(&format!(
            "{} holds these credentials still: remove it when nobody needs it any more",
            args.file.display()
        ));
    }
}
