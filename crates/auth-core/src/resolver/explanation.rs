//! Where each credential came from, never its value.

use std::fmt;

use serde::Serialize;

use super::decision::{Decision, Sight, State};
use super::{Credential, Place, Rule, Use};

/// Where each credential came from and where it was looked for. Holds no value;
/// `Display` is a table for people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explanation {
    /// How the places were combined.
    pub rule: Rule,
    /// The place that was used alone, by the strict rule.
    pub alone: Option<Place>,
    /// What tokens are got with; `None`: something is missing.
    pub uses: Option<Use>,
    /// What is missing to get further tokens.
    pub missing: Vec<Credential>,
    /// Each credential.
    pub credentials: Vec<Explained>,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Explained {
    /// Which.
    pub credential: Credential,
    /// Where it came from: names the environment variable.
    pub from: Option<String>,
    /// The other places, in their order.
    pub passed: Vec<Passed>,
}

/// A place that a credential did not come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Passed {
    /// Which: names the environment variable.
    pub place: String,
    /// Why not.
    pub why: WhyPassed,
}

/// Why a place gave no credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum WhyPassed {
    /// It has none.
    Absent,
    /// It has one that is over.
    Expired,
    /// It has one; an earlier place counts.
    NotUsed,
    /// It was not looked at, because an earlier place has what is needed.
    NotRead,
    /// The login that is stored there needs none.
    Unneeded,
    /// It could not be read.
    Unreadable,
}

/// What became of the store, which is read only where it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreSeen {
    Read,
    NotRead,
    Unreadable,
}

impl Explanation {
    pub(super) fn new(rule: Rule, decision: &Decision, places: &[(Place, Sight)], store: (&Place, StoreSeen)) -> Self {
        let explained = |credential| explained(credential, decision, places, store);
        Self {
            rule,
            alone: decision.alone.map(|index| places[index].0.clone()),
            uses: decision.uses,
            missing: decision.missing.clone(),
            credentials: Credential::ALL.map(explained).to_vec(),
        }
    }
}

fn explained(
    credential: Credential,
    decision: &Decision,
    places: &[(Place, Sight)],
    (store, seen): (&Place, StoreSeen),
) -> Explained {
    let from = decision.from(credential);
    let others = places.iter().enumerate().filter(|(index, _)| Some(*index) != from);
    let mut passed: Vec<_> = others
        .map(|(_, (place, sight))| Passed {
            place: place.of(credential),
            why: match sight.state(credential) {
                State::Absent => WhyPassed::Absent,
                State::Over => WhyPassed::Expired,
                State::There => WhyPassed::NotUsed,
                State::Unneeded => WhyPassed::Unneeded,
            },
        })
        .collect();
    let unread = match seen {
        StoreSeen::Read => None,
        StoreSeen::NotRead => Some(WhyPassed::NotRead),
        StoreSeen::Unreadable => Some(WhyPassed::Unreadable),
    };
    passed.extend(unread.map(|why| Passed {
        place: store.of(credential),
        why,
    }));
    Explained {
        credential,
        from: from.map(|index| places[index].0.of(credential)),
        passed,
    }
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 3]> = std::iter::once(["credential".into(), "from".into(), "passed over".into()])
            .chain(self.credentials.iter().map(Explained::row))
            .collect();
        let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
        let (first, second) = (width(0), width(1));
        for [credential, from, passed] in &rows {
            let line = format!("{credential:first$}  {from:second$}  {passed}");
            writeln!(f, "{}", line.trim_end())?;
        }
        match (self.rule, &self.alone) {
            (Rule::Strict, Some(place)) => writeln!(f, "rule: strict; {place} alone, the first to have any")?,
            (Rule::Strict, None) => writeln!(f, "rule: strict; no place has any")?,
            (Rule::Merge, _) => writeln!(f, "rule: merge; each from the first place that has it")?,
        }
        match self.uses {
            Some(Use::AccessToken) => f.write_str("used: the access token, while it is valid"),
            Some(Use::Client) => f.write_str("used: the client's own credentials"),
            Some(Use::DeveloperToken) => f.write_str("used: the developer token"),
            Some(Use::RefreshToken) => f.write_str("used: the refresh token"),
            None => {
                let missing: Vec<_> = self.missing.iter().map(|credential| credential.as_str()).collect();
                write!(f, "missing: {}", missing.join(", "))
            }
        }
    }
}

impl Explained {
    fn row(&self) -> [String; 3] {
        let passed: Vec<_> = self.passed.iter().map(ToString::to_string).collect();
        [
            self.credential.to_string(),
            self.from.clone().unwrap_or_else(|| "-".into()),
            passed.join(", "),
        ]
    }
}

impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of a variable its name says enough here.
        let place = self.place.strip_prefix("environment variable ").unwrap_or(&self.place);
        write!(f, "{place} ({})", self.why)
    }
}

impl fmt::Display for WhyPassed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "none",
            Self::Expired => "expired",
            Self::NotUsed => "not used",
            Self::NotRead => "not read",
            Self::Unneeded => "needs none",
            Self::Unreadable => "can't be read",
        })
    }
}
