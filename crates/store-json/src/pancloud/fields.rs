//! The five fields of a document, and what of our records they say.

use std::sync::Arc;

use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::Contents;
use auth_core::secret::{Secret, SecretBytes};
use serde_json::value::RawValue;
use zeroize::Zeroizing;

use super::{Records, contents};
use crate::members::{Damage, Members};

/// What pancloud keeps of a profile; an empty text is nothing, as there.
#[derive(Clone, Default, PartialEq)]
pub(super) struct Fields {
    pub(super) access_token: Option<Secret>,
    pub(super) client_id: Option<Secret>,
    pub(super) client_secret: Option<Secret>,
    pub(super) refresh_token: Option<Secret>,
}

impl Fields {
    /// Takes them out of a document.
    pub(super) fn take(members: &mut Members<'_>) -> Result<Self, Damage> {
        let mut field = |name: &str| members.take(name).map_or(Ok(None), text);
        Ok(Self {
            access_token: field("access_token")?,
            client_id: field("client_id")?,
            client_secret: field("client_secret")?,
            refresh_token: field("refresh_token")?,
        })
    }

    /// What the records of a profile say.
    pub(super) fn of_records(profile: &Profile, records: &Records) -> Self {
        let mut fields = Self::default();
        if let Some((_, Contents::Client(client))) = contents(records, &Key::client(profile)) {
            fields.client_id = Some(Secret::new(client.client_id)).filter(|id| !id.is_empty());
            fields.client_secret = client.client_secret;
        }
        if let Some((_, Contents::Grant(grant))) = contents(records, &Key::grant(profile)) {
            fields.refresh_token = grant.refresh_token;
            fields.access_token = grant.access.map(|access| access.token);
        }
        fields
    }

    pub(super) fn has_tokens(&self) -> bool {
        self.access_token.is_some() || self.refresh_token.is_some()
    }

    /// As members of a document.
    pub(super) fn members(&self, name: &str) -> [(String, Arc<SecretBytes>); 5] {
        let member = |field: &str, value: Option<&Secret>| {
            let text = value.map_or_else(|| b"null".to_vec(), |value| quoted(value.expose()));
            (field.to_owned(), Arc::new(SecretBytes::new(text)))
        };
        let name = Secret::new(name);
        [
            member("access_token", self.access_token.as_ref()),
            member("client_id", self.client_id.as_ref()),
            member("client_secret", self.client_secret.as_ref()),
            member("profile", Some(&name)),
            member("refresh_token", self.refresh_token.as_ref()),
        ]
    }
}

/// A text as JSON in ASCII.
pub(super) fn quoted(text: &str) -> Vec<u8> {
    let json = Zeroizing::new(serde_json::Value::from(text).to_string());
    let mut quoted = Vec::with_capacity(json.len() * 6);
    let mut units = [0; 2];
    for character in json.chars() {
        match u8::try_from(character) {
            Ok(byte) if byte.is_ascii() => quoted.push(byte),
            _ => {
                for unit in character.encode_utf16(&mut units) {
                    quoted.extend(format!("\\u{unit:04x}").into_bytes());
                }
            }
        }
    }
    quoted
}

fn text(raw: &RawValue) -> Result<Option<Secret>, Damage> {
    let text: Option<String> = serde_json::from_str(raw.get()).map_err(|error| Damage::of(&error))?;
    Ok(text.map(Secret::new).filter(|text| !text.is_empty()))
}
