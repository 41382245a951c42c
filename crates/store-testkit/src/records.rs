//! Plain records, for tests that need any.

use auth_core::key::Key;
use auth_core::profile::Profile;
use auth_core::record::{Hints, Record, Version};

/// The key of the grant of the profile that has this name.
pub fn key(name: &str) -> Key {
    Key::grant(&Profile::from_parts([name]))
}

/// A record under the [`key`] of this name, later than the version that was read, without an end.
pub fn record(name: &str, body: impl AsRef<[u8]>, read: Option<Version>) -> Record {
    let body = body.as_ref().to_vec().into();
    Record::from_parts(key(name), Version::after(read), None, Hints::default(), body)
}
