//! Where the file is, and what is allowed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use auth_core::store::local::{Fault, Wanted};
use auth_core::store::{Operation, StoreError};
use etcetera::BaseStrategy as _;

use crate::error::NAME;

const NAMESPACE: &str = "default";
const LONGEST_NAMESPACE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(10);

/// Where the file is, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqliteConfig {
    pub(crate) file: Wanted,
    pub(crate) namespace: String,
    pub(crate) patience: Duration,
}

impl SqliteConfig {
    /// A database at this path, made by the first write if there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            file: Wanted::new(path),
            namespace: NAMESPACE.to_owned(),
            patience: PATIENCE,
        }
    }

    /// `tokenkeep/tokens.sqlite` in the user's data folder: `$XDG_DATA_HOME`, or
    /// `~/.local/share`.
    ///
    /// # Errors
    /// `Invalid` if the user has no home folder.
    pub fn in_data_folder() -> Result<Self, StoreError> {
        let folders = etcetera::base_strategy::Xdg::new()
            .map_err(|_| invalid("no home folder is known; name a file: sqlite:PATH".into()))?;
        let mut config = Self::new(folders.data_dir().join("tokenkeep").join("tokens.sqlite"));
        config.file.own_folder = true;
        Ok(config)
    }

    /// From `sqlite:PATH`, where PATH is taken as it is (no escapes) up to a `?`.
    /// `sqlite:` alone is [`in_data_folder`](Self::in_data_folder).
    ///
    /// Options: `?create=no` (the file must be there), `?namespace=NAME`,
    /// `?network_fs=allow`; joined by `&`.
    ///
    /// # Errors
    /// `Invalid` if it is no such URL, or an option is not known.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let rest = url
            .strip_prefix("sqlite:")
            .ok_or_else(|| invalid("a SQLite store is named sqlite:PATH".into()))?;
        let (path, options) = rest.split_once('?').unwrap_or((rest, ""));
        refuse_other_spellings(path)?;
        let config = if path.is_empty() {
            Self::in_data_folder()?
        } else {
            Self::new(path)
        };
        let given = options.split('&').filter(|option| !option.is_empty());
        given.into_iter().try_fold(config, Self::with_option)
    }

    /// Whether the first write may make the file. It may, unless said otherwise.
    pub fn create(mut self, create: bool) -> Self {
        self.file.create = create;
        self
    }

    /// Whether the file may lie on a network file system, where locks may hold
    /// nobody out and shared memory is not shared. It may not, unless said otherwise.
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.file.network_file_system = allow;
        self
    }

    /// Which of the stores in the file; `default`, unless said otherwise. Stores of
    /// different namespaces know nothing of each other.
    ///
    /// # Errors
    /// `Invalid` unless it is 1 to 64 letters, digits, `-` and `_` of ASCII.
    pub fn namespace(mut self, name: impl Into<String>) -> Result<Self, StoreError> {
        let name = name.into();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > LONGEST_NAMESPACE || !name.bytes().all(plain) {
            return Err(invalid(
                "a namespace is 1 to 64 letters, digits, - and _, as in namespace=staging".into(),
            ));
        }
        self.namespace = name;
        Ok(self)
    }

    /// How long a write waits while others write, from when it is asked for, or from
    /// when one before it got through; 10 seconds, unless said otherwise.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    fn with_option(self, option: &str) -> Result<Self, StoreError> {
        if let Some(name) = option.strip_prefix("namespace=") {
            return self.namespace(name);
        }
        match option {
            "create=no" => Ok(self.create(false)),
            "create=yes" => Ok(self.create(true)),
            "network_fs=allow" => Ok(self.allow_network_file_system(true)),
            other => {
                let name = other.split('=').next().unwrap_or_default();
                Err(invalid(format!(
                    "option {name:?} is not known with this value; there are create=no, namespace=NAME and network_fs=allow"
                )))
            }
        }
    }
}

fn refuse_other_spellings(path: &str) -> Result<(), StoreError> {
    if path.starts_with('~') {
        return Err(invalid(
            "~ is not expanded in sqlite:PATH; write the whole path, as in sqlite:$HOME/tokens.sqlite".into(),
        ));
    }
    if path.starts_with("//") {
        return Err(invalid(
            "sqlite: takes a path, no host; write sqlite:PATH with at most one slash first".into(),
        ));
    }
    Ok(())
}

fn invalid(message: String) -> StoreError {
    Fault::invalid(message).at(Operation::Open, NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_a_path_and_options() {
        let parsed = |url| SqliteConfig::from_url(url).unwrap();
        assert_eq!(parsed("sqlite:/a b/%41.sqlite"), SqliteConfig::new("/a b/%41.sqlite"));
        assert_eq!(
            parsed("sqlite:t.sqlite?create=no"),
            SqliteConfig::new("t.sqlite").create(false)
        );
        assert_eq!(
            parsed("sqlite:t.sqlite?network_fs=allow&create=yes"),
            SqliteConfig::new("t.sqlite").allow_network_file_system(true)
        );
        assert_eq!(
            parsed("sqlite:t.sqlite?namespace=eu-1"),
            SqliteConfig::new("t.sqlite").namespace("eu-1").unwrap()
        );
    }

    #[test]
    fn no_path_is_the_data_folder() {
        let config = SqliteConfig::from_url("sqlite:").unwrap();
        assert!(config.path().ends_with("tokenkeep/tokens.sqlite"), "{config:?}");
        assert!(config.file.own_folder);
    }

    #[test]
    fn other_urls_say_what_to_write() {
        for (url, hint) in [
            ("json:x", "sqlite:PATH"),
            ("sqlite:~/x", "$HOME"),
            ("sqlite://host/x", "no host"),
            ("sqlite:x?creat=no", "\"creat\""),
            ("sqlite:x?create=maybe", "create=no"),
            ("sqlite:x?namespace=", "1 to 64"),
            ("sqlite:x?namespace=a/../b", "1 to 64"),
        ] {
            let error = SqliteConfig::from_url(url).unwrap_err();
            assert_eq!(error.kind(), auth_core::store::StoreErrorKind::Invalid);
            assert!(error.to_string().contains(hint), "{url}: {error}");
        }
    }
}
