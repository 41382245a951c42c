//! `tokenkeep status`: what is stored, by urgency; nobody is asked.

mod entry;
mod table;

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tokenkeep::Profile;
use tokenkeep::clock::Timestamp;
use tokenkeep::key::{Key, Part};
use tokenkeep::record::{Contents, GrantRecord};
use tokenkeep::store::{Listed, TokenStoreExt as _};

use self::entry::Entry;
use crate::args::Status;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

/// The version of the JSON form.
const SCHEMA: u64 = 1;

pub(super) async fn run(session: &Session, args: &Status) -> Result<()> {
    let wanted = args
        .profiles
        .iter()
        .map(|name| Profile::new(name).map_err(|error| Failure::of(Exit::Usage, error)));
    let wanted: Vec<Profile> = wanted.collect::<Result<_>>()?;
    let mut listed = group(session.store.list_all().await?);
    if !wanted.is_empty() {
        for profile in &wanted {
            if !listed.contains_key(profile) {
                return Err(session.unknown_profile(profile).await);
            }
        }
        listed.retain(|profile, _| wanted.contains(profile));
    }
    let mut entries = Vec::with_capacity(listed.len());
    for (profile, parts) in &listed {
        entries.push(read(session, profile, parts).await);
    }
    entries.sort_by_cached_key(Entry::urgency);
    if args.json {
        let text = format!("{:#}\n", object(session, &entries));
        return output::result(text.as_bytes());
    }
    if entries.is_empty() {
        let login = session.command("login --flow client-credentials --issuer URL --client-id ID");
        session.notice(&format!("nothing is kept in {} yet; log in: {login}", session.place()));
        return Ok(());
    }
    output::styled_result(&table::render(&entries, Session::now()))
}

/// The profiles that the store holds.
pub(super) async fn profiles(session: &Session) -> Result<Vec<Profile>> {
    Ok(group(session.store.list_all().await?).into_keys().collect())
}

// A login under way or a left-over token makes no profile.
fn group(all: Vec<Listed>) -> BTreeMap<Profile, Vec<Listed>> {
    let mut profiles: BTreeMap<Profile, Vec<Listed>> = BTreeMap::new();
    for listed in all {
        profiles.entry(listed.key.profile().clone()).or_default().push(listed);
    }
    profiles.retain(|_, parts| {
        parts
            .iter()
            .any(|listed| matches!(listed.key.part(), Part::Client | Part::Grant))
    });
    profiles
}

async fn read(session: &Session, profile: &Profile, parts: &[Listed]) -> Entry {
    let command = session.settings.command(profile, "login");
    match session.store.load_contents(&Key::grant(profile)).await {
        Err(error) => Entry::unreadable(profile, &error),
        Ok(Some((_, Contents::Grant(grant)))) => {
            let ends = token_ends(session, &grant, parts).await;
            Entry::of_grant(profile, &grant, &ends, Session::now(), command)
        }
        Ok(_) => Entry::without_grant(profile, command),
    }
}

/// When the tokens end that belong to this login; those of an earlier one don't
/// count, and those that can't be read are as good as lost.
async fn token_ends(session: &Session, grant: &GrantRecord, parts: &[Listed]) -> Vec<Option<Timestamp>> {
    let mut ends: Vec<_> = grant.access.iter().map(|access| access.expires_at).collect();
    for listed in parts
        .iter()
        .filter(|listed| matches!(listed.key.part(), Part::Token(_)))
    {
        if let Ok(Some((_, Contents::Token(token)))) = session.store.load_contents(&listed.key).await
            && token.login_id == Some(grant.login_id)
            && token.target == grant.recipe.target
        {
            ends.push(token.access.expires_at);
        }
    }
    ends
}

fn object(session: &Session, entries: &[Entry]) -> Value {
    let now = Session::now();
    let profiles: Vec<Value> = entries.iter().map(|entry| entry.to_json(now)).collect();
    json!({ "schema": SCHEMA, "store": session.place(), "profiles": profiles })
}
