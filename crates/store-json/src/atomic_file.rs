//! A file that is replaced whole or not at all, and is on the disk when the call
//! returns.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use auth_core::store::local::{FILE_MODE, Place, sync_folder};

use crate::error::{Doing, Fault, ambiguous};

const SUFFIX: &str = ".tmp";

/// Puts these bytes in place of the file: a new file in the same folder, written,
/// synced, renamed over the old. What the file is then. Its name is durable when
/// the folder is synced.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<Metadata, Fault> {
    let file = write_beside(path, bytes).map_err(|error| Fault::io(Doing::Write, path, error))?;
    file.metadata().map_err(|error| ambiguous(path, error))
}

/// Removes what killed writers left. Only for the holder of the data lock: all
/// writers hold it, so nobody is writing these.
pub(crate) fn remove_leftovers(path: &Path, folder: &Path) {
    let prefix = prefix(path);
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let left = name.as_bytes();
        if left.starts_with(prefix.as_bytes()) && left.ends_with(SUFFIX.as_bytes()) {
            match std::fs::remove_file(entry.path()) {
                Ok(()) => tracing::debug!(path = %entry.path().display(), "removed what an interrupted write left"),
                Err(error) => tracing::warn!(path = %entry.path().display(), %error, "an interrupted write left this"),
            }
        }
    }
}

/// Makes the file's name durable.
pub(crate) fn sync(place: &Place) -> Result<(), Fault> {
    sync_folder(&place.folder).map_err(|error| ambiguous(&place.file, error))
}

fn write_beside(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let mut temporary = tempfile::Builder::new()
        .prefix(&prefix(path))
        .suffix(SUFFIX)
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    // The umask can take bits away from what it was made with.
    temporary.as_file().set_permissions(Permissions::from_mode(FILE_MODE))?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)
}

fn prefix(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    format!(".{}.", name.to_string_lossy())
}
