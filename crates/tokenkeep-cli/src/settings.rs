//! Settings from the command line, the environment and the configuration file,
//! in this order.

use std::fmt;

use tokenkeep::{Profile, Sealing, Target};

use crate::args::{Global, TargetArgs};
use crate::config::{self, ConfigFile, ProfileConfig};
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::sealing;
use crate::text::shell_word;

/// What holds for every command.
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) store_url: String,
    pub(crate) store_origin: Origin,
    pub(crate) seal: Option<Sealing>,
    pub(crate) seal_origin: Origin,
    pub(crate) config: ProfileConfig,
    seal_flag: Option<String>,
    file: ConfigFile,
    store_flag: Option<String>,
    /// The flags to repeat in a command that a person is told to run.
    flags: Vec<String>,
}

/// Where a setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Default,
    Environment(&'static str),
    File,
    Flag(&'static str),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "default",
            Self::Environment(name) | Self::Flag(name) => name,
            Self::File => "configuration file",
        })
    }
}

impl Settings {
    /// Resolves what holds for every command.
    pub(crate) fn resolve(global: &Global) -> Result<Self> {
        let store_flag = global.store.as_deref();
        refuse_userinfo("--store", store_flag, &environment::name_of("store"))?;
        let file = ConfigFile::load(global.config.as_deref())?;
        let profile = resolve_profile(global)?;
        let config = file.profile(profile.as_str());
        let mut flags = Vec::new();
        for (flag, value) in [
            ("--store", store_flag),
            ("--seal", global.seal.as_deref()),
            ("--config", global.config.as_ref().and_then(|path| path.to_str())),
        ] {
            flags.extend(value.map(|value| format!("{flag} {}", shell_word(value))));
        }
        let (store_url, store_origin) = resolve_store(store_flag, &config, &file)?;
        let (seal, seal_origin) = sealing::resolve(global.seal.as_deref(), &config, &file)?;
        Ok(Self {
            store_url,
            store_origin,
            seal,
            seal_origin,
            seal_flag: global.seal.clone(),
            profile,
            config,
            store_flag: store_flag.map(str::to_owned),
            file,
            flags,
        })
    }

    /// The same for another profile.
    pub(crate) fn of_profile(&self, profile: &Profile) -> Result<Self> {
        let config = self.file.profile(profile.as_str());
        let (store_url, store_origin) = resolve_store(self.store_flag.as_deref(), &config, &self.file)?;
        let (seal, seal_origin) = sealing::resolve(self.seal_flag.as_deref(), &config, &self.file)?;
        Ok(Self {
            store_url,
            store_origin,
            seal,
            seal_origin,
            seal_flag: self.seal_flag.clone(),
            profile: profile.clone(),
            config,
            file: self.file.clone(),
            store_flag: self.store_flag.clone(),
            flags: self.flags.clone(),
        })
    }

    /// Whether the configuration file has a section for this profile.
    pub(crate) fn is_configured(&self, profile: &Profile) -> bool {
        self.file.names(profile.as_str())
    }

    /// How the store of a migration is sealed: by this name, else as this one is.
    pub(crate) fn other_seal(&self, name: Option<&str>) -> Result<Option<Sealing>> {
        match name {
            Some(name) => sealing::of_name(name, &self.file),
            None => Ok(self.seal.clone()),
        }
    }

    /// Whether the configuration file names a store for all profiles.
    pub(crate) fn has_common_store(&self) -> bool {
        self.file.store.is_some()
    }

    /// A command for a person to run, with the same store and configuration.
    pub(crate) fn command(&self, profile: &Profile, rest: &str) -> String {
        let mut words = vec!["tokenkeep".to_owned()];
        words.extend(self.flags.iter().cloned());
        words.push(format!("-p {}", shell_word(profile.as_str())));
        words.push(rest.to_owned());
        words.join(" ")
    }
}

/// A setting: from its flag, else `TOKENKEEP_NAME`, else the configuration file.
pub(crate) fn pick(flag: Option<&String>, name: &str, config: Option<&String>) -> Result<Option<String>> {
    if let Some(value) = flag {
        return Ok(Some(value.clone()));
    }
    Ok(environment::setting(name)?.or_else(|| config.cloned()))
}

/// A setting of several words.
pub(crate) fn pick_words(flag: &[String], name: &str, config: &config::Words) -> Result<Vec<String>> {
    if !flag.is_empty() {
        return Ok(config::split(flag));
    }
    Ok(match environment::setting(name)? {
        Some(text) => config::split(&[text]),
        None => config.0.clone(),
    })
}

/// The target that the flags alone name.
pub(crate) fn target_of_flags(args: &TargetArgs) -> Target {
    let target = build_target(
        config::split(&args.scope),
        args.audience.clone(),
        config::split(&args.resource),
    );
    picking(target, args.resource_server.as_ref())
}

/// A target that picks this resource server, if one is named.
pub(crate) fn picking(target: Target, resource_server: Option<&String>) -> Target {
    match resource_server {
        Some(name) => target.resource_server(name),
        None => target,
    }
}

/// A target of these parts.
pub(crate) fn build_target(scopes: Vec<String>, audience: Option<String>, resources: Vec<String>) -> Target {
    let target = Target::new().scopes(scopes);
    let target = resources.into_iter().fold(target, Target::resource);
    match audience {
        Some(audience) => target.audience(audience),
        None => target,
    }
}

fn resolve_profile(global: &Global) -> Result<Profile> {
    let (name, exit) = match &global.profile {
        Some(name) => (Some(name.clone()), Exit::Usage),
        None => (environment::setting("profile")?, Exit::Configuration),
    };
    match name {
        Some(name) => Profile::new(name).map_err(|error| Failure::of(exit, error)),
        None => Ok(Profile::default()),
    }
}

fn resolve_store(flag: Option<&str>, config: &ProfileConfig, file: &ConfigFile) -> Result<(String, Origin)> {
    if let Some(url) = flag {
        return Ok((url.to_owned(), Origin::Flag("--store")));
    }
    if let Some(url) = environment::setting("store")? {
        return Ok((url, Origin::Environment("TOKENKEEP_STORE")));
    }
    match config.store.as_ref().or(file.store.as_ref()) {
        Some(url) if has_userinfo(url) => Err(Failure::new(
            Exit::Configuration,
            "the store URL in the configuration file holds a user name or password",
        )
        .hint("put the whole URL into the environment variable TOKENKEEP_STORE")),
        Some(url) => Ok((url.clone(), Origin::File)),
        None => Ok(("json:".into(), Origin::Default)),
    }
}

/// Refuses a URL with a password on the command line: other users of the machine see
/// the arguments of every process.
pub(crate) fn refuse_userinfo(flag: &str, url: Option<&str>, variable: &str) -> Result<()> {
    if !url.is_some_and(has_userinfo) {
        return Ok(());
    }
    let message = format!("{flag} holds a user name or password, which every user of this machine could see");
    Err(Failure::new(Exit::Usage, message).hint(format!("put the whole URL into the environment variable {variable}")))
}

fn has_userinfo(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    rest.split(['/', '?', '#'])
        .next()
        .is_some_and(|host| host.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn userinfo_is_found() {
        for url in ["redis://u:p@h/0", "rediss://:p@h", "mongodb://u@a,b/x?y"] {
            assert!(has_userinfo(url), "{url}");
        }
        for url in ["json:/home/a@b/t.json", "redis://h/0?x=a@b", "memory:", "redis://h"] {
            assert!(!has_userinfo(url), "{url}");
        }
    }
}
