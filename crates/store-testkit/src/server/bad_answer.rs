//! What token endpoints, and what stands before them, answer on bad days: one table.

mod table;

use std::time::Duration;

use super::Fault;

/// What no error, log or `Debug` may show of an answer: every secret in the table's answers
/// contains it.
pub const CANARY: &str = "canary-of-the-server";

/// An answer of a token endpoint that is not as RFC 6749 has it, or not there at all.
///
/// ```
/// # use store_testkit::server::{AuthorizationServer, BadAnswer};
/// let server = AuthorizationServer::builder().start()?;
/// for bad in BadAnswer::table() {
///     server.inject(bad.fault);
///     println!("{}: {:?}", bad.name, bad.meaning);
///     // … ask for a token, compare, take the fault away, ask again …
///     server.clear_faults();
/// }
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct BadAnswer {
    /// What is bad about it.
    pub name: &'static str,
    /// The answer, in place of handling the request; [`Fault::after_handling`] makes one of it
    /// that the server has acted on.
    pub fault: Fault,
    /// What a client is to make of it.
    pub meaning: Meaning,
}

/// What a client is to make of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// Tokens, in an unusual form.
    Granted,
    /// A refusal that leaves a refresh token as good as it was.
    Refused {
        /// The HTTP status.
        status: u16,
        /// The OAuth error code, where there is one.
        code: Option<&'static str>,
        /// When to ask again, where the server says so.
        retry_after: Option<Duration>,
    },
    /// The refresh token itself is refused: a person must log in.
    GrantRefused {
        /// The HTTP status.
        status: u16,
        /// The OAuth error code.
        code: &'static str,
    },
    /// No answer that can be read: the server may have granted, or not.
    Unknown,
    /// No answer within half a minute.
    TimedOut,
}

impl BadAnswer {
    /// All of them.
    pub fn table() -> Vec<Self> {
        [
            table::refusals(),
            table::pauses(),
            table::of_others(),
            table::broken_off(),
            table::no_http(),
            table::no_tokens(),
            table::forged(),
            table::tolerated(),
        ]
        .concat()
    }

    fn new(name: &'static str, fault: Fault, meaning: Meaning) -> Self {
        Self { name, fault, meaning }
    }
}
