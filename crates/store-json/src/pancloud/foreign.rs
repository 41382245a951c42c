//! What pancloud wrote since we did, as later versions of our records.

use std::sync::Arc;

use auth_core::ClientRegistration;
use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::provider;
use auth_core::record::{AccessEntry, ClientRecord, Contents, GrantRecord, LoginId, Recipe, Record, Version};
use auth_core::secret::Secret;
use auth_core::target::Target;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::fields::Fields;
use super::{Records, contents};
use crate::entry::Entry;

/// The provider that pancloud's files belong to.
pub(super) const PROVIDER: &str = "pancloud";

/// Puts in place of our records what the fields say, where they say something else.
pub(super) fn adopt(profile: &Profile, fields: &Fields, records: &mut Records) {
    let said = Fields::of_records(profile, records);
    let key = Key::client(profile);
    let client = (&fields.client_id, &fields.client_secret);
    // A token by itself has a client without a name.
    let alone = fields.has_tokens() && !records.contains_key(&*key.to_string());
    if alone || client != (&said.client_id, &said.client_secret) {
        adopt_client(&key, fields, records);
    }
    let tokens = (&fields.refresh_token, &fields.access_token);
    if tokens != (&said.refresh_token, &said.access_token) {
        adopt_grant(profile, fields, records);
    }
}

fn adopt_client(key: &Key, fields: &Fields, records: &mut Records) {
    let (before, stored) = match contents(records, key) {
        Some((record, Contents::Client(client))) => (Some(record.version()), Some(*client)),
        _ => (None, None),
    };
    let mut client = stored.unwrap_or_else(|| ClientRecord::new(provider::pancloud(), ""));
    client.client_id = fields
        .client_id
        .as_ref()
        .map(|id| id.expose().to_owned())
        .unwrap_or_default();
    client.client_secret.clone_from(&fields.client_secret);
    put(key, before, &Contents::from(client), fields, records);
}

/// The login goes on, whatever we had noted of refreshes under way. Where it had ended, or
/// was about to move elsewhere with another refresh token, this is another login, which
/// stays here.
fn adopt_grant(profile: &Profile, fields: &Fields, records: &mut Records) {
    let key = Key::grant(profile);
    let client = match contents(records, &Key::client(profile)) {
        Some((_, Contents::Client(client))) => *client,
        _ => ClientRecord::new(provider::pancloud(), ""),
    };
    let binding = ClientRegistration::from_record(client).binding();
    let (before, stored) = match contents(records, &key) {
        Some((record, Contents::Grant(grant))) => (Some(record.version()), Some(*grant)),
        _ => (None, None),
    };
    let name = fields.refresh_token.as_ref().map_or("static", |_| "authorization_code");
    let mut grant = stored.unwrap_or_else(|| GrantRecord::new(Recipe::new(name, Target::new()), binding.clone()));
    let is_other_token = grant.refresh_token != fields.refresh_token;
    let is_anew = grant.ended.is_some() || (grant.departure.is_some() && is_other_token);
    if before.is_none() || is_anew {
        let earlier = before.map(|_| grant.login_id);
        grant.login_id = login_id(profile, earlier).unwrap_or(grant.login_id);
        grant.departure = None;
    }
    if is_other_token {
        grant.refresh_expires_at = None;
    }
    grant.binding = binding;
    name.clone_into(&mut grant.recipe.grant);
    grant.refresh_token.clone_from(&fields.refresh_token);
    grant.access = fields.access_token.clone().map(access);
    (grant.mark, grant.refused, grant.back_off, grant.ended) = (None, None, None, None);
    put(&key, before, &Contents::from(grant), fields, records);
}

/// The same fields are the same version, whoever reads them.
fn put(key: &Key, before: Option<Version>, contents: &Contents, fields: &Fields, records: &mut Records) {
    let generation = before.map_or(0, Version::generation).saturating_add(1);
    let texts = [
        &fields.access_token,
        &fields.client_id,
        &fields.client_secret,
        &fields.refresh_token,
    ];
    let texts = texts.map(|field| field.as_ref().map_or("", Secret::expose));
    let name = key.to_string();
    let digest = digest(texts.into_iter().chain([name.as_str()]));
    let mut nonce = [0; 8];
    nonce.copy_from_slice(&digest[..8]);
    let record = Record::encode(key.clone(), Version::from_raw(generation, nonce), None, contents);
    records.insert(key.to_string().into(), Arc::new(Entry::of(&record, None)));
}

/// A login that pancloud made, before we came or after this earlier one: the same for
/// whoever reads it, also after pancloud has refreshed it.
fn login_id(profile: &Profile, earlier: Option<LoginId>) -> Option<LoginId> {
    let earlier = earlier.map(|earlier| earlier.to_string());
    let digest = digest(["login", profile.as_str()].into_iter().chain(earlier.as_deref()));
    let (first, _) = digest.split_first_chunk()?;
    let text = format!("{:032x}", u128::from_be_bytes(*first));
    serde_json::from_value(text.into()).ok()
}

fn digest<'a>(texts: impl Iterator<Item = &'a str>) -> [u8; 32] {
    let mut digest = Sha256::new();
    for text in texts {
        digest.update((text.len() as u64).to_be_bytes());
        digest.update(text);
    }
    digest.finalize().into()
}

fn access(token: Secret) -> AccessEntry {
    let expires_at = expiry(&token);
    AccessEntry::bearer(token, Timestamp::from_unix_seconds(0), expires_at)
}

#[derive(Deserialize)]
struct Claims {
    exp: Option<i64>,
}

/// Not a verification: the token is its server's to judge.
fn expiry(token: &Secret) -> Option<Timestamp> {
    let payload = token.expose().split('.').nth(1)?;
    let payload = Zeroizing::new(URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?);
    let claims: Claims = serde_json::from_slice(&payload).ok()?;
    claims.exp.map(Timestamp::from_unix_seconds)
}
