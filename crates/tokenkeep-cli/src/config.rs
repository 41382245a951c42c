//! The configuration file: TOML, without secrets.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use etcetera::BaseStrategy as _;
use serde::de::{Error as _, IgnoredAny};
use serde::{Deserialize, Deserializer};

use crate::args::Flow;
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;

/// A configuration file.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ConfigFile {
    pub(crate) store: Option<String>,
    pub(crate) seal: Option<String>,
    pub(crate) seal_read: Words,
    pub(crate) seal_namespace: Option<String>,
    pub(crate) seal_endpoint: Option<String>,
    profiles: BTreeMap<String, ProfileConfig>,
}

/// The settings of one profile; the names are those of `login`'s flags.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ProfileConfig {
    pub(crate) store: Option<String>,
    pub(crate) seal: Option<String>,
    pub(crate) flow: Option<Flow>,
    pub(crate) provider: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) issuer: Option<String>,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) authorization_endpoint: Option<String>,
    pub(crate) revocation_endpoint: Option<String>,
    pub(crate) developer_token_endpoint: Option<String>,
    pub(crate) rotation: Option<String>,
    pub(crate) default_lifetime: Option<u64>,
    pub(crate) client_id: Option<String>,
    pub(crate) client_auth: Option<String>,
    /// The name of the environment variable that holds the client secret.
    pub(crate) client_secret_env: Option<String>,
    pub(crate) client_secret_file: Option<PathBuf>,
    pub(crate) redirect_uri: Option<String>,
    pub(crate) scope: Words,
    pub(crate) audience: Option<String>,
    pub(crate) resource: Words,
    #[serde(rename = "client_secret", alias = "secret", alias = "password")]
    _client_secret: Option<Refused>,
    #[serde(rename = "access_token", alias = "token")]
    _access_token: Option<Refused>,
    #[serde(rename = "refresh_token")]
    _refresh_token: Option<Refused>,
}

impl ConfigFile {
    /// Reads the file named, or the one at the usual place if there is one.
    pub(crate) fn load(flag: Option<&Path>) -> Result<Self> {
        match Self::named(flag)? {
            Some(path) => Self::read(&path, true),
            None => usual_place().map_or_else(|| Ok(Self::default()), |path| Self::read(&path, false)),
        }
    }

    /// Where it is looked for.
    pub(crate) fn place(flag: Option<&Path>) -> Result<Option<PathBuf>> {
        Ok(Self::named(flag)?.or_else(usual_place))
    }

    /// The settings of this profile; none if the file does not name it.
    pub(crate) fn profile(&self, name: &str) -> ProfileConfig {
        self.profiles.get(name).cloned().unwrap_or_default()
    }

    /// Whether the file names this profile.
    pub(crate) fn names(&self, name: &str) -> bool {
        self.profiles.contains_key(name)
    }

    fn named(flag: Option<&Path>) -> Result<Option<PathBuf>> {
        match flag {
            Some(path) => Ok(Some(path.to_path_buf())),
            None => Ok(environment::setting("config")?.map(PathBuf::from)),
        }
    }

    fn read(path: &Path, must_exist: bool) -> Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text).map_err(|problem| {
                let message = format!("configuration file {}, {problem}", path.display());
                Failure::new(Exit::Configuration, message)
            }),
            Err(error) if error.kind() == ErrorKind::NotFound && !must_exist => Ok(Self::default()),
            Err(error) => {
                let message = format!("configuration file {} can't be read", path.display());
                Err(Failure::caused(Exit::Configuration, message, error))
            }
        }
    }

    // toml's own text quotes the line, and who put a secret there by mistake must
    // not find it in a log: only its message and the line's number are used.
    fn parse(text: &str) -> std::result::Result<Self, Problem> {
        toml::from_str(text).map_err(|error| Problem {
            line: error.span().map(|span| 1 + text[..span.start].matches('\n').count()),
            message: error.message().to_owned(),
        })
    }
}

/// Words: a list, or one text with spaces between them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Words {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Form {
            One(String),
            Many(Vec<String>),
        }
        let form = Form::deserialize(deserializer).map_err(|_| D::Error::custom("write a text or a list of texts"))?;
        let texts = match form {
            Form::One(text) => vec![text],
            Form::Many(texts) => texts,
        };
        Ok(Self(split(&texts)))
    }
}

/// The words in these texts.
pub(crate) fn split(texts: &[String]) -> Vec<String> {
    texts
        .iter()
        .flat_map(|text| text.split_ascii_whitespace())
        .map(str::to_owned)
        .collect()
}

/// A key that must not be there.
#[derive(Clone, Debug)]
struct Refused;

impl<'de> Deserialize<'de> for Refused {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer)?;
        Err(D::Error::custom(
            "secrets don't belong in this file: name where one is with client_secret_env = \"VARIABLE\" or \
             client_secret_file = \"PATH\", or give it to `tokenkeep login`, which keeps it in the store",
        ))
    }
}

#[derive(Debug)]
struct Problem {
    line: Option<usize>,
    message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

fn usual_place() -> Option<PathBuf> {
    let folders = etcetera::base_strategy::Xdg::new().ok()?;
    Some(folders.config_dir().join("tokenkeep").join("config.toml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        ConfigFile::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn comments_and_both_forms_of_words() {
        let text = "# mine\nstore = 'json:/x' # here\n[profiles.a]\nflow = 'client-credentials'\nscope = 'b a'\nresource = ['r']\n";
        let config = ConfigFile::parse(text).unwrap();
        let profile = config.profile("a");
        assert_eq!(profile.flow, Some(Flow::ClientCredentials));
        assert_eq!(profile.scope.0, ["b", "a"]);
        assert_eq!(profile.resource.0, ["r"]);
        assert_eq!(config.profile("b").flow, None);
    }

    #[test]
    fn unknown_keys_are_named_with_their_line() {
        let text = problem("[profiles.a]\nflow = 'paste'\nclient-id = 'x'\n");
        assert!(text.contains("line 3") && text.contains("`client-id`"), "{text}");
        let text = problem("stroe = 'x'");
        assert!(text.contains("line 1") && text.contains("`stroe`"), "{text}");
    }

    #[test]
    fn secrets_are_refused_and_not_shown() {
        for key in [
            "client_secret",
            "secret",
            "password",
            "token",
            "access_token",
            "refresh_token",
        ] {
            let text = problem(&format!("# x\n[profiles.a]\n{key} = 'canary'\n"));
            assert!(text.contains("line 3") && text.contains("client_secret_env"), "{text}");
            assert!(!text.contains("canary"), "{text}");
        }
    }

    #[test]
    fn broken_files_show_a_line_and_nothing_of_it() {
        let text = problem("[profiles.a]\nclient_id = canary canary\n");
        assert!(text.contains("line 2") && !text.contains("canary"), "{text}");
    }
}
