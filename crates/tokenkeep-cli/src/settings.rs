//! Settings from the command line, the environment and the configuration file,
//! in this order.

use tokenkeep::{Profile, Target};

use crate::args::{Global, TargetArgs};
use crate::config::{self, ConfigFile, ProfileConfig};
use crate::environment;
use crate::error::{Failure, Result};
use crate::exit::Exit;
use crate::text::shell_word;

/// What holds for every command.
pub(crate) struct Settings {
    pub(crate) profile: Profile,
    pub(crate) store_url: String,
    pub(crate) config: ProfileConfig,
    file: ConfigFile,
    store_flag: Option<String>,
    /// The flags to repeat in a command that a person is told to run.
    flags: Vec<String>,
}

impl Settings {
    /// Resolves what holds for every command.
    pub(crate) fn resolve(global: &Global) -> Result<Self> {
        let store_flag = global.store.as_deref().map(refuse_userinfo).transpose()?;
        let file = ConfigFile::load(global.config.as_deref())?;
        let profile = resolve_profile(global)?;
        let config = file.profile(profile.as_str());
        let mut flags = Vec::new();
        for (flag, value) in [
            ("--store", store_flag),
            ("--config", global.config.as_ref().and_then(|path| path.to_str())),
        ] {
            flags.extend(value.map(|value| format!("{flag} {}", shell_word(value))));
        }
        Ok(Self {
            store_url: resolve_store(store_flag, &config, &file)?,
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
        Ok(Self {
            store_url: resolve_store(self.store_flag.as_deref(), &config, &self.file)?,
            profile: profile.clone(),
            config,
            file: self.file.clone(),
            store_flag: self.store_flag.clone(),
            flags: self.flags.clone(),
        })
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
    build_target(
        config::split(&args.scope),
        args.audience.clone(),
        config::split(&args.resource),
    )
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

fn resolve_store(flag: Option<&str>, config: &ProfileConfig, file: &ConfigFile) -> Result<String> {
    if let Some(url) = flag {
        return Ok(url.to_owned());
    }
    if let Some(url) = environment::setting("store")? {
        return Ok(url);
    }
    match config.store.as_ref().or(file.store.as_ref()) {
        Some(url) if has_userinfo(url) => Err(Failure::new(
            Exit::Configuration,
            "the store URL in the configuration file holds a user name or password",
        )
        .hint("put the whole URL into the environment variable TOKENKEEP_STORE")),
        Some(url) => Ok(url.clone()),
        None => Ok("json:".into()),
    }
}

// Other users of the machine see the arguments of every process.
fn refuse_userinfo(url: &str) -> Result<&str, Failure> {
    if !has_userinfo(url) {
        return Ok(url);
    }
    let message = "--store holds a user name or password, which every user of this machine could see";
    Err(Failure::new(Exit::Usage, message).hint("put the whole URL into the environment variable TOKENKEEP_STORE"))
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
