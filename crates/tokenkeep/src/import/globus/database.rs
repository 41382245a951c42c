//! The SQLite database: `token_storage(namespace, resource_server, token_data_json)`, schema 1 and 2 alike.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use zeroize::Zeroizing;

use super::Row;
use crate::import::ENTRIES_MAX;
use crate::import::error::{FormatError, Problem};
use crate::import::json::Json;

const TABLES: &str = "a database of the Globus SDK";
const SCHEMA: &str = "globus-sdk.database_schema_version";

pub(super) fn rows(path: &Path) -> Result<Vec<Row>, FormatError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(|error| unreadable(&error))?;
    let schema: String = connection
        .query_row(
            "SELECT value FROM sdk_storage_adapter_internal WHERE attribute = ?1",
            [SCHEMA],
            |row| row.get(0),
        )
        .map_err(|error| unreadable(&error))?;
    if !matches!(schema.as_str(), "1" | "2") {
        return Err(FormatError::of_field(
            "database_schema_version",
            Problem::Version("1 and 2"),
        ));
    }
    let mut statement = connection
        .prepare("SELECT namespace, resource_server, token_data_json FROM token_storage LIMIT ?1")
        .map_err(|error| unreadable(&error))?;
    let limit = i64::try_from(ENTRIES_MAX + 1).unwrap_or(i64::MAX);
    let found = statement.query_map([limit], |row| {
        let json: String = row.get(2)?;
        Ok((row.get(0)?, row.get(1)?, Zeroizing::new(json)))
    });
    found
        .map_err(|error| unreadable(&error))?
        .map(|row| parsed(row.map_err(|error| unreadable(&error))?))
        .collect()
}

fn parsed((namespace, server, json): (String, String, Zeroizing<String>)) -> Result<Row, FormatError> {
    let data = Json::parse(&json).map_err(|error| error.within(&format!("{namespace}/{server}")))?;
    Ok(Row {
        namespace,
        server,
        data,
    })
}

// The driver's text may quote what is there.
fn unreadable(error: &rusqlite::Error) -> FormatError {
    match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked) => {
            FormatError::of_file(Problem::Busy)
        }
        _ => FormatError::of_file(Problem::Kind(TABLES)),
    }
}
