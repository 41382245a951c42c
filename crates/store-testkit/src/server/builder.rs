//! How the server is to behave, said once before it starts.

use std::io;
use std::time::Duration;

use super::AuthorizationServer;
use super::client::Client;
use super::dialect::Dialect;
use super::rotation::Rotation;

/// What access tokens look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AccessTokenFormat {
    /// Random text without meaning.
    #[default]
    Opaque,
    /// Three parts as a JWT has, with `exp`; the signature means nothing.
    Jwt,
}

/// How the life of an access token is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ExpiresIn {
    /// As a number of seconds (RFC 6749 section 5.1).
    #[default]
    Number,
    /// As text, the way some servers send it.
    Text,
    /// Not at all.
    Omitted,
}

#[derive(Debug, Clone)]
pub(super) struct Config {
    pub(super) issuer: String,
    pub(super) dialect: Dialect,
    pub(super) developer_tokens: Vec<String>,
    pub(super) clients: Vec<Client>,
    pub(super) rotation: Rotation,
    pub(super) access_token_lifetime: Duration,
    pub(super) access_token_format: AccessTokenFormat,
    pub(super) expires_in: ExpiresIn,
    pub(super) refresh_tokens: bool,
    pub(super) refresh_token_lifetime: Option<Duration>,
    pub(super) refresh_revokes_access_tokens: bool,
    pub(super) latency: Duration,
}

/// Settings of an [`AuthorizationServer`]; ends in [`start`](Self::start).
#[derive(Debug, Clone)]
#[must_use = "nothing listens before start()"]
pub struct AuthorizationServerBuilder {
    config: Config,
}

impl AuthorizationServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            config: Config {
                issuer: String::new(),
                dialect: Dialect::Standard,
                developer_tokens: Vec::new(),
                clients: Vec::new(),
                rotation: Rotation::Strict,
                access_token_lifetime: Duration::from_secs(3600),
                access_token_format: AccessTokenFormat::Opaque,
                expires_in: ExpiresIn::Number,
                refresh_tokens: true,
                refresh_token_lifetime: None,
                refresh_revokes_access_tokens: false,
                latency: Duration::ZERO,
            },
        }
    }

    /// Registers a client.
    pub fn client(mut self, client: Client) -> Self {
        self.config.clients.push(client);
        self
    }

    /// Speaks this dialect. `Pancloud` also sets access tokens that are JWTs, and lifetimes
    /// told as text.
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.config.dialect = dialect;
        if dialect == Dialect::Pancloud {
            self.config.access_token_format = AccessTokenFormat::Jwt;
            self.config.expires_in = ExpiresIn::Text;
        }
        self
    }

    /// A developer token that can be redeemed, in the dialect that has such.
    pub fn developer_token(mut self, token: impl Into<String>) -> Self {
        self.config.developer_tokens.push(token.into());
        self
    }

    /// What a refresh does to the refresh token; strict rotation by default.
    pub fn rotation(mut self, rotation: Rotation) -> Self {
        self.config.rotation = rotation;
        self
    }

    /// The life of access tokens, told in whole seconds; an hour by default.
    pub fn access_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.access_token_lifetime = lifetime;
        self
    }

    /// What access tokens look like; opaque by default.
    pub fn access_token_format(mut self, format: AccessTokenFormat) -> Self {
        self.config.access_token_format = format;
        self
    }

    /// How `expires_in` is sent; as a number by default.
    pub fn expires_in(mut self, expires_in: ExpiresIn) -> Self {
        self.config.expires_in = expires_in;
        self
    }

    /// Whether a login yields a refresh token; true by default.
    pub fn refresh_tokens(mut self, issued: bool) -> Self {
        self.config.refresh_tokens = issued;
        self
    }

    /// Gives each refresh token a life and tells it as `refresh_expires_in`; without end by default.
    pub fn refresh_token_lifetime(mut self, lifetime: Duration) -> Self {
        self.config.refresh_token_lifetime = Some(lifetime);
        self
    }

    /// Whether a refresh ends the earlier access tokens of its login; false by default.
    pub fn refresh_revokes_access_tokens(mut self, revokes: bool) -> Self {
        self.config.refresh_revokes_access_tokens = revokes;
        self
    }

    /// How long a token request takes: half of it before, half after it is handled.
    pub fn latency(mut self, latency: Duration) -> Self {
        self.config.latency = latency;
        self
    }

    /// Starts the server on a free port of 127.0.0.1, in a thread of its own. It listens when
    /// this returns.
    ///
    /// # Errors
    /// When no port can be bound, or the system gives neither a thread nor random bytes.
    pub fn start(self) -> io::Result<AuthorizationServer> {
        AuthorizationServer::start(self.config)
    }
}
