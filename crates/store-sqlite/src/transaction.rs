//! Transactions whose own statements are prepared once for each connection: they cost as much as a small read.

use rusqlite::{Connection, Result};

/// What a transaction is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// One state of the database.
    Read,
    /// Nobody else writes from the beginning on.
    Write,
}

/// A transaction; undone when it is dropped without a commit.
pub(crate) struct Transaction<'c>(&'c Connection);

impl<'c> Transaction<'c> {
    pub(crate) fn begin(connection: &'c Connection, access: Access) -> Result<Self> {
        let begin = match access {
            Access::Read => "BEGIN DEFERRED",
            Access::Write => "BEGIN IMMEDIATE",
        };
        run(connection, begin)?;
        Ok(Self(connection))
    }

    pub(crate) fn commit(self) -> Result<()> {
        run(self.0, "COMMIT")
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // What can't be undone now is undone when the connection is closed.
            let _ = run(self.0, "ROLLBACK");
        }
    }
}

fn run(connection: &Connection, statement: &str) -> Result<()> {
    connection.prepare_cached(statement)?.raw_execute().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_committed_is_undone() {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE t (x)").unwrap();
        let count = || -> i64 {
            connection
                .query_row("SELECT count(*) FROM t", [], |row| row.get(0))
                .unwrap()
        };
        let insert = || connection.execute("INSERT INTO t VALUES (1)", []).unwrap();
        for _ in 0..2 {
            let dropped = Transaction::begin(&connection, Access::Write).unwrap();
            insert();
            assert!(Transaction::begin(&connection, Access::Write).is_err());
            drop(dropped);
            assert_eq!(count(), 0);
        }
        let kept = Transaction::begin(&connection, Access::Write).unwrap();
        insert();
        kept.commit().unwrap();
        let reading = Transaction::begin(&connection, Access::Read).unwrap();
        assert_eq!(count(), 1);
        reading.commit().unwrap();
    }
}
