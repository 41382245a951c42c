//! Our environment variables: `TOKENKEEP_*`. An empty one is as good as unset.

use crate::error::{Failure, Result};
use crate::exit::Exit;

/// The variable that holds the client secret.
pub(crate) const CLIENT_SECRET: &str = "TOKENKEEP_CLIENT_SECRET";

/// The variable that holds the passphrase of a bundle.
pub(crate) const PASSPHRASE: &str = "TOKENKEEP_PASSPHRASE";

/// The variable of a setting: `client_id` is in `TOKENKEEP_CLIENT_ID`.
pub(crate) fn name_of(setting: &str) -> String {
    format!("TOKENKEEP_{}", setting.to_ascii_uppercase())
}

/// The value of the variable of a setting.
pub(crate) fn setting(setting: &str) -> Result<Option<String>> {
    variable(&name_of(setting))
}

/// The value of a variable.
pub(crate) fn variable(name: &str) -> Result<Option<String>> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(Failure::new(
            Exit::Configuration,
            format!("environment variable {name} is no valid text"),
        )),
    }
}
