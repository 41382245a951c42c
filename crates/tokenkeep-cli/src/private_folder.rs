//! Folders of this user's own, beside what is spilled.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::PathBuf;

use etcetera::BaseStrategy as _;

/// `tokenkeep/NAME` in the user's state folder (`$XDG_STATE_HOME`, else `~/.local/state`),
/// made if it is not there, for nobody else to enter.
pub(crate) fn in_state_folder(name: &str) -> io::Result<PathBuf> {
    let strategy = etcetera::base_strategy::Xdg::new().map_err(io::Error::other)?;
    let state = strategy
        .state_dir()
        .ok_or_else(|| io::Error::other("there is no home folder"))?;
    let folder = state.join("tokenkeep").join(name);
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    // Whatever the umask, and whoever made it before.
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700))?;
    Ok(folder)
}
