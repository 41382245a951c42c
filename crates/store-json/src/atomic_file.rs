//! A file that is replaced whole or not at all, and is on the disk when the call
//! returns.

use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, Permissions};
use std::io::{self, ErrorKind, Read as _, Seek as _, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use auth_core::secret::SecretBytes;
use auth_core::store::local::{FILE_MODE, Place, keep_private, sync_folder, with_suffix};
use tempfile::NamedTempFile;
use zeroize::Zeroizing;

use crate::document::Document;
use crate::error::{Doing, Fault, ambiguous};

const SUFFIX: &str = ".tmp";
/// How many random letters and digits there are in the name of a file not yet renamed.
const RANDOM: usize = 6;

/// Puts this document in place of the file: a new file in the same folder, written,
/// synced, renamed over the old. What the file is then. Its name is durable when
/// the folder is synced.
pub(crate) fn replace(path: &Path, document: &Document) -> Result<Metadata, Fault> {
    let file = write_beside(path, document).map_err(|error| Fault::io(Doing::Write, path, error))?;
    file.metadata().map_err(|error| ambiguous(path, error))
}

/// Writes this document over the file: whoever has it open sees it. What the file was before is kept beside it
/// first, for a write that is cut off leaves half of each.
pub(crate) fn overwrite(path: &Path, document: &Document) -> Result<Metadata, Fault> {
    let Ok(mut file) = File::options().read(true).write(true).open(path) else {
        return replace(path, document);
    };
    let failed = |error| Fault::io(Doing::Write, path, error);
    keep_private(&file, path)?;
    let mut before = Zeroizing::new(Vec::new());
    file.read_to_end(&mut before).map_err(failed)?;
    copy(&backup_of(path), &before).map_err(failed)?;
    file.rewind().map_err(failed)?;
    let mut pieces = Pieces::of(&file);
    document
        .write_to(&mut pieces)
        .and_then(|()| pieces.flush())
        .and_then(|()| {
            let length = file.stream_position()?;
            file.set_len(length)?;
            file.sync_all()
        })
        .map_err(|error| ambiguous(path, error))?;
    file.metadata().map_err(|error| ambiguous(path, error))
}

/// Where the file is kept as it was before the last write in place.
pub(crate) fn backup_of(path: &Path) -> PathBuf {
    with_suffix(path, ".before-tokenkeep")
}

/// Removes what killed writers left. Only for the holder of the data lock: all
/// writers of this file hold it, so nobody is writing these.
pub(crate) fn remove_leftovers(path: &Path, folder: &Path) {
    let prefix = prefix(path);
    let Ok(entries) = folder.read_dir() else { return };
    for entry in entries.flatten() {
        if is_leftover(&entry.file_name(), &prefix) {
            match std::fs::remove_file(entry.path()) {
                Ok(()) => tracing::debug!(path = %entry.path().display(), "removed what an interrupted write left"),
                Err(error) => tracing::warn!(path = %entry.path().display(), %error, "an interrupted write left this"),
            }
        }
    }
}

/// Whether it is named as our temporary files are. Those of a file whose name begins with
/// this one's and goes on after a dot are not: they have another lock.
fn is_leftover(name: &OsStr, prefix: &OsStr) -> bool {
    let rest = name.as_bytes().strip_prefix(prefix.as_bytes());
    let random = rest.and_then(|rest| rest.strip_suffix(SUFFIX.as_bytes()));
    random.is_some_and(|random| random.len() == RANDOM && random.iter().all(u8::is_ascii_alphanumeric))
}

/// Makes the file's name durable.
pub(crate) fn sync(place: &Place) -> Result<(), Fault> {
    sync_folder(&place.folder).map_err(|error| ambiguous(&place.file, error))
}

fn write_beside(path: &Path, document: &Document) -> io::Result<File> {
    let temporary = temporary_for(path)?;
    let mut pieces = Pieces::of(temporary.as_file());
    document.write_to(&mut pieces)?;
    pieces.flush()?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map_err(|failed| failed.error)
}

/// Whether the file, from where it is read, holds this document, byte for byte.
pub(crate) fn holds(file: &File, document: &Document) -> io::Result<bool> {
    let mut comparing = Comparing::with(file);
    match document.write_to(&mut comparing).and_then(|()| comparing.end()) {
        Ok(()) => Ok(true),
        Err(error) if matches!(error.kind(), ErrorKind::InvalidData | ErrorKind::UnexpectedEof) => Ok(false),
        Err(error) => Err(error),
    }
}

fn copy(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = temporary_for(path)?;
    temporary.write_all(bytes)?;
    temporary.as_file().sync_all()?;
    temporary.persist(path).map(drop).map_err(|failed| failed.error)
}

/// A file beside this one that only its owner can read.
fn temporary_for(path: &Path) -> io::Result<NamedTempFile> {
    let temporary = tempfile::Builder::new()
        .prefix(&prefix(path))
        .rand_bytes(RANDOM)
        .suffix(SUFFIX)
        .tempfile_in(path.parent().unwrap_or(Path::new(".")))?;
    // The umask can take bits away from what it was made with.
    temporary.as_file().set_permissions(Permissions::from_mode(FILE_MODE))?;
    Ok(temporary)
}

fn prefix(path: &Path) -> OsString {
    let mut prefix = OsString::from(".");
    prefix.push(path.file_name().unwrap_or_default());
    prefix.push(".");
    prefix
}

const PIECE: usize = 64 * 1024;

/// Writes in large pieces, and leaves no secret behind in memory.
struct Pieces<'a> {
    file: &'a File,
    piece: SecretBytes,
}

impl<'a> Pieces<'a> {
    fn of(file: &'a File) -> Self {
        Self {
            file,
            piece: SecretBytes::with_capacity(PIECE),
        }
    }
}

impl Write for Pieces<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.piece.len() == PIECE {
            self.flush()?;
        }
        let length = bytes.len().min(PIECE - self.piece.len());
        self.piece.expose_mut().extend_from_slice(&bytes[..length]);
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(self.piece.expose())?;
        self.piece.expose_mut().clear();
        Ok(())
    }
}

/// Takes what is written only if the file holds the same.
struct Comparing<'a> {
    file: &'a File,
    read: SecretBytes,
    at: usize,
}

impl<'a> Comparing<'a> {
    fn with(file: &'a File) -> Self {
        Self {
            file,
            read: SecretBytes::with_capacity(PIECE),
            at: 0,
        }
    }

    /// An error unless the file ends here.
    fn end(&mut self) -> io::Result<()> {
        if self.at < self.read.len() || self.read_more()? > 0 {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    fn read_more(&mut self) -> io::Result<usize> {
        self.read.expose_mut().clear();
        self.at = 0;
        let limit = u64::try_from(PIECE).unwrap_or(u64::MAX);
        self.file.take(limit).read_to_end(self.read.expose_mut())
    }
}

impl Write for Comparing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.at == self.read.len() && self.read_more()? == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let length = bytes.len().min(self.read.len() - self.at);
        if self.read.expose()[self.at..self.at + length] != bytes[..length] {
            return Err(ErrorKind::InvalidData.into());
        }
        self.at += length;
        Ok(length)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_left_of_this_very_file_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let (short, long) = (folder.path().join("tokens"), folder.path().join("tokens.json"));
        let mut kept = vec![
            temporary_for(&long).unwrap().into_temp_path().keep().unwrap(),
            folder.path().join(".tokens.hidden.tmp.tmp"),
            folder.path().join(".tokens.tmp"),
            folder.path().join("tokens"),
        ];
        for path in &kept[1..] {
            std::fs::write(path, "").unwrap();
        }
        temporary_for(&short).unwrap().into_temp_path().keep().unwrap();
        remove_leftovers(&short, folder.path());
        let mut left: Vec<_> = folder
            .path()
            .read_dir()
            .unwrap()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        left.sort();
        kept.sort();
        assert_eq!(left, kept);
        remove_leftovers(&long, folder.path());
        assert_eq!(folder.path().read_dir().unwrap().count(), 3);
    }

    #[test]
    fn only_the_same_bytes_are_held() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokens.json");
        let members: Vec<String> = (0..9_000)
            .map(|number| format!("\"member-{number:05}\":{number}"))
            .collect();
        let text = format!("{{\"tokenkeep\":{{\"format\":1}},{}}}", members.join(","));
        let document = Document::parse(text.as_bytes()).unwrap_or_default();
        replace(&path, &document).unwrap_or_else(|_| panic!("not written"));
        let written = std::fs::read(&path).unwrap();
        assert!(written.len() > 2 * PIECE);
        let held = |bytes: &[u8]| {
            std::fs::write(&path, bytes).unwrap();
            holds(&File::open(&path).unwrap(), &document).unwrap()
        };
        assert!(held(&written));
        assert!(!held(&written[..written.len() - 1]));
        assert!(!held(&[&written[..], b"\n"].concat()));
        assert!(!held(b""));
        for at in [0, PIECE - 1, PIECE, written.len() - 1] {
            let mut changed = written.clone();
            changed[at] ^= 1;
            assert!(!held(&changed), "{at}");
        }
    }
}
