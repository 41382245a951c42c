//! Records as documents.

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::record::{Hints, Record, Version};
use auth_core::secret::SecretBytes;
use auth_core::store::Listed;
use mongodb::bson::spec::BinarySubtype;
use mongodb::bson::{self, Binary, Bson, DateTime, Document, doc};

use crate::error::Fault;

/// The end of a record or a lease: what the TTL index looks at.
pub(crate) const UNTIL: &str = "until";
/// What compare-and-swap compares.
pub(crate) const VERSION: &str = "version";
/// The body's field, which no list asks for.
pub(crate) const BODY: &str = "body";
const HINTS: &str = "hints";
const KEY: &str = "key";

/// How documents of one namespace are named.
#[derive(Clone, Debug)]
pub(crate) struct Names {
    namespace: String,
}

impl Names {
    pub(crate) fn new(namespace: String) -> Self {
        Self { namespace }
    }

    pub(crate) fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The name of a record's document.
    pub(crate) fn record(&self, key: &str) -> String {
        format!("{}:{key}", self.namespace)
    }

    /// The key that a record's document is named by.
    pub(crate) fn key_text<'d>(&self, document: &'d Document) -> Option<&'d str> {
        text(document, "_id")?.strip_prefix(&self.record(""))
    }

    /// The name of a lease's document.
    pub(crate) fn lease(&self, key: &str) -> String {
        format!("{}!{key}", self.namespace)
    }

    /// All records' documents after this key, or all.
    pub(crate) fn records_after(&self, cursor: Option<&str>) -> Document {
        // A semicolon comes right after the colon, and no namespace has one.
        let end = format!("{};", self.namespace);
        doc! { "_id": { "$gt": self.record(cursor.unwrap_or_default()), "$lt": end } }
    }
}

/// What a document must be besides to count at this time: without an end, or before it. Said of one field, so that
/// a server looks it up by `_id`; an `$or` has some look at every document.
pub(crate) fn living(mut filter: Document, now: Timestamp) -> Document {
    filter.insert(UNTIL, doc! { "$not": { "$lte": date(now) } });
    filter
}

/// A record as a document, its body wiped when it goes.
pub(crate) struct RecordDocument(Document);

impl RecordDocument {
    pub(crate) fn of(record: &Record, names: &Names) -> Result<Self, Fault> {
        let key = record.key().to_string();
        let hints = bson::serialize_to_bson(record.hints()).map_err(|_| Fault::invalid("the hints can't be stored"))?;
        let body = Binary {
            subtype: BinarySubtype::Generic,
            bytes: record.body().expose().to_vec(),
        };
        let mut document = doc! {
            "_id": names.record(&key),
            KEY: key,
            VERSION: record.version().to_string(),
            HINTS: hints,
            BODY: body,
        };
        if let Some(until) = record.keep_until() {
            document.insert(UNTIL, date(until));
        }
        Ok(Self(document))
    }

    pub(crate) fn get(&self) -> &Document {
        &self.0
    }
}

impl Drop for RecordDocument {
    fn drop(&mut self) {
        if let Some(Bson::Binary(body)) = self.0.get_mut(BODY) {
            drop(SecretBytes::new(std::mem::take(&mut body.bytes)));
        }
    }
}

/// The record in a document, which must be this key's.
pub(crate) fn record(mut document: Document, key: &Key) -> Result<Record, Fault> {
    let body = match document.remove(BODY) {
        Some(Bson::Binary(body)) => SecretBytes::new(body.bytes),
        _ => return Err(damaged(key, BODY)),
    };
    if !text(&document, KEY).is_some_and(|text| key.is_text(text)) {
        return Err(damaged(key, KEY));
    }
    let (version, keep_until) = stored(&document, key)?;
    let hints = hints(&document).ok_or_else(|| damaged(key, HINTS))?;
    Ok(Record::from_parts(key.clone(), version, keep_until, hints, body))
}

/// The version in a document, and its end.
pub(crate) fn stored(document: &Document, key: &Key) -> Result<(Version, Option<Timestamp>), Fault> {
    let version = text(document, VERSION).and_then(|text| text.parse().ok());
    Ok((version.ok_or_else(|| damaged(key, VERSION))?, until(document, key)?))
}

/// The entry of a list in a document; `None` if its name is no key that this version
/// knows.
pub(crate) fn listed(document: &Document, names: &Names) -> Option<Listed> {
    let key: Key = names.key_text(document)?.parse().ok()?;
    let is_named = text(document, KEY).is_some_and(|text| key.is_text(text));
    Some(match (stored(document, &key), hints(document)) {
        (Ok((version, _)), Some(hints)) if is_named => Listed::new(key, version, hints),
        _ => Listed::damaged(key),
    })
}

/// A time as the server has it.
pub(crate) fn date(time: Timestamp) -> DateTime {
    DateTime::from_millis(time.unix_millis())
}

fn text<'d>(document: &'d Document, field: &str) -> Option<&'d str> {
    document.get_str(field).ok()
}

fn until(document: &Document, key: &Key) -> Result<Option<Timestamp>, Fault> {
    match document.get(UNTIL) {
        None => Ok(None),
        Some(Bson::DateTime(time)) => Ok(Some(Timestamp::from_unix_millis(time.timestamp_millis()))),
        Some(_) => Err(damaged(key, UNTIL)),
    }
}

fn hints(document: &Document) -> Option<Hints> {
    bson::deserialize_from_bson(document.get(HINTS)?.clone()).ok()
}

fn damaged(key: &Key, field: &str) -> Fault {
    Fault::corrupt(format!(
        "record {key}: its field {field} is not what was stored: mend it, or restore a copy"
    ))
}

#[cfg(test)]
mod tests {
    use auth_core::profile::Profile;
    use auth_core::store::{Operation, StoreErrorKind};

    use super::*;

    fn given() -> (Record, Names) {
        let mut hints = Hints::default();
        hints.grant = Some("refresh_token".into());
        let record = Record::from_parts(
            Key::grant(&Profile::default()),
            Version::after(None),
            Some(Timestamp::from_unix_millis(-5)),
            hints,
            b"canary".to_vec().into(),
        );
        (record, Names::new("n".into()))
    }

    #[test]
    fn a_record_comes_back() {
        let (given, names) = given();
        let document = RecordDocument::of(&given, &names).unwrap();
        assert_eq!(document.get().get_str("_id").unwrap(), "n:default#grant");
        assert_eq!(listed(document.get(), &names), Some(given.listed()));
        assert_eq!(record(document.get().clone(), given.key()).unwrap(), given);
    }

    #[test]
    fn a_document_of_another_key_or_with_a_damaged_field_is_corrupt() {
        let (given, names) = given();
        let document = RecordDocument::of(&given, &names).unwrap().get().clone();
        let other = Key::client(given.key().profile());
        let mut faults = vec![record(document.clone(), &other).unwrap_err()];
        for field in [KEY, VERSION, HINTS, BODY, UNTIL] {
            let mut damaged = document.clone();
            damaged.insert(field, 5);
            if field != BODY {
                assert_eq!(
                    listed(&damaged, &names),
                    Some(Listed::damaged(given.key().clone())),
                    "{field}"
                );
            }
            faults.push(record(damaged, given.key()).unwrap_err());
        }
        let mut newer = document.clone();
        newer.insert("_id", "n:default#novel");
        assert_eq!(listed(&newer, &names), None);
        for fault in faults {
            assert_eq!(fault.kind(), StoreErrorKind::Corrupt);
            let error = fault.at(Operation::Load);
            assert!(!format!("{error:?}").contains("canary"), "{error:?}");
        }
    }
}
