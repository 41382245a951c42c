//! A login leaves for a bundle: noted before the bundle is written, so that from then on
//! nobody spends its refresh token here; a tombstone once the bundle is durable.

use std::path::Path;

use tokenkeep::key::Part;
use tokenkeep::record::{Departure, Ended, GrantRecord, Outcome};
use tokenkeep::store::{RemoveIf, StoreErrorKind, TokenStoreExt as _};

use super::Held;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;
use crate::text::shell_word;

const BUNDLE: &str = "bundle ";

/// Whether a move that broke off may be made anew: not while its bundle is there, which
/// may hold the login.
pub(super) fn may_go_on(session: &Session, begun: &Departure, moves: bool) -> Result<()> {
    let message = format!(
        "profile {} is being moved to {}, and the move was not finished",
        session.profile(),
        begun.to
    );
    let failure = Failure::new(Exit::Failure, message);
    match begun.to.strip_prefix(BUNDLE).map(Path::new) {
        Some(path) if path.exists() => Err(failure.hint(format!(
            "import that bundle; if it can't be imported, remove it and run this again: tokenkeep profile import {}",
            shell_word(&path.to_string_lossy())
        ))),
        Some(_) if moves => Ok(()),
        _ => Err(failure.hint("run the same move again")),
    }
}

/// Notes that they leave.
pub(super) async fn note(held: &mut [Held], path: &Path) -> Result<()> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let to = format!("{BUNDLE}{}", path.display());
    for one in held {
        let (Some(version), Some(grant)) = (one.version, &one.bundled.grant) else {
            continue;
        };
        let departure = Departure::new(&to, Session::now());
        let mut leaving = grant.record.clone();
        leaving.departure = Some(departure.clone());
        one.lease.renew().await?;
        one.version = Some(one.lease.replace(version, &leaving, grant.keep_until).await?);
        one.departure = Some(departure);
    }
    Ok(())
}

/// There is no bundle: they stay.
pub(super) async fn take_back(held: &[Held]) {
    for one in held {
        if let (Some(version), Some(grant), Some(_)) = (one.version, &one.bundled.grant, &one.departure)
            && let Err(failure) = one.lease.replace(version, &grant.record, grant.keep_until).await
        {
            let (profile, error) = (one.session.profile(), failure.in_one_line());
            tracing::warn!(target: "tokenkeep", %profile, error, "the login counts as leaving still: run the same move again");
        }
    }
}

/// Puts tombstones in their place.
pub(super) async fn end(held: &[Held], path: &Path) -> Result<()> {
    for one in held {
        end_one(one).await.map_err(|failure| {
            failure.or_hint(|| {
                Some(format!(
                    "the bundle {} is written, and nobody uses its logins here any more: import it",
                    path.display()
                ))
            })
        })?;
    }
    Ok(())
}

async fn end_one(held: &Held) -> Result<()> {
    let (Some(version), Some(grant)) = (held.version, &held.bundled.grant) else {
        return Ok(());
    };
    let ended = tombstone(&grant.record, held.departure.as_ref());
    held.lease.renew().await?;
    held.lease.replace(version, &ended, None).await?;
    // Access tokens for other targets; they end by themselves where none can be listed.
    let store = &held.session.store;
    let listed = match store.list_all().await {
        Ok(listed) => listed,
        Err(error) if error.kind() == StoreErrorKind::Unsupported => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    for entry in listed {
        if entry.key.profile() == held.session.profile() && matches!(entry.key.part(), Part::Token(_)) {
            store.remove(&entry.key, RemoveIf::Any).await?;
        }
    }
    Ok(())
}

fn tombstone(grant: &GrantRecord, departure: Option<&Departure>) -> GrantRecord {
    let now = Session::now();
    let mut stone = GrantRecord::new(grant.recipe.clone(), grant.binding.clone());
    stone.login_id = grant.login_id;
    stone.departure = departure.cloned();
    stone.ended = Some(Ended::at(now));
    stone.history.clone_from(&grant.history);
    stone.note(now, Outcome::Moved, departure.map(|departure| departure.to.clone()));
    stone
}
