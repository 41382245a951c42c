//! The forms in which a token is printed.

use std::str::FromStr;

use serde_json::{Value, json};
use tokenkeep::clock::Timestamp;
use tokenkeep::{AccessToken, Profile};

use super::quoting::Shell;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::text::rfc3339;

/// The variable that `env` sets.
const VARIABLE: &str = "TOKENKEEP_ACCESS_TOKEN";

/// The version of the JSON form.
const SCHEMA: u64 = 1;

/// A form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Bare,
    /// A line for `curl --config -`, which keeps the token out of curl's arguments.
    Curl,
    Env(Shell),
    /// For kubectl: `client.authentication.k8s.io/v1`.
    ExecCredential,
    Header,
    Json,
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text {
            "bare" => Self::Bare,
            "curl" => Self::Curl,
            "env" | "env:sh" => Self::Env(Shell::Posix),
            "env:fish" => Self::Env(Shell::Fish),
            "env:pwsh" => Self::Env(Shell::Powershell),
            "env:cmd" => Self::Env(Shell::Cmd),
            "exec-credential" => Self::ExecCredential,
            "header" => Self::Header,
            "json" => Self::Json,
            _ => {
                return Err(
                    "write bare, header, json, curl, env, env:sh, env:fish, env:pwsh, env:cmd or \
                            exec-credential"
                        .into(),
                );
            }
        })
    }
}

impl Format {
    /// The token in this form, with the end of the line.
    pub(super) fn render(self, token: &AccessToken, profile: &Profile, now: Timestamp) -> Result<String> {
        let secret = token.secret().expose();
        Ok(match self {
            Self::Bare => format!("{secret}\n"),
            Self::Header => format!("Authorization: {}\n", authorization(token)?),
            Self::Curl => {
                let value = authorization(token)?.replace('\\', r"\\").replace('"', "\\\"");
                format!("header = \"Authorization: {value}\"\n")
            }
            Self::Env(shell) => format!("{}\n", shell.export(VARIABLE, secret)?),
            Self::Json => pretty(&object(token, profile, now)),
            Self::ExecCredential => pretty(&exec_credential(token)),
        })
    }
}

fn object(token: &AccessToken, profile: &Profile, now: Timestamp) -> Value {
    let end = token.expires_at();
    json!({
        "schema": SCHEMA,
        "profile": profile.as_str(),
        "access_token": token.secret().expose(),
        "token_type": token.token_type(),
        "scopes": token.scopes(),
        "expires_at": end.and_then(rfc3339),
        "expires_at_epoch": end.map(Timestamp::unix_seconds),
        "expires_in_s": end.map(|end| end.since(now).as_secs()),
    })
}

// Without `expirationTimestamp` kubectl uses the token until a 401.
fn exec_credential(token: &AccessToken) -> Value {
    let mut status = json!({ "token": token.secret().expose() });
    if let Some(end) = token.expires_at().and_then(rfc3339) {
        status["expirationTimestamp"] = end.into();
    }
    json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": status,
    })
}

fn authorization(token: &AccessToken) -> Result<&str> {
    let header = token.authorization().and_then(|value| value.to_str().ok());
    header.ok_or_else(|| {
        let message = format!(
            "a token of type {:?} can't be sent as a bearer token",
            token.token_type()
        );
        Failure::new(Exit::Failure, message).hint("print it with -o bare or -o json")
    })
}

fn pretty(value: &Value) -> String {
    format!("{value:#}\n")
}
