//! Where the file is, and what is allowed.

use std::path::{Path, PathBuf};

use auth_core::store::local::Wanted;
use auth_core::store::{Operation, StoreError};
use etcetera::BaseStrategy as _;

use crate::error::{Fault, NAME};

/// Where the file is, and what is allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonConfig {
    pub(crate) file: Wanted,
    pub(crate) layout: Layout,
}

/// How the file is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Layout {
    #[default]
    Own,
    Pancloud,
}

impl JsonConfig {
    /// A file at this path, made by the first write if there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            file: Wanted::new(path),
            layout: Layout::Own,
        }
    }

    /// `tokenkeep/tokens.json` in the user's data folder: `$XDG_DATA_HOME`, or
    /// `~/.local/share`.
    ///
    /// # Errors
    /// `Invalid` if the user has no home folder.
    pub fn in_data_folder() -> Result<Self, StoreError> {
        let folders = etcetera::base_strategy::Xdg::new()
            .map_err(|_| invalid("no home folder is known; name a file: json:PATH".into()))?;
        let mut config = Self::new(folders.data_dir().join("tokenkeep").join("tokens.json"));
        config.file.own_folder = true;
        Ok(config)
    }

    /// From `json:PATH`, where PATH is taken as it is (no escapes) up to a `?`.
    /// `json:` alone is [`in_data_folder`](Self::in_data_folder).
    ///
    /// Options: `?create=no` (the file must be there), `?network_fs=allow`,
    /// `?compat=pancloud`; joined by `&`.
    ///
    /// # Errors
    /// `Invalid` if it is no such URL, or an option is not known.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        let rest = url
            .strip_prefix("json:")
            .ok_or_else(|| invalid("a JSON store is named json:PATH".into()))?;
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
    /// nobody out and a rename may not be atomic. It may not, unless said otherwise.
    pub fn allow_network_file_system(mut self, allow: bool) -> Self {
        self.file.network_file_system = allow;
        self
    }

    /// The file has pancloud's own layout, and is written in place, for those who use
    /// pancloud and this store one after the other: pancloud takes no locks, and what
    /// both write at the same time may be lost. Only clients of the provider
    /// `pancloud`, never sealed. Before each write the file as it was is copied to
    /// `NAME.before-tokenkeep`.
    pub fn compatible_with_pancloud(mut self) -> Self {
        self.layout = Layout::Pancloud;
        self
    }

    /// The path.
    pub fn path(&self) -> &Path {
        &self.file.path
    }

    fn with_option(self, option: &str) -> Result<Self, StoreError> {
        match option {
            "create=no" => Ok(self.create(false)),
            "create=yes" => Ok(self.create(true)),
            "network_fs=allow" => Ok(self.allow_network_file_system(true)),
            "compat=pancloud" => Ok(self.compatible_with_pancloud()),
            other => {
                let name = other.split('=').next().unwrap_or_default();
                Err(invalid(format!(
                    "option {name:?} is not known with this value; there are create=no, network_fs=allow and \
                     compat=pancloud"
                )))
            }
        }
    }
}

fn refuse_other_spellings(path: &str) -> Result<(), StoreError> {
    if path.starts_with('~') {
        return Err(invalid(
            "~ is not expanded in json:PATH; write the whole path, as in json:$HOME/tokens.json".into(),
        ));
    }
    if path.starts_with("//") {
        return Err(invalid(
            "json: takes a path, no host; write json:PATH with at most one slash first".into(),
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
        let parsed = |url| JsonConfig::from_url(url).unwrap();
        assert_eq!(parsed("json:/a b/%41.json"), JsonConfig::new("/a b/%41.json"));
        assert_eq!(parsed("json:t.json?create=no"), JsonConfig::new("t.json").create(false));
        assert_eq!(
            parsed("json:t.json?compat=pancloud"),
            JsonConfig::new("t.json").compatible_with_pancloud()
        );
        assert_eq!(
            parsed("json:t.json?network_fs=allow&create=yes"),
            JsonConfig::new("t.json").allow_network_file_system(true)
        );
    }

    #[test]
    fn no_path_is_the_data_folder() {
        let config = JsonConfig::from_url("json:").unwrap();
        assert!(config.path().ends_with("tokenkeep/tokens.json"), "{config:?}");
        assert!(config.file.own_folder);
    }

    #[test]
    fn other_urls_say_what_to_write() {
        for (url, hint) in [
            ("sqlite:x", "json:PATH"),
            ("json:~/x", "$HOME"),
            ("json://host/x", "no host"),
            ("json:x?creat=no", "\"creat\""),
            ("json:x?create=maybe", "create=no"),
        ] {
            let error = JsonConfig::from_url(url).unwrap_err();
            assert_eq!(error.kind(), auth_core::store::StoreErrorKind::Invalid);
            assert!(error.to_string().contains(hint), "{url}: {error}");
        }
    }
}
