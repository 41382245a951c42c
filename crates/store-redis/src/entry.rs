//! A record as Redis keeps it: the fields of a hash.

use auth_core::key::Key;
use auth_core::record::Record;
use auth_core::secret::SecretBytes;
use auth_core::store::{Listed, StoreErrorKind};
use redis::{Cmd, Value};

use crate::error::Fault;

/// The end of the year 9999. What ends later is kept without an end: the server's clock can't count so far.
const LATEST: i64 = 253_402_300_799_999;

/// Reads a whole record.
pub(crate) fn load(name: &str) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command.arg(name).arg(&["head", "value"]);
    command
}

/// Reads what a list shows.
pub(crate) fn glance(name: &str) -> Cmd {
    let mut command = redis::cmd("HMGET");
    command.arg(name).arg(&["head", "version"]);
    command
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
    let Some([head, value]) = fields(key, answer)? else {
        return Ok(None);
    };
    let body = SecretBytes::new(value.ok_or_else(|| damaged(key, "it has no value"))?);
    with_head(key, head, body).map(Some)
}

/// The entry in an answer to [`glance`]; what can't be read has one too, but for what has neither of the two: that
/// is none of ours.
pub(crate) fn listed(key: &Key, answer: Value) -> Option<Listed> {
    let entry = |head| with_head(key, head, SecretBytes::default()).map(|record| record.listed());
    match fields(key, answer) {
        Ok(Some([head, _version])) => Some(entry(head).unwrap_or_else(|_| Listed::damaged(key.clone()))),
        Ok(None) => None,
        Err(_) => Some(Listed::damaged(key.clone())),
    }
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

fn with_head(key: &Key, head: Field, body: SecretBytes) -> Result<Record, Fault> {
    let record = head.and_then(|head| Record::from_head(key, &head, body));
    record.ok_or_else(|| damaged(key, "its head can't be read, or was written under another name"))
}

fn damaged(key: &Key, what: &str) -> Fault {
    let message = format!("record {key}: {what}; it was kept: restore a copy, or delete it and log in again");
    Fault::new(StoreErrorKind::Corrupt, message)
}
