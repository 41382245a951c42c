//! Which servers, as whom, and what is demanded of them.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use auth_core::secret::Secret;
use auth_core::store::{Persistence, StoreError};

/// Which servers, as whom, and what is demanded of them.
#[derive(Clone, Debug)]
pub struct RedisConfig {
    pub(crate) servers: Servers,
    pub(crate) addresses: Vec<Address>,
    pub(crate) database: i64,
    pub(crate) login: Login,
    pub(crate) sentinel_login: Login,
    /// `None`: connections are not encrypted.
    pub(crate) tls: Option<TlsFiles>,
    pub(crate) options: RedisOptions,
}

/// What is demanded of the store, whatever the servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisOptions {
    pub(crate) prefix: String,
    pub(crate) durability: Option<Persistence>,
    pub(crate) wait_replicas: u32,
    pub(crate) volatile_refresh_tokens: bool,
    pub(crate) limits: Limits,
}

/// How long is waited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// For a connection to one server.
    pub(crate) connect: Duration,
    pub(crate) answer: Duration,
}

/// How the servers belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Servers {
    Standalone,
    Cluster,
    /// Asked for the primary of this name.
    Sentinel(String),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) host: String,
    pub(crate) port: u16,
}

/// As whom.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<Secret>,
}

/// Files in PEM form; without an authority, those of the operating system are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsFiles {
    pub(crate) authority: Option<PathBuf>,
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
}

impl RedisConfig {
    /// From a URL:
    /// - `redis://HOST:PORT/DATABASE`, one server; port 6379 and database 0 can be left out;
    /// - `redis+cluster://HOST:PORT,HOST:PORT`, some nodes of a cluster;
    /// - `redis+sentinel://HOST:PORT,HOST:PORT/NAME`, some sentinels (port 26379 can be left out) and the
    ///   name that they know the primary by; `/NAME/DATABASE` for another database;
    /// - `rediss` in place of `redis`: over TLS.
    ///
    /// Options follow after `?`, joined by `&`; a value may have escapes `%XX`:
    /// - `prefix=` begins the name of every key; `tokenkeep:` unless said otherwise;
    /// - `username=`, and the password from `password_file=FILE`, else from the environment variable
    ///   `TOKENKEEP_REDIS_PASSWORD`; `sentinel_username=` and `sentinel_password_file=` for the sentinels.
    ///   `USER:PASSWORD@` before the host works too, where nobody else can see the URL;
    /// - `ca=FILE` the authority to trust, `cert=FILE` and `key=FILE` a certificate to show;
    /// - `wait_replicas=N`, see [`RedisOptions::wait_replicas`];
    /// - `durability=evictable|until-restart|node|replicated`, see [`RedisOptions::durability`];
    /// - `allow_volatile_refresh_tokens=true`, see [`RedisOptions::allow_volatile_refresh_tokens`];
    /// - `connect_timeout=MS`, `answer_timeout=MS`, see [`RedisOptions::connect_timeout`] and
    ///   [`RedisOptions::answer_timeout`].
    ///
    /// # Errors
    /// `Invalid` if it is no such URL, an option is not known or a file can't be read; the error repeats
    /// nothing that may be a password.
    pub fn from_url(url: &str) -> Result<Self, StoreError> {
        crate::url::parse(url)
    }

    /// What is demanded of the store.
    pub fn options(&self) -> &RedisOptions {
        &self.options
    }

    /// With this demanded of the store.
    pub fn with_options(mut self, options: RedisOptions) -> Self {
        self.options = options;
        self
    }

    /// The servers, for messages: without user and password.
    pub(crate) fn place(&self) -> String {
        let addresses: Vec<String> = self.addresses.iter().map(Address::to_string).collect();
        let addresses = addresses.join(", ");
        match &self.servers {
            Servers::Standalone => addresses,
            Servers::Cluster => format!("the cluster of {addresses}"),
            Servers::Sentinel(name) => format!("primary {name} of the sentinels {addresses}"),
        }
    }
}

impl RedisOptions {
    /// Keys begin with `tokenkeep:`, no replica is waited for, the server is asked how durable it is.
    pub fn new() -> Self {
        Self {
            prefix: "tokenkeep:".into(),
            durability: None,
            wait_replicas: 0,
            volatile_refresh_tokens: false,
            limits: Limits {
                connect: Duration::from_millis(500),
                answer: Duration::from_secs(2),
            },
        }
    }

    /// The name of every key begins with this: 0 to 100 of `A-Z a-z 0-9 : . _ - /`. It is the
    /// namespace: stores with different prefixes share nothing.
    ///
    /// # Errors
    /// `Invalid` for other characters, which mean something to a cluster or a search.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Result<Self, StoreError> {
        let prefix = prefix.into();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '_' | '-' | '/');
        if prefix.len() > 100 || !prefix.chars().all(plain) {
            return Err(crate::error::invalid(
                "prefix= takes at most 100 of A-Z a-z 0-9 : . _ - /",
            ));
        }
        self.prefix = prefix;
        Ok(self)
    }

    /// Overrides what the servers say of their durability, where they may not be asked, or a disk below
    /// them promises more.
    pub fn durability(mut self, durability: Persistence) -> Self {
        self.durability = Some(durability);
        self
    }

    /// A save of what must not be lost (grants and registrations, not access tokens) returns only when so
    /// many replicas have it too; if they don't within half of the [time for an
    /// answer](Self::answer_timeout), it is `Ambiguous`.
    pub fn wait_replicas(mut self, replicas: u32) -> Self {
        self.wait_replicas = replicas;
        self
    }

    /// Allows refresh tokens in servers that may forget them at any time, to make room: then a person must
    /// log in again.
    pub fn allow_volatile_refresh_tokens(mut self) -> Self {
        self.volatile_refresh_tokens = true;
        self
    }

    /// How long a connection to one server may take, name look-up included (500 ms). Over TLS, and where
    /// sentinels or a cluster have to be asked first, it is three times as long.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.limits.connect = limit;
        self
    }

    /// How long an answer may take (2 s); replicas have half of it to confirm what they are waited for.
    pub fn answer_timeout(mut self, limit: Duration) -> Self {
        self.limits.answer = limit;
        self
    }
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}
