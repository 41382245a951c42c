//! Tokens: as users hold them, and as servers send them.

mod access;
mod answer;
mod expiry;
mod json;
mod lookup;
mod response;

pub use access::AccessToken;
pub(crate) use answer::{Answer, read_answer};
pub(crate) use expiry::expires_at;
pub(crate) use json::too_deep;
pub use lookup::TokenLookupError;
pub use response::{TokenResponse, TokenResponseError};
