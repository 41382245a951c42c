//! The exit codes: the one table that says which error ends the command how.

use std::process::ExitCode;

use tokenkeep::TokenErrorKind;
use tokenkeep::store::StoreErrorKind;

/// How the command ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Ok = 0,
    /// Something else failed; a bad paste; an API that answered with an error.
    Failure = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// Something is set up wrongly, or not at all.
    Configuration = 3,
    /// A person must log in.
    LoginRequired = 4,
    /// The authorization server answered, and refused.
    Refused = 5,
    /// The store can't be used.
    Store = 6,
    /// A server can't be reached, or does not answer in time.
    Network = 7,
    /// `exec`: the command is there, but can't be run.
    NotExecutable = 126,
    /// `exec`: there is no such command.
    NotFound = 127,
    /// Ctrl-C.
    Interrupted = 130,
    /// SIGTERM.
    Terminated = 143,
}

impl Exit {
    /// How the command ends when there is no token.
    pub(crate) fn of_token_error(kind: &TokenErrorKind) -> Self {
        match kind {
            TokenErrorKind::Config(_) => Self::Configuration,
            TokenErrorKind::Network | TokenErrorKind::Timeout => Self::Network,
            TokenErrorKind::ReauthRequired(_) => Self::LoginRequired,
            TokenErrorKind::Refused(_) => Self::Refused,
            TokenErrorKind::Store(kind) => Self::of_store_error(*kind),
            _ => Self::Failure,
        }
    }

    /// How the command ends after several outcomes: with the highest code.
    pub(crate) fn worst(exits: impl IntoIterator<Item = Self>) -> Self {
        exits.into_iter().max_by_key(|exit| *exit as u8).unwrap_or(Self::Ok)
    }

    /// How the command ends when the store fails. `Invalid` is a wrong URL or path:
    /// no store is at fault.
    pub(crate) fn of_store_error(kind: StoreErrorKind) -> Self {
        match kind {
            StoreErrorKind::Invalid => Self::Configuration,
            _ => Self::Store,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenkeep::error::{ConfigError, ReauthReason, Refusal};

    #[test]
    fn every_kind_of_token_error_has_its_code() {
        let table = [
            (TokenErrorKind::Config(ConfigError::MissingEndpoint("x")), 3),
            (TokenErrorKind::ReauthRequired(ReauthReason::NotLoggedIn), 4),
            (TokenErrorKind::Refused(Box::new(Refusal::new(400))), 5),
            (TokenErrorKind::Store(StoreErrorKind::Corrupt), 6),
            (TokenErrorKind::Store(StoreErrorKind::Unsupported), 6),
            (TokenErrorKind::Store(StoreErrorKind::Denied), 6),
            (TokenErrorKind::Store(StoreErrorKind::Invalid), 3),
            (TokenErrorKind::Network, 7),
            (TokenErrorKind::Timeout, 7),
            (TokenErrorKind::Shutdown, 1),
        ];
        for (kind, code) in table {
            assert_eq!(Exit::of_token_error(&kind) as u8, code, "{kind:?}");
        }
    }
}
