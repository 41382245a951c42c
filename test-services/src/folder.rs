use std::path::Path;

use tempfile::TempDir;

use crate::ServiceError;

/// In memory, where the system has such a place.
const MEMORY: &str = "/dev/shm";

/// Where the files of a server lie, which go with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Medium {
    /// In memory if that can be: it survives every kill of the server, and a disk that is slow or busy makes no
    /// test slow.
    #[default]
    Memory,
    /// For who measures.
    Disk,
}

impl Medium {
    pub(crate) fn folder(self, of: &str) -> Result<TempDir, ServiceError> {
        let made = match self {
            Self::Memory if Path::new(MEMORY).is_dir() => tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir()),
            _ => tempfile::tempdir(),
        };
        made.map_err(|error| ServiceError::io(&format!("no folder for {of}"), &error))
    }
}
