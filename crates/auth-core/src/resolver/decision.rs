//! Which credentials are used, as a pure function of where there are some.

use serde::Serialize;

use super::Credential;

/// How places are combined.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The first place that has any credential is used alone: what it lacks is an
    /// error. Nobody mixes their secrets with yours by setting a variable.
    #[default]
    Strict,
    /// Credential by credential, from the first place that has it.
    Merge,
}

/// What tokens are got with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Use {
    /// The access token that was found, while it is valid.
    AccessToken,
    /// The client's own credentials: tokens can be asked for again.
    Client,
    /// The developer token.
    DeveloperToken,
    /// The refresh token.
    RefreshToken,
}

/// How a place stands with one credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Absent,
    /// There was an access token, but it is over.
    Over,
    There,
    /// The login that is stored here renews without it.
    Unneeded,
}

/// What can be seen of a place without looking at values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sight {
    /// In the order of [`Credential::ALL`].
    pub(super) states: [State; 5],
    /// Whether it is the store: its tokens belong together.
    pub(super) is_store: bool,
    /// Whether a client that is named here needs a secret, where that is known.
    pub(super) needs_secret: Option<bool>,
}

/// What is needed to get tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Needs {
    pub(super) client_secret: bool,
    pub(super) refresh_token: bool,
}

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decision {
    /// The place of each credential, in the order of [`Credential::ALL`].
    pub(super) from: [Option<usize>; 5],
    /// The place that is used alone.
    pub(super) alone: Option<usize>,
    /// What is used; `None`: something is missing.
    pub(super) uses: Option<Use>,
    /// What is missing to get further tokens.
    pub(super) missing: Vec<Credential>,
}

impl Sight {
    pub(super) fn state(&self, credential: Credential) -> State {
        self.states[credential as usize]
    }

    /// Whether the place has any credential; one that is over counts.
    pub(super) fn has_any(&self) -> bool {
        self.states
            .iter()
            .any(|state| matches!(state, State::There | State::Over))
    }
}

impl Decision {
    pub(super) fn from(&self, credential: Credential) -> Option<usize> {
        self.from[credential as usize]
    }
}

/// Decides; places in their order, the store last.
pub(super) fn decide(places: &[Sight], rule: Rule, needs: Needs) -> Decision {
    let alone = match rule {
        Rule::Strict => places.iter().position(Sight::has_any),
        Rule::Merge => None,
    };
    let counts = |index: usize| rule == Rule::Merge || alone.is_none_or(|alone| alone == index);
    let first = |credential| {
        let has = |(index, sight): &(usize, &Sight)| counts(*index) && sight.state(credential) == State::There;
        places.iter().enumerate().find(has).map(|(index, _)| index)
    };
    let mut from = Credential::ALL.map(first);
    let is_store = |index: Option<usize>| index.is_some_and(|index| places[index].is_store);
    // A stored access token is another login's where the refresh token is given:
    // whether it descends from that is known once the seed is compared.
    let refresh = from[Credential::RefreshToken as usize];
    if refresh.is_some() && !is_store(refresh) && is_store(from[Credential::AccessToken as usize]) {
        from[Credential::AccessToken as usize] = None;
    }
    let renews_itself = refresh.is_none()
        && places
            .iter()
            .enumerate()
            .any(|(index, sight)| counts(index) && sight.state(Credential::RefreshToken) == State::Unneeded);
    let needs = Needs {
        client_secret: from[Credential::ClientId as usize]
            .and_then(|index| places[index].needs_secret)
            .unwrap_or(needs.client_secret),
        refresh_token: needs.refresh_token && !renews_itself,
    };
    let missing = missing(&from, needs);
    Decision {
        uses: uses(&from, needs, missing.is_empty()),
        from,
        alone,
        missing,
    }
}

fn missing(from: &[Option<usize>; 5], needs: Needs) -> Vec<Credential> {
    let needed = [
        (Credential::ClientId, true),
        (Credential::ClientSecret, needs.client_secret),
        (Credential::RefreshToken, needs.refresh_token),
    ];
    let lacks = |(credential, needed): (Credential, bool)| {
        (needed && from[credential as usize].is_none()).then_some(credential)
    };
    needed.into_iter().filter_map(lacks).collect()
}

fn uses(from: &[Option<usize>; 5], needs: Needs, complete: bool) -> Option<Use> {
    let has = |credential: Credential| from[credential as usize].is_some();
    if has(Credential::AccessToken) {
        Some(Use::AccessToken)
    } else if has(Credential::DeveloperToken) {
        Some(Use::DeveloperToken)
    } else if !complete {
        None
    } else if needs.refresh_token {
        Some(Use::RefreshToken)
    } else {
        Some(Use::Client)
    }
}

#[cfg(test)]
#[path = "decision_tests.rs"]
mod tests;
