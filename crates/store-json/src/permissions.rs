//! Whose a file is and who may read it: 0600 for files, 0700 for folders,
//! whatever the umask.

use std::fs::{File, Metadata, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::geteuid;

use crate::error::{Doing, Fault};

pub(crate) const FILE: u32 = 0o600;
pub(crate) const FOLDER: u32 = 0o700;

/// Opens a file of ours for reading; never follows a symbolic link, never waits
/// for a pipe.
pub(crate) fn open_to_read(path: &Path) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

/// Opens a lock file, made if absent, ours and private.
pub(crate) fn open_to_lock(path: &Path) -> Result<File, Fault> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file: File = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR)
        .map_err(|error| Fault::io(Doing::Lock, path, error.into()))?
        .into();
    let found = keep_private(&file, path)?;
    // The umask can take bits away from what it was made with.
    if found.mode() & FILE != FILE {
        file.set_permissions(Permissions::from_mode(FILE))
            .map_err(|error| Fault::io(Doing::Repair, path, error))?;
    }
    Ok(file)
}

/// Makes sure that an open file is a plain file of this user under one name, and
/// repairs a looser mode. What was found, after the repair.
pub(crate) fn keep_private(file: &File, path: &Path) -> Result<Metadata, Fault> {
    let found = file.metadata().map_err(|error| Fault::io(Doing::Read, path, error))?;
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
    if found.mode() & 0o777 & !FILE == 0 {
        return Ok(found);
    }
    match file.set_permissions(Permissions::from_mode(FILE)) {
        Ok(()) => warn_of_looser(&found, FILE, path),
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            tracing::warn!(path = %path.display(), "others may read it, on a file system that can't be written");
        }
        Err(error) => return Err(Fault::io(Doing::Repair, path, error)),
    }
    file.metadata().map_err(|error| Fault::io(Doing::Read, path, error))
}

/// The same for a folder that is ours alone.
pub(crate) fn keep_folder_private(path: &Path) -> Result<(), Fault> {
    let found = std::fs::symlink_metadata(path).map_err(|error| Fault::io(Doing::Read, path, error))?;
    if !found.is_dir() {
        return Err(Fault::denied(format!("{} is no folder", path.display())));
    }
    check_owner(&found, path)?;
    if found.mode() & 0o777 == FOLDER {
        return Ok(());
    }
    std::fs::set_permissions(path, Permissions::from_mode(FOLDER))
        .map_err(|error| Fault::io(Doing::Repair, path, error))?;
    warn_of_looser(&found, FOLDER, path);
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
