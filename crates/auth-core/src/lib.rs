//! Words, contracts and the refresh engine of tokenkeep.
//!
//! Three floors: *words* (what things are), *contracts* (what others implement),
//! *engine* (what keeps tokens fresh and never loses a login). No HTTP client and
//! no database driver: those come through [`transport`] and [`store`].

pub mod client_auth;
pub mod clock;
mod digest_name;
pub mod endpoint;
mod host;
pub mod key;
pub mod profile;
pub mod provider;
mod random;
pub mod record;
pub mod sealer;
pub mod secret;
pub mod store;
pub mod target;
mod text;
pub mod transport;
