//! What a store keeps of an entry, and an entry of what a store keeps.

use auth_core::Profile;
use auth_core::clock::Timestamp;
use auth_core::record::{AccessEntry, ClientRecord, GrantRecord, Outcome, Recipe, TokenRecord};
use auth_core::{ClientRegistration, Target};

use super::error::{FormatError, Problem};
use super::fields::required;
use super::{Imported, ImportedToken};

/// What a store keeps of one entry.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Records {
    /// Under which name.
    pub profile: Profile,
    /// The client.
    pub client: ClientRecord,
    /// The login, if there are tokens.
    pub grant: Option<GrantRecord>,
    /// Access tokens for other targets than the login's own.
    pub tokens: Vec<TokenRecord>,
}

impl Imported {
    /// As a store keeps them; access tokens that are over are left out.
    ///
    /// # Errors
    /// [`Problem::Missing`] if a refresh token lacks its client or a token endpoint, [`Problem::Over`] if nothing is
    /// left.
    pub fn into_records(self, now: Timestamp) -> Result<Records, FormatError> {
        let entry = self.profile.as_str().to_owned();
        self.records(now).map_err(|error| error.within(&entry))
    }

    fn records(self, now: Timestamp) -> Result<Records, FormatError> {
        if self.refresh_token.is_some() {
            required("client_id", self.client_id.as_ref())?;
            required("token_uri", self.provider.token_endpoint.as_ref())?;
        }
        let mut client = ClientRecord::new(self.provider, self.client_id.unwrap_or_default());
        client.client_secret = self.client_secret;
        let binding = ClientRegistration::from_record(client.clone()).binding();
        let live: Vec<ImportedToken> = self.tokens.into_iter().filter(|token| token.lives(now)).collect();
        if self.refresh_token.is_none() && live.is_empty() {
            if client.client_id.is_empty() {
                return Err(FormatError::of_field("access_token", Problem::Over));
            }
            return Ok(Records {
                profile: self.profile,
                client,
                grant: None,
                tokens: Vec::new(),
            });
        }
        let grant_name = self.refresh_token.as_ref().map_or("static", |_| "authorization_code");
        let mut grant = GrantRecord::new(Recipe::new(grant_name, self.target.clone()), binding.clone());
        grant.seed = self.refresh_token.as_ref().map(auth_core::Secret::hash);
        grant.refresh_token = self.refresh_token;
        grant.note(now, Outcome::LoggedIn, Some("imported".into()));
        let (own, others): (Vec<_>, Vec<_>) = live.into_iter().partition(|token| token.target == self.target);
        grant.access = own.into_iter().next().map(|token| token.into_entry(now));
        grant.id_token = grant.access.as_ref().and_then(|access| access.id_token.clone());
        let tokens = others.into_iter().map(|token| {
            let target = token.target.clone();
            let mut record = TokenRecord::new(binding.clone(), grant_name, target, token.into_entry(now));
            record.login_id = Some(grant.login_id);
            record
        });
        Ok(Records {
            profile: self.profile,
            client,
            tokens: tokens.collect(),
            grant: Some(grant),
        })
    }

    /// From what a store keeps: the client, and the login with its access tokens if there is one.
    pub fn of_records(profile: Profile, client: ClientRecord, grant: Option<GrantRecord>) -> Self {
        let mut imported = Self::new(profile, client.provider);
        imported.client_id = Some(client.client_id).filter(|id| !id.is_empty());
        imported.client_secret = client.client_secret;
        if let Some(grant) = grant.filter(|grant| grant.ended.is_none()) {
            imported.target = grant.recipe.target;
            imported.refresh_token = grant.refresh_token;
            let own = grant
                .access
                .map(|access| ImportedToken::of_entry(imported.target.clone(), access));
            imported.tokens.extend(own);
        }
        imported
    }

    /// With an access token for another target that a store keeps.
    pub fn with_token(mut self, record: TokenRecord) -> Self {
        self.tokens.push(ImportedToken::of_entry(record.target, record.access));
        self
    }
}

impl ImportedToken {
    fn lives(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| end > now)
    }

    fn into_entry(self, now: Timestamp) -> AccessEntry {
        let mut entry = AccessEntry::bearer(self.token, now, self.expires_at);
        entry.token_type = self.token_type;
        entry.scopes = self.scopes;
        entry.resource_server = self.target.resource_server_name().map(str::to_owned);
        entry.id_token = self.id_token;
        entry
    }

    fn of_entry(target: Target, entry: AccessEntry) -> Self {
        let mut token = Self::bearer(target, entry.token);
        token.token_type = entry.token_type;
        token.expires_at = entry.expires_at;
        token.scopes = entry.scopes;
        token.id_token = entry.id_token;
        token
    }
}
