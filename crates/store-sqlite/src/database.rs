//! The connection to the database, opened when it is needed.

use std::fs::Permissions;
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use auth_core::store::StoreErrorKind;
use auth_core::store::local::{Doing, FILE_MODE, Fault, Place, keep_path_private, sync_folder, with_suffix};
use rusqlite::{Connection, OpenFlags};

use crate::error::Stop;
use crate::format;
use crate::patience::{Asked, Patience};
use crate::records::Records;
use crate::transaction::{Access, Transaction};

const PAUSE: Duration = Duration::from_millis(5);

/// The database, which may not be there yet.
#[derive(Debug)]
pub(crate) struct Database {
    place: Arc<Place>,
    namespace: String,
    patience: Patience,
    /// Whether the connection is a caller's, which can't be opened again.
    given: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    Closed,
    /// A caller's connection, not looked at yet.
    Given(Connection),
    Open(Open),
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    file: Identity,
}

/// Which file it is, whatever its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
}

impl Database {
    pub(crate) fn new(place: Arc<Place>, namespace: String, patience: Duration) -> Self {
        Self {
            place,
            namespace,
            patience: Patience::new(patience),
            given: false,
            state: State::Closed,
        }
    }

    /// Through a connection of the caller's.
    pub(crate) fn given(mut self, connection: Connection) -> Self {
        self.given = true;
        self.state = State::Given(connection);
        self
    }

    /// Closes it; the next use opens it again.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
    }

    /// Reads from one state of the database; `None` if there is no database.
    pub(crate) fn read<T>(
        &mut self,
        asked: Asked,
        work: impl FnOnce(&Records<'_>) -> Result<T, Stop>,
    ) -> Result<Option<T>, Fault> {
        let found = Identity::at(&self.place.file)?;
        if found.is_none() {
            self.close();
            return Ok(None);
        }
        self.transact(found, Access::Read, asked, work).map(Some)
    }

    /// Changes the database, which is made if absent: all of it or nothing.
    pub(crate) fn write<T>(
        &mut self,
        asked: Asked,
        work: impl FnOnce(&Records<'_>) -> Result<T, Stop>,
    ) -> Result<T, Fault> {
        let found = Identity::at(&self.place.file)?;
        let written = self.transact(found, Access::Write, asked, work)?;
        let found = Identity::at(&self.place.file)?;
        match &self.state {
            State::Open(open) if found != Some(open.file) => Err(Fault::new(
                StoreErrorKind::Ambiguous,
                format!("{} was replaced while it was written", self.place.file.display()),
            )),
            _ => Ok(written),
        }
    }

    fn transact<T>(
        &mut self,
        found: Option<Identity>,
        access: Access,
        asked: Asked,
        work: impl FnOnce(&Records<'_>) -> Result<T, Stop>,
    ) -> Result<T, Fault> {
        self.patience.begin(asked);
        self.ensure_open(found)?;
        let State::Open(open) = &self.state else {
            return Err(missing(&self.place.file));
        };
        let (file, patience) = (&self.place.file, self.patience.whole());
        let failed = |error: rusqlite::Error| Stop::from(error).fault(file, patience);
        open.connection.busy_timeout(self.patience.left()).map_err(failed)?;
        let transaction = Transaction::begin(&open.connection, access).map_err(failed)?;
        if access == Access::Write {
            self.patience.renew();
        }
        let outcome = format::check_unchanged(&open.connection).and_then(|()| {
            work(&Records {
                connection: &open.connection,
                namespace: &self.namespace,
                now: asked.now,
            })
        });
        let done = outcome.map_err(|stop| stop.fault(file, patience))?;
        let committed = transaction.commit().map_err(Stop::from);
        committed.map_err(|stop| stop.fault_of_commit(file, patience))?;
        Ok(done)
    }

    /// Opens what is at the path now: the file may have been replaced or removed
    /// since the last time, and what is written to a file without a name is lost.
    fn ensure_open(&mut self, found: Option<Identity>) -> Result<(), Fault> {
        if matches!(&self.state, State::Open(open) if Some(open.file) == found) {
            return Ok(());
        }
        if found.is_none() && !self.given {
            self.close();
            self.create()?;
        }
        let connection = match std::mem::replace(&mut self.state, State::Closed) {
            State::Given(connection) => connection,
            State::Open(_) | State::Closed if self.given => return Err(missing(&self.place.file)),
            State::Open(_) | State::Closed => self.connect()?,
        };
        let open = self.prepared(connection)?;
        self.state = State::Open(open);
        Ok(())
    }

    /// Makes an empty file. It gets its name when it is closed: closing a file that
    /// others in this process have opened would take away their locks.
    fn create(&self) -> Result<(), Fault> {
        if !self.place.create {
            return Err(self.place.missing());
        }
        self.place.prepare()?;
        let failed = |error| Fault::io(Doing::Create, &self.place.file, error);
        let empty = tempfile::Builder::new()
            .prefix(".tokenkeep-")
            .tempfile_in(&self.place.folder)
            .map_err(failed)?;
        // The umask can take bits away from what it was made with.
        let mode = Permissions::from_mode(FILE_MODE);
        empty.as_file().set_permissions(mode).map_err(failed)?;
        match empty.into_temp_path().persist_noclobber(&self.place.file) {
            Ok(()) => sync_folder(&self.place.folder).map_err(failed),
            Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(failed(error.error)),
        }
    }

    fn connect(&self) -> Result<Connection, Fault> {
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        self.place.prepare()?;
        Connection::open_with_flags(&self.place.file, flags).map_err(|error| {
            // What is no plain file or not this user's is told so.
            let why = self.keep_private().err();
            why.unwrap_or_else(|| self.fault(error.into()))
        })
    }

    fn prepared(&self, mut connection: Connection) -> Result<Open, Fault> {
        let before = Identity::at(&self.place.file)?.ok_or_else(|| missing(&self.place.file))?;
        // First of all: what follows may have to wait.
        let waits = connection.busy_timeout(self.patience.left());
        waits.map_err(|error| self.fault(error.into()))?;
        // Before anything that would change another program's database, or its mode.
        let current = self.patiently(|| format::is_current(&mut connection))?;
        self.keep_private()?;
        self.patiently(|| set(&connection))?;
        if !current {
            self.patiently(|| format::establish(&mut connection))?;
        }
        match Identity::at(&self.place.file)? {
            Some(file) if file == before => Ok(Open { connection, file }),
            _ => Err(missing(&self.place.file)),
        }
    }

    /// Where waiting could be for ever SQLite does not wait: it says so at once.
    fn patiently<T>(&self, mut attempt: impl FnMut() -> Result<T, Stop>) -> Result<T, Fault> {
        loop {
            match attempt() {
                Err(stop) if stop.is_busy() && !self.patience.left().is_zero() => std::thread::sleep(PAUSE),
                outcome => return outcome.map_err(|stop| self.fault(stop)),
            }
        }
    }

    /// The write-ahead log and its index get the file's mode from SQLite, but may
    /// have been made when that was a looser one.
    fn keep_private(&self) -> Result<(), Fault> {
        let file = &self.place.file;
        for path in [file.clone(), with_suffix(file, "-wal"), with_suffix(file, "-shm")] {
            keep_path_private(&path)?;
        }
        Ok(())
    }

    fn fault(&self, stop: Stop) -> Fault {
        stop.fault(&self.place.file, self.patience.whole())
    }
}

impl Identity {
    fn at(path: &Path) -> Result<Option<Self>, Fault> {
        match std::fs::symlink_metadata(path) {
            Ok(found) => Ok(Some(Self {
                device: found.dev(),
                inode: found.ino(),
            })),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Fault::io(Doing::Read, path, error)),
        }
    }
}

/// How it journals and syncs.
fn set(connection: &Connection) -> Result<(), Stop> {
    let journal: String = connection.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
    if journal != "wal" {
        return Err(Stop::unfit(
            StoreErrorKind::Unsupported,
            "SQLite can't keep a write-ahead log here: choose a folder on a local disk",
        ));
    }
    for (pragma, value) in [
        ("synchronous", "full"),
        // macOS: through the disk's own cache too.
        ("fullfsync", "on"),
        ("checkpoint_fullfsync", "on"),
        ("secure_delete", "on"),
        ("temp_store", "memory"),
        ("trusted_schema", "off"),
    ] {
        // Some answer with a row, some don't.
        connection
            .pragma_update_and_check(None, pragma, value, |_| Ok(()))
            .or_else(|error| match error {
                rusqlite::Error::QueryReturnedNoRows => Ok(()),
                other => Err(other),
            })?;
    }
    Ok(())
}

fn missing(file: &Path) -> Fault {
    Fault::new(
        StoreErrorKind::Unavailable,
        format!(
            "{} was closed, replaced or removed: open the store again",
            file.display()
        ),
    )
}
