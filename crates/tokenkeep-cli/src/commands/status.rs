//! `tokenkeep status`: what is stored, by urgency; nobody is asked, but with `--check`.

mod check;
mod entry;
mod short;
mod table;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokenkeep::Profile;
use tokenkeep::clock::Timestamp;
use tokenkeep::key::{Key, Part};
use tokenkeep::record::{Contents, GrantRecord, RecordState};
use tokenkeep::store::TokenStoreExt as _;

pub(super) use self::entry::Entry;
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
    if args.short {
        return short::run(session, wanted).await;
    }
    let listed = listed(session, &wanted).await?;
    let checked = if args.check {
        check::run(session, &listed, !wanted.is_empty()).await
    } else {
        Exit::Ok
    };
    let mut entries = entries(session, &listed).await;
    entries.sort_by_cached_key(Entry::urgency);
    show(session, args, &entries)?;
    match checked {
        Exit::Ok => Ok(()),
        exit => Err(Failure::silent(exit)),
    }
}

/// What is known of these profiles, in their order.
pub(super) async fn entries(session: &Session, profiles: &[Profile]) -> Vec<Entry> {
    let mut entries = Vec::with_capacity(profiles.len());
    for profile in profiles {
        entries.push(read(session, profile).await);
    }
    entries
}

/// The profiles that the store holds.
pub(super) async fn profiles(session: &Session) -> Result<Vec<Profile>> {
    let all = session.store.list_all().await?;
    // A login under way, a left-over token, or a tombstone alone makes no profile.
    let kept = all.into_iter().filter(|listed| match listed.key.part() {
        Part::Client => true,
        Part::Grant => listed.hints.state != Some(RecordState::LoggedOut),
        _ => false,
    });
    let profiles: BTreeSet<Profile> = kept.map(|listed| listed.key.profile().clone()).collect();
    Ok(profiles.into_iter().collect())
}

async fn listed(session: &Session, wanted: &[Profile]) -> Result<Vec<Profile>> {
    if !session.store.capabilities().lists && !wanted.is_empty() {
        return kept(session, wanted).await;
    }
    let mut listed = profiles(session).await?;
    for profile in wanted {
        if !listed.contains(profile) {
            return Err(session.unknown_profile(profile).await);
        }
    }
    listed.retain(|profile| wanted.is_empty() || wanted.contains(profile));
    Ok(listed)
}

/// The same profiles, each looked for by its name: for a store that can't list.
async fn kept(session: &Session, wanted: &[Profile]) -> Result<Vec<Profile>> {
    for profile in wanted {
        let client = session.store.load(&Key::client(profile)).await?;
        if client.is_none() && session.store.load(&Key::grant(profile)).await?.is_none() {
            return Err(session.unknown_profile(profile).await);
        }
    }
    Ok(wanted.to_vec())
}

async fn read(session: &Session, profile: &Profile) -> Entry {
    let command = session.settings.command(profile, "login");
    match session.store.load_contents(&Key::grant(profile)).await {
        Err(error) => Entry::unreadable(profile, &error),
        Ok(Some((_, Contents::Grant(grant)))) => {
            let ends = token_ends(session, profile, &grant).await;
            Entry::of_grant(profile, &grant, &ends, Session::now(), command)
        }
        Ok(_) => Entry::without_grant(profile, command),
    }
}

/// When the tokens end that belong to this login; those of an earlier one don't
/// count, and those that can't be read are as good as lost.
async fn token_ends(session: &Session, profile: &Profile, grant: &GrantRecord) -> Vec<Option<Timestamp>> {
    let mut ends: Vec<_> = grant.access.iter().map(|access| access.expires_at).collect();
    let key = Key::token(profile, grant.recipe.target.id());
    if let Ok(Some((_, Contents::Token(token)))) = session.store.load_contents(&key).await
        && token.login_id == Some(grant.login_id)
        && token.target == grant.recipe.target
    {
        ends.push(token.access.expires_at);
    }
    ends
}

fn show(session: &Session, args: &Status, entries: &[Entry]) -> Result<()> {
    if args.json {
        let text = format!("{:#}\n", object(session, entries));
        return output::result(text.as_bytes());
    }
    if entries.is_empty() {
        let login = session.command("login --flow client-credentials --issuer URL --client-id ID");
        session.notice(&format!("nothing is kept in {} yet; log in: {login}", session.place()));
        return Ok(());
    }
    output::styled_result(&table::render(entries, Session::now()))
}

fn object(session: &Session, entries: &[Entry]) -> Value {
    let now = Session::now();
    let profiles: Vec<Value> = entries.iter().map(|entry| entry.to_json(now)).collect();
    json!({ "schema": SCHEMA, "store": session.place(), "profiles": profiles })
}
