//! Bundles: profiles in one JSON document, to be carried to another store or machine.
//!
//! ```json
//! {"format": "tokenkeep-bundle", "schema": 1,
//!  "protection": {"kind": "passphrase", "derivation": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 4,
//!                 "salt": BASE64, "cipher": "aes-256-gcm", "nonce": BASE64},
//!  "content": BASE64}
//! ```
//!
//! The content, encrypted or as it is with `{"kind": "none"}`, is
//! `{"profiles": [{"profile": NAME, "records": [{"keep_until": …, "record": …}]}]}`, each record in
//! the form in which stores keep it. Names are in the content: an encrypted bundle shows none.
//! What is before the content is authenticated with it.

mod seal;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokenkeep::clock::Timestamp;
use tokenkeep::key::Key;
use tokenkeep::record::{ClientRecord, Contents, GrantRecord, Hints, Record, Version};
use tokenkeep::{Profile, Secret};
use zeroize::Zeroizing;

use self::seal::Header;
use crate::error::{Failure, Result};
use crate::exit::Exit;

const FORMAT: &str = "tokenkeep-bundle";
const SCHEMA: u64 = 1;

/// A profile as a bundle carries it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bundled {
    pub(crate) profile: Profile,
    pub(crate) client: Option<ClientRecord>,
    pub(crate) grant: Option<BundledGrant>,
}

/// A login in a bundle.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct BundledGrant {
    pub(crate) record: GrantRecord,
    pub(crate) keep_until: Option<Timestamp>,
}

/// A bundle that was read, but for its content.
pub(crate) struct Bundle {
    protection: Protection,
    content: Zeroizing<String>,
}

#[derive(Deserialize)]
struct Head {
    format: String,
    schema: u64,
}

#[derive(Serialize, Deserialize)]
struct Document<'a> {
    format: String,
    schema: u64,
    protection: Protection,
    #[serde(borrow)]
    content: &'a RawValue,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Protection {
    None,
    Passphrase(Header),
}

#[derive(Serialize, Deserialize)]
struct Content<'a> {
    #[serde(borrow)]
    profiles: Vec<Entry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Entry<'a> {
    profile: String,
    #[serde(borrow)]
    records: Vec<Kept<'a>>,
}

#[derive(Serialize, Deserialize)]
struct Kept<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keep_until: Option<Timestamp>,
    #[serde(borrow)]
    record: &'a RawValue,
}

/// What a record says of itself.
#[derive(Deserialize)]
struct Names {
    key: String,
    version: Version,
}

/// Writes a bundle; without a passphrase as it is.
pub(crate) fn write(profiles: &[Bundled], passphrase: Option<&Secret>) -> Result<Zeroizing<Vec<u8>>> {
    let content = content(profiles).map_err(unwritable)?;
    let (protection, content) = match passphrase {
        None => (Protection::None, content),
        Some(passphrase) => {
            let header = Header::random()?;
            let sealed = seal::seal(&header, &associated(&header), passphrase, content)?;
            let text = serde_json::to_vec(&STANDARD.encode(sealed)).map_err(unwritable)?;
            (Protection::Passphrase(header), Zeroizing::new(text))
        }
    };
    let document = Document {
        format: FORMAT.to_owned(),
        schema: SCHEMA,
        protection,
        content: serde_json::from_slice(&content).map_err(unwritable)?,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(content.len() + 1024));
    serde_json::to_writer(&mut *bytes, &document).map_err(unwritable)?;
    bytes.push(b'\n');
    Ok(bytes)
}

impl Bundle {
    /// Reads what is not encrypted of a bundle.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self> {
        let head: Head = serde_json::from_slice(bytes).map_err(|_| no_bundle())?;
        if head.format != FORMAT {
            return Err(no_bundle());
        }
        if head.schema != SCHEMA {
            let message = format!("the bundle has schema {}, this version reads {SCHEMA}", head.schema);
            return Err(Failure::new(Exit::Failure, message).hint("update tokenkeep"));
        }
        let document: Document<'_> = serde_json::from_slice(bytes).map_err(|error| broken_at(&error))?;
        Ok(Self {
            protection: document.protection,
            content: Zeroizing::new(document.content.get().to_owned()),
        })
    }

    /// Whether it takes a passphrase to open.
    pub(crate) fn is_encrypted(&self) -> bool {
        matches!(self.protection, Protection::Passphrase(_))
    }

    /// Opens it, and checks all that is inside.
    pub(crate) fn open(&self, passphrase: &Secret) -> Result<Vec<Bundled>> {
        match &self.protection {
            Protection::None => profiles(self.content.as_bytes()),
            Protection::Passphrase(header) => {
                let text: &str = serde_json::from_str(&self.content).map_err(|_| broken("its content is no text"))?;
                let sealed = STANDARD.decode(text).map_err(|_| broken("its content is no Base64"))?;
                profiles(&seal::open(header, &associated(header), passphrase, sealed)?)
            }
        }
    }
}

/// What is authenticated besides the content, each part with its length.
fn associated(header: &Header) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (schema, numbers) = (SCHEMA.to_string(), header.numbers());
    for part in [FORMAT, &schema]
        .into_iter()
        .chain(header.words())
        .chain(numbers.iter().map(String::as_str))
    {
        bytes.extend((part.len() as u64).to_be_bytes());
        bytes.extend(part.as_bytes());
    }
    bytes
}

fn content(profiles: &[Bundled]) -> serde_json::Result<Zeroizing<Vec<u8>>> {
    // The entries borrow their bodies: no secret is copied.
    let records: Vec<Vec<Record>> = profiles.iter().map(Bundled::records).collect();
    let entries = profiles.iter().zip(&records);
    let content = Content {
        profiles: entries
            .map(|(bundled, records)| entry(bundled, records))
            .collect::<Result<_, _>>()?,
    };
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    serde_json::to_writer(&mut *bytes, &content)?;
    Ok(bytes)
}

fn entry<'a>(bundled: &Bundled, records: &'a [Record]) -> serde_json::Result<Entry<'a>> {
    let kept = |record: &'a Record| {
        Ok(Kept {
            keep_until: record.keep_until(),
            record: serde_json::from_slice(record.body().expose())?,
        })
    };
    Ok(Entry {
        profile: bundled.profile.to_string(),
        records: records.iter().map(kept).collect::<serde_json::Result<_>>()?,
    })
}

fn profiles(content: &[u8]) -> Result<Vec<Bundled>> {
    let content: Content<'_> = serde_json::from_slice(content).map_err(|error| broken_at(&error))?;
    let mut names = BTreeSet::new();
    let mut profiles = Vec::new();
    for entry in content.profiles {
        let bundled = Bundled::of_entry(&entry)?;
        if !names.insert(bundled.profile.clone()) {
            return Err(broken(&format!("profile {} is there twice", bundled.profile)));
        }
        profiles.push(bundled);
    }
    Ok(profiles)
}

impl Bundled {
    /// Whether a refresh token goes along.
    pub(crate) fn has_refresh_token(&self) -> bool {
        self.grant
            .as_ref()
            .is_some_and(|grant| grant.record.refresh_token.is_some())
    }

    fn records(&self) -> Vec<Record> {
        let client = self
            .client
            .clone()
            .map(|client| (Key::client(&self.profile), None, Contents::from(client)));
        let grant = self.grant.clone();
        let grant = grant.map(|grant| {
            (
                Key::grant(&self.profile),
                grant.keep_until,
                Contents::from(grant.record),
            )
        });
        let both = client.into_iter().chain(grant);
        both.map(|(key, keep_until, contents)| Record::encode(key, Version::after(None), keep_until, &contents))
            .collect()
    }

    fn of_entry(entry: &Entry<'_>) -> Result<Self> {
        let profile = Profile::new(&entry.profile).map_err(|_| broken("a profile has a name that none can have"))?;
        let mut bundled = Self {
            profile,
            client: None,
            grant: None,
        };
        for kept in &entry.records {
            bundled.add(kept)?;
        }
        if bundled.client.is_none() && bundled.grant.is_none() {
            return Err(broken(&format!("profile {} is empty", bundled.profile)));
        }
        Ok(bundled)
    }

    fn add(&mut self, kept: &Kept<'_>) -> Result<()> {
        let of_profile = |what: &str| broken(&format!("a record of profile {} {what}", self.profile));
        let body = kept.record.get();
        let names: Names = serde_json::from_str(body).map_err(|_| of_profile("has no name or version"))?;
        let key: Key = names
            .key
            .parse()
            .map_err(|_| of_profile("has a name that none can have"))?;
        if *key.profile() != self.profile {
            return Err(of_profile("belongs to another profile"));
        }
        let body = body.as_bytes().to_vec().into();
        let record = Record::from_parts(key, names.version, kept.keep_until, Hints::default(), body);
        let contents = record
            .decode()
            .map_err(|error| Failure::caused(Exit::Failure, BROKEN, error))?;
        match contents {
            Contents::Client(client) if self.client.is_none() => self.client = Some(*client),
            Contents::Grant(grant) if self.grant.is_none() => {
                self.grant = Some(BundledGrant {
                    record: *grant,
                    keep_until: kept.keep_until,
                });
            }
            _ => return Err(of_profile("is one too many")),
        }
        Ok(())
    }
}

const BROKEN: &str = "the bundle can't be used; nothing was imported";

fn no_bundle() -> Failure {
    Failure::new(Exit::Failure, "this is no bundle of tokenkeep; nothing was imported")
        .hint("write one with: tokenkeep profile export")
}

fn broken(why: &str) -> Failure {
    Failure::caused(Exit::Failure, BROKEN, why)
}

// serde's own text may quote what is there.
fn broken_at(error: &serde_json::Error) -> Failure {
    broken(&format!(
        "it can't be read (line {}, column {})",
        error.line(),
        error.column()
    ))
}

fn unwritable(error: serde_json::Error) -> Failure {
    Failure::caused(Exit::Failure, "the bundle can't be written", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenkeep::Target;
    use tokenkeep::endpoint::EndpointUrl;
    use tokenkeep::provider;
    use tokenkeep::record::{Binding, Recipe};

    fn profiles() -> Vec<Bundled> {
        let endpoint = EndpointUrl::new("https://auth.example/token").unwrap();
        let mut client = ClientRecord::new(provider::with_endpoints(endpoint, None), "app");
        client.client_secret = Some(Secret::new("canary-client-secret"));
        let mut grant = GrantRecord::new(
            Recipe::new("authorization_code", Target::new()),
            Binding::new(None, Some("https://auth.example/token".into()), "app"),
        );
        grant.refresh_token = Some(Secret::new("canary-refresh-token"));
        let keep_until = Some(Timestamp::from_unix_seconds(1_900_000_000));
        vec![
            Bundled {
                profile: Profile::new("canary-name").unwrap(),
                client: Some(client.clone()),
                grant: Some(BundledGrant {
                    record: grant,
                    keep_until,
                }),
            },
            Bundled {
                profile: Profile::new("b").unwrap(),
                client: Some(client),
                grant: None,
            },
        ]
    }

    fn text(passphrase: Option<&str>) -> String {
        let passphrase = passphrase.map(Secret::new);
        String::from_utf8(write(&profiles(), passphrase.as_ref()).unwrap().to_vec()).unwrap()
    }

    fn open(text: &str, passphrase: &str) -> Result<Vec<Bundled>> {
        Bundle::read(text.as_bytes())?.open(&Secret::new(passphrase))
    }

    #[test]
    fn what_was_written_comes_back() {
        let (profiles, passphrase) = (profiles(), Secret::new("p"));
        for passphrase in [None, Some(&passphrase)] {
            let written = write(&profiles, passphrase).unwrap();
            let read = Bundle::read(&written).unwrap();
            assert_eq!(read.is_encrypted(), passphrase.is_some());
            assert_eq!(read.open(&Secret::new("p")).unwrap(), profiles);
        }
    }

    #[test]
    fn an_encrypted_bundle_shows_nothing() {
        let (one, other) = (text(Some("p")), text(Some("p")));
        assert!(!one.contains("canary") && one.contains("\"argon2id\""), "{one}");
        assert_ne!(one, other);
        assert!(open(&one, "q").unwrap_err().chain()[0].contains("passphrase"));
    }

    #[test]
    fn no_change_to_an_encrypted_bundle_goes_unseen() {
        let text = text(Some("p"));
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let changed = |change: &dyn Fn(&mut serde_json::Value)| {
            let mut document = document.clone();
            change(&mut document);
            open(&document.to_string(), "p").unwrap_err().chain().join(": ")
        };
        for (name, value) in [("memory_kib", 65528.into()), ("passes", 2.into()), ("lanes", 3.into())] {
            let value: serde_json::Value = value;
            let error = changed(&|document| document["protection"][name] = value.clone());
            assert!(error.contains("passphrase"), "{name}: {error}");
        }
        for name in ["salt", "nonce"] {
            let error = changed(&|document| {
                let bytes = document["protection"][name].as_str().unwrap().to_owned();
                let first = if bytes.starts_with('A') { "B" } else { "A" };
                document["protection"][name] = format!("{first}{}", &bytes[1..]).into();
            });
            assert!(error.contains("passphrase"), "{name}: {error}");
        }
        let error = changed(&|document| {
            let content = document["content"].as_str().unwrap();
            let mut bytes = STANDARD.decode(content).unwrap();
            bytes[7] ^= 1;
            document["content"] = STANDARD.encode(bytes).into();
        });
        assert!(error.contains("passphrase"), "{error}");
        let error = changed(&|document| document["protection"] = serde_json::json!({"kind": "none"}));
        assert!(error.contains("can't be read"), "{error}");
    }

    #[test]
    fn costs_that_nobody_can_pay_are_refused() {
        let text = text(Some("p"));
        for (name, value) in [("memory_kib", u32::MAX), ("passes", 1000), ("lanes", 100), ("lanes", 0)] {
            let mut document: serde_json::Value = serde_json::from_str(&text).unwrap();
            document["protection"][name] = value.into();
            let error = open(&document.to_string(), "p").unwrap_err().chain().join(": ");
            assert!(error.contains("can't be used"), "{name}: {error}");
        }
    }

    #[test]
    fn what_is_no_bundle() {
        for (text, words) in [
            ("canary", "no bundle"),
            ("{\"format\":\"other\",\"schema\":1}", "no bundle"),
            ("{\"format\":\"tokenkeep-bundle\",\"schema\":2}", "schema 2"),
            ("{\"format\":\"tokenkeep-bundle\",\"schema\":1}", "column"),
        ] {
            let error = open(text, "p").unwrap_err().chain().join(": ");
            assert!(error.contains(words) && !error.contains("canary"), "{error}");
        }
    }

    #[test]
    fn records_of_others_and_twice_the_same_are_refused() {
        let text = text(None);
        for (from, to, words) in [
            ("\"canary-name#grant\"", "\"b#grant\"", "another profile"),
            ("\"profile\":\"b\"", "\"profile\":\"canary-name\"", "another profile"),
            (
                "\"key\":\"canary-name#grant\"",
                "\"key\":\"canary-name#client\"",
                "can't be used",
            ),
            ("\"profile\":\"b\"", "\"profile\":\"\"", "name"),
        ] {
            assert!(text.contains(from), "{from}: {text}");
            let error = open(&text.replacen(from, to, 1), "").unwrap_err().chain().join(": ");
            assert!(error.contains(words), "{words}: {error}");
            assert!(
                !error.contains("canary-client") && !error.contains("canary-refresh"),
                "{error}"
            );
        }
    }
}
