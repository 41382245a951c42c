//! What came of the move of one profile.

use serde_json::{Value, json};
use tokenkeep::key::Key;
use tokenkeep::transfer::{GrantTransfer, TransferError, TransferReport};
use tokenkeep::{Profile, TokenStore};

use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::output;
use crate::session::Session;

/// The words for what may come of it, in the order of the summary.
pub(super) const WORDS: [&str; 5] = ["moved", "copied", "without a login", "there already", "failed"];

/// What came of it.
pub(super) enum Outcome {
    Done(TransferReport),
    /// The source has nothing of it left, and the target has it.
    There,
    Failed(Failure),
}

impl Outcome {
    pub(super) fn of(report: &TransferReport) -> Self {
        Self::Done(*report)
    }

    pub(super) fn exit(&self) -> Exit {
        match self {
            Self::Failed(failure) => failure.exit(),
            _ => Exit::Ok,
        }
    }

    pub(super) fn word(&self) -> &'static str {
        let [moved, copied, without, there, failed] = WORDS;
        match self {
            Self::Failed(_) => failed,
            Self::There => there,
            Self::Done(report) => match report.grant {
                GrantTransfer::Moved => moved,
                GrantTransfer::Copied => copied,
                GrantTransfer::Present => there,
                _ => without,
            },
        }
    }

    /// One line for people; with `-q` of failures only.
    pub(super) fn say(&self, session: &Session, profile: &Profile, dry_run: bool) {
        let would = if dry_run { "would be " } else { "" };
        match self {
            Self::Failed(failure) => output::say(&format!("{profile}: {}", failure.in_one_line())),
            Self::There => session.notice(&format!("{profile}: {}", self.word())),
            Self::Done(report) => {
                let client = if report.client { ", with its client" } else { "" };
                let tokens = match report.tokens {
                    0 => String::new(),
                    1 => ", and an access token".to_owned(),
                    tokens => format!(", and {tokens} access tokens"),
                };
                let kept = kept(report);
                session.notice(&format!("{profile}: {would}{}{client}{tokens}{kept}", self.word()));
            }
        }
    }

    pub(super) fn to_json(&self, profile: &Profile) -> Value {
        let (report, failure) = match self {
            Self::Done(report) => (Some(report), None),
            Self::There => (None, None),
            Self::Failed(failure) => (None, Some(failure)),
        };
        json!({
            "profile": profile.as_str(),
            "outcome": self.word().replace(' ', "_"),
            "client": report.map(|report| report.client),
            "access_tokens": report.map(|report| report.tokens),
            "kept": report.map(|report| report.kept),
            "error": failure.map(|failure| failure.chain().join(": ")),
            "exit_code": self.exit() as u8,
            "next_action": failure.and_then(Failure::next_step),
        })
    }
}

/// Whether this store has a client or a login of this profile.
pub(super) async fn is_there(profile: &Profile, store: &dyn TokenStore) -> Result<bool> {
    let client = store.load(&Key::client(profile)).await?;
    Ok(client.is_some() || store.load(&Key::grant(profile)).await?.is_some())
}

/// The failure that this is, with what to do about it.
pub(super) fn failed(error: TransferError) -> Failure {
    let exit = match &error {
        TransferError::SamePlace => Exit::Usage,
        TransferError::CannotList { .. }
        | TransferError::EndsWithProcess { .. }
        | TransferError::Occupied { .. }
        | TransferError::Volatile { .. } => Exit::Configuration,
        TransferError::Mismatch { .. } => Exit::Store,
        other => {
            let kind = other.token_error_kind();
            kind.as_ref().map_or(Exit::Failure, Exit::of_token_error)
        }
    };
    let hint = match &error {
        TransferError::CannotList { .. } => "name the profiles: tokenkeep store migrate --to URL PROFILE …",
        TransferError::Occupied { .. } => "replace what is there with --overwrite",
        TransferError::Volatile { .. } => {
            "choose another store, or say --allow-volatile-refresh-tokens: a login that is forgotten must be made anew"
        }
        TransferError::InUse { .. } => "run the same command again when its refresh has ended",
        _ => return Failure::of(exit, error),
    };
    Failure::of(exit, error).hint(hint)
}

/// What is not the same in both places.
fn kept(report: &TransferReport) -> String {
    match report.kept {
        0 => String::new(),
        1 => "; one of its records here is not what is there, and stays".to_owned(),
        kept => format!("; {kept} of its records here are not what is there, and stay"),
    }
}
