//! A record as Redis keeps it: the fields of a hash.

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::record::{Hints, Record, Version};
use auth_core::secret::SecretBytes;
use auth_core::store::{Listed, StoreErrorKind};
use redis::{Cmd, Value};

use crate::error::Fault;

/// The end of the year 9999. What ends later is kept without an end: the server's clock can't count so far.
const LATEST: i64 = 253_402_300_799_999;

/// Reads a whole record.
pub(crate) fn load(name: &str) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command
        .arg(name)
        .arg(&["key", "version", "keep_until", "hints", "value"]);
    command
}

/// Reads what a list shows.
pub(crate) fn glance(name: &str) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command.arg(name).arg(&["key", "version", "hints"]);
    command
}

/// `keep_until` as it is stored.
pub(crate) fn end(record: &Record) -> String {
    record
        .keep_until()
        .map_or_else(String::new, |end| end.unix_millis().to_string())
}

/// When the server forgets the record.
pub(crate) fn expiry(record: &Record) -> String {
    match record.keep_until() {
        Some(end) if end.unix_millis() <= LATEST => end.unix_millis().max(1).to_string(),
        _ => String::new(),
    }
}

/// The record in an answer to [`load`].
pub(crate) fn record(key: &Key, answer: Value) -> Result<Option<Record>, Fault> {
    let Some([name, version, end, hints, value]) = fields(key, answer)? else {
        return Ok(None);
    };
    let (version, hints) = head(key, &name, &version, &hints)?;
    let keep_until = match &*text(key, end)? {
        "" => None,
        millis => Some(Timestamp::from_unix_millis(
            millis.parse().map_err(|_| damaged(key, "its end is no number"))?,
        )),
    };
    let body = SecretBytes::new(value.ok_or_else(|| damaged(key, "it has no value"))?);
    Ok(Some(Record::from_parts(key.clone(), version, keep_until, hints, body)))
}

/// The entry in an answer to [`glance`].
pub(crate) fn listed(key: &Key, answer: Value) -> Result<Option<Listed>, Fault> {
    let Some([name, version, hints]) = fields(key, answer)? else {
        return Ok(None);
    };
    let (version, hints) = head(key, &name, &version, &hints)?;
    Ok(Some(Listed::new(key.clone(), version, hints)))
}

/// What a script found under the key is no record.
pub(crate) fn not_a_record(key: &Key) -> Fault {
    damaged(key, "it has no version")
}

type Field = Option<Vec<u8>>;

/// The fields; `None` where there is nothing.
fn fields<const N: usize>(key: &Key, answer: Value) -> Result<Option<[Field; N]>, Fault> {
    let Value::Array(values) = answer else {
        return Err(damaged(key, "the answer is no list of fields"));
    };
    let values: [Value; N] = values.try_into().map_err(|_| damaged(key, "fields are missing"))?;
    let fields = values.map(|value| match value {
        Value::BulkString(bytes) => Some(bytes),
        Value::SimpleString(text) => Some(text.into_bytes()),
        _ => None,
    });
    Ok(fields.iter().any(Option::is_some).then_some(fields))
}

fn head(key: &Key, name: &Field, version: &Field, hints: &Field) -> Result<(Version, Hints), Fault> {
    let name = name.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    if !name.is_some_and(|name| key.is_text(name)) {
        return Err(damaged(key, "it was written under another name"));
    }
    let version = version.as_deref().and_then(|bytes| std::str::from_utf8(bytes).ok());
    let version = version.and_then(|text| text.parse().ok());
    let hints = hints.as_deref().and_then(|bytes| serde_json::from_slice(bytes).ok());
    Ok((
        version.ok_or_else(|| damaged(key, "its version can't be read"))?,
        hints.ok_or_else(|| damaged(key, "its hints can't be read"))?,
    ))
}

fn text(key: &Key, field: Field) -> Result<String, Fault> {
    String::from_utf8(field.unwrap_or_default()).map_err(|_| damaged(key, "a field is no text"))
}

fn damaged(key: &Key, what: &str) -> Fault {
    let message = format!("record {key}: {what}; it was kept: restore a copy, or delete it and log in again");
    Fault::new(StoreErrorKind::Corrupt, message)
}
