//! An OAuth 2.0 authorization server and a protected API, in this process, for tests.
//!
//! It rotates refresh tokens in the ways real servers do, detects reuse exactly (one mutex guards
//! all state), counts everything, lets tests turn its clock, and breaks on demand. It runs on a
//! thread and a runtime of its own: nothing a test does to its runtime touches it.
//!
//! ```
//! use std::time::Duration;
//! use store_testkit::server::{AuthorizationServer, Client, Fault, Rotation};
//!
//! let server = AuthorizationServer::builder()
//!     .client(Client::confidential("app", "secret"))
//!     .rotation(Rotation::Strict)
//!     .start()?;
//! let login = server.log_in("app", "read write");
//! server.inject(Fault::drop_after_handling().grant_type("refresh_token"));
//! server.advance(Duration::from_secs(3600));
//! assert!(!server.is_live(&login.access_token));
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Endpoints
//!
//! | path | what |
//! |---|---|
//! | `/.well-known/openid-configuration`, `/.well-known/oauth-authorization-server` | metadata |
//! | `/authorize` | approves at once; `login_hint` becomes the subject, else `user` |
//! | `/token` | client credentials, authorization code, refresh token; form or JSON |
//! | `/revoke` | RFC 7009; a refresh token takes its whole login with it |
//! | `/api`, `/api/…` | echoes the call and what the token is for, or answers 401 |
//! | `/control/…` | for other processes, below |
//!
//! In another [`Dialect`] they are elsewhere; [`token_endpoint`](AuthorizationServer::token_endpoint)
//! and the others say where.
//!
//! # Control over HTTP
//!
//! | request | body | answer |
//! |---|---|---|
//! | `GET /control/counters` | | [`Counters`] as JSON |
//! | `GET /control/refresh-log` | | every refresh token presented: hash, time, outcome |
//! | `GET /control/live-access-tokens` | | `{"count": n}` |
//! | `POST /control/advance` | `{"milliseconds": n}` | `{}` |
//! | `POST /control/expire-access-tokens` | | `{}` |
//! | `POST /control/login` | `{"client_id", "scope"?, "subject"?}` | a token answer |
//! | `POST /control/is-live` | `{"access_token"}` | `{"live": bool}` |
//! | `POST /control/faults` | `{"endpoint"?, "grant_type"?, "times"?, "status"?, "headers"?, "body"?, "drop"?, "cut"?, "hold"?, "delay_before_milliseconds"?, "delay_after_milliseconds"?}` | `{}` |
//! | `POST /control/clear-faults` | | `{}` |
//! | `POST /control/release` | | releases what `hold` holds, from then on |

mod answer;
mod authorize;
mod bad_answer;
mod builder;
mod client;
mod clock;
mod control;
mod counters;
mod dialect;
mod fault;
mod listener;
mod mint;
mod request;
mod resources;
mod rotation;
mod state;
mod tally;
mod token_endpoint;

use std::fmt;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use bad_answer::{BadAnswer, CANARY, Meaning};
pub use builder::{AccessTokenFormat, AuthorizationServerBuilder, ExpiresIn};
pub use client::{Client, ClientAuthentication};
pub use counters::{Counters, RefreshSend, SendOutcome};
pub use dialect::Dialect;
pub use fault::{Endpoint, Fault, Gate};
pub use rotation::{RefreshTokenState, Rotation};

use builder::Config;
use listener::Listening;
use state::{Purpose, State};
use tally::Tally;

/// A running authorization server. It stops when dropped.
#[derive(Debug)]
pub struct AuthorizationServer {
    shared: Arc<Shared>,
    _listening: Listening,
}

/// The tokens of a login made with [`AuthorizationServer::log_in`].
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Login {
    /// A live access token.
    pub access_token: String,
    /// The refresh token; empty when the server issues none.
    pub refresh_token: String,
    /// The life of the access token.
    pub expires_in: Duration,
}

impl AuthorizationServer {
    /// A server without clients, with strict rotation and access tokens that live an hour.
    pub fn builder() -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new()
    }

    /// The issuer, `http://127.0.0.1:<port>`.
    pub fn issuer(&self) -> String {
        self.shared.config.issuer.clone()
    }

    /// URL of the token endpoint.
    pub fn token_endpoint(&self) -> String {
        self.at(self.shared.config.dialect.paths().token)
    }

    /// URL of the authorization endpoint.
    pub fn authorization_endpoint(&self) -> String {
        self.at(self.shared.config.dialect.paths().authorization)
    }

    /// URL of the revocation endpoint.
    pub fn revocation_endpoint(&self) -> String {
        self.at(self.shared.config.dialect.paths().revocation)
    }

    /// URL of the protected API; any path below works too.
    pub fn api_url(&self) -> String {
        self.at(self.shared.config.dialect.paths().api)
    }

    /// URL of the service that redeems developer tokens, in the dialect that has one.
    pub fn developer_token_endpoint(&self) -> String {
        self.at("/request_token")
    }

    /// Logs `user` in without a browser and hands out the first tokens. An empty scope is none.
    pub fn log_in(&self, client_id: &str, scope: &str) -> Login {
        self.log_in_as(client_id, "user", scope)
    }

    /// As [`log_in`](Self::log_in), for a person with another name.
    pub fn log_in_as(&self, client_id: &str, subject: &str, scope: &str) -> Login {
        let config = &self.shared.config;
        let purpose = Purpose {
            scope: (!scope.is_empty()).then(|| scope.to_owned()),
            ..Purpose::default()
        };
        let (_, issued) = self.shared.state().log_in(config, client_id, subject, purpose);
        Login {
            access_token: issued.access_token,
            refresh_token: issued.refresh_token.unwrap_or_default(),
            expires_in: config.access_token_lifetime,
        }
    }

    /// Everything counted so far, in one consistent snapshot.
    pub fn counters(&self) -> Counters {
        self.shared.state().counters.clone()
    }

    /// Every refresh token presented so far, in the order of handling.
    pub fn refresh_log(&self) -> Vec<RefreshSend> {
        self.shared.state().sends.clone()
    }

    /// Turns the server's clock forward.
    pub fn advance(&self, by: Duration) {
        self.shared.state().clock.advance(by);
    }

    /// Whether the API would accept this access token now.
    pub fn is_live(&self, access_token: &str) -> bool {
        self.shared.state().live_access_token(access_token).is_some()
    }

    /// The scope of an access token that the API would accept now; `None`: it would not, or
    /// the token has none.
    pub fn scope_of(&self, access_token: &str) -> Option<String> {
        let state = self.shared.state();
        state.live_access_token(access_token)?.purpose.scope.clone()
    }

    /// Takes a developer token back. False when there was none.
    pub fn revoke_developer_token(&self, token: &str) -> bool {
        self.shared.state().developer_tokens.remove(token)
    }

    /// The access tokens the API would accept now, in no order.
    pub fn live_access_tokens(&self) -> Vec<String> {
        self.shared.state().live_access_tokens()
    }

    /// Whether the login that this refresh token belongs to goes on. False when unknown.
    pub fn family_alive(&self, refresh_token: &str) -> bool {
        let state = self.shared.state();
        state
            .refresh_tokens
            .get(refresh_token)
            .is_some_and(|token| !state.families[token.family].revoked)
    }

    /// What would become of this refresh token if it were presented now. `None` when unknown.
    pub fn refresh_token_state(&self, refresh_token: &str) -> Option<RefreshTokenState> {
        let state = self.shared.state();
        state.refresh_token_state(&self.shared.config, refresh_token)
    }

    /// Ends every access token now; refresh tokens live on.
    pub fn expire_access_tokens(&self) {
        self.shared.state().expire_access_tokens();
    }

    /// Ends the login that this refresh token belongs to, as an administrator would. False when
    /// there is none, or it was over.
    pub fn revoke_family_of(&self, refresh_token: &str) -> bool {
        let mut state = self.shared.state();
        let family = state.refresh_tokens.get(refresh_token).map(|token| token.family);
        family.is_some_and(|family| state.revoke_family(family))
    }

    /// The next authorization request is sent back with this error, `access_denied` say.
    pub fn deny_next_authorization(&self, error: &str) {
        self.shared.state().denial = Some(error.to_owned());
    }

    /// Queues a fault.
    pub fn inject(&self, fault: Fault) {
        self.shared.state().faults.push(fault);
    }

    /// Forgets the faults that still wait.
    pub fn clear_faults(&self) {
        self.shared.state().faults.clear();
    }

    /// Returns when `count` token requests have arrived since the start, before they are handled
    /// or a fault strikes.
    pub async fn wait_for_token_requests(&self, count: u64) {
        self.shared.token_arrivals.reached(count).await;
    }

    /// As [`wait_for_token_requests`](Self::wait_for_token_requests), for code without a runtime.
    /// False when `limit` passed first.
    #[must_use]
    pub fn wait_for_token_requests_blocking(&self, count: u64, limit: Duration) -> bool {
        self.shared.token_arrivals.reached_within(count, limit)
    }

    fn start(mut config: Config) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        config.issuer = format!("http://{}", listener.local_addr()?);
        let state = Mutex::new(State::new(&config)?);
        let shared = Arc::new(Shared {
            config,
            state,
            token_arrivals: Tally::default(),
            control_gate: Gate::new(),
        });
        let listening = Listening::start(Arc::clone(&shared), listener)?;
        Ok(Self {
            shared,
            _listening: listening,
        })
    }

    fn at(&self, path: &str) -> String {
        format!("{}{path}", self.shared.config.issuer)
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Login")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// What the handle and the listening thread have in common.
struct Shared {
    config: Config,
    state: Mutex<State>,
    token_arrivals: Tally,
    /// The gate of faults that other processes inject.
    control_gate: Gate,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tokens and secrets stay out of it.
impl fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Shared")
            .field("issuer", &self.config.issuer)
            .finish_non_exhaustive()
    }
}
