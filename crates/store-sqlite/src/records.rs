//! Records as rows.

use auth_core::clock::Timestamp;
use auth_core::key::Key;
use auth_core::record::{Hints, Record, Version};
use auth_core::secret::SecretBytes;
use auth_core::store::{Listed, Listing, Page, RemoveIf, WriteIf};
use rusqlite::{Connection, OptionalExtension as _, Row, named_params};

use crate::error::Stop;

const LOAD: &str = "SELECT key, version, keep_until, hints, body FROM records
    WHERE namespace = :namespace AND key = :key AND (keep_until IS NULL OR keep_until > :now)";

const VERSION: &str = "SELECT key, version FROM records
    WHERE namespace = :namespace AND key = :key AND (keep_until IS NULL OR keep_until > :now)";

const UPDATE: &str = "UPDATE records SET version = :version, keep_until = :keep_until, hints = :hints, body = :body
    WHERE namespace = :namespace AND key = :key AND version = :expected
    AND (keep_until IS NULL OR keep_until > :now)";

/// Over a record past its end too, for that counts as absent.
const INSERT: &str = "INSERT INTO records (namespace, key, version, keep_until, hints, body)
    VALUES (:namespace, :key, :version, :keep_until, :hints, :body)
    ON CONFLICT (namespace, key) DO UPDATE SET
    version = excluded.version, keep_until = excluded.keep_until, hints = excluded.hints, body = excluded.body
    WHERE records.keep_until <= :now";

const REMOVE: &str = "DELETE FROM records WHERE namespace = :namespace AND key = :key";

const LIST: &str = "SELECT key, version, hints FROM records
    WHERE namespace = :namespace AND key > :after AND (keep_until IS NULL OR keep_until > :now)
    AND instr(key, '#lease.') = 0 ORDER BY key LIMIT :limit";

/// Some of what is past its end, of all namespaces; few, so that no write is slow.
const SWEEP: &str = "DELETE FROM records WHERE rowid IN
    (SELECT rowid FROM records WHERE keep_until <= :now ORDER BY keep_until LIMIT 20)";

/// The records of one namespace at one time.
pub(crate) struct Records<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) namespace: &'a str,
    pub(crate) now: Timestamp,
}

impl Records<'_> {
    pub(crate) fn load(&self, key: &Key) -> Result<Option<Record>, Stop> {
        let mut statement = self.connection.prepare_cached(LOAD)?;
        let parameters = named_params! {
            ":namespace": self.namespace, ":key": key.to_string(), ":now": self.now.unix_millis(),
        };
        let mut rows = statement.query(parameters)?;
        rows.next()?.map(|row| record(key, row)).transpose()
    }

    pub(crate) fn version(&self, key: &Key) -> Result<Option<Version>, Stop> {
        let mut statement = self.connection.prepare_cached(VERSION)?;
        let parameters = named_params! {
            ":namespace": self.namespace, ":key": key.to_string(), ":now": self.now.unix_millis(),
        };
        let found = statement.query_row(parameters, |row| Ok(version(row))).optional()?;
        found.transpose()
    }

    pub(crate) fn save(&self, record: &Record, when: WriteIf) -> Result<(), Stop> {
        let written = match when.expected() {
            // Sent again: the row is what it would become.
            Some(version) if version == record.version() => 0,
            Some(version) => self.update(record, version)?,
            None => self.insert(record)?,
        };
        if written == 0 && self.version(record.key())? != Some(record.version()) {
            return Err(Stop::Conflict);
        }
        self.sweep()
    }

    pub(crate) fn remove(&self, key: &Key, when: RemoveIf) -> Result<bool, Stop> {
        match self.version(key)? {
            None => Ok(false),
            Some(version) if !when.holds(version) => Err(Stop::Conflict),
            Some(_) => {
                let mut statement = self.connection.prepare_cached(REMOVE)?;
                statement.execute(named_params! { ":namespace": self.namespace, ":key": key.to_string() })?;
                Ok(true)
            }
        }
    }

    pub(crate) fn list(&self, page: &Page) -> Result<Listing, Stop> {
        let mut statement = self.connection.prepare_cached(LIST)?;
        // One more, to know whether there is a next page.
        let limit = i64::try_from(page.limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut rows = statement.query(named_params! {
            ":namespace": self.namespace, ":after": page.cursor.as_deref().unwrap_or_default(),
            ":now": self.now.unix_millis(), ":limit": limit,
        })?;
        let (mut entries, mut last) = (Vec::new(), None);
        for _ in 0..page.limit {
            let Some(row) = rows.next()? else {
                return Ok(Listing::new(entries, None));
            };
            entries.extend(listed(row));
            last = text(row, "key").map(str::to_owned).or(last);
        }
        let next = rows.next()?.and(last);
        Ok(Listing::new(entries, next))
    }

    fn update(&self, record: &Record, expected: Version) -> Result<usize, Stop> {
        let mut statement = self.connection.prepare_cached(UPDATE)?;
        Ok(statement.execute(named_params! {
            ":namespace": self.namespace, ":key": record.key().to_string(), ":now": self.now.unix_millis(),
            ":version": record.version().to_string(), ":keep_until": record.keep_until().map(Timestamp::unix_millis),
            ":hints": spelled(record.hints()), ":body": record.body().expose(), ":expected": expected.to_string(),
        })?)
    }

    fn insert(&self, record: &Record) -> Result<usize, Stop> {
        let mut statement = self.connection.prepare_cached(INSERT)?;
        Ok(statement.execute(named_params! {
            ":namespace": self.namespace, ":key": record.key().to_string(), ":now": self.now.unix_millis(),
            ":version": record.version().to_string(), ":keep_until": record.keep_until().map(Timestamp::unix_millis),
            ":hints": spelled(record.hints()), ":body": record.body().expose(),
        })?)
    }

    fn sweep(&self) -> Result<(), Stop> {
        let mut statement = self.connection.prepare_cached(SWEEP)?;
        statement.execute(named_params! { ":now": self.now.unix_millis() })?;
        Ok(())
    }
}

fn record(key: &Key, row: &Row<'_>) -> Result<Record, Stop> {
    let keep_until = row
        .get_ref("keep_until")
        .ok()
        .and_then(|until| until.as_i64_or_null().ok());
    let keep_until = keep_until.ok_or_else(|| damaged(row, "its end is no number"))?;
    let body = row.get_ref("body").ok().and_then(|body| body.as_blob().ok());
    let body = body.ok_or_else(|| damaged(row, "its body is no blob"))?;
    Ok(Record::from_parts(
        key.clone(),
        version(row)?,
        keep_until.map(Timestamp::from_unix_millis),
        hints(row)?,
        SecretBytes::new(body.to_vec()),
    ))
}

/// `None` for a key that this version does not know.
fn listed(row: &Row<'_>) -> Option<Listed> {
    let key: Key = text(row, "key")?.parse().ok()?;
    Some(match (version(row), hints(row)) {
        (Ok(version), Ok(hints)) => Listed::new(key, version, hints),
        _ => Listed::damaged(key),
    })
}

fn version(row: &Row<'_>) -> Result<Version, Stop> {
    let version = text(row, "version").and_then(|version| version.parse().ok());
    version.ok_or_else(|| damaged(row, "its version is none"))
}

fn hints(row: &Row<'_>) -> Result<Hints, Stop> {
    let hints = text(row, "hints").and_then(|hints| serde_json::from_str(hints).ok());
    hints.ok_or_else(|| damaged(row, "its hints can't be read"))
}

fn text<'a>(row: &'a Row<'_>, column: &str) -> Option<&'a str> {
    row.get_ref(column).ok()?.as_str().ok()
}

fn damaged(row: &Row<'_>, what: &'static str) -> Stop {
    Stop::Damaged(text(row, "key").unwrap_or("without a key").to_owned(), what)
}

fn spelled(hints: &Hints) -> String {
    serde_json::to_string(hints).unwrap_or_default()
}
