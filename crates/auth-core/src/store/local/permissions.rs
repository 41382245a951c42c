//! Whose a file is and who may read it: 0600 for files, 0700 for folders,
//! whatever the umask.

use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;

use super::{Doing, Fault};

/// The mode of every file.
pub const FILE_MODE: u32 = 0o600;
/// The mode of every folder.
pub const FOLDER_MODE: u32 = 0o700;

/// Opens a file for reading; never follows a symbolic link, never waits for a pipe.
///
/// # Errors
/// Those of the operating system.
pub fn open_to_read(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Opens a lock file, made if absent, this user's and private.
///
/// # Errors
/// As [`keep_private`].
pub fn open_to_lock(path: &Path) -> Result<File, Fault> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| Fault::io(Doing::Lock, path, error.into()))?
        .into();
    let found = keep_private(&file, path)?;
    // The umask can take bits away from what it was made with.
    if found.mode() & FILE_MODE != FILE_MODE {
        file.set_permissions(Permissions::from_mode(FILE_MODE))
            .map_err(|error| Fault::io(Doing::Repair, path, error))?;
    }
    Ok(file)
}

/// Makes sure that an open file is a plain file of this user under one name, and
/// repairs a looser mode. What was found, after the repair.
///
/// # Errors
/// `Denied` if it is not, or the mode can't be repaired.
pub fn keep_private(file: &File, path: &Path) -> Result<Metadata, Fault> {
    let look = || file.metadata();
    keep(path, look, |mode| file.set_permissions(mode))
}

/// The same for a file that must not be opened, for closing it would take away the
/// locks that others in this process hold on it. `None` if there is none.
///
/// # Errors
/// As [`keep_private`].
pub fn keep_path_private(path: &Path) -> Result<Option<Metadata>, Fault> {
    let look = || std::fs::symlink_metadata(path);
    let absent = || look().is_err_and(|error| error.kind() == ErrorKind::NotFound);
    match keep(path, look, |mode| std::fs::set_permissions(path, mode)) {
        // It was not there, or was removed meanwhile.
        Err(_) if absent() => Ok(None),
        outcome => outcome.map(Some),
    }
}

/// The same for a folder that is ours alone.
pub(crate) fn keep_folder_private(path: &Path) -> Result<(), Fault> {
    let found = std::fs::symlink_metadata(path).map_err(|error| Fault::io(Doing::Read, path, error))?;
    if !found.is_dir() {
        return Err(Fault::denied(format!("{} is no folder", path.display())));
    }
    check_owner(&found, path)?;
    if found.mode() & 0o777 == FOLDER_MODE {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(FOLDER_MODE))
        .map_err(|error| Fault::io(Doing::Repair, path, error))?;
    warn_of_looser(&found, FOLDER_MODE, path);
    Ok(())
}

/// Refuses a folder in which everybody may replace files.
pub(crate) fn refuse_open_folder(path: &Path) -> Result<(), Fault> {
    let found = std::fs::metadata(path).map_err(|error| Fault::io(Doing::Read, path, error))?;
    let (everybody_writes, sticky) = (found.mode() & 0o002 != 0, found.mode() & 0o1000 != 0);
    if everybody_writes && !sticky {
        return Err(Fault::denied(format!(
            "everybody may replace files in {}: take that away with chmod o-w, or choose another folder",
            path.display()
        )));
    }
    Ok(())
}

fn keep(
    path: &Path,
    look: impl Fn() -> io::Result<Metadata>,
    set_mode: impl FnOnce(Permissions) -> io::Result<()>,
) -> Result<Metadata, Fault> {
    let found = look().map_err(|error| Fault::io(Doing::Read, path, error))?;
    if !found.is_file() {
        return Err(Fault::denied(format!("{} is no plain file", path.display())));
    }
    // A file replaced since it was opened has no name any more.
    if found.nlink() > 1 {
        return Err(Fault::denied(format!(
            "{} has {} names (hard links), and the others would keep old secrets: remove them",
            path.display(),
            found.nlink()
        )));
    }
    check_owner(&found, path)?;
    if found.mode() & 0o777 & !FILE_MODE == 0 {
        return Ok(found);
    }
    match set_mode(Permissions::from_mode(FILE_MODE)) {
        Ok(()) => warn_of_looser(&found, FILE_MODE, path),
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            tracing::warn!(path = %path.display(), "others may read it, on a file system that can't be written");
        }
        Err(error) => return Err(Fault::io(Doing::Repair, path, error)),
    }
    look().map_err(|error| Fault::io(Doing::Read, path, error))
}

fn check_owner(found: &Metadata, path: &Path) -> Result<(), Fault> {
    let me = geteuid().as_raw();
    if found.uid() == me {
        return Ok(());
    }
    Err(Fault::denied(format!(
        "{} belongs to user {}, this is user {me}: run as that user, or choose another file",
        path.display(),
        found.uid()
    )))
}

fn warn_of_looser(found: &Metadata, due: u32, path: &Path) {
    let mode = found.mode() & 0o777;
    if mode & !due != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format_args!("{mode:04o}"),
            "others could read or write it; its mode is now {due:04o}: renew secrets that may have been read"
        );
    }
}
