//! Profiles as the file of another client.

use tokenkeep::import::{self, Format, FormatError, Imported};
use tokenkeep::key::Part;
use tokenkeep::record::TokenRecord;
use tokenkeep::secret::SecretBytes;
use tokenkeep::store::{StoreErrorKind, TokenStoreExt as _};

use super::Held;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::session::Session;

/// The file, and what of each profile is not in it.
pub(super) struct Foreign {
    pub(super) bytes: SecretBytes,
    pub(super) lost: Vec<(String, Vec<&'static str>)>,
}

/// Writes them as that client reads them; refuses what it could not read.
pub(super) async fn write(held: &[Held], format: Format) -> Result<Foreign> {
    let mut profiles = Vec::new();
    for held in held {
        profiles.push(imported(held).await?);
    }
    let bytes = import::write(format, &profiles).map_err(|error| unwritable(format, error))?;
    let lost = profiles.iter().map(|profile| {
        let lost = import::lost(format, profile);
        (profile.profile.as_str().to_owned(), lost)
    });
    Ok(Foreign {
        bytes,
        lost: lost.filter(|(_, lost)| !lost.is_empty()).collect(),
    })
}

/// What is lost, and that a refresh token is good in one place.
pub(super) fn report(session: &Session, foreign: &Foreign, copied: &str) {
    for (profile, lost) in &foreign.lost {
        session.notice(&format!("not in the file, of {profile}: {}", lost.join("; ")));
    }
    if !copied.is_empty() {
        session.notice(&format!(
            "copied refresh tokens: {copied}; where the server changes them, the first of the two clients to refresh \
             ends the other's login"
        ));
    }
}

async fn imported(held: &Held) -> Result<Imported> {
    let bundled = &held.bundled;
    let grant = bundled.grant.as_ref().map(|grant| grant.record.clone());
    let login_id = grant.as_ref().map(|grant| grant.login_id);
    let Some(client) = bundled.client.clone() else {
        let message = format!("profile {} has no client: there is nothing to write", bundled.profile);
        return Err(Failure::new(Exit::Configuration, message));
    };
    let mut imported = Imported::of_records(bundled.profile.clone(), client, grant);
    for token in tokens(&held.session).await? {
        if token.login_id == login_id && login_id.is_some() {
            imported = imported.with_token(token);
        }
    }
    Ok(imported)
}

async fn tokens(session: &Session) -> Result<Vec<TokenRecord>> {
    let mut tokens = Vec::new();
    let listed = match session.store.list_all().await {
        Ok(listed) => listed,
        // Nobody knows which there are: the login's own goes along.
        Err(error) if error.kind() == StoreErrorKind::Unsupported => return Ok(tokens),
        Err(error) => return Err(error.into()),
    };
    for listed in listed {
        if listed.key.profile() == session.profile() && matches!(listed.key.part(), Part::Token(_)) {
            let stored = session.store.load_contents(&listed.key).await?;
            tokens.extend(stored.and_then(|(_, contents)| contents.into_token()));
        }
    }
    Ok(tokens)
}

fn unwritable(format: Format, error: FormatError) -> Failure {
    let message = format!("a file of {} can't hold this; nothing was written", format.as_str());
    Failure::caused(Exit::Configuration, message, error)
}
