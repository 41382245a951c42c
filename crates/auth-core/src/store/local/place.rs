//! The path, the names beside it, and whether it is a place to keep secrets in.

use std::ffi::OsString;
use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};

use super::permissions::{self, FOLDER_MODE};
use super::{Doing, Fault};

/// What a configuration says of a store's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its path.
    pub path: PathBuf,
    /// Whether the first write may make it.
    pub create: bool,
    /// Whether it may lie on a network file system, where locks may hold nobody out.
    pub network_file_system: bool,
    /// Whether its folder was named by us and holds nothing else, so that the
    /// folder's mode is ours to repair.
    pub own_folder: bool,
}

impl Wanted {
    /// A file at this path, made by the first write if there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            create: true,
            network_file_system: false,
            own_folder: false,
        }
    }
}

/// Where a store's file and its leases are.
#[derive(Debug)]
pub struct Place {
    /// The file, below a folder without symbolic links.
    pub file: PathBuf,
    /// The folder.
    pub folder: PathBuf,
    /// The folder of the leases: `FILE.leases`.
    pub leases: PathBuf,
    /// Whether the first write may make the file.
    pub create: bool,
    own_folder: bool,
}

impl Place {
    /// Resolves the folder once: links in it that change later lead nowhere else.
    ///
    /// # Errors
    /// `Denied` for a symbolic link, something other than a plain file or a folder
    /// in which everybody may replace files; `Unsupported` on a network file
    /// system; `Invalid` if the path names no file, or one that is not there and
    /// may not be made.
    pub fn resolve(config: &Wanted) -> Result<Self, Fault> {
        let name = config
            .path
            .file_name()
            .ok_or_else(|| Fault::invalid(format!("{} names no file", config.path.display())))?;
        let whole = std::path::absolute(&config.path).map_err(|error| Fault::io(Doing::Read, &config.path, error))?;
        let (existing, rest) = nearest_existing(whole.parent().unwrap_or(Path::new("/")));
        if rest.components().any(|part| part == Component::ParentDir) {
            return Err(Fault::invalid(format!(
                "{} goes back (..) from a folder that is not there",
                config.path.display()
            )));
        }
        let existing = existing
            .canonicalize()
            .map_err(|error| Fault::io(Doing::Read, existing, error))?;
        if !config.network_file_system {
            refuse_network_file_system(&existing)?;
        }
        let folder = if rest.as_os_str().is_empty() {
            existing
        } else {
            existing.join(rest)
        };
        let file = folder.join(name);
        let place = Self {
            leases: with_suffix(&file, ".leases"),
            create: config.create,
            own_folder: config.own_folder,
            file,
            folder,
        };
        place.check()?;
        Ok(place)
    }

    /// The folder, made if absent, fit for secrets.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn prepare(&self) -> Result<(), Fault> {
        if !self.folder.is_dir() {
            create_folders(&self.folder)?;
        }
        self.check_folder()
    }

    /// The lease file with this name, its folder made if absent.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn lease(&self, name: &str) -> Result<PathBuf, Fault> {
        self.prepare()?;
        if !self.leases.is_dir() {
            create_folders(&self.leases)?;
        }
        permissions::keep_folder_private(&self.leases)?;
        Ok(self.leases.join(name))
    }

    /// That the file is not there and may not be made.
    pub fn missing(&self) -> Fault {
        Fault::invalid(format!(
            "there is no file {}, and create=no was said",
            self.file.display()
        ))
    }

    fn check(&self) -> Result<(), Fault> {
        if self.folder.is_dir() {
            self.check_folder()?;
        }
        match std::fs::symlink_metadata(&self.file) {
            Err(error) if error.kind() == ErrorKind::NotFound && self.create => Ok(()),
            Err(error) if error.kind() == ErrorKind::NotFound => Err(self.missing()),
            Err(error) => Err(Fault::io(Doing::Read, &self.file, error)),
            Ok(found) if found.is_file() => Ok(()),
            Ok(found) if found.is_symlink() => Err(Fault::denied(format!(
                "{} is a symbolic link, which others could point elsewhere: name the file itself",
                self.file.display()
            ))),
            Ok(_) => Err(Fault::denied(format!("{} is no plain file", self.file.display()))),
        }
    }

    fn check_folder(&self) -> Result<(), Fault> {
        if self.own_folder {
            permissions::keep_folder_private(&self.folder)?;
        }
        permissions::refuse_open_folder(&self.folder)
    }
}

/// Makes names in a folder durable.
///
/// # Errors
/// Those of the operating system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The kind of network or cluster file system that this number of `statfs` stands for.
pub fn network_file_system(magic: u32) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517B | 0xFF53_4D42 | 0xFE53_4D42 => Some("SMB"),
        0x0102_1997 => Some("9P"),
        0x6573_5546 => Some("FUSE"),
        // OpenAFS, and the kernel's own.
        0x5346_414F | 0x6B41_4653 => Some("AFS"),
        0x1983_0326 => Some("BeeGFS"),
        0x00C3_6400 => Some("CephFS"),
        0x7375_7245 => Some("Coda"),
        0x0116_1970 => Some("GFS2"),
        0x4750_4653 => Some("GPFS"),
        0x0BD0_0BD0 => Some("Lustre"),
        0x7461_636F => Some("OCFS2"),
        _ => None,
    }
}

#[cfg(target_os = "linux")]
fn refuse_network_file_system(folder: &Path) -> Result<(), Fault> {
    let found = rustix::fs::statfs(folder).map_err(|error| Fault::io(Doing::Read, folder, error.into()))?;
    // The numbers have 32 bits; wider fields hold them with or without their sign.
    let magic = u32::try_from(found.f_type & 0xFFFF_FFFF).unwrap_or_default();
    match network_file_system(magic) {
        None => Ok(()),
        Some(kind) => Err(Fault::new(
            crate::store::StoreErrorKind::Unsupported,
            format!(
                "{} is on {kind}, where locks may hold nobody out: choose a folder on a local disk, or another kind \
                 of store for several hosts (or say network_fs=allow and use it from one process at a time)",
                folder.display()
            ),
        )),
    }
}

#[cfg(not(target_os = "linux"))]
fn refuse_network_file_system(_folder: &Path) -> Result<(), Fault> {
    Ok(())
}

fn nearest_existing(folder: &Path) -> (&Path, &Path) {
    let existing = folder.ancestors().find(|path| path.exists()).unwrap_or(Path::new("/"));
    (existing, folder.strip_prefix(existing).unwrap_or(Path::new("")))
}

fn create_folders(folder: &Path) -> Result<(), Fault> {
    let (existing, rest) = nearest_existing(folder);
    let mut path = existing.to_path_buf();
    for part in rest {
        let parent = path.clone();
        path.push(part);
        match DirBuilder::new().mode(FOLDER_MODE).create(&path) {
            Ok(()) => permissions::keep_folder_private(&path)?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(Fault::io(Doing::Create, &path, error)),
        }
        sync_folder(&parent).map_err(|error| Fault::io(Doing::Create, &path, error))?;
    }
    Ok(())
}

/// The path with this at its end.
pub fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_known_by_their_numbers() {
        for (magic, kind) in [
            (0x6969, "NFS"),
            (0x517B, "SMB"),
            (0xFF53_4D42, "SMB"),
            (0xFE53_4D42, "SMB"),
            (0x0102_1997, "9P"),
            (0x6573_5546, "FUSE"),
            (0x5346_414F, "AFS"),
            (0x6B41_4653, "AFS"),
            (0x1983_0326, "BeeGFS"),
            (0x00C3_6400, "CephFS"),
            (0x7375_7245, "Coda"),
            (0x0116_1970, "GFS2"),
            (0x4750_4653, "GPFS"),
            (0x0BD0_0BD0, "Lustre"),
            (0x7461_636F, "OCFS2"),
        ] {
            assert_eq!(network_file_system(magic), Some(kind), "{magic:#x}");
        }
        // ext4, tmpfs, xfs, btrfs, overlay, ZFS, F2FS
        for magic in [
            0xEF53,
            0x0102_1994,
            0x5846_5342,
            0x9123_683E,
            0x794C_7630,
            0x2FC1_2FC1,
            0xF2F5_2010,
        ] {
            assert_eq!(network_file_system(magic), None, "{magic:#x}");
        }
    }

    #[test]
    fn paths_that_name_no_file_are_refused() {
        for path in ["/", "..", "", "/tmp/there-is-no-such-folder/../x"] {
            assert!(Place::resolve(&Wanted::new(path)).is_err(), "{path:?}");
        }
    }
}
