//! Whose a database is, and which format it has.

use auth_core::store::StoreErrorKind;
use rusqlite::{Connection, TransactionBehavior};

use crate::error::Stop;

/// The format that this version writes, and the newest it reads.
pub(crate) const FORMAT: i64 = 2;

/// "Tkp1" in ASCII: the mark by which our databases are known.
const APPLICATION: i64 = 0x546b_7031;
const SCHEMA: &str = include_str!("schema.sql");
const UPGRADE_1: &str = include_str!("upgrade_1.sql");

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// Nothing is in it yet.
    Empty,
    /// Ours, of an older format.
    Older(i64),
    Current,
}

/// Refuses a database that is not ours or is newer, without changing anything.
/// Whether it is of the current format.
pub(crate) fn is_current(connection: &mut Connection) -> Result<bool, Stop> {
    // One state of the database for all that is looked at: others may be making it.
    let transaction = connection.transaction()?;
    Ok(examine(&transaction)? == Found::Current)
}

/// Makes the tables, or brings them to the current format: all of it or nothing,
/// by one of all who try at the same time.
pub(crate) fn establish(connection: &mut Connection) -> Result<(), Stop> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    match examine(&transaction)? {
        Found::Current => return Ok(()),
        Found::Empty => transaction.execute_batch(SCHEMA)?,
        Found::Older(format) => {
            transaction.execute_batch(UPGRADE_1)?;
            tracing::info!(from = format, to = FORMAT, "upgraded the database");
        }
    }
    Ok(transaction.commit()?)
}

/// Refuses to go on if another version has changed the format meanwhile.
pub(crate) fn check_unchanged(connection: &Connection) -> Result<(), Stop> {
    // With every transaction: prepared once.
    let mut statement = connection.prepare_cached("PRAGMA user_version")?;
    match statement.query_row([], |row| row.get(0))? {
        FORMAT => Ok(()),
        format => Err(newer(format)),
    }
}

fn examine(connection: &Connection) -> Result<Found, Stop> {
    let format = number(connection, "user_version")?;
    match number(connection, "application_id")? {
        APPLICATION => match format {
            FORMAT => Ok(Found::Current),
            1 => Ok(Found::Older(format)),
            format if format > FORMAT => Err(newer(format)),
            _ => Err(Stop::unfit(
                StoreErrorKind::Corrupt,
                "its format number is damaged; it was kept: restore a copy",
            )),
        },
        0 if format == 0 && has_nothing(connection)? => Ok(Found::Empty),
        _ => Err(Stop::unfit(
            StoreErrorKind::Invalid,
            "a database of another program, left as it is: name another file for the tokens",
        )),
    }
}

fn number(connection: &Connection, pragma: &str) -> Result<i64, Stop> {
    Ok(connection.pragma_query_value(None, pragma, |row| row.get(0))?)
}

fn has_nothing(connection: &Connection) -> Result<bool, Stop> {
    Ok(connection.query_one("SELECT count(*) = 0 FROM sqlite_schema", [], |row| row.get(0))?)
}

fn newer(format: i64) -> Stop {
    Stop::unfit(
        StoreErrorKind::Unsupported,
        format!("it has format {format}, this version reads up to {FORMAT}; it was kept: update tokenkeep"),
    )
}
