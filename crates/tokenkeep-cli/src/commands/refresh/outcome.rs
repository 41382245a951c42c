//! What came of the refresh of one profile.

use serde_json::{Value, json};
use tokenkeep::Profile;
use tokenkeep::clock::Timestamp;

use crate::duration;
use crate::error::Failure;
use crate::exit::Exit;
use crate::output;
use crate::session::Session;
use crate::text::rfc3339;

/// What came of it.
pub(super) enum Outcome {
    /// New tokens, good until then where somebody knows.
    Refreshed(Option<Timestamp>),
    /// Skipped: good until then.
    StillGood(Timestamp),
    /// Skipped: the token is good for nobody knows how long, and nothing renews it.
    NotRenewed,
    /// Skipped: somebody logged out.
    LoggedOut,
    Failed(Failure),
}

impl Outcome {
    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Failed(failure) => failure.exit(),
            _ => Exit::Ok,
        }
    }

    /// One line for people; with `-q` of failures only.
    pub(super) fn say(&self, session: &Session, profile: &Profile) {
        match self {
            Self::Failed(failure) => output::say(&format!("{profile}: {}", failure.in_one_line())),
            Self::Refreshed(None) => {
                session.notice(&format!("{profile}: refreshed; it is not known when the token expires"));
            }
            Self::Refreshed(Some(end)) => session.notice(&format!("{profile}: refreshed, good for {}", until(*end))),
            Self::StillGood(end) => session.notice(&format!("{profile}: skipped, still good for {}", until(*end))),
            Self::NotRenewed => session.notice(&format!(
                "{profile}: skipped, it is not known when the token expires, and nothing renews it"
            )),
            Self::LoggedOut => session.notice(&format!("{profile}: skipped, somebody logged out")),
        }
    }

    pub(super) fn to_json(&self, profile: &Profile) -> Value {
        let (word, end) = match self {
            Self::Refreshed(end) => ("refreshed", *end),
            Self::StillGood(end) => ("still_good", Some(*end)),
            Self::NotRenewed => ("not_renewed", None),
            Self::LoggedOut => ("logged_out", None),
            Self::Failed(_) => ("failed", None),
        };
        let failure = match self {
            Self::Failed(failure) => Some(failure),
            _ => None,
        };
        json!({
            "profile": profile.as_str(),
            "outcome": word,
            "expires_at": end.and_then(rfc3339),
            "expires_at_epoch": end.map(Timestamp::unix_seconds),
            "expires_in_s": end.map(|end| end.since(Session::now()).as_secs()),
            "error": failure.map(|failure| failure.chain().join(": ")),
            "exit_code": self.exit() as u8,
            "next_action": failure.and_then(Failure::next_step),
        })
    }
}

fn until(end: Timestamp) -> String {
    let left = duration::words(end.since(Session::now()));
    format!("{left} ({})", rfc3339(end).unwrap_or_default())
}
