//! What can go wrong with the file, in words that say what to do next.

use std::io;
use std::path::Path;

use auth_core::store::StoreErrorKind;
pub(crate) use auth_core::store::local::{Doing, Fault};

/// The store's name in messages.
pub(crate) const NAME: &str = "json";

/// The rename happened, but it is not known to be on the disk.
pub(crate) fn ambiguous(path: &Path, source: io::Error) -> Fault {
    let message = format!(
        "{} was replaced, but its folder could not be synced to the disk",
        path.display()
    );
    Fault::new(StoreErrorKind::Ambiguous, message).with_source(source)
}
