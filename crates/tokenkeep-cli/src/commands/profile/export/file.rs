//! The file of a bundle: for its owner only, never in another's place, durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use zeroize::Zeroizing;

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// Says so early if there is a file already.
pub(crate) fn refuse_existing(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(_) => Err(there_already(path)),
        Err(_) => Ok(()),
    }
}

/// Writes a new file, mode 0600; on return it survives a crash.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let file = file.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => there_already(path),
        _ => unwritten(path, error),
    })?;
    filled(file, path, bytes).map_err(|error| {
        remove(path);
        unwritten(path, error)
    })
}

/// Reads it again: it must be what was meant.
pub(crate) fn read_back(path: &Path, is_right: impl FnOnce(&[u8]) -> Result<bool>) -> Result<()> {
    let read = fs::read(path).map(Zeroizing::new);
    let bytes = read.map_err(|error| unwritten(path, error))?;
    if is_right(&bytes)? {
        return Ok(());
    }
    remove(path);
    let error = io::Error::other("what is read back is not what was written");
    Err(unwritten(path, error))
}

/// Takes it away again.
pub(crate) fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path) {
        tracing::warn!(target: "tokenkeep", path = %path.display(), %error, "the bundle can't be removed");
    }
}

fn filled(mut file: File, path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Whatever the umask.
    file.set_permissions(fs::Permissions::from_mode(0o600))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn there_already(path: &Path) -> Failure {
    let message = format!("file {} is there already; nothing was exported", path.display());
    Failure::new(Exit::Failure, message).hint("name another with --output FILE")
}

fn unwritten(path: &Path, error: io::Error) -> Failure {
    Failure::caused(
        Exit::Failure,
        format!("file {} can't be written; nothing was moved", path.display()),
        error,
    )
}
