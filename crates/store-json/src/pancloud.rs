//! pancloud's own layout, one table of `tinydb`, written in place: for those who go on using pancloud beside us,
//! one after the other.
//!
//! ```json
//! {
//!     "profiles": {
//!         "NUMBER": {
//!             "access_token": …, "client_id": …, "client_secret": …, "profile": …, "refresh_token": …,
//!             "tokenkeep": {"client": RECORD, "grant": RECORD, "token.…": RECORD}
//!         }
//!     }
//! }
//! ```
//!
//! pancloud reads and replaces the five fields, and leaves other members alone; what is ours and has no field
//! (marks, tokens for other targets) is in `tokenkeep`, each record as in our own format. Fields that do not say
//! what the records say were written by pancloud since, and count: they are read as a later version of the record.

mod fields;
mod foreign;

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use auth_core::key::{Key, Part};
use auth_core::profile::Profile;
use auth_core::record::{Contents, Record, Version};
use auth_core::secret::SecretBytes;
use auth_core::store::StoreErrorKind;
use serde_json::value::RawValue;

use self::fields::Fields;
use crate::entry::Entry;
use crate::error::Fault;
use crate::members::{Damage, Members, Places, Position};

const TABLE: &str = "profiles";
const OURS: &str = "tokenkeep";
/// Larger than any number that pancloud counts to, so that it does not choose the same.
const NUMBER_LEAST: u64 = 1 << 32;

pub(crate) type Records = BTreeMap<Arc<str>, Arc<Entry>>;

/// The documents, and what else is in the file.
#[derive(Clone, Default)]
pub(crate) struct Table {
    documents: Vec<Row>,
    others: Vec<(String, Arc<SecretBytes>)>,
}

/// A document.
#[derive(Clone)]
struct Row {
    number: String,
    name: String,
    fields: Fields,
    /// Whether there were records of it: without any it goes.
    is_known: bool,
    others: Vec<(String, Arc<SecretBytes>)>,
}

impl Table {
    /// Reads a whole file; an empty one holds nothing.
    pub(crate) fn parse(text: &str) -> Result<(Self, Records), Damage> {
        let (mut table, mut records) = (Self::default(), Records::new());
        if text.trim().is_empty() {
            return Ok((table, records));
        }
        let mut members = Members::parse(text)?;
        let mut places = Places::of(text);
        if let Some(documents) = members.take(TABLE) {
            let within = |damage: Damage| damage.within(text, documents.get());
            for (number, document) in Members::parse(documents.get()).map_err(within)?.0 {
                let at = places.start_of(document.get());
                let row = row(number, document, at, &mut records).map_err(|damage: Damage| damage.after(at))?;
                if table.documents.iter().any(|other| other.name == row.name) {
                    return Err(Damage::at_start("a profile that is there twice").after(at));
                }
                table.documents.push(row);
            }
        }
        table.others = kept(members);
        Ok((table, records))
    }

    /// Makes room for a profile's records.
    pub(crate) fn admit(&mut self, profile: &Profile) {
        let is_this = |row: &&mut Row| Profile::from_foreign(&row.name) == *profile;
        if let Some(row) = self.documents.iter_mut().find(is_this) {
            row.is_known = true;
            return;
        }
        self.documents.push(Row {
            number: number().to_string(),
            name: profile.to_foreign(),
            fields: Fields::default(),
            is_known: true,
            others: Vec::new(),
        });
    }

    /// Writes the whole file, laid out as pancloud does.
    pub(crate) fn write_to(&self, records: &Records, out: &mut impl Write) -> io::Result<()> {
        let documents = self.documents.iter().filter_map(|row| row.written(records));
        let mut members: Vec<(String, Arc<SecretBytes>)> = self.others.clone();
        members.push((TABLE.to_owned(), object(documents.collect(), 1)));
        out.write_all(object(members, 0).expose())
    }
}

impl Row {
    /// The document, with its fields as its records say; `None` if there is nothing left of it.
    fn written(&self, records: &Records) -> Option<(String, Arc<SecretBytes>)> {
        let profile = Profile::from_foreign(&self.name);
        let prefix = format!("{profile}#");
        let begin: Arc<str> = prefix.as_str().into();
        let ours: Vec<_> = records
            .range(begin..)
            .take_while(|(name, _)| name.starts_with(&prefix))
            .collect();
        if ours.is_empty() && self.is_known {
            return None;
        }
        let mut members = self.others.clone();
        let fields = if ours.is_empty() {
            self.fields.clone()
        } else {
            Fields::of_records(&profile, records)
        };
        members.extend(fields.members(&self.name));
        if !ours.is_empty() {
            let entries = ours.into_iter().map(|(name, entry)| {
                let text = SecretBytes::new(entry.text.expose().to_vec());
                (name[prefix.len()..].to_owned(), Arc::new(text))
            });
            members.push((OURS.to_owned(), object(entries.collect(), 3)));
        }
        Some((self.number.clone(), object(members, 2)))
    }
}

/// Refuses what pancloud would misuse, or could not read.
pub(crate) fn check(record: &Record) -> Result<(), Fault> {
    let refused = |message: &str| Err(Fault::new(StoreErrorKind::Unsupported, message));
    match record.key().part() {
        Part::Client | Part::Grant | Part::Token(_) => {}
        _ => {
            return refused("a login under way has no place in pancloud's file: log in with another store, and export");
        }
    }
    match record.decode() {
        Err(_) => refused("pancloud's file can't be sealed: pancloud could not read it"),
        Ok(Contents::Client(client)) if client.provider.name != foreign::PROVIDER => refused(
            "this client is not pancloud's: pancloud would send its credentials to its own server; use provider pancloud",
        ),
        Ok(_) => Ok(()),
    }
}

fn row(number: String, document: &RawValue, start: Position, records: &mut Records) -> Result<Row, Damage> {
    let mut members = Members::parse(document.get())?;
    let within = |damage: Damage, part: &RawValue| damage.within(document.get(), part.get());
    let name = members
        .take("profile")
        .ok_or(Damage::at_start("a document without \"profile\""))?;
    let name: String = serde_json::from_str(name.get()).map_err(|error| within(Damage::of(&error), name))?;
    let profile = Profile::from_foreign(&name);
    let mut ours = Records::new();
    if let Some(stored) = members.take(OURS) {
        let inner = |damage| within(damage, stored);
        for (part, entry) in Members::parse(stored.get()).map_err(inner)?.0 {
            let at = Places::of(document.get()).start_of(entry.get());
            let at = Damage { what: "", at }.after(start).at;
            let key = format!("{profile}#{part}");
            ours.insert(key.into(), Arc::new(Entry::parse(entry, at)));
        }
    }
    let fields = Fields::take(&mut members)?;
    foreign::adopt(&profile, &fields, &mut ours);
    let is_known = !ours.is_empty();
    records.append(&mut ours);
    Ok(Row {
        number,
        name,
        fields,
        is_known,
        others: kept(members),
    })
}

/// What a record means; `None` if there is none, or it can't be read.
fn contents(records: &Records, key: &Key) -> Option<(Record, Contents)> {
    let entry = records.get(&*key.to_string())?;
    let head = entry.head.as_ref().ok()?;
    let body = entry.body(head).ok()?;
    let record = Record::from_parts(key.clone(), head.version, head.keep_until, head.hints.clone(), body);
    let contents = record.decode().ok()?;
    Some((record, contents))
}

fn kept(members: Members<'_>) -> Vec<(String, Arc<SecretBytes>)> {
    let text = |raw: &RawValue| Arc::new(SecretBytes::new(raw.get().as_bytes().to_vec()));
    members.0.into_iter().map(|(name, raw)| (name, text(raw))).collect()
}

/// Sorted members, four spaces for each depth, in ASCII, as Python writes them there: numbers by their size.
fn object(mut members: Vec<(String, Arc<SecretBytes>)>, depth: usize) -> Arc<SecretBytes> {
    let by = |name: &str| if depth == 1 { name.len() } else { 0 };
    members.sort_by(|(one, _), (other, _)| (by(one), one).cmp(&(by(other), other)));
    let room = members.iter().map(|(name, text)| name.len() + text.len() + 64).sum();
    let mut out = Vec::with_capacity(room);
    out.push(b'{');
    let indent = |out: &mut Vec<u8>, depth: usize| {
        out.push(b'\n');
        out.resize(out.len() + depth * 4, b' ');
    };
    for (index, (name, text)) in members.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        indent(&mut out, depth + 1);
        out.extend(fields::quoted(name));
        out.extend(b": ");
        out.extend(text.expose());
    }
    if !members.is_empty() {
        indent(&mut out, depth);
    }
    out.push(b'}');
    Arc::new(SecretBytes::new(out))
}

/// Random: pancloud may take the next number at the same time.
fn number() -> u64 {
    let version = Version::after(None).to_string();
    let random = version.rsplit('-').next().map(|digits| u64::from_str_radix(digits, 16));
    NUMBER_LEAST | (random.and_then(Result::ok).unwrap_or_default() >> 12)
}
