//! What a command works with: the profile, the store, the client, managers.

use std::sync::Arc;
use std::time::Duration;

use tokenkeep::clock::{Clock as _, SystemClock, Timestamp};
use tokenkeep::error::{ConfigError, TokenErrorKind};
use tokenkeep::grant::{AuthorizationCode, ClientCredentials, DeveloperToken, Fixed, RefreshToken};
use tokenkeep::key::{Key, Part};
use tokenkeep::record::{ClientRecord, Contents, GrantRecord, Version};
use tokenkeep::refresh::Timing;
use tokenkeep::seal::KmsStore;
use tokenkeep::store::json::JsonConfig;
use tokenkeep::store::{RemoveIf, StoreError, StoreErrorKind, TokenStoreExt as _};
use tokenkeep::{
    ClientRegistration, Profile, Provider, Secret, SecretSource, TokenError, TokenManager, TokenManagerBuilder,
    TokenStore,
};

use crate::args::Global;
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::logging::Narrator;
use crate::managers::Managers;
use crate::output;
use crate::progress::Progress;
use crate::sealing::{self, Opened};
use crate::settings::Settings;
use crate::text::most_alike;

/// How many known profiles an error names.
const NAMES_SHOWN: usize = 5;

/// As long as a JSON file is waited for.
const STORE_PATIENCE: Duration = Duration::from_secs(10);

/// What a command works with.
pub(crate) struct Session {
    pub(crate) settings: Settings,
    quiet: bool,
    progress: Progress,
    pub(crate) store: Arc<dyn TokenStore>,
    /// The same, if it is sealed.
    pub(crate) sealed: Option<KmsStore>,
    managers: Managers,
    one_of_several: bool,
}

/// What was kept as the client before it was replaced.
pub(crate) struct Replaced {
    now: Version,
    before: Option<Contents>,
}

impl Session {
    /// Opens the store.
    pub(crate) async fn open(settings: Settings, global: &Global, managers: Managers) -> Result<Self> {
        let opened = sealing::open(&settings.store_url, settings.seal.as_ref()).await?;
        Ok(Self {
            settings,
            quiet: global.quiet,
            progress: Progress::of(global),
            store: opened.store,
            sealed: opened.sealed,
            managers,
            one_of_several: false,
        })
    }

    /// The same for another profile, which its own store may be configured for.
    pub(crate) async fn named(&self, profile: &Profile, one_of_several: bool) -> Result<Self> {
        let settings = self.settings.of_profile(profile)?;
        let same = settings.store_url == self.settings.store_url && settings.seal == self.settings.seal;
        let opened = if same {
            self.opened()
        } else {
            sealing::open(&settings.store_url, settings.seal.as_ref()).await?
        };
        Ok(self.with(settings, opened, one_of_several))
    }

    /// The same for another profile that this store holds.
    pub(crate) fn listed(&self, profile: &Profile, one_of_several: bool) -> Result<Self> {
        let mut settings = self.settings.of_profile(profile)?;
        settings.store_url.clone_from(&self.settings.store_url);
        settings.seal.clone_from(&self.settings.seal);
        Ok(self.with(settings, self.opened(), one_of_several))
    }

    /// Waits until no refresh token is being spent.
    pub(crate) async fn drain(&self) {
        self.managers.drain().await;
    }

    pub(crate) fn profile(&self) -> &Profile {
        &self.settings.profile
    }

    /// Now, by the clock that expiry is compared with.
    pub(crate) fn now() -> Timestamp {
        SystemClock.now()
    }

    /// Where the store is, for people: without what only its driver should know.
    pub(crate) fn place(&self) -> String {
        let url = &self.settings.store_url;
        match (url.as_str(), JsonConfig::in_data_folder()) {
            ("json:", Ok(usual)) => format!("json:{}", usual.path().display()),
            _ => without_userinfo(url),
        }
    }

    /// A command about this profile for a person to run.
    pub(crate) fn command(&self, rest: &str) -> String {
        self.settings.command(self.profile(), rest)
    }

    /// Says what is good to know; not with `-q`.
    pub(crate) fn notice(&self, text: &str) {
        if !self.quiet {
            output::say(text);
        }
    }

    /// Does this, and shows a person at a terminal that it goes on, if it takes long.
    pub(crate) fn waiting<T>(&self, why: &'static str, work: impl Future<Output = T>) -> impl Future<Output = T> {
        // Boxed before anything waits: the futures of the library are large.
        self.progress.during(why, Box::pin(work))
    }

    /// A manager over the store.
    pub(crate) fn manager(&self, registration: ClientRegistration) -> Result<TokenManager> {
        self.manager_over(registration, self.store.clone())
    }

    /// A manager over another store.
    pub(crate) fn manager_over(
        &self,
        registration: ClientRegistration,
        store: Arc<dyn TokenStore>,
    ) -> Result<TokenManager> {
        let developer_token = self.developer_token(registration.provider())?;
        let manager = tokenkeep::manager(registration, store)
            .observer(Narrator)
            .timing(timing());
        let manager = match developer_token {
            Some(token) => with_developer_token(manager, token).build()?,
            None => manager.build()?,
        };
        self.managers.add(manager.clone());
        Ok(manager)
    }

    /// The client as it is kept; `None` if nobody has logged in under this name.
    pub(crate) async fn client_record(&self) -> Result<Option<ClientRecord>, StoreError> {
        let stored = self.store.load_contents(&Key::client(self.profile())).await?;
        Ok(stored.and_then(|(_, contents)| contents.into_client()))
    }

    /// The grant as it is kept.
    pub(crate) async fn grant_record(&self) -> Result<Option<GrantRecord>, StoreError> {
        let stored = self.store.load_contents(&Key::grant(self.profile())).await?;
        Ok(stored.and_then(|(_, contents)| contents.into_grant()))
    }

    /// The client of this profile, its secret from where it is now.
    pub(crate) async fn registration(&self) -> Result<ClientRegistration> {
        let Some(record) = self.client_record().await? else {
            return Err(self.unknown_profile(self.profile()).await);
        };
        let registration = ClientRegistration::from_record(record);
        if !registration.authentication().needs_secret() {
            return Ok(registration);
        }
        Ok(match self.secret_elsewhere()? {
            Some(source) => registration.secret_from(source),
            None => registration,
        })
    }

    /// Where the client secret is, if not in the store.
    pub(crate) fn secret_elsewhere(&self) -> Result<Option<SecretSource>> {
        // It is one client's: other profiles' servers must not see it.
        if !self.one_of_several && environment::variable(environment::CLIENT_SECRET)?.is_some() {
            return Ok(Some(SecretSource::Environment(environment::CLIENT_SECRET.into())));
        }
        let config = &self.settings.config;
        let named = config.client_secret_env.clone().map(SecretSource::Environment);
        Ok(named.or_else(|| config.client_secret_file.clone().map(SecretSource::File)))
    }

    /// The developer token in the environment; as one client's secret it is not for several servers.
    pub(crate) fn developer_token(&self, provider: &Provider) -> Result<Option<Secret>> {
        if self.one_of_several {
            return Ok(None);
        }
        let mut names = developer_token_variables(provider).into_iter();
        let found = names.find_map(|name| environment::variable(&name).transpose());
        Ok(found.transpose()?.map(Secret::new))
    }

    /// Keeps the client in place of the one that is kept.
    pub(crate) async fn replace_client(&self, registration: &ClientRegistration) -> Result<Replaced> {
        let key = Key::client(self.profile());
        let before = match self.store.load_contents(&key).await {
            Ok(before) => before.map(|(_, contents)| contents),
            // Whoever came here has been told, and said --force.
            Err(error) if error.kind() == StoreErrorKind::Corrupt => None,
            Err(error) => return Err(error.into()),
        };
        let contents = Contents::from(registration.to_record());
        let now = self.store.replace_contents(&key, &contents, None).await?;
        Ok(Replaced { now, before })
    }

    /// Takes that back after a login that came to nothing, unless somebody else
    /// has replaced it meanwhile.
    pub(crate) async fn restore_client(&self, replaced: Replaced) {
        let key = Key::client(self.profile());
        let restored = if let Some(before) = &replaced.before {
            let saved = self.store.save_contents(&key, before, Some(replaced.now), None);
            saved.await.map(|_| ())
        } else {
            let removed = self.store.remove(&key, RemoveIf::Matches(replaced.now));
            removed.await.map(|_| ())
        };
        if let Err(error) = restored.or_else(|error| match error.kind() {
            StoreErrorKind::Conflict => Ok(()),
            _ => Err(error),
        }) {
            tracing::warn!(target: "tokenkeep", %error, "the client of the failed login stays in the store");
        }
    }

    /// The error that nothing is kept under this name.
    pub(crate) async fn unknown_profile(&self, profile: &Profile) -> Failure {
        let message = format!("no profile {profile} in {}", self.place());
        let known = match self.known_profiles().await {
            Ok(known) => known,
            Err(failure) => return failure,
        };
        let names = most_alike(profile.as_str(), known, NAMES_SHOWN);
        let message = if names.is_empty() {
            format!("{message}; it has none yet")
        } else {
            format!("{message}; it has {}", names.join(", "))
        };
        let login = match self.settings.config.flow {
            Some(_) => "login",
            None => "login --flow client-credentials --issuer URL --client-id ID",
        };
        let command = self.settings.command(profile, login);
        Failure::new(Exit::Configuration, message).hint(format!("log in: {command}"))
    }

    /// What to do about an error, where it does not say so itself.
    pub(crate) fn advise(&self, failure: Failure, error: &TokenError) -> Failure {
        failure.or_hint(|| match error.kind() {
            TokenErrorKind::ReauthRequired(_) | TokenErrorKind::Config(ConfigError::BoundElsewhere { .. }) => {
                Some(format!("log in: {}", self.command("login")))
            }
            TokenErrorKind::Config(ConfigError::PartialCredentials(_)) => Some(format!(
                "looked for in {} also, and in client_secret_env and client_secret_file of [profiles.{}] in the \
                 configuration file; set one of them, or log in again: {}",
                environment::CLIENT_SECRET,
                self.profile(),
                self.command("login --client-secret-stdin")
            )),
            TokenErrorKind::Config(ConfigError::UnknownGrant { grant }) if *grant == DeveloperToken::NAME => {
                Some("put the developer token into the environment: TOKENKEEP_DEVELOPER_TOKEN".into())
            }
            TokenErrorKind::Network | TokenErrorKind::Timeout => {
                Some("check the network, the proxy settings and the address of the server, then try again".into())
            }
            _ => None,
        })
    }

    fn opened(&self) -> Opened {
        Opened {
            store: self.store.clone(),
            sealed: self.sealed.clone(),
        }
    }

    fn with(&self, settings: Settings, opened: Opened, one_of_several: bool) -> Self {
        Self {
            settings,
            quiet: self.quiet,
            progress: self.progress,
            store: opened.store,
            sealed: opened.sealed,
            managers: self.managers.clone(),
            one_of_several,
        }
    }

    async fn known_profiles(&self) -> Result<Vec<String>> {
        let listed = match self.store.list_all().await {
            Ok(listed) => listed,
            Err(error) if error.kind() == StoreErrorKind::Unsupported => Vec::new(),
            Err(error) => return Err(error.into()),
        };
        let clients = listed.into_iter().filter(|listed| listed.key.part() == Part::Client);
        Ok(clients.map(|listed| listed.key.profile().to_string()).collect())
    }
}

// A URL from the environment may hold a password.
fn without_userinfo(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    match authority.rsplit_once('@') {
        Some((userinfo, _)) => format!("{scheme}://{}", &rest[userinfo.len() + 1..]),
        None => url.to_owned(),
    }
}

/// The variables that may hold a developer token: ours, and the provider's.
pub(crate) fn developer_token_variables(provider: &Provider) -> Vec<String> {
    let prefixes = std::iter::once("TOKENKEEP").chain(provider.environment_prefix.as_deref());
    prefixes.map(|prefix| format!("{prefix}_DEVELOPER_TOKEN")).collect()
}

/// A service goes on without a store that takes two seconds, and has its token in memory. A command has no memory for
/// the next one, which would ask again.
fn timing() -> Timing {
    let mut timing = Timing::default();
    timing.renewable_wait = STORE_PATIENCE;
    timing
}

/// With all grants that there are without one, and this. It is not the first: the
/// profile's record says which counts.
fn with_developer_token(builder: TokenManagerBuilder, token: Secret) -> TokenManagerBuilder {
    builder
        .grant(AuthorizationCode)
        .grant(RefreshToken)
        .grant(ClientCredentials::new())
        .grant(Fixed)
        .grant(DeveloperToken::new(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_in_urls_are_not_shown() {
        for (url, shown) in [
            ("redis://u:p@h:1/0", "redis://h:1/0"),
            ("redis://u:p@x@h/0?a=b@c", "redis://h/0?a=b@c"),
            ("redis://h/0?a=b@c", "redis://h/0?a=b@c"),
            ("json:/a@b", "json:/a@b"),
        ] {
            assert_eq!(without_userinfo(url), shown);
        }
    }
}
