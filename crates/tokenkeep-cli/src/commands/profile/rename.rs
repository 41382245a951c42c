//! Gives a profile another name: its client, its login and its tokens.

use tokenkeep::Profile;
use tokenkeep::transfer::{GrantTransfer, Place, Transfer, TransferError};

use crate::args::more::ProfileRename;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::place;
use crate::session::Session;

pub(super) async fn run(session: &Session, args: &ProfileRename) -> Result<()> {
    let name = |text: &str| Profile::new(text).map_err(|error| Failure::of(Exit::Usage, error));
    let (from, to) = (name(&args.from)?, name(&args.to)?);
    let (source, target) = (session.named(&from, false).await?, session.named(&to, false).await?);
    let at = |session: &Session| Place::new(session.store.clone(), place::label(&session.settings.store_url));
    place::must_last(&*target.store, &target.place())?;
    // Both names may be configured for stores of their own.
    let transfer = Transfer::new(at(&source), at(&target)).delete_source(true);
    let moved = transfer.profile(&from, &to).await;
    let Some(report) = moved.map_err(|error| failed(&target, error))? else {
        return Err(source.unknown_profile(&from).await);
    };
    if report.grant == GrantTransfer::Absent && !report.client && report.tokens == 0 {
        let (profile, place) = (to.clone(), place::label(&target.settings.store_url));
        return Err(failed(&target, TransferError::Occupied { profile, place }));
    }
    let configured = if source.settings.is_configured(&from) {
        format!("; the configuration file still speaks of {from}")
    } else {
        String::new()
    };
    let kept = match report.kept {
        0 => String::new(),
        kept => format!("; records of {from} that are not what {to} has are left: {kept}"),
    };
    session.notice(&format!(
        "profile {from} is {to} now, in {}{configured}{kept}",
        target.place()
    ));
    Ok(())
}

fn failed(target: &Session, error: TransferError) -> Failure {
    let (exit, hint) = match &error {
        TransferError::SamePlace => (Exit::Usage, None),
        TransferError::Occupied { .. } => {
            let remove = target.command("profile remove");
            (
                Exit::Configuration,
                Some(format!("choose another name, or remove that one first: {remove}")),
            )
        }
        TransferError::EndsWithProcess { .. } | TransferError::Volatile { .. } => (Exit::Configuration, None),
        other => {
            let kind = other.token_error_kind();
            (kind.as_ref().map_or(Exit::Failure, Exit::of_token_error), None)
        }
    };
    let failure = Failure::of(exit, error);
    match hint {
        Some(hint) => failure.hint(hint),
        None => failure,
    }
}
