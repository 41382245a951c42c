//! What SQLite answers, as errors of the contract, in words that say what to do next.

use std::path::Path;
use std::time::Duration;

use auth_core::store::StoreErrorKind;
use auth_core::store::local::Fault;
use rusqlite::ErrorCode;

/// The store's name in messages.
pub(crate) const NAME: &str = "sqlite";

/// What ends a piece of work inside a transaction.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The condition of a write did not hold.
    Conflict,
    /// A row can't be read: its key, and what is wrong with it.
    Damaged(String, &'static str),
    Sqlite(rusqlite::Error),
    /// The database is not one to use: what it is, and what to do next.
    Unfit(StoreErrorKind, String),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Stop {
    pub(crate) fn unfit(kind: StoreErrorKind, message: impl Into<String>) -> Self {
        Self::Unfit(kind, message.into())
    }

    pub(crate) fn is_busy(&self) -> bool {
        matches!(self, Self::Sqlite(error) if matches!(
            error.sqlite_error_code(),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked)
        ))
    }

    /// As an error of this database; nothing was changed.
    pub(crate) fn fault(self, path: &Path, patience: Duration) -> Fault {
        match self {
            Self::Conflict => Fault::new(StoreErrorKind::Conflict, ""),
            Self::Unfit(kind, message) => Fault::new(kind, format!("{}: {message}", path.display())),
            Self::Damaged(key, what) => Fault::corrupt(format!(
                "{}, record {key}: {what}: mend it, or restore a copy",
                path.display()
            )),
            Self::Sqlite(error) => of_sqlite(&error, path, patience),
        }
    }

    /// The same where a commit failed: after an error of the disk it can't be known
    /// whether it will be found there.
    pub(crate) fn fault_of_commit(self, path: &Path, patience: Duration) -> Fault {
        match &self {
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => Fault::new(
                StoreErrorKind::Ambiguous,
                format!("the disk under {} failed while it was written", path.display()),
            )
            .with_source_code(error),
            _ => self.fault(path, patience),
        }
    }
}

trait WithCode {
    /// With SQLite's code alone: its messages may quote what is stored.
    fn with_source_code(self, error: &rusqlite::Error) -> Self;
}

impl WithCode for Fault {
    fn with_source_code(self, error: &rusqlite::Error) -> Self {
        match error.sqlite_error() {
            Some(code) => self.with_source(*code),
            None => self,
        }
    }
}

fn of_sqlite(error: &rusqlite::Error, path: &Path, patience: Duration) -> Fault {
    let (kind, advice) = match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => (
            StoreErrorKind::Unavailable,
            format!(
                "another process has kept it locked for over {} ms: see which (fuser, lsof), and whether it is stopped",
                patience.as_millis()
            ),
        ),
        Some(ErrorCode::DiskFull) => (
            StoreErrorKind::Unavailable,
            "no room left: free some and try again".into(),
        ),
        Some(ErrorCode::ReadOnly) if is_on_read_only_file_system(path) => {
            (StoreErrorKind::Unavailable, "its file system is read-only".into())
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen) => (
            StoreErrorKind::Denied,
            "not permitted: run as its owner, or have them give access to file and folder".into(),
        ),
        Some(ErrorCode::NotADatabase) => (
            StoreErrorKind::Corrupt,
            "not a SQLite database; it was kept: restore a copy, or move it away to begin anew".into(),
        ),
        Some(ErrorCode::DatabaseCorrupt) => (
            StoreErrorKind::Corrupt,
            "damaged; it was kept: restore a copy, or try the sqlite3 command's .recover on one".into(),
        ),
        Some(ErrorCode::TooBig) => (StoreErrorKind::TooLarge, "over SQLite's limit of a gigabyte".into()),
        // A table or a column that the format has is not there.
        Some(ErrorCode::Unknown) => (
            StoreErrorKind::Corrupt,
            "its tables are not those of its format; it was kept: restore a copy".into(),
        ),
        _ => (StoreErrorKind::Unavailable, "SQLite could not do it".into()),
    };
    Fault::new(kind, format!("{}: {advice}", path.display())).with_source_code(error)
}

#[cfg(target_os = "linux")]
fn is_on_read_only_file_system(path: &Path) -> bool {
    rustix::fs::statvfs(path).is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::RDONLY))
}

#[cfg(not(target_os = "linux"))]
fn is_on_read_only_file_system(_path: &Path) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use auth_core::store::Operation;
    use rusqlite::ffi;
    use std::error::Error as _;

    #[test]
    fn each_cause_has_a_kind_and_a_next_step() {
        for (code, kind, words) in [
            (ffi::SQLITE_BUSY, StoreErrorKind::Unavailable, "kept it locked"),
            (ffi::SQLITE_FULL, StoreErrorKind::Unavailable, "no room"),
            (ffi::SQLITE_READONLY, StoreErrorKind::Denied, "run as its owner"),
            (ffi::SQLITE_CANTOPEN, StoreErrorKind::Denied, "run as its owner"),
            (ffi::SQLITE_NOTADB, StoreErrorKind::Corrupt, "not a SQLite database"),
            (ffi::SQLITE_CORRUPT, StoreErrorKind::Corrupt, "damaged"),
            (ffi::SQLITE_TOOBIG, StoreErrorKind::TooLarge, "limit"),
            (ffi::SQLITE_IOERR, StoreErrorKind::Unavailable, "could not"),
        ] {
            let error = Stop::Sqlite(failure(code)).fault(Path::new("/x/t.sqlite"), Duration::from_secs(1));
            let error = error.at(Operation::Save, NAME);
            assert_eq!(error.kind(), kind, "{error}");
            let text = error.to_string();
            assert!(text.contains(words) && text.contains("/x/t.sqlite"), "{text}");
        }
    }

    #[test]
    fn what_sqlite_quotes_is_not_shown() {
        let error = Stop::Sqlite(failure(ffi::SQLITE_IOERR_FSYNC)).fault_of_commit(Path::new("/x"), Duration::ZERO);
        let error = error.at(Operation::Save, NAME);
        assert_eq!(error.kind(), StoreErrorKind::Ambiguous);
        let text = format!("{error} {error:?} {}", error.source().unwrap());
        assert!(!text.contains("canary"), "{text}");
    }

    fn failure(code: i32) -> rusqlite::Error {
        rusqlite::Error::SqliteFailure(ffi::Error::new(code), Some("canary".into()))
    }
}
