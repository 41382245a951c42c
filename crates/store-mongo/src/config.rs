//! Where the servers are, and what the store is called there.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use auth_core::secret::Secret;
use auth_core::store::{Operation, StoreError};
use url::form_urlencoded;

use crate::error::Fault;

const DATABASE: &str = "tokenkeep";
const COLLECTION: &str = "tokens";
pub(crate) const NAMESPACE: &str = "tokenkeep";
pub(crate) const TIMEOUT: Duration = Duration::from_secs(5);
const MOST_MILLIS: u64 = 3_600_000;

/// Where the servers are, and what the store is called there.
#[derive(Clone)]
pub struct MongoConfig {
    url: Secret,
    login: Option<Login>,
    database: Option<String>,
    collection: String,
    namespace: String,
    timeout: Duration,
}

#[derive(Clone)]
struct Login {
    name: String,
    password: PasswordFrom,
}

#[derive(Clone)]
enum PasswordFrom {
    Environment(String),
    File(PathBuf),
}

impl MongoConfig {
    /// From `mongodb://` or `mongodb+srv://`, as MongoDB's drivers take it, with
    /// options of our own, which the driver does not see:
    ///
    /// - `database` (else the path's, else `tokenkeep`), `collection` (`tokens`);
    /// - `namespace` (`tokenkeep`): stores of different namespaces share a collection
    ///   and see nothing of each other. Lower-case letters, digits, `-`, `_`, `.`;
    /// - `timeoutMS` (`5000`): see [`timeout`](Self::timeout);
    /// - `username` with `password_file` or `password_env`: the password from a file
    ///   (one line end after it is dropped) or an environment variable, read when the
    ///   store is opened.
    ///
    /// # Errors
    /// `Invalid` if it is no such URL.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        Self::parse(url).map_err(|fault| fault.at(Operation::Open))
    }

    /// The database; the path's of the URL, else `tokenkeep`, unless said.
    pub fn database(mut self, name: impl Into<String>) -> Self {
        self.database = Some(name.into());
        self
    }

    /// The collection: `tokens`, unless said.
    pub fn collection(mut self, name: impl Into<String>) -> Self {
        self.collection = name.into();
        self
    }

    /// The namespace: `tokenkeep`, unless said.
    ///
    /// # Errors
    /// `Invalid` for an empty one, or one with other characters than lower-case
    /// letters, digits, `-`, `_`, `.`.
    pub fn namespace(mut self, name: impl Into<String>) -> Result<Self, StoreError> {
        self.namespace = checked_namespace(name.into()).map_err(|fault| fault.at(Operation::Open))?;
        Ok(self)
    }

    /// How long an operation may take in all: 5 s, unless said. It is given up then,
    /// whatever the servers do.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The URL for the driver, with the password in it.
    pub(crate) fn driver_url(&self) -> Result<Secret, Fault> {
        let Some(login) = &self.login else {
            return Ok(self.url.clone());
        };
        let (name, password) = (escaped(&login.name), login.password.read()?);
        let url = self.url.expose();
        let (scheme, rest) = url.split_once("://").unwrap_or(("mongodb", url));
        let password = escaped(password.expose());
        Ok(Secret::new(format!("{scheme}://{name}:{password}@{rest}")))
    }

    pub(crate) fn names(&self, in_url: Option<&str>) -> (String, String) {
        let database = self.database.as_deref().or(in_url).unwrap_or(DATABASE);
        (database.to_owned(), self.collection.clone())
    }

    pub(crate) fn namespace_name(&self) -> &str {
        &self.namespace
    }

    pub(crate) fn time_allowed(&self) -> Duration {
        self.timeout
    }

    fn parse(url: &str) -> Result<Self, Fault> {
        let (address, query) = url.split_once('?').unwrap_or((url, ""));
        if !["mongodb://", "mongodb+srv://"]
            .iter()
            .any(|scheme| address.starts_with(scheme))
        {
            return Err(Fault::invalid(
                "a MongoDB store is named mongodb://HOST or mongodb+srv://HOST",
            ));
        }
        let mut config = Self {
            url: Secret::new(String::new()),
            login: None,
            database: None,
            collection: COLLECTION.to_owned(),
            namespace: NAMESPACE.to_owned(),
            timeout: TIMEOUT,
        };
        let (mut name, mut password, mut others) = (None, None, Vec::new());
        for option in query.split('&').filter(|option| !option.is_empty()) {
            let (key, value) = option.split_once('=').unwrap_or((option, ""));
            match key {
                "database" => config.database = Some(named(key, value)?),
                "collection" => config.collection = named(key, value)?,
                "namespace" => config.namespace = checked_namespace(unescaped(value))?,
                "timeoutMS" => config.timeout = milliseconds(value)?,
                "username" => name = Some(named(key, value)?),
                "password_env" => password = Some(PasswordFrom::Environment(named(key, value)?)),
                "password_file" => password = Some(PasswordFrom::File(named(key, value)?.into())),
                _ => others.push(option),
            }
        }
        config.login = match (name, password) {
            (None, None) => None,
            (Some(name), Some(password)) if !has_userinfo(address) => Some(Login { name, password }),
            (Some(_), Some(_)) => return Err(Fault::invalid("the URL names a user twice")),
            _ => {
                return Err(Fault::invalid(
                    "username goes with password_file or password_env, and these with username",
                ));
            }
        };
        config.url = Secret::new(joined(address, &others));
        Ok(config)
    }
}

impl fmt::Debug for MongoConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MongoConfig")
            .field("database", &self.database)
            .field("collection", &self.collection)
            .field("namespace", &self.namespace)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

impl PasswordFrom {
    fn read(&self) -> Result<Secret, Fault> {
        match self {
            Self::Environment(name) => std::env::var(name)
                .map(Secret::new)
                .map_err(|_| Fault::invalid(format!("password_env: the variable {name} is not set, or is no text"))),
            Self::File(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Fault::invalid(format!(
                        "password_file: can't read {}: {}",
                        path.display(),
                        error.kind()
                    ))
                })?;
                let text = zeroize::Zeroizing::new(text);
                Ok(Secret::new(text.strip_suffix('\n').unwrap_or(&text)))
            }
        }
    }
}

/// The namespace, if it may be one.
pub(crate) fn checked_namespace(name: String) -> Result<String, Fault> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    if !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) {
        return Ok(name);
    }
    Err(Fault::invalid(
        "a namespace has 1 to 64 lower-case letters, digits, -, _ and .",
    ))
}

fn named(key: &str, value: &str) -> Result<String, Fault> {
    let value = unescaped(value);
    if value.is_empty() {
        return Err(Fault::invalid(format!("the option {key} has no value")));
    }
    Ok(value)
}

fn milliseconds(value: &str) -> Result<Duration, Fault> {
    match value.parse() {
        Ok(millis @ 1..=MOST_MILLIS) => Ok(Duration::from_millis(millis)),
        _ => Err(Fault::invalid(format!("timeoutMS is a number from 1 to {MOST_MILLIS}"))),
    }
}

fn joined(address: &str, options: &[&str]) -> String {
    if options.is_empty() {
        return address.to_owned();
    }
    // The driver wants a slash between hosts and options.
    let slash = if address.splitn(4, '/').nth(3).is_some() {
        ""
    } else {
        "/"
    };
    format!("{address}{slash}?{}", options.join("&"))
}

fn has_userinfo(address: &str) -> bool {
    address.contains('@')
}

fn escaped(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes())
        .collect::<String>()
        .replace('+', "%20")
}

// A plus sign stands for itself, as it does for the driver.
fn unescaped(value: &str) -> String {
    let value = value.replace('+', "%2B");
    form_urlencoded::parse(format!("v={value}").as_bytes())
        .next()
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use auth_core::store::StoreErrorKind;

    use super::*;

    fn parsed(url: &str) -> MongoConfig {
        MongoConfig::from_url(url).unwrap()
    }

    #[test]
    fn our_options_are_taken_out() {
        let config =
            parsed("mongodb://a:1,b:2/db?w=1&database=x%20y&collection=c&namespace=n.1&timeoutMS=70&replicaSet=r");
        assert_eq!(config.url.expose(), "mongodb://a:1,b:2/db?w=1&replicaSet=r");
        assert_eq!(config.names(Some("db")), ("x y".into(), "c".into()));
        assert_eq!(config.namespace_name(), "n.1");
        assert_eq!(config.time_allowed(), Duration::from_millis(70));
    }

    #[test]
    fn what_is_not_said_has_a_name() {
        let config = parsed("mongodb://a");
        assert_eq!(config.url.expose(), "mongodb://a");
        assert_eq!(config.names(None), ("tokenkeep".into(), "tokens".into()));
        assert_eq!(config.names(Some("db")), ("db".into(), "tokens".into()));
        assert_eq!(
            parsed("mongodb+srv://a?tls=true").url.expose(),
            "mongodb+srv://a/?tls=true"
        );
    }

    #[test]
    fn a_password_comes_from_a_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "p@ss+ /\n").unwrap();
        let path = file.path().display();
        let config = parsed(&format!("mongodb://h/?username=me@x&password_file={path}&tls=true"));
        let url = config.driver_url().unwrap();
        assert_eq!(url.expose(), "mongodb://me%40x:p%40ss%2B%20%2F@h/?tls=true");
        assert!(!format!("{config:?}").contains("p@ss"));
    }

    #[test]
    fn other_urls_say_what_to_write() {
        for (url, hint) in [
            ("redis://h", "mongodb://HOST"),
            ("mongodb://h/?namespace=A", "lower-case"),
            ("mongodb://h/?namespace=", "lower-case"),
            ("mongodb://h/?collection=", "collection has no value"),
            ("mongodb://h/?timeoutMS=0", "timeoutMS"),
            ("mongodb://h/?timeoutMS=canary", "timeoutMS"),
            ("mongodb://h/?username=u", "password_file"),
            ("mongodb://h/?password_env=P", "username"),
            ("mongodb://u:canary@h/?username=u&password_env=P", "twice"),
        ] {
            let error = MongoConfig::from_url(url).unwrap_err();
            assert_eq!(error.kind(), StoreErrorKind::Invalid);
            let text = error.to_string();
            assert!(text.contains(hint) && !text.contains("canary"), "{url}: {text}");
        }
        let config = parsed("mongodb://h/?username=u&password_env=NO_SUCH_VARIABLE_AT_ALL");
        let error = config.driver_url().unwrap_err().at(Operation::Open);
        assert!(error.to_string().contains("NO_SUCH_VARIABLE"), "{error}");
    }
}
