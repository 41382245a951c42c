//! Where an answer goes that the store does not take: a private folder on this host.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::secret::SecretBytes;

/// A private folder (0700, files 0600) for answers that the store does not take.
///
/// After a refresh token was spent its child exists nowhere but in memory. If the
/// store can't be written then, the child is put here, synced, and saved as soon as
/// the store takes it, by this process or the next one that uses the folder. What is
/// put here is sealed where the manager has a sealer; otherwise it is as plain as
/// the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpillFolder(PathBuf);

impl SpillFolder {
    /// This folder; it is made when it is needed.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Puts bytes under a name: synced on return, whole or not at all.
    pub(crate) fn put(&self, name: &str, bytes: &SecretBytes) -> io::Result<()> {
        make_private(&self.0)?;
        let partial = self
            .0
            .join(format!("{name}.{}", crate::text::hex(&crate::random::bytes::<4>())));
        let written = write_private(&partial, bytes).and_then(|()| fs::rename(&partial, self.0.join(name)));
        if written.is_err() {
            let _ = fs::remove_file(&partial);
        }
        written?;
        File::open(&self.0)?.sync_all()
    }

    /// The bytes under a name, if there are any.
    pub(crate) fn get(&self, name: &str) -> io::Result<Option<SecretBytes>> {
        let mut file = match File::open(self.0.join(name)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let size = usize::try_from(file.metadata()?.len()).unwrap_or(0);
        let mut bytes = Zeroizing::new(Vec::with_capacity(size + 1));
        file.read_to_end(&mut bytes)?;
        Ok(Some(SecretBytes::new(std::mem::take(&mut *bytes))))
    }

    /// Removes what is under a name.
    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.0.join(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    // Whatever the umask, and whoever made it before.
    #[cfg(unix)]
    fs::set_permissions(folder, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(())
}

fn write_private(path: &Path, bytes: &SecretBytes) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    file.write_all(bytes.expose())?;
    file.sync_all()
}
