//! The file format, version 1.
//!
//! ```json
//! {"tokenkeep":{"format":1},
//! "records":{
//! "default#grant":{"version":"3-0011223344556677","hints":{…},"body":{…}},
//! "other#grant":{"version":"1-8899aabbccddeeff","keep_until":1800000000000,"sealed":"…"}
//! }}
//! ```
//!
//! A record's `body` is the JSON that core wrote, as it is; what is no JSON, such
//! as a sealed record, is base64 under `sealed`. Members that this version does
//! not know are kept, beside `records` and in each record.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::sync::Arc;

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::record::{Record, Version};
use auth_core::secret::SecretBytes;
use auth_core::store::Listed;
use serde_json::value::RawValue;

use crate::config::Layout;
use crate::entry::{Entry, RecordDamage, value, write_member};
use crate::error::Fault;
use crate::members::{Damage, Members, Places};
use crate::pancloud::{self, Table};

/// The number of the format that this version writes, and the newest it reads.
pub(crate) const FORMAT: u64 = 1;

/// What a file holds. Cloning copies no record.
#[derive(Clone, Default)]
pub(crate) struct Document {
    records: BTreeMap<Arc<str>, Arc<Entry>>,
    /// What stands under `tokenkeep`, if more than the format.
    head: Option<Arc<SecretBytes>>,
    others: Vec<(String, Arc<SecretBytes>)>,
    /// What is there of pancloud's layout, if the file has that.
    table: Option<Arc<Table>>,
}

/// Why a file can't be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    Damaged(Damage),
    NewerFormat(u64),
}

impl Document {
    /// What a file holds that is not there yet.
    pub(crate) fn empty(layout: Layout) -> Self {
        Self {
            table: (layout == Layout::Pancloud).then(Arc::default),
            ..Self::default()
        }
    }

    /// Reads a whole file of this layout.
    pub(crate) fn read(layout: Layout, bytes: &[u8]) -> Result<Self, Unreadable> {
        if layout == Layout::Own {
            return Self::parse(bytes);
        }
        let text = std::str::from_utf8(bytes).map_err(|error| not_text(bytes, error.valid_up_to()))?;
        let (table, records) = Table::parse(text)?;
        Ok(Self {
            records,
            table: Some(Arc::new(table)),
            ..Self::default()
        })
    }

    /// Whether a record can be put into it.
    pub(crate) fn check(&self, record: &Record) -> Result<(), Fault> {
        if self.table.is_some() {
            return pancloud::check(record);
        }
        Ok(())
    }

    /// Reads a whole file.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, Unreadable> {
        let text = std::str::from_utf8(bytes).map_err(|error| not_text(bytes, error.valid_up_to()))?;
        let mut members = Members::parse(text)?;
        let Some(head) = members.take("tokenkeep") else {
            return Err(Damage::at_start("JSON, but no member \"tokenkeep\"").into());
        };
        let head_is_plain = check_format(text, head)?;
        let mut document = Self {
            head: (!head_is_plain).then(|| shared(head)),
            ..Self::default()
        };
        if let Some(records) = members.take("records") {
            let within = |damage: Damage| damage.within(text, records.get());
            let mut places = Places::of(text);
            for (name, value) in Members::parse(records.get()).map_err(within)?.0 {
                let entry = Entry::parse(value, places.start_of(value.get()));
                document.records.insert(name.into(), Arc::new(entry));
            }
        }
        document.others = members
            .0
            .into_iter()
            .map(|(name, value)| (name, shared(value)))
            .collect();
        Ok(document)
    }

    /// Writes the whole file.
    pub(crate) fn write_to(&self, out: &mut impl Write) -> io::Result<()> {
        if let Some(table) = &self.table {
            return table.write_to(&self.records, out);
        }
        out.write_all(b"{\"tokenkeep\":")?;
        match &self.head {
            Some(text) => out.write_all(text.expose())?,
            None => write!(out, "{{\"format\":{FORMAT}}}")?,
        }
        out.write_all(b",\n\"records\":{")?;
        for (index, (name, entry)) in self.records.iter().enumerate() {
            out.write_all(if index == 0 { b"\n" } else { b",\n" })?;
            write_member(out, name, entry.text.expose())?;
        }
        out.write_all(b"\n}")?;
        for (name, text) in &self.others {
            out.write_all(b",\n")?;
            write_member(out, name, text.expose())?;
        }
        out.write_all(b"}\n")
    }

    /// The stored version, and until when it is kept.
    pub(crate) fn version(&self, key: &Key, now: Timestamp) -> Result<Option<Version>, RecordDamage> {
        let entry = self.records.get(&*key.to_string());
        let head = entry
            .map(|entry| entry.head.as_ref().map_err(|damage| *damage))
            .transpose()?;
        Ok(head.filter(|head| head.lives(now)).map(|head| head.version))
    }

    /// Whether nothing is stored under a key, not even something damaged.
    pub(crate) fn has_nothing(&self, key: &Key, now: Timestamp) -> bool {
        matches!(self.version(key, now), Ok(None))
    }

    /// The record under a key.
    pub(crate) fn record(&self, key: &Key, now: Timestamp) -> Result<Option<Record>, RecordDamage> {
        let Some(entry) = self.records.get(&*key.to_string()) else {
            return Ok(None);
        };
        let head = entry.head.as_ref().map_err(|damage| *damage)?;
        if !head.lives(now) {
            return Ok(None);
        }
        let body = entry.body(head)?;
        Ok(Some(Record::from_parts(
            key.clone(),
            head.version,
            head.keep_until,
            head.hints.clone(),
            body,
        )))
    }

    /// Every record's entry in a list, sorted by name; names of parts that this
    /// version does not know are left out.
    pub(crate) fn listed(&self, now: Timestamp) -> impl Iterator<Item = Listed> {
        let named = self
            .records
            .iter()
            .filter_map(|(name, entry)| Some((name.parse::<Key>().ok()?, entry)));
        named
            .filter(|(key, _)| !key.is_lease())
            .filter_map(move |(key, entry)| match &entry.head {
                Ok(head) if head.lives(now) => Some(Listed::new(key, head.version, head.hints.clone())),
                Ok(_) => None,
                Err(_) => Some(Listed::damaged(key)),
            })
    }

    /// Puts this record in the place of the one under its key.
    pub(crate) fn put(&mut self, record: &Record) {
        let name = record.key().to_string();
        let old = self.records.get(&*name).map(|entry| &entry.text);
        let entry = Arc::new(Entry::of(record, old));
        self.records.insert(name.into(), entry);
        if let Some(table) = &mut self.table {
            Arc::make_mut(table).admit(record.key().profile());
        }
    }

    /// Removes the record under this key.
    pub(crate) fn remove(&mut self, key: &Key) {
        self.records.remove(&*key.to_string());
    }

    /// Removes the records that are past.
    pub(crate) fn sweep(&mut self, now: Timestamp) {
        self.records
            .retain(|_, entry| entry.head.as_ref().map_or(true, |head| head.lives(now)));
    }
}

impl From<Damage> for Unreadable {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

/// Whether the format is all that the head says.
fn check_format(text: &str, head: &RawValue) -> Result<bool, Unreadable> {
    let within = |damage: Damage| damage.within(text, head.get());
    let mut members = Members::parse(head.get()).map_err(within)?;
    let format = members
        .take("format")
        .ok_or_else(|| within(Damage::at_start("no \"format\" under \"tokenkeep\"")))?;
    match value::<u64>(text, format)? {
        0 => Err(Damage::at_start("there is no format 0")
            .within(text, format.get())
            .into()),
        FORMAT => Ok(members.0.is_empty()),
        newer => Err(Unreadable::NewerFormat(newer)),
    }
}

fn shared(raw: &RawValue) -> Arc<SecretBytes> {
    Arc::new(SecretBytes::new(raw.get().as_bytes().to_vec()))
}

fn not_text(bytes: &[u8], valid: usize) -> Unreadable {
    let text = std::str::from_utf8(&bytes[..valid]).unwrap_or_default();
    let at = Places::of(text).start_of(&text[text.len()..]);
    Unreadable::Damaged(Damage { what: "not UTF-8", at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::members::Position;
    use auth_core::profile::Profile;
    use auth_core::record::Hints;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    fn record(name: &str, body: &str) -> Record {
        let key = Key::grant(&Profile::from_parts([name]));
        let body = SecretBytes::new(body.as_bytes().to_vec());
        Record::from_parts(key, Version::from_raw(3, [1; 8]), None, Hints::default(), body)
    }

    fn text(document: &Document) -> String {
        let mut text = Vec::new();
        document.write_to(&mut text).unwrap();
        String::from_utf8(text).unwrap()
    }

    #[test]
    fn the_format_is_pinned() {
        let mut document = Document::default();
        document.put(&record("b", "sealed bytes"));
        document.put(&record("a", r#"{"format":1}"#));
        assert_eq!(
            text(&document),
            concat!(
                "{\"tokenkeep\":{\"format\":1},\n\"records\":{\n",
                "\"a#grant\":{\"version\":\"3-0101010101010101\",\"body\":{\"format\":1}},\n",
                "\"b#grant\":{\"version\":\"3-0101010101010101\",\"sealed\":\"c2VhbGVkIGJ5dGVz\"}\n",
                "}}\n"
            )
        );
        assert_eq!(
            text(&Document::parse(text(&document).as_bytes()).unwrap_or_default()),
            text(&document)
        );
    }

    #[test]
    fn unknown_members_are_kept() {
        let file = r#"{ "later": [1, 2.0],
            "tokenkeep": {"format": 1, "note": "x"},
            "records": {"a#grant": {"version": "1-0000000000000000", "colour": "\u0041", "body": {}},
                        "a#novel.part": {"version": "1-0000000000000000", "body": {}}}}"#;
        let Ok(mut document) = Document::parse(file.as_bytes()) else {
            panic!("not read")
        };
        document.put(&record("a", "{}"));
        let next = text(&document);
        for kept in [
            r#""later":[1, 2.0]"#,
            r#""tokenkeep":{"format": 1, "note": "x"}"#,
            r#""colour":"\u0041""#,
            r#""a#novel.part":{"#,
        ] {
            assert!(next.contains(kept), "{kept} is lost: {next}");
        }
        assert_eq!(document.listed(NOW).count(), 1);
    }

    #[test]
    fn damage_has_a_place_and_no_value() {
        for (file, what, line, column) in [
            ("", "not JSON", 1, 1),
            ("{\"a\":\n1", "not JSON", 2, 1),
            ("{}", "JSON, but no member \"tokenkeep\"", 1, 1),
            ("[]", "another kind of value was due", 1, 1),
            ("{\"tokenkeep\":\n{}}", "no \"format\" under \"tokenkeep\"", 2, 1),
            (
                "{\"tokenkeep\":{\"format\":1},\n\"records\":[]}",
                "another kind of value was due",
                2,
                11,
            ),
        ] {
            match Document::parse(file.as_bytes()) {
                Err(Unreadable::Damaged(damage)) => {
                    let at = (damage.what, damage.at.line);
                    assert_eq!(at, (what, line), "{file}");
                    assert!(damage.at.column.abs_diff(column) <= 1, "{file}: {damage:?}");
                }
                _ => panic!("{file} was read"),
            }
        }
        let Err(Unreadable::Damaged(damage)) = Document::parse(b"{\n\"\xff\"}") else {
            panic!("read")
        };
        assert_eq!((damage.what, damage.at), ("not UTF-8", Position { line: 2, column: 2 }));
        let newer = Document::parse(br#"{"tokenkeep":{"format":7},"records":3}"#);
        assert_eq!(newer.err(), Some(Unreadable::NewerFormat(7)));
    }

    #[test]
    fn a_damaged_record_leaves_the_others() {
        let file = "{\"tokenkeep\":{\"format\":1},\"records\":{\n\"a#grant\":{\"version\":5,\"body\":{}},\n\"b#grant\":{\"version\":\"1-0000000000000000\",\"body\":{}}}}";
        let mut document = Document::parse(file.as_bytes()).unwrap_or_default();
        assert!(
            document
                .record(record("b", "").key(), NOW)
                .is_ok_and(|found| found.is_some())
        );
        let damage = document.record(record("a", "").key(), NOW).unwrap_err();
        assert_eq!(damage.0.at.line, 2);
        document.put(&record("c", "{}"));
        document.sweep(NOW);
        assert!(text(&document).contains("\"a#grant\":{\"version\":5,\"body\":{}}"));
    }
}
