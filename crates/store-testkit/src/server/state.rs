//! All that the server knows, behind one mutex: logins, tokens, codes, counters, faults.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::builder::{AccessTokenFormat, Config, ExpiresIn};
use super::clock::ServerClock;
use super::counters::{Counters, RefreshSend};
use super::fault::Fault;
use super::mint::Mint;

/// Index of a login: the refresh tokens that descend from one authorization.
pub(super) type FamilyId = usize;

pub(super) struct State {
    pub(super) clock: ServerClock,
    pub(super) mint: Mint,
    pub(super) families: Vec<Family>,
    pub(super) refresh_tokens: HashMap<String, RefreshToken>,
    pub(super) access_tokens: HashMap<String, AccessToken>,
    pub(super) codes: HashMap<String, AuthorizationCode>,
    pub(super) developer_tokens: HashSet<String>,
    pub(super) counters: Counters,
    pub(super) sends: Vec<RefreshSend>,
    pub(super) faults: Vec<Fault>,
    /// The error that the next authorization request gets.
    pub(super) denial: Option<String>,
}

pub(super) struct Family {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) purpose: Purpose,
    pub(super) revoked: bool,
}

pub(super) struct RefreshToken {
    pub(super) family: FamilyId,
    pub(super) expires_at: Option<Duration>,
    pub(super) spent: Option<Spent>,
    /// A later replay of its parent took its place.
    pub(super) superseded: bool,
}

/// When a refresh token was first spent, and what each spending of it gave.
pub(super) struct Spent {
    pub(super) at: Duration,
    pub(super) children: Vec<Issued>,
}

pub(super) struct AccessToken {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) purpose: Purpose,
    pub(super) family: Option<FamilyId>,
    pub(super) expires_at: Duration,
    pub(super) revoked: bool,
}

pub(super) struct AuthorizationCode {
    pub(super) client_id: String,
    pub(super) subject: String,
    pub(super) redirect_uri: String,
    pub(super) challenge: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) purpose: Purpose,
    pub(super) expires_at: Duration,
    /// The login that the code became, once it was used.
    pub(super) used_for: Option<FamilyId>,
}

/// What a token is for.
#[derive(Clone, Default)]
pub(super) struct Purpose {
    pub(super) scope: Option<String>,
    pub(super) audience: Option<String>,
    pub(super) resources: Vec<String>,
}

/// Tokens handed out together.
#[derive(Clone)]
pub(super) struct Issued {
    pub(super) access_token: String,
    pub(super) refresh_token: Option<String>,
}

impl State {
    pub(super) fn new(config: &Config) -> io::Result<Self> {
        Ok(Self {
            clock: ServerClock::start(),
            mint: Mint::new()?,
            families: Vec::new(),
            refresh_tokens: HashMap::new(),
            access_tokens: HashMap::new(),
            codes: HashMap::new(),
            developer_tokens: config.developer_tokens.iter().cloned().collect(),
            counters: Counters::default(),
            sends: Vec::new(),
            faults: Vec::new(),
            denial: None,
        })
    }

    /// A new login with its first tokens.
    pub(super) fn log_in(
        &mut self,
        config: &Config,
        client_id: &str,
        subject: &str,
        purpose: Purpose,
    ) -> (FamilyId, Issued) {
        let family = self.families.len();
        self.families.push(Family {
            client_id: client_id.to_owned(),
            subject: subject.to_owned(),
            purpose: purpose.clone(),
            revoked: false,
        });
        self.counters.logins += 1;
        let renewable = config.refresh_tokens && config.dialect.grants_refresh_token(&purpose);
        let access_token = self.issue_family_access_token(config, family, purpose);
        let refresh_token = renewable.then(|| self.issue_refresh_token(config, family));
        (
            family,
            Issued {
                access_token,
                refresh_token,
            },
        )
    }

    pub(super) fn issue_family_access_token(&mut self, config: &Config, family: FamilyId, purpose: Purpose) -> String {
        let Family { client_id, subject, .. } = &self.families[family];
        let (client_id, subject) = (client_id.clone(), subject.clone());
        self.issue_access_token(config, client_id, subject, purpose, Some(family))
    }

    pub(super) fn issue_access_token(
        &mut self,
        config: &Config,
        client_id: String,
        subject: String,
        purpose: Purpose,
        family: Option<FamilyId>,
    ) -> String {
        let now = self.clock.now();
        let expires_at = now.saturating_add(config.access_token_lifetime);
        let token = AccessToken {
            client_id,
            subject,
            purpose,
            family,
            expires_at,
            revoked: false,
        };
        let value = match config.access_token_format {
            AccessTokenFormat::Opaque => self.mint.opaque("at_"),
            AccessTokenFormat::Jwt => {
                let claims = token.claims(&config.issuer, now);
                self.mint.jwt("at+jwt", &claims)
            }
        };
        self.access_tokens.insert(value.clone(), token);
        value
    }

    pub(super) fn issue_refresh_token(&mut self, config: &Config, family: FamilyId) -> String {
        let value = self.mint.opaque("rt_");
        let expires_at = config
            .refresh_token_lifetime
            .map(|lifetime| self.clock.now().saturating_add(lifetime));
        self.refresh_tokens.insert(
            value.clone(),
            RefreshToken {
                family,
                expires_at,
                spent: None,
                superseded: false,
            },
        );
        value
    }

    /// The access token, when it may be used now.
    pub(super) fn live_access_token(&self, value: &str) -> Option<&AccessToken> {
        self.access_tokens.get(value).filter(|token| self.is_usable(token))
    }

    pub(super) fn live_access_tokens(&self) -> Vec<String> {
        self.access_tokens
            .iter()
            .filter(|(_, token)| self.is_usable(token))
            .map(|(value, _)| value.clone())
            .collect()
    }

    /// Ends every access token now; refresh tokens live on.
    pub(super) fn expire_access_tokens(&mut self) {
        let now = self.clock.now();
        for token in self.access_tokens.values_mut() {
            token.expires_at = token.expires_at.min(now);
        }
    }

    pub(super) fn revoke_access_tokens_of(&mut self, family: FamilyId) {
        for token in self.access_tokens.values_mut() {
            if token.family == Some(family) {
                token.revoked = true;
            }
        }
    }

    /// Ends a login with all its tokens. True when it was alive.
    pub(super) fn revoke_family(&mut self, family: FamilyId) -> bool {
        let was_alive = !std::mem::replace(&mut self.families[family].revoked, true);
        if was_alive {
            self.counters.families_revoked += 1;
        }
        was_alive
    }

    /// Ends a login because one of its credentials was used twice.
    pub(super) fn lose_family(&mut self, family: FamilyId) {
        if self.revoke_family(family) {
            self.counters.logins_lost += 1;
        }
    }

    pub(super) fn token_answer(&self, config: &Config, issued: &Issued) -> Value {
        let mut members = Map::new();
        members.insert("access_token".into(), json!(issued.access_token));
        members.insert("token_type".into(), json!("Bearer"));
        if let Some(token) = self.access_tokens.get(&issued.access_token) {
            let seconds = token.expires_at.saturating_sub(self.clock.now());
            let seconds = rounded_seconds(seconds);
            match config.expires_in {
                ExpiresIn::Number => members.insert("expires_in".into(), json!(seconds)),
                ExpiresIn::Text => members.insert("expires_in".into(), json!(seconds.to_string())),
                ExpiresIn::Omitted => None,
            };
            if let Some(scope) = &token.purpose.scope {
                members.insert("scope".into(), json!(scope));
            }
        }
        if let Some(refresh_token) = &issued.refresh_token {
            members.insert("refresh_token".into(), json!(refresh_token));
            if let Some(lifetime) = config.refresh_token_lifetime {
                members.insert("refresh_expires_in".into(), json!(lifetime.as_secs()));
            }
        }
        Value::Object(members)
    }

    fn is_usable(&self, token: &AccessToken) -> bool {
        let login_is_over = token.family.is_some_and(|family| self.families[family].revoked);
        !token.revoked && !login_is_over && self.clock.now() < token.expires_at
    }
}

impl Purpose {
    pub(super) fn scopes(&self) -> impl Iterator<Item = &str> {
        self.scope.iter().flat_map(|scope| scope.split(' '))
    }
}

impl AccessToken {
    fn claims(&self, issuer: &str, now: Duration) -> Value {
        let mut claims = json!({
            "iss": issuer,
            "sub": self.subject,
            "client_id": self.client_id,
            "iat": now.as_secs(),
            "exp": self.expires_at.as_secs(),
        });
        if let Some(scope) = &self.purpose.scope {
            claims["scope"] = json!(scope);
        }
        if let Some(audience) = &self.purpose.audience {
            claims["aud"] = json!(audience);
        } else if !self.purpose.resources.is_empty() {
            claims["aud"] = json!(self.purpose.resources);
        }
        claims
    }
}

/// Nearest whole second: the microseconds between issue and answer must not cost one.
fn rounded_seconds(duration: Duration) -> u64 {
    duration.saturating_add(Duration::from_millis(500)).as_secs()
}
