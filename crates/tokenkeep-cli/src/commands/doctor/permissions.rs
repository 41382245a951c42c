//! Whether the files of a store on this host are the user's alone.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tokenkeep::store::json::JsonConfig;
#[cfg(feature = "sqlite")]
use tokenkeep::store::sqlite::SqliteConfig;

use super::finding::{Finding, Verdict};

/// What a store keeps beside its file: SQLite's log and its index, the lock of the JSON store, leases.
const BESIDE: [&str; 4] = ["-wal", "-shm", ".lock", ".leases"];

/// What others may do with the files, before the store repairs them at its next use. Nothing where there is no file.
pub(super) fn run(store_url: &str) -> Option<Finding> {
    let file = file(store_url)?;
    let mode_of_file = mode(&file)?;
    let mut paths = vec![file.clone()];
    paths.extend(BESIDE.map(|suffix| with_suffix(&file, suffix)));
    if is_in_own_folder(store_url) {
        paths.extend(file.parent().map(Path::to_path_buf));
    }
    let open: Vec<String> = paths.iter().filter_map(|path| open_to_others(path)).collect();
    if open.is_empty() {
        let text = format!("{} is yours alone (mode {mode_of_file:o})", file.display());
        return Some(Finding::fine("permissions", text));
    }
    let hint = "modes are repaired at each use; if others could have read it, revoke its tokens and log in again";
    Some(Finding::new("permissions", Verdict::Warning, open.join(", ")).hint(hint))
}

/// The file that a URL names, if it names one.
fn file(store_url: &str) -> Option<PathBuf> {
    let path = match store_url.split_once(':')? {
        ("json", _) => JsonConfig::from_url(store_url).ok()?.path().to_owned(),
        #[cfg(feature = "sqlite")]
        ("sqlite", _) => SqliteConfig::from_url(store_url).ok()?.path().to_owned(),
        _ => return None,
    };
    Some(path)
}

/// Without a path it is the data folder's, which holds nothing else.
fn is_in_own_folder(store_url: &str) -> bool {
    let (place, _) = store_url.split_once('?').unwrap_or((store_url, ""));
    place.ends_with(':')
}

fn open_to_others(path: &Path) -> Option<String> {
    let mode = mode(path).filter(|mode| mode & 0o077 != 0)?;
    Some(format!("{} was open to others (mode {mode:o})", path.display()))
}

fn mode(path: &Path) -> Option<u32> {
    Some(std::fs::metadata(path).ok()?.permissions().mode() & 0o777)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}
