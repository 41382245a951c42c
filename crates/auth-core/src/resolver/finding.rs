//! Looking into the places, and what follows from it.

use super::decision::{Decision, Needs, Sight, State, decide};
use super::explanation::StoreSeen;
use super::resolved::Parts;
use super::{
    Credential, Credentials, ENVIRONMENT_PREFIX, Explanation, OPERATION, Place, Resolved, Resolver, Rule, Use,
    environment,
};
use crate::clock::Timestamp;
use crate::error::{ConfigError, MissingCredential, PartialCredentials, TokenError};
use crate::key::Key;
use crate::profile::Profile;
use crate::provider::Provider;
use crate::record::{ClientRecord, GrantRecord};
use crate::refresh::{end_of, is_valid};
use crate::secret::Secret;
use crate::store::{TokenStore, TokenStoreExt as _};
use crate::token::{TokenResponse, expires_at};

/// What was found, place by place, and what was decided on it.
pub(super) struct Findings {
    places: Vec<(Place, Credentials)>,
    sights: Vec<Sight>,
    decision: Decision,
    stored: Stored,
    store: Place,
    seen: StoreSeen,
}

/// What the store has of a profile.
#[derive(Default)]
struct Stored {
    client: Option<ClientRecord>,
    grant: Option<GrantRecord>,
}

impl Resolver {
    /// Looks at the store only where it is needed.
    pub(super) async fn find(&self, profile: &Profile, store: &dyn TokenStore) -> Result<Findings, TokenError> {
        let seen = StoreSeen::NotRead;
        let findings = self.findings(Stored::default(), Place::of_store(store), seen)?;
        if !self.wants_store(&findings.decision) {
            return Ok(findings);
        }
        let stored = Stored::load(profile, store).await?;
        self.findings(stored, findings.store, StoreSeen::Read)
    }

    /// Looks at the store too if nothing is needed of it.
    pub(super) async fn find_everywhere(
        &self,
        profile: &Profile,
        store: &dyn TokenStore,
    ) -> Result<Findings, TokenError> {
        let place = Place::of_store(store);
        match Stored::load(profile, store).await {
            Ok(stored) => self.findings(stored, place, StoreSeen::Read),
            Err(_) => self.findings(Stored::default(), place, StoreSeen::Unreadable),
        }
    }

    // A refresh needs endpoints: where they are not given, the store may know them.
    fn wants_store(&self, decision: &Decision) -> bool {
        let unknown = self.provider.is_none();
        match decision.uses {
            Some(Use::AccessToken) => unknown && decision.missing.is_empty(),
            Some(Use::Client | Use::DeveloperToken | Use::RefreshToken) => unknown,
            None => unknown || self.rule == Rule::Merge || decision.alone.is_none(),
        }
    }

    fn findings(&self, stored: Stored, store: Place, seen: StoreSeen) -> Result<Findings, TokenError> {
        let now = self.clock.now();
        let provider = self.known_provider(&stored);
        let mut places = vec![
            (Place::Arguments, self.arguments.clone()),
            (Place::Client, self.client.clone()),
        ];
        for prefix in self.prefixes(provider) {
            let found =
                environment::read(&*self.environment, &prefix).map_err(|error| TokenError::config(error, OPERATION))?;
            places.push((Place::Environment { prefix }, found));
        }
        let mut sights: Vec<_> = places.iter().map(|(_, found)| Sight::of(found, now)).collect();
        let authentication = self
            .authentication
            .or(provider.map(|known| known.client_authentication));
        if seen == StoreSeen::Read {
            let found = stored.credentials();
            let mut sight = stored.sight(&found, now);
            sight.needs_secret = sight.needs_secret.filter(|_| self.authentication.is_none());
            sights.push(sight);
            places.push((store.clone(), found));
        }
        let needs = Needs {
            client_secret: authentication.unwrap_or_default().needs_secret(),
            refresh_token: self.needs_refresh_token,
        };
        Ok(Findings {
            decision: decide(&sights, self.rule, needs),
            places,
            sights,
            stored,
            store,
            seen,
        })
    }

    fn known_provider<'a>(&'a self, stored: &'a Stored) -> Option<&'a Provider> {
        let kept = stored.client.as_ref().map(|client| &client.provider);
        self.provider.as_ref().or(kept)
    }

    fn prefixes(&self, provider: Option<&Provider>) -> Vec<String> {
        let own = provider.and_then(|known| known.environment_prefix.clone());
        let mut prefixes = vec![ENVIRONMENT_PREFIX.to_owned()];
        prefixes.extend(own.filter(|own| own != ENVIRONMENT_PREFIX && !own.is_empty()));
        if self.unprefixed_names {
            prefixes.push(String::new());
        }
        prefixes
    }
}

impl Findings {
    pub(super) fn explain(&self, rule: Rule) -> Explanation {
        let places = self.places.iter().map(|(place, _)| place.clone());
        let places: Vec<_> = places.zip(self.sights.iter().cloned()).collect();
        Explanation::new(rule, &self.decision, &places, (&self.store, self.seen))
    }

    pub(super) fn resolve(self, resolver: &Resolver, profile: &Profile) -> Result<Resolved, TokenError> {
        let explanation = self.explain(resolver.rule);
        let Some(uses) = self.decision.uses else {
            return Err(self.missing());
        };
        Ok(Resolved::new(Parts {
            profile: profile.clone(),
            provider: resolver.known_provider(&self.stored).cloned(),
            authentication: resolver.authentication.or(self.stored_authentication()),
            client_id: self.value(Credential::ClientId, |found| found.client_id.clone()),
            client_secret: self.value(Credential::ClientSecret, |found| found.client_secret.clone()),
            access_token: self.given(Credential::AccessToken, |found| found.access_token.clone()),
            developer_token: self.given(Credential::DeveloperToken, |found| found.developer_token.clone()),
            refresh_token: self.given(Credential::RefreshToken, |found| found.refresh_token.clone()),
            uses,
            renews: self.decision.missing.is_empty(),
            came_together: self.decision.from(Credential::AccessToken) == self.decision.from(Credential::RefreshToken),
            target: resolver.target.clone(),
            explanation,
        }))
    }

    fn value<T>(&self, credential: Credential, get: impl FnOnce(&Credentials) -> Option<T>) -> Option<T> {
        get(&self.places[self.decision.from(credential)?].1)
    }

    /// A value that does not come from the store.
    fn given<T>(&self, credential: Credential, get: impl FnOnce(&Credentials) -> Option<T>) -> Option<T> {
        let from = self.decision.from(credential)?;
        get(&self.places[from].1).filter(|_| !self.sights[from].is_store)
    }

    fn stored_authentication(&self) -> Option<crate::client_auth::ClientAuthMethod> {
        let from = self.decision.from(Credential::ClientId)?;
        let client = self.stored.client.as_ref().filter(|_| self.sights[from].is_store)?;
        client.authentication
    }

    fn missing(&self) -> TokenError {
        let ended = self.stored.grant.as_ref().filter(|grant| grant.ended.is_some());
        if let Some(ended) = ended.filter(|_| self.decision.missing == [Credential::RefreshToken]) {
            return TokenError::reauth(end_of(ended), OPERATION);
        }
        let looked_at = self.decision.alone.map_or(self.places.len(), |alone| alone + 1);
        let missing = self.decision.missing.iter().map(|credential| {
            let places = self.places[..looked_at].iter();
            MissingCredential::new(credential.as_str(), places.map(|(place, _)| place.of(*credential)))
        });
        let mut partial = PartialCredentials::new(missing.collect());
        partial.used_alone = self.decision.alone.map(|alone| self.places[alone].0.to_string());
        TokenError::config(ConfigError::PartialCredentials(partial), OPERATION)
    }
}

impl Stored {
    async fn load(profile: &Profile, store: &dyn TokenStore) -> Result<Self, TokenError> {
        let load = async |key: Key| {
            let stored = store.load_contents(&key).await;
            stored.map_err(|error| TokenError::store(error, OPERATION))
        };
        let client = load(Key::client(profile)).await?;
        let grant = load(Key::grant(profile)).await?;
        Ok(Self {
            client: client.and_then(|(_, contents)| contents.into_client()),
            grant: grant.and_then(|(_, contents)| contents.into_grant()),
        })
    }

    /// The login, unless it is over.
    fn login(&self) -> Option<&GrantRecord> {
        self.grant.as_ref().filter(|grant| grant.ended.is_none())
    }

    fn credentials(&self) -> Credentials {
        let (client, login) = (self.client.as_ref(), self.login());
        let bound = login.map(|login| &login.binding.client_id);
        Credentials {
            access_token: login.and_then(|login| login.access.as_ref().map(|access| access.token.clone())),
            client_id: client.map(|client| &client.client_id).or(bound).cloned(),
            client_secret: client.and_then(|client| client.client_secret.clone().map(Into::into)),
            developer_token: None,
            refresh_token: login.and_then(|login| login.refresh_token.clone()),
        }
    }

    fn sight(&self, found: &Credentials, now: Timestamp) -> Sight {
        let mut sight = Sight::of(found, now);
        sight.is_store = true;
        sight.needs_secret = self.client.as_ref().map(|client| {
            let usual = client.provider.client_authentication;
            client.authentication.unwrap_or(usual).needs_secret()
        });
        if let Some(access) = self.login().and_then(|login| login.access.as_ref()) {
            // The store knows its end better than the token itself.
            sight.states[Credential::AccessToken as usize] = if is_valid(access, now) {
                State::There
            } else {
                State::Over
            };
        }
        if self.login().is_some_and(is_enrolled) {
            sight.states[Credential::RefreshToken as usize] = State::Unneeded;
        }
        sight
    }
}

impl Sight {
    fn of(found: &Credentials, now: Timestamp) -> Self {
        let state = |credential| match found.has(credential) {
            false => State::Absent,
            true if credential == Credential::AccessToken && is_over(found.access_token.as_ref(), now) => State::Over,
            true => State::There,
        };
        Self {
            states: Credential::ALL.map(state),
            is_store: false,
            needs_secret: None,
        }
    }
}

impl Place {
    fn of_store(store: &dyn TokenStore) -> Self {
        Self::Store {
            name: store.name().to_owned(),
        }
    }
}

/// Kept without tokens: its grant can be repeated.
fn is_enrolled(login: &GrantRecord) -> bool {
    login.refresh_token.is_none() && login.access.is_none() && login.refreshed_at.is_none()
}

/// Whether the token says that it is over; most say nothing.
fn is_over(token: Option<&Secret>, now: Timestamp) -> bool {
    let response = token.map(|token| TokenResponse::bearer(token.clone()));
    response
        .and_then(|response| expires_at(&response, None, now))
        .is_some_and(|end| end <= now)
}
