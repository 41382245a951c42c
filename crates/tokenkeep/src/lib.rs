#![doc = include_str!("../README.md")]

#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "import")]
pub mod import;
#[cfg(feature = "seal")]
mod sealing;
pub mod store;
#[cfg(all(feature = "http", feature = "login"))]
pub mod user;

#[doc(inline)]
pub use auth_core::{
    AccessToken, ClientRegistration, MemoryStore, Profile, Provider, Secret, SecretSource, Seed, Target, TokenError,
    TokenErrorKind, TokenManager, TokenManagerBuilder, TokenSource, TokenStore,
};
#[doc(no_inline)]
pub use auth_core::{
    client_auth, clock, discovery, endpoint, error, grant, key, observer, provider, record, refresh, resolver, sealer,
    secret, spill, token, transfer, transport,
};

/// The token-endpoint transport and `AuthorizedClient`, over reqwest.
#[cfg(feature = "http")]
pub use auth_http as http;
/// A person logs in.
#[cfg(feature = "login")]
pub use auth_login as login;
/// Any store sealed: `KmsStore::wrap(store, keys)`.
#[cfg(feature = "seal")]
pub use store_kms as seal;

#[cfg(feature = "http")]
#[doc(inline)]
pub use auth_http::AuthorizedClient;
#[cfg(feature = "seal")]
pub use sealing::Sealing;

/// A builder of a manager for this client over this store, which sends token
/// requests by reqwest, and puts answers that the store does not take into the user's
/// [`spill_folder`].
#[cfg(feature = "http")]
pub fn manager(registration: ClientRegistration, store: impl TokenStore) -> TokenManagerBuilder {
    let builder = TokenManager::builder(registration, store).transport(auth_http::HttpTransport::new());
    match spill_folder() {
        Some(folder) => builder.spill(folder),
        None => builder,
    }
}

/// The folder for answers that a store does not take: `tokenkeep/spill` in the user's
/// state folder (`$XDG_STATE_HOME`, else `~/.local/state`); `None` if there is no home.
#[cfg(feature = "http")]
pub fn spill_folder() -> Option<spill::SpillFolder> {
    use etcetera::BaseStrategy as _;
    let strategy = etcetera::base_strategy::Xdg::new().ok()?;
    Some(spill::SpillFolder::new(strategy.state_dir()?.join("tokenkeep/spill")))
}

// The code of the repository's README compiles.
#[cfg(all(doctest, feature = "http", feature = "json"))]
#[doc = include_str!("../../../README.md")]
struct Readme;

// So does the code of the page on the resolver.
#[cfg(all(doctest, feature = "http", feature = "json"))]
#[doc = include_str!("../../../docs/resolver.md")]
struct ResolverPage;

// And of the pages on moving over.
#[cfg(all(doctest, feature = "http", feature = "json", feature = "login"))]
mod migrate {
    #[doc = include_str!("../../../docs/migrate/alf.md")]
    struct Alf;
    #[doc = include_str!("../../../docs/migrate/globus.md")]
    struct Globus;
    #[doc = include_str!("../../../docs/migrate/palantir.md")]
    struct Palantir;
    #[doc = include_str!("../../../docs/migrate/pancloud.md")]
    struct Pancloud;
}
