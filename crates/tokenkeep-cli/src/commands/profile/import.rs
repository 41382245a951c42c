//! Reads profiles from a bundle, or from the file of another client. All of it is checked before any of it is
//! written.

mod foreign;

use std::path::Path;

use tokenkeep::Secret;
use tokenkeep::import::Format;
use tokenkeep::key::Key;
use tokenkeep::record::{Contents, GrantRecord, TokenRecord, Version};
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
    /// Access tokens for other targets; bundles have none.
    tokens: Vec<TokenRecord>,
}

/// What is in a file.
struct Parcel {
    profiles: Vec<(Bundled, Vec<TokenRecord>)>,
    /// The file, for people; `None` for stdin.
    place: Option<String>,
}

pub(super) async fn run(session: &Session, args: &ProfileImport) -> Result<()> {
    let parcel = match (args.foreign.from, &args.file) {
        (Some(from), file) => foreign::read(session, &args.foreign, from.format(), file.as_deref()).await?,
        (None, Some(file)) => bundled(session, args, file).await?,
        (None, None) => return Err(Failure::new(Exit::Usage, "no file is named")),
    };
    let mut arriving = Vec::new();
    for (bundled, tokens) in parcel.profiles {
        let session = session.named(&bundled.profile, true).await?;
        arriving.push(Arriving {
            session,
            bundled,
            tokens,
        });
    }
    check(&arriving, args.overwrite).await?;
    if args.dry_run {
        return foreign::would(&arriving);
    }
    for (index, one) in arriving.iter().enumerate() {
        let arrived = arrive(one, args.overwrite).await;
        arrived.map_err(|failure| incomplete(failure, &arriving[..index]))?;
    }
    report(session, parcel.place.as_deref(), &arriving);
    Ok(())
}

async fn bundled(session: &Session, args: &ProfileImport, file: &Path) -> Result<Parcel> {
    let bytes = sealing::taken_back(session, input::bundle(file).await?).await?;
    let bundle = Bundle::read(&bytes).map_err(|failure| match Format::detect(&bytes) {
        Some(format) => failure.hint(format!(
            "it is a file of another client: tokenkeep profile import --from {} FILE",
            format.as_str()
        )),
        None => failure,
    })?;
    let passphrase = if bundle.is_encrypted() {
        passphrase::known(&args.passphrase).await?
    } else {
        Secret::new("")
    };
    let profiles = bundle.open(&passphrase)?;
    if profiles.is_empty() {
        return Err(Failure::new(Exit::Failure, "the bundle is empty"));
    }
    Ok(Parcel {
        profiles: profiles.into_iter().map(|bundled| (bundled, Vec::new())).collect(),
        place: (file != Path::new("-")).then(|| file.display().to_string()),
    })
}

async fn check(arriving: &[Arriving], overwrite: bool) -> Result<()> {
    let mut there = Vec::new();
    for Arriving { session, bundled, .. } in arriving {
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

async fn arrive(arriving: &Arriving, overwrite: bool) -> Result<()> {
    let Arriving {
        session,
        bundled,
        tokens,
    } = arriving;
    let lease = session
        .waiting(IN_USE, GrantLease::take(&session.store, session.profile()))
        .await?;
    let written = write(session, bundled, overwrite, &lease).await;
    lease.release().await;
    written?;
    for token in tokens {
        let key = Key::token(session.profile(), token.target.id());
        let keep_until = token.access.expires_at;
        let contents = Contents::from(token.clone());
        session.store.replace_contents(&key, &contents, keep_until).await?;
    }
    Ok(())
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

fn report(session: &Session, place: Option<&str>, arriving: &[Arriving]) {
    for Arriving { session, bundled, .. } in arriving {
        session.notice(&format!(
            "imported: {}, kept in {}, {}",
            bundled.profile,
            session.place(),
            login::how_kept(session)
        ));
    }
    if let Some(place) = place {
        session.notice(&format!(
            "{place} holds these credentials still: remove it when nobody needs it any more"
        ));
    }
}
