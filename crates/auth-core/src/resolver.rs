//! The resolver: from credentials that may be given in several places to tokens.
//!
//! The four credentials are access token, client id, client secret and refresh token;
//! some providers have a developer token beside them. Places are looked at in this
//! order:
//!
//! 1. the arguments of the call ([`Resolver::arguments`]);
//! 2. the client that it is made with ([`Resolver::client`]);
//! 3. the environment: `TOKENKEEP_ACCESS_TOKEN`, `TOKENKEEP_CLIENT_ID`,
//!    `TOKENKEEP_CLIENT_SECRET`, `TOKENKEEP_DEVELOPER_TOKEN`,
//!    `TOKENKEEP_REFRESH_TOKEN`; then the same names with the
//!    [provider's prefix](crate::Provider::environment_prefix), then without any where
//!    that is [asked for](Resolver::unprefixed_names); each of them is a place of its
//!    own;
//! 4. the store: the client registration and the login of the profile.
//!
//! By the [strict rule](Rule::Strict) the first place that has any credential is used
//! alone; by the [other](Rule::Merge) each credential comes from the first place that
//! has it. Of what was found an access token is used while it is valid, then a
//! developer token, then the refresh token. A refresh token that does not come from
//! the store is a [seed](crate::manager::Seed): what the store holds of its login is
//! used, access token included, and of no other login.
//!
//! ```
//! use auth_core::resolver::{Credentials, Resolver};
//! use auth_core::{MemoryStore, Profile, endpoint::EndpointUrl, provider};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let store = MemoryStore::new();
//! let server = provider::with_endpoints(EndpointUrl::new("https://as.example/token")?, None);
//! // `ProcessEnvironment` in programs; tests have their own.
//! let environment = |name: &str| match name {
//!     "TOKENKEEP_CLIENT_ID" => Some("app".into()),
//!     "TOKENKEEP_REFRESH_TOKEN" => Some("from-elsewhere".into()),
//!     _ => None,
//! };
//! let resolver = Resolver::new(environment).provider(server);
//!
//! // The environment has some, so it is used alone, and lacks the secret.
//! let error = resolver.resolve(&Profile::default(), &store).await.unwrap_err();
//! assert!(error.to_string().contains("client_secret"));
//!
//! // What the call is given comes first.
//! let given = Credentials::new().client_id("app").client_secret(auth_core::Secret::new("s")).refresh_token("r");
//! let resolved = resolver.arguments(given).resolve(&Profile::default(), &store).await?;
//! println!("{}", resolved.explanation());
//! let builder = auth_core::TokenManager::builder(resolved.registration().clone(), store);
//! # let _ = builder;
//! // ... .transport(...).build()?, then resolved.source(&manager).await?
//! # Ok(()) }
//! ```

mod credentials;
mod decision;
mod environment;
mod explanation;
mod finding;
mod resolved;

use std::fmt;
use std::sync::Arc;

pub use credentials::{Credential, Credentials, Place};
pub use decision::{Rule, Use};
pub use environment::{Environment, ProcessEnvironment};
pub use explanation::{Explained, Explanation, Passed, WhyPassed};
pub use resolved::Resolved;

use crate::client_auth::ClientAuthMethod;
use crate::client_registration::ClientRegistration;
use crate::clock::{Clock, SystemClock};
use crate::error::TokenError;
use crate::profile::Profile;
use crate::provider::Provider;
use crate::store::TokenStore;
use crate::target::Target;

/// The prefix of our own environment variables.
pub const ENVIRONMENT_PREFIX: &str = "TOKENKEEP";

const OPERATION: &str = "credentials";

/// Finds credentials. See the [module](self) for places and rules.
pub struct Resolver {
    environment: Arc<dyn Environment>,
    clock: Arc<dyn Clock>,
    provider: Option<Provider>,
    authentication: Option<ClientAuthMethod>,
    arguments: Credentials,
    client: Credentials,
    rule: Rule,
    unprefixed_names: bool,
    needs_refresh_token: bool,
    target: Target,
}

impl Resolver {
    /// A resolver that reads this environment: [`ProcessEnvironment`], in programs.
    pub fn new(environment: impl Environment + 'static) -> Self {
        Self {
            environment: Arc::new(environment),
            clock: Arc::new(SystemClock),
            provider: None,
            authentication: None,
            arguments: Credentials::default(),
            client: Credentials::default(),
            rule: Rule::Strict,
            unprefixed_names: false,
            needs_refresh_token: true,
            target: Target::default(),
        }
    }

    /// The authorization server; it wins over the one in the store. Without it that
    /// one is used.
    pub fn provider(mut self, provider: Provider) -> Self {
        self.provider = Some(provider);
        self
    }

    /// How the client authenticates, where it differs from the provider's way:
    /// [`ClientAuthMethod::None`] for a public client, which needs no secret.
    pub fn authenticate_by(mut self, method: ClientAuthMethod) -> Self {
        self.authentication = Some(method);
        self
    }

    /// The arguments of the call.
    pub fn arguments(mut self, credentials: impl Into<Credentials>) -> Self {
        self.arguments = credentials.into();
        self
    }

    /// What the client was made with.
    pub fn client(mut self, credentials: impl Into<Credentials>) -> Self {
        self.client = credentials.into();
        self
    }

    /// What the client was made with is this registration: its provider, its way to
    /// authenticate, its id and secret.
    pub fn registration(self, registration: &ClientRegistration) -> Self {
        self.provider(registration.provider().clone())
            .authenticate_by(registration.authentication())
            .client(registration)
    }

    /// How places are combined; strict if not said.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Reads environment variables without a prefix too, as old programs did:
    /// `CLIENT_ID`, `REFRESH_TOKEN`. Other programs may mean something else by them.
    pub fn unprefixed_names(mut self) -> Self {
        self.unprefixed_names = true;
        self
    }

    /// For grants that can be repeated, as client credentials: no refresh token is
    /// needed.
    pub fn without_refresh_token(mut self) -> Self {
        self.needs_refresh_token = false;
        self
    }

    /// What the access tokens are for, where a login begins with a refresh token
    /// found.
    pub fn target(mut self, target: Target) -> Self {
        self.target = target;
        self
    }

    /// Reads this clock: whether an access token is over.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Finds the credentials of a profile. Nothing is sent, nothing is written; the
    /// store is read only where what else was found does not do.
    ///
    /// # Errors
    /// `Config` with [`PartialCredentials`](crate::error::PartialCredentials) if some
    /// are missing, or if a variable is no text; `ReauthRequired` if nothing but a
    /// login is missing because the profile was logged out or moved; `Store`.
    pub async fn resolve(&self, profile: &Profile, store: &dyn TokenStore) -> Result<Resolved, TokenError> {
        let findings = self.find(profile, store).await;
        let resolved = findings.and_then(|findings| findings.resolve(self, profile));
        resolved.map_err(|error| error.of_profile(profile))
    }

    /// Says where each credential of a profile comes from, whether or not some are
    /// missing. Looks at every place; a store that can't be read is said to be so.
    ///
    /// # Errors
    /// `Config` if a variable is no text.
    pub async fn explain(&self, profile: &Profile, store: &dyn TokenStore) -> Result<Explanation, TokenError> {
        let findings = self.find_everywhere(profile, store).await;
        match findings {
            Ok(findings) => Ok(findings.explain(self.rule)),
            Err(error) => Err(error.of_profile(profile)),
        }
    }
}

impl fmt::Debug for Resolver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resolver")
            .field("arguments", &self.arguments)
            .field("client", &self.client)
            .field("rule", &self.rule)
            .field("unprefixed_names", &self.unprefixed_names)
            .finish_non_exhaustive()
    }
}
