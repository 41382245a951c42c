//! Environment variables, injected.

use std::ffi::OsString;

use super::credentials::variable;
use super::{Credential, Credentials};
use crate::error::ConfigError;
use crate::secret::Secret;

/// Where environment variables are read from: [`ProcessEnvironment`], or a closure.
pub trait Environment: Send + Sync {
    /// The variable of this name, if it is set.
    fn variable(&self, name: &str) -> Option<OsString>;
}

/// The environment of this process.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProcessEnvironment;

impl Environment for ProcessEnvironment {
    fn variable(&self, name: &str) -> Option<OsString> {
        std::env::var_os(name)
    }
}

impl<F: Fn(&str) -> Option<OsString> + Send + Sync> Environment for F {
    fn variable(&self, name: &str) -> Option<OsString> {
        self(name)
    }
}

/// The credentials in the variables of this prefix.
pub(super) fn read(environment: &dyn Environment, prefix: &str) -> Result<Credentials, ConfigError> {
    let get = |credential| text(environment, &variable(prefix, credential));
    let secret = |credential| get(credential).map(|value| value.map(Secret::new));
    Ok(Credentials {
        access_token: secret(Credential::AccessToken)?,
        client_id: get(Credential::ClientId)?,
        client_secret: secret(Credential::ClientSecret)?.map(Into::into),
        developer_token: secret(Credential::DeveloperToken)?,
        refresh_token: secret(Credential::RefreshToken)?,
    })
}

fn text(environment: &dyn Environment, name: &str) -> Result<Option<String>, ConfigError> {
    match environment.variable(name).map(OsString::into_string) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        // What it holds may be a secret: it is not shown.
        Some(Err(_)) => Err(ConfigError::Unusable {
            what: "an environment variable",
            why: format!("{name} is not Unicode"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_prefix_has_its_own() {
        let environment = |name: &str| match name {
            "PAN_CLIENT_ID" => Some("id".into()),
            "REFRESH_TOKEN" => Some("r".into()),
            _ => None,
        };
        let pan = read(&environment, "PAN").unwrap();
        assert_eq!(pan, Credentials::new().client_id("id"));
        assert_eq!(read(&environment, "").unwrap(), Credentials::new().refresh_token("r"));
        assert_eq!(read(&environment, "TOKENKEEP").unwrap(), Credentials::new());
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_text_is_named_not_shown() {
        use std::os::unix::ffi::OsStringExt as _;
        let environment = |_: &str| Some(OsString::from_vec(b"canary\xff".to_vec()));
        let error = read(&environment, "TOKENKEEP").unwrap_err().to_string();
        assert!(error.contains("TOKENKEEP_ACCESS_TOKEN"), "{error}");
        assert!(!error.contains("canary"), "{error}");
    }
}
