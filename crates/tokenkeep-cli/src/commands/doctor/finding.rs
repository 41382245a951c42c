//! What was found.

use serde_json::{Value, json};

use crate::error::Failure;
use crate::exit::Exit;

const RED: &str = "\x1b[31m";
const YELLOW: &str = "\x1b[33m";
const GREEN: &str = "\x1b[32m";
const PLAIN: &str = "\x1b[0m";

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    Fine,
    Warning,
    /// The command would end like that.
    Broken(Exit),
}

/// What was found.
pub(super) struct Finding {
    check: &'static str,
    verdict: Verdict,
    text: String,
    hint: Option<String>,
}

impl Finding {
    pub(super) fn new(check: &'static str, verdict: Verdict, text: impl Into<String>) -> Self {
        Self {
            check,
            verdict,
            text: text.into(),
            hint: None,
        }
    }

    pub(super) fn fine(check: &'static str, text: impl Into<String>) -> Self {
        Self::new(check, Verdict::Fine, text)
    }

    pub(super) fn of_failure(check: &'static str, failure: &Failure) -> Self {
        Self {
            hint: failure.next_step().map(str::to_owned),
            ..Self::new(check, Verdict::Broken(failure.exit()), failure.chain().join(": "))
        }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(super) fn exit(&self) -> Exit {
        match self.verdict {
            Verdict::Fine | Verdict::Warning => Exit::Ok,
            Verdict::Broken(exit) => exit,
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "check": self.check,
            "verdict": self.verdict.word(),
            "exit_code": self.exit() as u8,
            "text": self.text,
            "hint": self.hint,
        })
    }

    /// A line for people, and one for the hint, with colours.
    pub(super) fn lines(&self) -> String {
        let (word, colour) = (self.verdict.word(), self.verdict.colour());
        let hint = self.hint.as_ref().map(|hint| format!("{:9}{hint}\n", ""));
        format!(
            "{colour}{word:9}{PLAIN}{}: {}\n{}",
            self.check,
            self.text,
            hint.unwrap_or_default()
        )
    }
}

impl Verdict {
    fn word(self) -> &'static str {
        match self {
            Self::Fine => "ok",
            Self::Warning => "warning",
            Self::Broken(_) => "broken",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Fine => GREEN,
            Self::Warning => YELLOW,
            Self::Broken(_) => RED,
        }
    }
}
