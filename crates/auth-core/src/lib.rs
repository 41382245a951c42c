//! Words, contracts and the refresh engine of tokenkeep.
//!
//! Three floors: *words* (what things are), *contracts* (what others implement),
//! *engine* (what keeps tokens fresh and never loses a login). No HTTP client and
//! no database driver: those come through [`transport`] and [`store`].

pub mod client_auth;
pub mod client_registration;
pub mod clock;
mod digest_name;
pub mod discovery;
pub mod endpoint;
pub mod error;
pub mod grant;
mod host;
pub mod key;
pub mod manager;
pub mod observer;
pub mod profile;
pub mod provider;
mod random;
pub mod record;
pub mod refresh;
pub mod resolver;
pub mod sealer;
pub mod secret;
pub mod source;
pub mod spill;
pub mod store;
pub mod target;
mod text;
pub mod token;
pub mod transfer;
pub mod transport;

pub use client_registration::{ClientRegistration, SecretSource};
pub use error::{TokenError, TokenErrorKind};
pub use manager::{Seed, TokenManager, TokenManagerBuilder};
pub use profile::Profile;
pub use provider::Provider;
pub use secret::Secret;
pub use source::TokenSource;
pub use store::{MemoryStore, TokenStore};
pub use target::Target;
pub use token::AccessToken;
