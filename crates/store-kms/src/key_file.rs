//! The file of a key of one's own: private, whole, and never overwritten.

use std::fs::{OpenOptions, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use auth_core::store::local::{FILE_MODE, Fault, Place, Wanted, keep_private, open_to_read, sync_folder};
use auth_core::store::{Operation, StoreErrorKind};
use zeroize::Zeroizing;

use crate::provider::{KeyError, KeyErrorKind};

/// Longer than any file with a key.
const LONGEST: u64 = 4_096;

/// What is in the file.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    if std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return Err(KeyError::new(
            KeyErrorKind::NotFound,
            format!("there is no key file {}", path.display()),
        ));
    }
    let place = place(path)?;
    let file = open_to_read(&place.file).map_err(|error| failed("read", path, error))?;
    keep_private(&file, &place.file).map_err(of_fault)?;
    // Room at once: a buffer that grows leaves copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(usize::try_from(LONGEST).unwrap_or(0) + 1));
    file.take(LONGEST)
        .read_to_end(&mut text)
        .map_err(|error| failed("read", path, error))?;
    Ok(text)
}

/// Puts text into a new file, on the disk on return.
pub(crate) fn create(path: &Path, text: &[u8]) -> Result<(), KeyError> {
    let place = place(path)?;
    place.prepare().map_err(of_fault)?;
    let options = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(&place.file);
    let mut file = options.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => KeyError::new(
            KeyErrorKind::Config,
            format!("{} is there already, and a key is never overwritten", path.display()),
        ),
        _ => failed("create", path, error),
    })?;
    // The umask can take bits away from what it was made with.
    let written = file
        .set_permissions(Permissions::from_mode(FILE_MODE))
        .and_then(|()| file.write_all(text))
        .and_then(|()| file.sync_all())
        .and_then(|()| sync_folder(&place.folder));
    written.map_err(|error| {
        // A part of a key is none.
        let _ = std::fs::remove_file(&place.file);
        failed("write", path, error)
    })
}

fn place(path: &Path) -> Result<Place, KeyError> {
    let mut wanted = Wanted::new(path);
    // Nobody locks it, so any file system will do.
    wanted.network_file_system = true;
    Place::resolve(&wanted).map_err(of_fault)
}

fn of_fault(fault: Fault) -> KeyError {
    let error = fault.at(Operation::Open, "key file");
    let kind = match error.kind() {
        StoreErrorKind::Denied => KeyErrorKind::Denied,
        StoreErrorKind::Invalid => KeyErrorKind::Config,
        _ => KeyErrorKind::Unavailable,
    };
    KeyError::new(kind, "the key file can't be used").with_source(error)
}

fn failed(doing: &str, path: &Path, error: io::Error) -> KeyError {
    let kind = match error.kind() {
        ErrorKind::PermissionDenied => KeyErrorKind::Denied,
        _ => KeyErrorKind::Unavailable,
    };
    KeyError::new(kind, format!("can't {doing} the key file {}", path.display())).with_source(error)
}
